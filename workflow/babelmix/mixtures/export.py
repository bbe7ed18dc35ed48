"""Verb ``export-mixture``: a mixture with its texts, as parquet that any other trainer reads.

The workflow itself trains from row selections and needs no such copy. One language is in memory at
a time; rows stand by pool and language, in the mixture's order within each, so shuffle on loading.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import BabelmixError
from ..io import atomic_path, read_table
from ..records import Conversation, schema_of

SPLITS = ("train", "dev")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--mixture", required=True, type=Path, help="rows of a mixture (parquet)")
    parser.add_argument(
        "--conversations",
        required=True,
        nargs="+",
        type=Path,
        help="conversations/{dataset}.{lang}.parquet of its languages",
    )
    parser.add_argument("--folder", required=True, type=Path, help="for train.parquet, dev.parquet")


def pieces(rows: pa.Table, files: Sequence[Path]) -> Iterator[tuple[str, pa.Table]]:
    """(split, rows with texts), file by file.

    Raises:
        BabelmixError: when a row of the mixture is in none of the files.
    """
    found = 0
    for path in dict.fromkeys(files):
        texts = read_table(path, columns=["id", "lang", "dataset", "messages"]).combine_chunks()
        if not texts.num_rows:
            continue
        dataset, lang = texts["dataset"][0].as_py(), texts["lang"][0].as_py()
        here = pc.and_(pc.equal(rows["dataset"], dataset), pc.equal(rows["lang"], lang))
        mine = rows.filter(here)
        places = pc.index_in(mine["id"], value_set=texts["id"].combine_chunks())
        for split in SPLITS:
            chosen = places.filter(pc.equal(mine["split"], split)).drop_null()
            found += len(chosen)
            yield split, texts.take(chosen)
    if found != rows.num_rows:
        raise BabelmixError(
            f"{rows.num_rows - found} of {rows.num_rows} rows of the mixture are in none of "
            f"{', '.join(p.name for p in files)}; name the file of each of its languages."
        )


def run(args: argparse.Namespace) -> None:
    """Write both splits, whole or not at all."""
    schema = schema_of(Conversation)
    names = ("id", "lang", "dataset", "messages")
    columns = pa.schema([schema.field(name) for name in names])
    counts = dict.fromkeys(SPLITS, 0)
    with ExitStack() as stack:
        writers = {}
        for split in SPLITS:
            path = stack.enter_context(atomic_path(args.folder / f"{split}.parquet"))
            writer = pq.ParquetWriter(path, columns, compression="zstd")
            writers[split] = stack.enter_context(writer)
        for split, table in pieces(read_table(args.mixture), args.conversations):
            writers[split].write_table(table.cast(columns))
            counts[split] += table.num_rows
    print(f"export: {counts['train']} training rows, {counts['dev']} held out, in {args.folder}")
