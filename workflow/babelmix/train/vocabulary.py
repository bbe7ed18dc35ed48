"""Rows of the vocabulary that a chat template needs and that the base model never learnt."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import read_json
from .places import weight_files
from .templates import RECORD
from .weights import read_header

#: Names of the matrices that have one row per token, as the usual architectures store them.
_INPUT = ("embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings", "embeddings")
_OUTPUT = ("lm_head", "embed_out", "output")
_MULTIPLE = 64  # a size that matrix units like


def add_control_tokens(model: Any, tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    """Add control tokens to tokenizer and model; returns their ids.

    Where the matrices are too small they grow to a multiple of 64 rows. A new row is the mean of
    the old ones and a little noise of its own (a tenth of their spread): equal rows would get equal
    logits, and a model that cannot tell them apart cannot learn to stop. Deterministic.
    """
    if tokens:
        tokenizer.add_special_tokens(
            {"extra_special_tokens": list(tokens)}, replace_extra_special_tokens=False
        )
    ids = [int(i) for i in tokenizer.convert_tokens_to_ids(list(tokens))]
    old = int(model.get_input_embeddings().weight.shape[0])
    if len(tokenizer) > old:
        model.resize_token_embeddings(
            len(tokenizer), pad_to_multiple_of=_MULTIPLE, mean_resizing=False
        )
    first = min([old, *ids])
    size = int(model.get_input_embeddings().weight.shape[0])
    _fill(model, first, sorted({*ids, *range(old, size)}))
    return ids


def tokens_beyond(tokenizer: Any, rows: int, where: str) -> list[int]:
    """Ids of added tokens for which a vocabulary matrix of so many rows has none.

    A padding token that was added to a tokenizer alone is one; its lookup would fail in the middle
    of a training. Raises BabelmixError where the plain vocabulary is larger than the matrix.
    """
    plain = tokenizer.backend_tokenizer.get_vocab_size(with_added_tokens=False)
    if plain > rows:
        raise BabelmixError(
            f"{where}: its tokenizer has {plain} tokens and its weights {rows} rows for them: the "
            "tokenizer is another model's. Take both from the same place."
        )
    return sorted(i for i in tokenizer.get_vocab().values() if i >= rows)


def _fill(model: Any, known: int, rows: Sequence[int]) -> None:
    """Write the new rows of both matrices; those below ``known`` are the old ones."""
    import torch

    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    if layers[1] is None or layers[1].weight is layers[0].weight:
        layers.pop()
    with torch.no_grad():
        for number, layer in enumerate(layers):
            old = layer.weight[:known].float()
            mean, spread = old.mean(0), old.std(0)
            for row in rows:
                seed = hashlib.sha256(f"{number} {row}".encode()).digest()[:8]
                generator = torch.Generator().manual_seed(int.from_bytes(seed, "big") >> 1)
                noise = torch.randn(mean.shape, generator=generator) * spread * 0.1
                layer.weight[row] = (mean + noise).to(layer.weight.dtype)


def untrained_rows(folder: Path, ids: Sequence[int]) -> list[int]:
    """Those of some tokens whose row is zero, or the same as another's, in a stored matrix.

    Base models reserve control tokens that no text of their pre-training held (Llama-3's
    ``<|eot_id|>``). Reads these rows alone.
    """
    found: set[int] = set()
    for path in weight_files(folder):
        header, start = read_header(path)
        with path.open("rb") as handle:
            for name, tensor in header.items():
                parts = name.split(".")
                if parts[-1] != "weight" or parts[-2:-1] not in [[n] for n in (*_INPUT, *_OUTPUT)]:
                    continue
                begin, end = tensor["data_offsets"]
                if len(tensor["shape"]) != 2 or tensor["shape"][0] <= max(ids, default=0):
                    continue
                width = (end - begin) // tensor["shape"][0]
                rows = {}
                for token in ids:
                    handle.seek(start + begin + token * width)
                    rows[token] = handle.read(width)
                times = Counter(rows.values())
                found |= {t for t, row in rows.items() if times[row] > 1 or not any(row)}
    return sorted(found)


def trainable_tokens(folder: Path) -> list[int]:
    """Tokens of a prepared model whose rows a training with adapters must train itself."""
    record = folder / RECORD
    return list(read_json(record)["trainable_tokens"]) if record.is_file() else []


def embedding_names(model: Any) -> dict[str, Any]:
    """Modules of a model with one row per token, by name: the input's, and the output's unless the
    two share their weights."""
    wanted = [model.get_input_embeddings(), model.get_output_embeddings()]
    if wanted[1] is None or wanted[1].weight is wanted[0].weight:
        wanted.pop()
    return {name: m for name, m in model.named_modules() if any(m is w for w in wanted)}
