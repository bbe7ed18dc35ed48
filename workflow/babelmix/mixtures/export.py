"""Verb ``export-mixture``: a mixture or a whole pool with its texts, for any other trainer.

The workflow itself trains from row selections and needs no such copy. One language is in memory at
a time; rows stand by pool and language, in the mixture's order within each, so shuffle on loading.
The folder is a dataset of the hub's form: parquet files and a card, which ``load_dataset`` of the
``datasets`` library reads and ``push-to-hub`` uploads; or, with ``--format datasets``, a
``DatasetDict`` for ``load_from_disk``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import BabelmixError
from ..folders import whole_folder
from ..io import atomic_path, read_table, write_text
from ..publish.card import dataset_card, read_sources
from ..records import ABSENT_CHECKS, MASK, Conversation, schema_of, with_mask

SPLITS = ("train", "dev")
_COLUMNS = ("id", "lang", "dataset", "messages")
_ABOUT = (
    "Written by Babelmix. A row is one dialogue: `messages` with `role` and `content`{mask}; `id` "
    "is the same in all languages of a parallel pool `dataset`. Rows stand by pool and language: "
    "shuffle before training."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "--mixture", type=Path, help="rows of a mixture (parquet); left out: whole pools"
    )
    parser.add_argument(
        "--conversations",
        required=True,
        nargs="+",
        type=Path,
        help="conversations/{dataset}.{lang}.parquet of its languages",
    )
    parser.add_argument(
        "--folder", required=True, type=Path, help="for a file per split (of a pool: per language)"
    )
    parser.add_argument(
        "--format",
        choices=("parquet", "datasets"),
        default="parquet",
        help="parquet with a card, or a DatasetDict for `load_from_disk`",
    )
    parser.add_argument("--sources", type=Path, help="sources.json of the study, for the card")
    parser.add_argument("--title", help="of the card; left out: the mixture's or pool's name")


def pieces(rows: pa.Table, files: Sequence[Path]) -> Iterator[tuple[str, pa.Table]]:
    """(split, rows with texts), file by file.

    Raises:
        BabelmixError: when a row of the mixture is in none of the files.
    """
    found = 0
    for path in dict.fromkeys(files):
        texts = read_table(path, columns=list(_COLUMNS)).combine_chunks()
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


def whole_pools(files: Sequence[Path]) -> Iterator[tuple[str, pa.Table]]:
    """(language, its rows), file by file, without rows that hold another language's text."""
    for path in dict.fromkeys(files):
        table = read_table(path, columns=[*_COLUMNS, "checks"]).combine_chunks()
        if not table.num_rows:
            continue
        lists = table["checks"].combine_chunks()
        checks, parents = lists.flatten(), pc.list_parent_indices(lists)
        absent = pc.and_(
            pc.invert(checks.field("ok")),
            pc.is_in(checks.field("name"), value_set=pa.array(sorted(ABSENT_CHECKS))),
        )
        out = pc.unique(parents.filter(absent))
        places = pa.array(range(table.num_rows), parents.type)
        kept = table.filter(pc.invert(pc.is_in(places, value_set=out)))
        if len(out):
            print(f"export: {path.name}: {len(out)} rows left out, which the language lacks")
        yield table["lang"][0].as_py().replace("-", "_"), kept.select(list(_COLUMNS))


def run(args: argparse.Namespace) -> None:
    """Write all splits, whole or not at all."""
    files = list(dict.fromkeys(args.conversations))
    masked = any(_is_masked(path) for path in files)
    schema = schema_of(Conversation, masked)
    columns = pa.schema([schema.field(name) for name in _COLUMNS])
    if args.mixture is None:
        parts, splits = whole_pools(files), _languages(files)
    else:
        parts, splits = pieces(read_table(args.mixture), files), list(SPLITS)
    counts: Counter[tuple[str, str]] = Counter()
    if args.format == "parquet":
        _write(args.folder, splits, columns, parts, counts)
        _add_card(args, args.folder, splits, counts, masked)
    else:
        with whole_folder(args.folder) as folder:
            parquet = folder / ".parquet"
            _write(parquet, splits, columns, parts, counts)
            save(parquet, splits, folder)
            shutil.rmtree(parquet)
            _add_card(args, folder, splits, counts, masked)
    if args.mixture is None:
        total = sum(counts.values())
        print(f"export: {total} rows in {len(splits)} languages, in {args.folder}")
    else:
        train, dev = (_rows(counts, split) for split in SPLITS)
        print(f"export: {train} training rows, {dev} held out, in {args.folder}")


def _add_card(
    args: argparse.Namespace,
    folder: Path,
    splits: Sequence[str],
    counts: Mapping[tuple[str, str], int],
    masked: bool,
) -> None:
    """Write README.md, by which the hub and `load_dataset` know the splits."""
    title = args.title or (args.mixture or args.conversations[0]).name.split(".")[0]
    named = {"mixture": {s: f"{s}.parquet" for s in splits if _rows(counts, s)}}
    if args.mixture is None:
        named = {s: {"train": f"{s}.parquet"} for s in splits}
    mask = ", and `train: false` where a turn is context only" if masked else ""
    sources = read_sources(args.sources, _sources(args.conversations)) or read_sources(args.sources)
    card = dataset_card(title, _ABOUT.format(mask=mask), named, counts, sources)
    write_text(folder / "README.md", card)


def _sources(files: Sequence[Path]) -> list[str]:
    """Names of the sources that the rows of some files come from."""
    read = (pc.unique(read_table(path, columns=["source"])["source"]) for path in set(files))
    return sorted({name for names in read for name in names.to_pylist()})


def _rows(counts: Mapping[tuple[str, str], int], split: str) -> int:
    return sum(n for (name, _), n in counts.items() if name == split)


def _languages(files: Sequence[Path]) -> list[str]:
    """A split's name for each file: its language, as ``datasets`` takes it."""
    found = []
    for path in files:
        langs = pc.unique(read_table(path, columns=["lang"])["lang"]).to_pylist()
        found += [lang.replace("-", "_") for lang in langs]
    doubled = {lang for lang in found if found.count(lang) > 1}
    if doubled:
        raise BabelmixError(
            f"export-mixture: several files hold {sorted(doubled)}. Without --mixture, name the "
            "files of one pool, one per language."
        )
    return found


def _is_masked(path: Path) -> bool:
    """Whether a file says of its messages whether they are trained on."""
    try:
        with pq.ParquetFile(path) as file:
            kind = file.schema_arrow.field("messages").type.value_type
    except (pa.ArrowException, OSError, KeyError):
        read_table(path, columns=list(_COLUMNS))  # says what is wrong with it
        raise
    return any(kind.field(i).name == MASK for i in range(kind.num_fields))


def _write(
    folder: Path,
    splits: Sequence[str],
    columns: pa.Schema,
    parts: Iterator[tuple[str, pa.Table]],
    counts: Counter[tuple[str, str]],
) -> None:
    with ExitStack() as stack:
        writers = {}
        for split in splits:
            path = stack.enter_context(atomic_path(folder / f"{split}.parquet"))
            writer = pq.ParquetWriter(path, columns, compression="zstd")
            writers[split] = stack.enter_context(writer)
        for split, table in parts:
            writers[split].write_table(_fitted(table, columns))
            if table.num_rows:
                counts[split, table["lang"][0].as_py()] += table.num_rows


def _fitted(table: pa.Table, columns: pa.Schema) -> pa.Table:
    """The table with the schema's columns; messages that say nothing of it are trained on."""
    wanted = columns.field("messages").type
    if wanted != table.schema.field("messages").type and wanted.value_type.num_fields == 3:
        table = with_mask(table)
    return table.cast(columns)


def save(parquet: Path, splits: Sequence[str], folder: Path) -> None:
    """Parquet files, one per split -> a ``DatasetDict`` for ``load_from_disk``."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory(dir=parquet) as cache:
        made = datasets.DatasetDict(
            {
                split: datasets.Dataset.from_parquet(
                    str(parquet / f"{split}.parquet"), cache_dir=cache
                )
                for split in splits
                if pq.read_metadata(parquet / f"{split}.parquet").num_rows
            }
        )
        made.save_to_disk(str(folder))
