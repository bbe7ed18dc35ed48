"""Verb ``build-mixture``: indexes of a pool and a definition -> the mixture's rows and counts."""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BabelmixError
from ..io import file_digest, read_table, write_json, write_table
from ..specs import MixtureSpec
from .pool import Pool, read_pool
from .select import Rows, Selection, select

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("id", "lang", "dataset", "split")]
)
#: Token counts by (tokenizer, dataset, language).
Counts = Mapping[tuple[str, str, str], np.ndarray]


def select_all(
    pools: Mapping[str, Pool], spec: MixtureSpec, counts: Counts, hits: Mapping[str, set[str]]
) -> list[Selection]:
    """The selection of each part; ``hits`` are ids by dataset that a benchmark gives away."""
    parts = []
    for leaf in spec.leaves:
        pool = pools[leaf.dataset]
        needed = {*leaf.own_languages, *leaf.sound_in}
        view = Pool(
            pool.dataset,
            pool.ids,
            pool.keys,
            pool.dev,
            {c: language for c, language in pool.languages.items() if c in needed},
        )
        mine = {
            c: counts[(leaf.tokenizer or "", leaf.dataset, c)]
            for c in leaf.own_languages
            if leaf.tokens is not None
        }
        contaminated = None
        if leaf.on_contamination == "leave_out":
            given_away = pa.array(sorted(hits.get(leaf.dataset, ())), pa.string())
            contaminated = pc.is_in(pool.ids, given_away).to_numpy(zero_copy_only=False)
        parts.append(select(view, leaf, mine, contaminated))
    return parts


def table_of(parts: Sequence[Selection], pools: Mapping[str, Pool]) -> pa.Table:
    """All rows: id, language, dataset, split; training rows of all parts first."""
    pieces = [
        _piece(pools[part.spec.dataset], part.spec, rows, split)
        for split in ("train", "dev")
        for part in parts
        for rows in [part.train if split == "train" else part.dev]
    ]
    return pa.concat_tables(pieces).combine_chunks()


def _piece(pool: Pool, spec: MixtureSpec, rows: Rows, split: str) -> pa.Table:
    codes = pa.array(spec.own_languages, pa.string())
    constant = [pa.repeat(pa.scalar(text), len(rows)) for text in (spec.dataset, split)]
    columns = [pool.ids.take(pa.array(rows.ids)), codes.take(pa.array(rows.langs)), *constant]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def check_union(table: pa.Table, spec: MixtureSpec) -> None:
    """No row twice, and no id on both sides of the split, across the parts of a union.

    Raises:
        BabelmixError: naming up to ten of them.
    """
    sizes = table.group_by(["id", "lang", "split"]).aggregate([([], "count_all")])
    twice = sizes.filter(pc.greater(sizes["count_all"], 1))["id"].to_pylist()
    train = table.filter(pc.equal(table["split"], "train"))["id"]
    dev = table.filter(pc.equal(table["split"], "dev"))["id"]
    across = pc.unique(train.filter(pc.is_in(train, value_set=dev.combine_chunks()))).to_pylist()
    if twice or across:
        raise BabelmixError(
            f"mixture '{spec.name}': {len(twice)} rows are in it twice {sorted(set(twice))[:10]}, "
            f"{len(across)} ids are held out in one part and trained on in another "
            f"{sorted(across)[:10]}. Its parts overlap: take other parts, or give their sources an "
            "`id_prefix` of their own if the ids are equal by chance."
        )


@dataclass
class Cell:
    """Rows of one pool and language: keys of their ids (training), characters, held-out rows."""

    keys: np.ndarray
    characters: int = 0
    dev_rows: int = 0


def cells_of(parts: Sequence[Selection], pools: Mapping[str, Pool]) -> dict[tuple[str, str], Cell]:
    """What each (pool, language) gives to a mixture, in order; those that give nothing left out."""
    cells: dict[tuple[str, str], Cell] = {}
    for part in parts:
        pool = pools[part.spec.dataset]
        for place, code in enumerate(part.spec.own_languages):
            mine = part.train.ids[part.train.langs == place]
            cell = cells.setdefault((pool.dataset, code), Cell(pool.keys[:0]))
            cell.keys = np.concatenate([cell.keys, pool.keys[mine]])
            cell.characters += int(pool.languages[code].characters[mine].sum())
            cell.dev_rows += int((part.dev.langs == place).sum())
    return {place: c for place, c in sorted(cells.items()) if len(c.keys) or c.dev_rows}


def keys_digest(keys: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of named sets of ids' keys (see ``pool.id_keys``), each in ascending order."""
    whole = hashlib.sha256()
    for name, some in keys.items():
        whole.update(f"{name}\t{len(some)}\n".encode())
        whole.update(np.sort(some).astype(">u8").tobytes())
    return whole.hexdigest()


def summary(
    spec: MixtureSpec,
    parts: Sequence[Selection],
    pools: Mapping[str, Pool],
    parents: Mapping[str, str],
) -> dict[str, Any]:
    """What a reader must know of a selection: sizes by language and pool, digests, definition."""
    cells = cells_of(parts, pools)
    rows: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for (_, code), cell in cells.items():
        rows[code] += len(cell.keys)
        characters[code] += cell.characters
    ids = np.unique(np.concatenate([cell.keys for cell in cells.values()]))
    return {
        "mixture": spec.name,
        "dataset": spec.dataset,
        "definition": spec.model_dump(exclude={"version", "name"}, exclude_defaults=True)
        | {"kind": spec.kind},
        "seed": sorted({part.spec.seed for part in parts}),
        "rows": rows.total(),
        "ids": len(ids),
        "rows_by_language": {c: n for c, n in sorted(rows.items()) if n},
        "characters_by_language": {c: n for c, n in sorted(characters.items()) if rows[c]},
        "cells": [
            {
                "dataset": dataset,
                "language": code,
                "rows": len(cell.keys),
                "characters": cell.characters,
                "dev_rows": cell.dev_rows,
            }
            for (dataset, code), cell in cells.items()
        ],
        "dev_rows": sum(cell.dev_rows for cell in cells.values()),
        "left_out_ids": {
            reason: sum(part.left_out[reason] for part in parts) for reason in parts[0].left_out
        },
        "left_out_rows": sum(part.left_out_pairs for part in parts),
        "ids_digest": keys_digest({"ids": ids}),
        "rows_digest": keys_digest({f"{d}.{c}": cell.keys for (d, c), cell in cells.items()}),
        "parents": dict(parents),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--spec", required=True, help="MixtureSpec as JSON")
    parser.add_argument(
        "--pools",
        nargs="+",
        required=True,
        type=Path,
        help="index of each (dataset, language) that the spec looks at, in its order",
    )
    parser.add_argument(
        "--counts", nargs="*", default=[], type=Path, help="token counts, in the spec's order"
    )
    parser.add_argument(
        "--contamination", nargs="*", default=[], type=Path, help="hits (parquet) to leave out"
    )
    parser.add_argument("--output", required=True, type=Path, help="rows of the mixture (parquet)")
    parser.add_argument("--selection", required=True, type=Path, help="counts and digests (JSON)")


def _paired(keys: Sequence[Any], paths: Sequence[Path], what: str) -> dict[Any, Path]:
    if len(keys) != len(paths):
        raise BabelmixError(f"build-mixture: give one file of {what} for each of {list(keys)}.")
    return dict(zip(keys, paths, strict=True))


def read_counts(path: Path, pool: Pool) -> np.ndarray:
    """Token counts of a language, which must be in the pool's order."""
    table = read_table(path, columns=["id", "tokens"]).combine_chunks()
    if not table["id"].equals(pa.chunked_array([pool.ids])):
        raise BabelmixError(f"{path}: its ids are not those of '{pool.dataset}'; run it again.")
    counts: np.ndarray = table["tokens"].to_numpy()
    return counts


def run(args: argparse.Namespace) -> None:
    """Build one mixture, its counts and its digests."""
    spec = MixtureSpec.model_validate_json(args.spec)
    files = _paired(spec.looked_at, args.pools, "the pools")
    pools = {
        dataset: read_pool(dataset, {c: p for (d, c), p in files.items() if d == dataset})
        for dataset in spec.datasets
    }
    counted = list(dict.fromkeys(spec.counted))
    counts = {
        key: read_counts(path, pools[key[1]])
        for key, path in _paired(counted, args.counts, "token counts").items()
    }
    hits: dict[str, set[str]] = {}
    for path in args.contamination:
        found = read_table(path, columns=["dataset", "id"]).to_pydict()
        for dataset, row_id in zip(found["dataset"], found["id"], strict=True):
            hits.setdefault(dataset, set()).add(row_id)
    parts = select_all(pools, spec, counts, hits)
    table = table_of(parts, pools)
    if len(parts) > 1:
        check_union(table, spec)
    parents = {path.name: file_digest(path) for path in (*args.pools, *args.counts)}
    made = summary(spec, parts, pools, parents)
    write_table(args.output, table)
    write_json(args.selection, made)
    shares = ", ".join(f"{lang} {n}" for lang, n in made["rows_by_language"].items())
    print(f"mixture {spec.name}: {made['rows']} rows ({shares}), {made['dev_rows']} dev")
