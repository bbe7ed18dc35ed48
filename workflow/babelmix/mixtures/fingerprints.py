"""Verb ``fingerprint-language``: what tells equal and nearly equal conversations, without texts.

Two conversations are equal when their turns are, letter case and white space aside. How near they
are is the Jaccard similarity of their runs of three words, estimated by MinHash (rensa): words as
in ``contamination``, so that scripts without spaces go by single characters, and each sign on its
own, so that `2 + 3` is not `2 - 3`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import BabelmixError
from ..io import read_batches, read_table, write_table
from ..options import add_settings, read_settings
from ..specs import FingerprintSpec
from .contamination import RUN, TOKEN

#: Numbers of a MinHash sketch; the estimate's standard error is at most 0.045.
SKETCH = 128
_SEED = 42
_BATCH = 4096
_SIGNS = re.compile(rf"{TOKEN}|[^\w\s]")
_SPACE = re.compile(r"\s+")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("exact", pa.uint64(), nullable=False),
        pa.field("sketch", pa.list_(pa.field("item", pa.uint32(), nullable=False), SKETCH)),
    ]
)


@dataclass(frozen=True)
class Print:
    """Fingerprints of one language of a pool: ids, keys of equal texts, sketches (rows × 128)."""

    ids: pa.Array
    exact: np.ndarray
    sketch: np.ndarray


def plain(text: str) -> str:
    """A text with letter case, white space and Unicode's several spellings made equal."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def exact_key(turns: Iterable[tuple[str, str]]) -> int:
    """Key of a conversation, given as (role, plain text): the same for equal ones, 64 bits."""
    whole = "\n".join(f"{role}\t{text}" for role, text in turns)
    return int.from_bytes(hashlib.sha256(whole.encode()).digest()[:8])


def shingles(texts: Sequence[str]) -> list[str]:
    """Runs of three words and signs of a conversation's plain turns; of fewer, all of them."""
    words = [word for text in texts for word in _SIGNS.findall(text)]
    if len(words) < RUN:
        return [" ".join(words)]
    return [" ".join(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]


def fingerprint(path: Path) -> Iterator[pa.Table]:
    """Fingerprints of a conversations file, in its order, batch by batch."""
    from rensa import RMinHash

    for batch in read_batches(path, ["id", "messages"], _BATCH):
        exact, sets = [], []
        for messages in batch["messages"].to_pylist():
            texts = [plain(message["content"]) for message in messages]
            roles = [message["role"] for message in messages]
            exact.append(exact_key(zip(roles, texts, strict=True)))
            sets.append(shingles(texts))
        matrix = RMinHash.digest_matrix_from_token_sets(sets, SKETCH, _SEED)
        sketches = np.array(matrix.to_rows(), dtype=np.uint32).reshape(len(sets), SKETCH)
        values = pa.array(sketches.ravel())
        columns = [
            batch["id"],
            pa.array(exact, pa.uint64()),
            pa.FixedSizeListArray.from_arrays(values, type=SCHEMA.field("sketch").type),
        ]
        yield pa.Table.from_arrays(columns, schema=SCHEMA)


def read_print(path: Path) -> Print:
    """Read one file back.

    Raises:
        BabelmixError: when it is no file of fingerprints.
    """
    table = read_table(path).combine_chunks()
    if table.schema.names != SCHEMA.names:
        raise BabelmixError(f"{path}: no file of `fingerprint-language`; delete it and run again.")
    column = table["sketch"].combine_chunks()
    sketch = np.asarray(column.flatten()).reshape(-1, SKETCH)
    return Print(table["id"].combine_chunks(), table["exact"].to_numpy(), sketch)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, FingerprintSpec)
    parser.add_argument("--conversations", required=True, type=Path, help="parquet, one language")
    parser.add_argument("--output", required=True, type=Path, help="fingerprints (parquet)")


def run(args: argparse.Namespace) -> None:
    """Fingerprint one language."""
    spec = read_settings(args, FingerprintSpec)
    tables = list(fingerprint(args.conversations))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    write_table(args.output, table)
    different = len(np.unique(table["exact"].to_numpy()))
    print(f"fingerprints {spec.dataset}.{spec.lang}: {table.num_rows} rows, {different} different")
