"""Verb ``build-mixture``: indexes of a pool and a definition -> the mixture's rows and counts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.selection import Order
from ..errors import BabelmixError
from ..io import file_digest, read_table, write_json, write_table
from ..options import add_settings, read_settings
from ..specs import MixtureSpec
from .duplicates import Prints, read_prints, without_duplicates
from .pool import Pool, read_pool
from .select import IN_ANOTHER_PART, Candidates, Rows, Selection, candidates, draw_rows
from .shares import Draw, resolve
from .summary import lost_by_duplicates, pool_name, remarks, summary, token_budget

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("id", "lang", "dataset", "split")]
)
#: Columns of mixtures that repeat rows, and of those with a curriculum.
COPY, STAGE = "copy", "stage"
#: Token counts by (tokenizer, dataset, language).
Counts = Mapping[tuple[str, str, str], np.ndarray]


def select_all(
    pools: Mapping[str, Pool],
    spec: MixtureSpec,
    counts: Counts,
    hits: Mapping[str, set[str]],
    prints: Prints | None = None,
) -> list[Selection]:
    """The selection of each leaf; ``hits`` are ids by dataset that a benchmark gives away.

    With ``prints`` duplicates are treated as the mixture's ``deduplicate`` says.
    """
    offers = [_candidates(pools, leaf, spec, counts, hits) for leaf in spec.leaves]
    if prints is not None:
        offers = without_duplicates(offers, spec, prints)
    draws = resolve(spec, offers)
    if spec.parts and not any(draw.units for draw in draws):
        raise BabelmixError(f"mixture '{spec.name}': none of its parts has a row left.")
    names = [pool_name(leaf) for leaf in spec.leaves]
    if len(set(names)) == len(names):
        return [
            draw_rows(offer, draw, may_be_empty=bool(spec.parts))
            for offer, draw in zip(offers, draws, strict=True)
        ]
    return _draw_apart(offers, draws, names, spec)


def _draw_apart(
    offers: Sequence[Candidates], draws: Sequence[Draw], names: Sequence[str], spec: MixtureSpec
) -> list[Selection]:
    """Draw parts that share pools: each from the ids that those before it left.

    A held-out id is in one part only, in shares like those of the rows to train on.
    """
    trained = {n: np.zeros(len(o.pool), bool) for n, o in zip(names, offers, strict=True)}
    held_out = {n: np.zeros(len(o.pool), bool) for n, o in zip(names, offers, strict=True)}
    parts = []
    for place, (offer, draw, name) in enumerate(zip(offers, draws, names, strict=True)):
        still = sum(d.units for d, n in zip(draws[place:], names[place:], strict=True) if n == name)
        offer = offer.less(held_out[name], IN_ANOTHER_PART, dev_only=True)
        offer = offer.with_share_of_dev(draw.units / still if still else 1.0)
        if not spec.repeated_ids:
            offer = offer.less(trained[name], IN_ANOTHER_PART)
        parts.append(draw_rows(offer, draw, may_be_empty=True))
        trained[name][parts[-1].train.ids] = True
        held_out[name][parts[-1].dev.ids] = True
    return parts


def _candidates(
    pools: Mapping[str, Pool],
    leaf: MixtureSpec,
    spec: MixtureSpec,
    counts: Counts,
    hits: Mapping[str, set[str]],
) -> Candidates:
    pool = pools[pool_name(leaf)]
    needed = {*leaf.own_languages, *leaf.sound_in}
    languages = {c: language for c, language in pool.languages.items() if c in needed}
    view = Pool(pool.dataset, pool.ids, pool.keys, pool.dev, languages)
    names = [t for t, d, _ in spec.counted if d == leaf.dataset]
    mine = {
        c: counts[(names[0], leaf.dataset, c)]
        for c in leaf.own_languages
        if names and (names[0], leaf.dataset, c) in counts
    }
    out = {}
    if leaf.on_contamination == "leave_out":
        given_away = pa.array(sorted(hits.get(leaf.dataset, ())), pa.string())
        mask = pc.is_in(pool.ids, given_away).to_numpy(zero_copy_only=False)
        out["contaminated"] = mask
    return candidates(view, leaf, mine, out)


def table_of(
    parts: Sequence[Selection], pools: Mapping[str, Pool], order: Order | None = None
) -> pa.Table:
    """All rows: id, language, dataset, split; training rows of all parts first.

    A column ``copy`` follows where rows are repeated, and ``stage`` under a curriculum: a training
    sees the stages in ascending order, and the rows of one stage in any.
    """
    pieces = [
        _piece(pools[pool_name(part.spec)], part.spec, rows, split)
        for split in ("train", "dev")
        for part in parts
        for rows in [part.train if split == "train" else part.dev]
    ]
    table = pa.concat_tables(pieces).combine_chunks()
    if any(part.train.copies is not None for part in parts):
        copies = [_copies(rows) for rows in (*(p.train for p in parts), *(p.dev for p in parts))]
        table = table.append_column(COPY, pa.array(np.concatenate(copies)))
    if order is not None:
        table = table.append_column(STAGE, pa.array(stages_of(parts, pools, order)))
    return table


def _copies(rows: Rows) -> np.ndarray:
    return np.zeros(len(rows), dtype=np.int32) if rows.copies is None else rows.copies


def stages_of(parts: Sequence[Selection], pools: Mapping[str, Pool], order: Order) -> np.ndarray:
    """Stage of each row of the table in a curriculum, from 0; held-out rows have stage 0."""
    found = []
    codes = list(dict.fromkeys(c for part in parts for c in part.spec.own_languages))
    known = [*order.languages, *(c for c in codes if c not in order.languages)]
    offset = 0
    for place, part in enumerate(parts):
        pool, rows = pools[pool_name(part.spec)], part.train
        own = part.spec.own_languages
        if order.by == "part":
            values = np.full(len(rows), place)
        elif order.by == "language":
            values = np.array([known.index(c) for c in own])[rows.langs]
        elif order.by == "length":
            lengths = np.stack([pool.languages[c].characters for c in own])
            values = lengths[rows.langs, rows.ids]
        else:
            values = offset + rows.ids
            offset += len(pool)
        found.append(values)
    values = np.concatenate(found)
    stages = np.unique(-values if order.descending else values, return_inverse=True)[1]
    dev = sum(len(part.dev) for part in parts)
    return np.concatenate([stages, np.zeros(dev, dtype=np.int64)]).astype(np.int32)


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
    keys = ["id", "lang", "split", *([COPY] if COPY in table.column_names else [])]
    sizes = table.group_by(keys).aggregate([([], "count_all")])
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    add_settings(parser, MixtureSpec)
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
    parser.add_argument(
        "--fingerprints",
        nargs="*",
        default=[],
        type=Path,
        help="{dataset}.{lang}.parquet of `fingerprint-language`, to deduplicate",
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
    spec = read_settings(args, MixtureSpec)
    files = _paired(spec.looked_at, args.pools, "the pools")
    pools = {}
    for leaf in spec.leaves:
        pools[pool_name(leaf)] = read_pool(
            leaf.dataset,
            {
                c: files[(leaf.dataset, c)]
                for d, c in spec.looked_at
                if d == leaf.dataset and (not leaf.by_language or c in leaf.own_languages)
            },
        )
    counted = list(dict.fromkeys(spec.counted))
    counts = {}
    for key, path in _paired(counted, args.counts, "token counts").items():
        _, dataset, lang = key
        counts[key] = read_counts(path, pools.get(dataset) or pools[f"{dataset}.{lang}"])
    hits: dict[str, set[str]] = {}
    for path in args.contamination:
        found = read_table(path, columns=["dataset", "id"]).to_pydict()
        for dataset, row_id in zip(found["dataset"], found["id"], strict=True):
            hits.setdefault(dataset, set()).add(row_id)
    prints = read_prints(args.fingerprints) if args.fingerprints else None
    parts = select_all(pools, spec, counts, hits, prints)
    table = table_of(parts, pools, spec.order)
    if len(parts) > 1:
        check_union(table, spec)
    parents = {path.name: file_digest(path) for path in (*args.pools, *args.counts)}
    made = summary(spec, parts, pools, parents)
    if counts:
        made["budget"] = token_budget(spec, parts, counts)
    if any(node.deduplicate for node in spec.nodes) or lost_by_duplicates(made):
        # Else they decided nothing: a record that is as it was trains nothing again.
        made["parents"] |= {f"fingerprints/{p.name}": file_digest(p) for p in args.fingerprints}
    write_table(args.output, table)
    write_json(args.selection, made)
    shares = ", ".join(f"{lang} {n}" for lang, n in made["rows_by_language"].items())
    print(f"mixture {spec.name}: {made['rows']} rows ({shares}), {made['dev_rows']} dev")
    for line in remarks(made):
        print(f"note: mixture {spec.name}: {line}")
