"""Verb ``build-pool``: which ids a parallel pool offers in all its languages, and the dev split."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..config.expand import seeded_order
from ..errors import BabelmixError
from ..io import read_table, write_json, write_table
from ..records import ABSENT_CHECKS
from ..specs import PoolSpec

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("failed_in", pa.list_(pa.string()), nullable=False),
    ]
)


@dataclass
class Pool:
    """Ids in the pivot's order; ``split`` is train, dev or out; languages whose checks failed."""

    ids: list[str]
    split: dict[str, str]
    failed_in: dict[str, list[str]] = field(default_factory=dict)


def failed_rows(table: pa.Table) -> dict[str, list[str]]:
    """Names of the failed checks by id, of the rows that failed any."""
    failed = {}
    for row_id, checks in zip(table["id"].to_pylist(), table["checks"].to_pylist(), strict=True):
        names = [c["name"] for c in checks if not c["ok"]]
        if names:
            failed[row_id] = names
    return failed


def build_pool(
    ids_by_lang: dict[str, list[str]], failed: dict[str, dict[str, list[str]]], spec: PoolSpec
) -> Pool:
    """Join the languages by id and hold out the dev rows.

    ``failed`` gives, by language, the failed checks of each failed id. Every language must hold the
    pivot's ids exactly. A row that failed in a language is out everywhere (``quarantine_all``), out
    in that language (``quarantine``), or stays (``keep``; a row that is
    not there in a language, and only holds its place, is out everywhere then).
    """
    ids = ids_by_lang[spec.pivot]
    for lang, found in ids_by_lang.items():
        if set(found) != set(ids) or len(found) != len(ids):
            lost, extra = sorted(set(ids) - set(found)), sorted(set(found) - set(ids))
            raise BabelmixError(
                f"dataset '{spec.dataset}': language '{lang}' is not parallel to '{spec.pivot}': "
                f"{len(lost)} ids missing {lost[:5]}, {len(extra)} too many {extra[:5]}."
            )
    if spec.on_failed_check == "keep":
        failed = {
            c: {i: names for i, names in by_id.items() if ABSENT_CHECKS & set(names)}
            for c, by_id in failed.items()
        }
    failed_in = {i: [c for c in spec.languages if i in failed.get(c, {})] for i in ids}
    out = {i for i in ids if failed_in[i]} if spec.on_failed_check != "quarantine" else set()
    usable = [i for i in ids if i not in out]
    if spec.dev_rows >= len(usable):
        raise BabelmixError(
            f"dataset '{spec.dataset}': {len(usable)} usable rows (of {len(ids)}) leave none for "
            f"training when `dev_rows: {spec.dev_rows}` are held out. Lower `dev_rows`, or look at "
            "the translation audit for why rows failed."
        )
    dev = set(seeded_order(usable, spec.seed, "dev")[: spec.dev_rows])
    split = {i: "out" if i in out else "dev" if i in dev else "train" for i in ids}
    return Pool(ids, split, failed_in)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--spec", required=True, help="PoolSpec as JSON")
    parser.add_argument(
        "--conversations", nargs="+", required=True, type=Path, help="one file a language, in order"
    )
    parser.add_argument("--output", required=True, type=Path, help="pool (parquet)")
    parser.add_argument("--manifest", required=True, type=Path, help="counts (JSON)")


def run(args: argparse.Namespace) -> None:
    """Build one pool and its manifest."""
    spec = PoolSpec.model_validate_json(args.spec)
    tables = {
        lang: read_table(path, columns=["id", "checks"])
        for lang, path in zip(spec.languages, args.conversations, strict=True)
    }
    ids_by_lang = {lang: table["id"].to_pylist() for lang, table in tables.items()}
    failed = {lang: failed_rows(table) for lang, table in tables.items()}
    pool = build_pool(ids_by_lang, failed, spec)
    columns = [pool.ids, [pool.split[i] for i in pool.ids], [pool.failed_in[i] for i in pool.ids]]
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    write_table(args.output, pa.Table.from_arrays(arrays, schema=SCHEMA))
    splits = Counter(pool.split.values())
    reasons = {
        lang: dict(Counter(name for names in by_id.values() for name in names))
        for lang, by_id in failed.items()
    }
    write_json(
        args.manifest,
        {
            "dataset": spec.dataset,
            "languages": spec.languages,
            "ids": len(pool.ids),
            "train": splits["train"],
            "dev": splits["dev"],
            "out": splits["out"],
            "failed_checks": reasons,
        },
    )
    print(
        f"pool {spec.dataset}: {len(pool.ids)} ids in {len(spec.languages)} languages: "
        f"{splits['train']} train, {splits['dev']} dev, {splits['out']} out"
    )
