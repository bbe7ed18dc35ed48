"""A parallel pool as columns: one small index a language, in the pivot's order of ids.

Verb ``index-language`` makes the index of one language; mixtures are row selections over the
indexes of the languages that they need, so that no mixture reads a text, and a language that is
added changes nothing for mixtures without it. The split into training and held-out ids follows
from the ids and the seed alone, whatever happens to single rows in single languages.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.audit import policy_of
from ..errors import BabelmixError
from ..io import read_table, write_json, write_table
from ..options import add_settings, read_settings
from ..records import ABSENT_CHECKS, TASK_FLAG
from ..specs import IndexSpec

#: Columns of an index; a ``check.{name}`` column follows for each check that measured a value.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.uint64(), nullable=False),
        pa.field("dev", pa.bool_(), nullable=False),
        pa.field("characters", pa.int64(), nullable=False),
        pa.field("verdict", pa.int8(), nullable=False),
    ]
)
#: What becomes of a row by its failed checks: it stays, it is out in its language, its id is out.
KEEP, ROW_OUT, ID_OUT = 0, 1, 2
_VERDICTS = {"keep": KEEP, "quarantine": ROW_OUT, "quarantine_all": ID_OUT}
_CHECK = "check."


def seeded_rank(keys: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """Positions of ids in an order that depends on each id, the seed and the purpose alone.

    ``keys`` are the ids' own digests (uint64); they are mixed with the seed's by SplitMix64, which
    maps different keys to different numbers, on every machine alike.
    """
    salt = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()[:8]
    mixed = keys ^ np.uint64(int.from_bytes(salt))
    with np.errstate(over="ignore"):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(mixed ^ (mixed >> np.uint64(31)), kind="stable")


def id_keys(ids: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """First eight bytes of each id's SHA-256, as uint64."""
    sha256 = hashlib.sha256
    digests = b"".join([sha256(i).digest()[:8] for i in ids.cast(pa.binary()).to_pylist()])
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


@dataclass(frozen=True)
class Language:
    """One language of a pool, row by row; ``verdict`` is ``KEEP``, ``ROW_OUT`` or ``ID_OUT``."""

    characters: np.ndarray
    verdict: np.ndarray
    measures: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Pool:
    """Ids of a pool in the pivot's order, their keys, which are held out, and the languages."""

    dataset: str
    ids: pa.Array
    keys: np.ndarray
    dev: np.ndarray
    languages: Mapping[str, Language]

    def __len__(self) -> int:
        return len(self.ids)


def read_pool(dataset: str, files: Mapping[str, Path]) -> Pool:
    """Join the indexes of some languages (by language).

    Raises:
        BabelmixError: when the files do not hold the same ids in the same order.
    """
    tables = {lang: read_table(path).combine_chunks() for lang, path in files.items()}
    first_lang, first = next(iter(tables.items()))
    for lang, table in tables.items():
        if table["id"].equals(first["id"]):
            continue
        found, wanted = set(table["id"].to_pylist()), set(first["id"].to_pylist())
        odd = sorted(found ^ wanted)
        raise BabelmixError(
            f"dataset '{dataset}': '{lang}' is not parallel to '{first_lang}': {len(odd)} ids "
            f"differ, e.g. {odd[:5]}; delete the files of these languages and run again."
        )
    languages = {lang: _language(table) for lang, table in tables.items()}
    ids = first["id"].combine_chunks()
    return Pool(dataset, ids, first["key"].to_numpy(), first["dev"].to_numpy(), languages)


def _language(table: pa.Table) -> Language:
    measured = [name for name in table.column_names if name.startswith(_CHECK)]
    return Language(
        table["characters"].to_numpy(),
        table["verdict"].to_numpy(),
        {name.removeprefix(_CHECK): table[name].to_numpy() for name in measured},
    )


def index_language(table: pa.Table, spec: IndexSpec) -> pa.Table:
    """Index of one language's conversations (columns id, messages, checks)."""
    ids = table["id"]
    rows = table.num_rows
    if spec.dev_rows >= rows:
        raise BabelmixError(
            f"dataset '{spec.dataset}': its {rows} rows in '{spec.lang}' leave none for training "
            f"when `dev_rows: {spec.dev_rows}` are held out. Lower `dev_rows`."
        )
    keys = id_keys(ids)
    dev = np.zeros(rows, dtype=bool)
    dev[seeded_rank(keys, spec.seed, "dev")[: spec.dev_rows]] = True
    verdict = np.full(rows, KEEP, dtype=np.int8)
    for name, places in [*_failures(table).items(), (TASK_FLAG, _flagged(table))]:
        # A row that only holds its place cannot stay: its text is the pivot's own.
        absent = name in ABSENT_CHECKS
        what = ID_OUT if absent else _VERDICTS[policy_of(name, spec.on_failed_check)]
        verdict[places] = np.maximum(verdict[places], what)
    columns = [ids, *map(pa.array, (keys, dev, characters(table["messages"]), verdict))]
    index = pa.Table.from_arrays(columns, schema=SCHEMA)
    for name, values in _measures(table).items():
        index = index.append_column(f"{_CHECK}{name}", pa.array(values))
    return index


def characters(messages: pa.ChunkedArray) -> np.ndarray:
    """Characters of each conversation (all turns)."""
    lists = messages.combine_chunks()
    lengths = pc.utf8_length(lists.flatten().field("content")).to_numpy(zero_copy_only=False)
    parents = pc.list_parent_indices(lists).to_numpy()
    return np.bincount(parents, weights=lengths, minlength=len(lists)).astype(np.int64)


def _checks(table: pa.Table) -> tuple[pa.StructArray, np.ndarray]:
    """Every check of every row, and the row that each belongs to."""
    lists = table["checks"].combine_chunks()
    return lists.flatten(), pc.list_parent_indices(lists).to_numpy()


def _failures(table: pa.Table) -> dict[str, np.ndarray]:
    """Rows that failed, by check."""
    checks, parents = _checks(table)
    failed = ~checks.field("ok").to_numpy(zero_copy_only=False).astype(bool)
    names = checks.field("name")
    return {
        name: parents[failed & pc.equal(names, name).to_numpy(zero_copy_only=False)]
        for name in sorted(pc.unique(names.filter(pa.array(failed))).to_pylist())
    }


def _flagged(table: pa.Table) -> np.ndarray:
    """Rows that carry the flag of a task that translation breaks; they have not failed."""
    checks, parents = _checks(table)
    named = pc.equal(checks.field("name"), TASK_FLAG).to_numpy(zero_copy_only=False)
    values = pc.fill_null(checks.field("value"), 0).to_numpy(zero_copy_only=False)
    return parents[named & (values > 0)]


def _measures(table: pa.Table) -> dict[str, np.ndarray]:
    """Measured values by check; NaN where a row was not measured."""
    checks, parents = _checks(table)
    values = checks.field("value")
    there = pc.is_valid(values).to_numpy(zero_copy_only=False)
    found = {}
    for name in sorted(pc.unique(checks.field("name").filter(pa.array(there))).to_pylist()):
        mine = there & pc.equal(checks.field("name"), name).to_numpy(zero_copy_only=False)
        column = np.full(table.num_rows, np.nan)
        column[parents[mine]] = values.filter(pa.array(mine)).to_numpy(zero_copy_only=False)
        found[name] = column
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, IndexSpec)
    parser.add_argument("--conversations", required=True, type=Path, help="parquet, one language")
    parser.add_argument("--output", required=True, type=Path, help="index (parquet)")
    parser.add_argument("--manifest", required=True, type=Path, help="counts (JSON)")


def run(args: argparse.Namespace) -> None:
    """Index one language and count."""
    spec = read_settings(args, IndexSpec)
    table = read_table(args.conversations, columns=["id", "messages", "checks"])
    index = index_language(table, spec)
    write_table(args.output, index)
    dev = int(pc.sum(index["dev"]).as_py() or 0)
    verdicts = np.bincount(index["verdict"].to_numpy(), minlength=ID_OUT + 1).tolist()
    by_check = {name: len(places) for name, places in _failures(table).items()}
    counts = {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "ids": index.num_rows,
        "train": index.num_rows - dev,
        "dev": dev,
        "out_in_this_language": verdicts[ROW_OUT],
        "out_in_all": verdicts[ID_OUT],
        "failed_by_check": by_check,
        "flagged": len(_flagged(table)),
        "on_failed_check": spec.on_failed_check,
    }
    write_json(args.manifest, counts)
    print(
        f"index {spec.dataset}.{spec.lang}: {index.num_rows} ids, {dev} held out, "
        f"{verdicts[ROW_OUT] + verdicts[ID_OUT]} out by failed checks"
    )
