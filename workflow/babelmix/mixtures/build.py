"""Verb ``build-mixture``: a pool and a definition -> the mixture's rows and its manifest."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import BabelmixError
from ..io import digest, file_digest, read_table, write_json, write_table
from ..specs import MixtureSpec
from .select import Rows, assign, check_invariants, take_ids

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("id", "lang", "dataset", "split")]
)


def select_rows(pool: pa.Table, spec: MixtureSpec) -> tuple[Rows, Rows, int]:
    """Training rows, dev rows, and how many (id, language) pairs a failed check left out.

    An id whose translation failed in one of the mixture's languages is left out of a mixture that
    gives each id once (so that its size and shares stay exact); a parallel mixture leaves out only
    the failed pairs.
    """
    wanted = {*spec.languages, *([spec.main] if spec.main else [])}
    splits: dict[str, list[str]] = {"train": [], "dev": []}
    bad: dict[str, set[str]] = {}
    left_out = 0
    for row in pool.to_pylist():
        if row["split"] == "out":
            continue
        failed = wanted & set(row["failed_in"])
        if failed:
            left_out += len(failed) if spec.kind == "parallel" else 1
            bad[row["id"]] = failed
            if spec.kind != "parallel":
                continue
        splits[row["split"]].append(row["id"])
    ids = take_ids(splits["train"], spec)
    train = assign(ids, spec)
    check_invariants(train, ids, spec)
    dev = assign(splits["dev"], _without_row_count(spec), purpose="dev") if splits["dev"] else []
    return _drop(train, bad), _drop(dev, bad), left_out


def _without_row_count(spec: MixtureSpec) -> MixtureSpec:
    """Dev rows follow the mixture's shares; an absolute pinch of training rows does not apply."""
    if spec.mixed_rows is None:
        return spec
    return spec.model_copy(update={"mixed_rows": 0})


def _drop(rows: Rows, bad: dict[str, set[str]]) -> Rows:
    return [(i, lang) for i, lang in rows if lang not in bad.get(i, ())]


def characters_by_id(table: pa.Table) -> dict[str, int]:
    """Characters of each conversation (all turns)."""
    return {
        row_id: sum(len(m["content"]) for m in messages)
        for row_id, messages in zip(
            table["id"].to_pylist(), table["messages"].to_pylist(), strict=True
        )
    }


def manifest(
    spec: MixtureSpec,
    train: Rows,
    dev: Rows,
    left_out: int,
    characters: dict[str, dict[str, int]],
    parents: dict[str, str],
) -> dict[str, Any]:
    """What a reader must know of a mixture: sizes by language, digests, definition."""
    rows = Counter(lang for _, lang in train)
    chars: Counter[str] = Counter()
    for row_id, lang in train:
        chars[lang] += characters[lang][row_id]
    return {
        "mixture": spec.name,
        "dataset": spec.dataset,
        "definition": spec.model_dump(exclude={"version", "name"}),
        "rows": len(train),
        "ids": len({i for i, _ in train}),
        "rows_by_language": dict(sorted(rows.items())),
        "characters_by_language": dict(sorted(chars.items())),
        "dev_rows": len(dev),
        "left_out_failed_checks": left_out,
        "rows_digest": digest([list(r) for r in sorted(train)]),
        "parents": parents,
    }


def mixture_languages(spec: MixtureSpec) -> list[str]:
    """The languages whose rows the mixture may take, in the order of the spec."""
    extra = [spec.main] if spec.main and spec.main not in spec.languages else []
    return [*spec.languages, *extra]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--spec", required=True, help="MixtureSpec as JSON")
    parser.add_argument("--pool", required=True, type=Path, help="pool (parquet)")
    parser.add_argument(
        "--conversations",
        nargs="+",
        required=True,
        type=Path,
        help="one file for each language of the mixture (the main one last), in the spec's order",
    )
    parser.add_argument("--output", required=True, type=Path, help="rows of the mixture (parquet)")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest (JSON)")


def run(args: argparse.Namespace) -> None:
    """Build one mixture and its manifest."""
    spec = MixtureSpec.model_validate_json(args.spec)
    paths: Sequence[Path] = args.conversations
    languages = mixture_languages(spec)
    if len(paths) != len(languages):
        raise BabelmixError(f"mixture '{spec.name}': give one file for each of {languages}.")
    train, dev, left_out = select_rows(read_table(args.pool), spec)
    tables = {
        lang: read_table(path, columns=["id", "messages"])
        for lang, path in zip(languages, paths, strict=True)
    }
    for lang, table in tables.items():
        lost = {i for i, c in train + dev if c == lang} - set(table["id"].to_pylist())
        if lost:
            raise BabelmixError(
                f"mixture '{spec.name}': {len(lost)} rows are not in the file of '{lang}', e.g. "
                f"{sorted(lost)[:5]}. Its dataset was built from other files; run it again."
            )
    characters = {lang: characters_by_id(table) for lang, table in tables.items()}
    parents = {path.name: file_digest(path) for path in (args.pool, *paths)}
    rows = [(i, lang, spec.dataset, "train") for i, lang in train]
    rows += [(i, lang, spec.dataset, "dev") for i, lang in dev]
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(column, pa.string()) for column in columns]
    write_table(args.output, pa.Table.from_arrays(arrays, schema=SCHEMA))
    summary = manifest(spec, train, dev, left_out, characters, parents)
    write_json(args.manifest, summary)
    shares = ", ".join(f"{lang} {n}" for lang, n in summary["rows_by_language"].items())
    print(f"mixture {spec.name}: {len(train)} rows ({shares}), {len(dev)} dev")
