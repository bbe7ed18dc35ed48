"""Verb ``count-tokens``: tokens of each conversation by one model's tokenizer, for budgets.

The texts of all turns count, without a chat template or special tokens: what a budget in tokens
means must not change with a recipe.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BabelmixError
from ..io import read_batches, write_table
from ..options import add_settings, read_settings
from ..provenance import note_file
from ..specs import CountSpec

BATCH = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, CountSpec)
    parser.add_argument("--conversations", required=True, type=Path, help="parquet, one language")
    parser.add_argument("--model", required=True, type=Path, help="folder made by prepare-model")
    parser.add_argument("--output", required=True, type=Path, help="id, tokens (parquet)")


def run(args: argparse.Namespace) -> None:
    """Count one language."""
    spec = read_settings(args, CountSpec)
    table = count(args.conversations, args.model)
    write_table(args.output, table)
    total = pc.sum(table["tokens"]).as_py()
    print(f"count {spec.dataset}.{spec.lang}: {table.num_rows} rows, {total} tokens")


def count(conversations: Path, model: Path) -> pa.Table:
    """Ids and tokens of a conversations file, in its order; one batch of texts in memory."""
    from tokenizers import Tokenizer

    note_file(model.parent / f"{model.name}.json")
    file = model / "tokenizer.json"
    if not file.is_file():
        raise BabelmixError(f"{model}: no tokenizer.json. It was not made by prepare-model.")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    ids: list[pa.Array] = []
    sums: list[np.ndarray] = []
    for batch in read_batches(conversations, ["id", "messages"], BATCH):
        texts = batch["messages"].flatten().field("content").to_pylist()
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        parents = pc.list_parent_indices(batch["messages"]).to_numpy()
        lengths = np.fromiter((len(e) for e in encoded), dtype=np.int64, count=len(encoded))
        sums.append(np.bincount(parents, weights=lengths, minlength=len(batch)))
        ids.append(batch["id"])
    tokens = np.concatenate(sums) if sums else np.zeros(0)
    return pa.table(
        {"id": pa.chunked_array(ids, pa.string()), "tokens": pa.array(tokens.astype(np.int64))}
    )
