"""Verb ``normalise``: raw sources -> the conversations of one language of a pool.

The pivot language decides which ids a pool has (bad rows, ``max_chars``, the draw of ``rows``);
every other language that the sources hold keeps exactly those ids.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import file_digest, read_json, read_records, write_json, write_records
from ..records import Check, Conversation
from ..specs import NormaliseSpec
from .adapters import EXAMPLES, Parsed, conversations, refuse_duplicates
from .readers import read_all_rows

#: The check that a row fails when its language's file does not hold it.
PRESENT = "present"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--spec", required=True, help="NormaliseSpec as JSON")
    parser.add_argument(
        "--records", required=True, nargs="+", help="records of the fetched sources"
    )
    parser.add_argument("--pivot-file", help="normalised pivot file; for any other language")
    parser.add_argument("--output", required=True, help="parquet of conversations")
    parser.add_argument("--manifest", required=True, help="JSON with the counts")


def run(args: argparse.Namespace) -> None:
    """Read the raw files, choose the rows, write conversations and counts."""
    spec = NormaliseSpec.model_validate_json(args.spec)
    parsed = {name: _parse(spec, name, record) for name, record in _records(args.records, spec)}
    if spec.lang == spec.pivot:
        rows, manifest = choose_rows(spec, parsed)
    else:
        if args.pivot_file is None:
            raise BabelmixError(
                f"normalise {spec.dataset}.{spec.lang}: give --pivot-file, the normalised file of "
                f"the pivot language '{spec.pivot}', which decides the ids."
            )
        rows, manifest = follow_pivot(spec, parsed, read_records(args.pivot_file, Conversation))
    write_records(args.output, rows, Conversation)
    write_json(args.manifest, manifest)
    for warning in manifest["warnings"]:
        print(f"babelmix normalise: warning: {warning}", file=sys.stderr)
    left_out = sum(manifest["left_out"].values())
    print(
        f"normalise {spec.dataset}.{spec.lang}: {manifest['read']} rows read, {len(rows)} kept, "
        f"{left_out} left out"
    )


def _records(paths: list[str], spec: NormaliseSpec) -> list[tuple[str, dict[str, Any]]]:
    """Records of the spec's sources, in the spec's order; each exactly once."""
    loaded = {record["source"]: record for record in map(read_json, paths)}
    if sorted(loaded) != sorted(spec.sources) or len(loaded) != len(paths):
        raise BabelmixError(
            f"normalise {spec.dataset}: --records are of {sorted(loaded)}, the spec names "
            f"{sorted(spec.sources)}."
        )
    return [(name, loaded[name]) for name in spec.sources]


def files_of(record: dict[str, Any], lang: str) -> list[str]:
    """Paths of a record's files for a language; BabelmixError when the source lacks it."""
    files = record["files"]
    if lang not in files and "*" not in files:
        raise BabelmixError(
            f"source '{record['source']}' holds {sorted(files)}, not '{lang}'. List the language "
            "in its `languages`, or give the dataset a `translator`."
        )
    return [verified(part) for part in files.get(lang, files.get("*"))]


def verified(part: dict[str, Any]) -> str:
    """The path of a recorded file, whose bytes must still be those that were fetched."""
    path = str(part["path"])
    if not Path(path).is_file() or file_digest(path) != part["sha256"]:
        raise BabelmixError(
            f"{path}: no longer the file that was fetched (missing, damaged, or changed since). "
            "Delete the source's record in raw/ and run again, so that it is fetched anew."
        )
    return path


def _parse(spec: NormaliseSpec, name: str, record: dict[str, Any]) -> Parsed:
    source = spec.sources[name]
    if spec.lang not in source.languages:
        raise BabelmixError(
            f"source '{name}' does not hold '{spec.lang}' (its `languages`: "
            f"{', '.join(source.languages)}), but other sources of '{spec.dataset}' do. Put it "
            "into a dataset of its own."
        )
    paths = files_of(record, spec.lang)
    place = ", ".join(paths)
    return conversations(read_all_rows(paths), source, name, spec.lang, spec.dataset, place)


def choose_rows(
    spec: NormaliseSpec, parsed: dict[str, Parsed]
) -> tuple[list[Conversation], dict[str, Any]]:
    """The pivot language's rows and the manifest: limits first, then the seeded draw.

    Rows keep the order of the sources and of their files. Raises BabelmixError for an id in two
    sources and when fewer than ``rows`` rows are left.
    """
    rows = [row for part in parsed.values() for row in part.rows]
    refuse_duplicates((row.id for row in rows), f"dataset '{spec.dataset}'")
    reason_of: dict[str, str] = {}
    if spec.max_chars is not None:
        too_long = f"longer than max_chars ({spec.max_chars})"
        reason_of = {r.id: too_long for r in rows if n_chars(r) > spec.max_chars}
    kept = [row for row in rows if row.id not in reason_of]
    wanted = spec.rows
    if spec.fraction is not None:
        wanted = max(1, round(spec.fraction * len(kept)))
    if wanted is not None:
        if len(kept) < wanted:
            raise BabelmixError(
                f"datasets.{spec.dataset}.rows asks for {wanted} rows, but only {len(kept)} are "
                f"usable. Ask for at most {len(kept)}, or leave `rows` out to take all."
            )
        drawn = draw([row.id for row in kept], wanted, spec.seed)
        reason_of |= {r.id: f"not drawn (rows: {wanted})" for r in kept if r.id not in drawn}
        kept = [row for row in kept if row.id in drawn]
    if not kept:
        raise BabelmixError(f"dataset '{spec.dataset}': no row is left; raise `max_chars`.")
    left_out = {r.id: (r.source, reason_of[r.id]) for r in rows if r.id in reason_of}
    return kept, _manifest(spec, parsed, kept, list(left_out.values()))


def draw(ids: list[str], count: int, seed: int) -> set[str]:
    """The ``count`` ids with the lowest sha256("seed:id"): the same on every machine."""
    return set(sorted(ids, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())[:count])


def n_chars(row: Conversation) -> int:
    """Characters of a conversation's messages."""
    return sum(len(m.content) for m in row.messages)


def follow_pivot(
    spec: NormaliseSpec, parsed: dict[str, Parsed], pivot: list[Conversation]
) -> tuple[list[Conversation], dict[str, Any]]:
    """The pivot's ids, in its order, in another language that the sources hold.

    A pivot row that this language lacks (or whose copy is unusable or has other turns) stays as a
    row with the pivot's text and a failed check ``present``, so that the pool can leave it out.
    """
    rows = {row.id: row for part in parsed.values() for row in part.rows}
    bad = {i: reason for part in parsed.values() for i, reason in part.bad_ids.items()}
    if len(rows) < sum(len(part.rows) for part in parsed.values()):
        every = (row.id for part in parsed.values() for row in part.rows)
        refuse_duplicates(every, f"dataset '{spec.dataset}' in '{spec.lang}'")
    wanted = {row.id for row in pivot}
    if wanted.isdisjoint(rows):
        raise BabelmixError(
            f"dataset '{spec.dataset}': no id of '{spec.pivot}' occurs in '{spec.lang}'. The files "
            "are not parallel, or their ids differ."
        )
    kept = [_matched(row, rows.get(row.id), bad.get(row.id), spec.lang) for row in pivot]
    others = [(r.source, f"not among the ids of {spec.pivot}") for r in rows.values()]
    left_out = [o for o, r in zip(others, rows.values(), strict=True) if r.id not in wanted]
    manifest = _manifest(
        spec, parsed, [r for r in kept if not r.checks], left_out, _other_turns(kept)
    )
    absent = [row.id for row in kept if row.checks]
    manifest["absent"] = {"count": len(absent), "ids": absent[:EXAMPLES]}
    return kept, manifest


def _matched(
    pivot: Conversation, found: Conversation | None, reason: str | None, lang: str
) -> Conversation:
    if found is not None and [m.role for m in found.messages] == [m.role for m in pivot.messages]:
        return found
    detail = "other turns than the pivot's row" if found is not None else reason or "no such row"
    source = found.source if found is not None else pivot.source
    check = Check(PRESENT, ok=False, detail=detail)
    return Conversation(
        pivot.id, lang, pivot.dataset, source, pivot.messages, "source", checks=[check]
    )


def _other_turns(kept: list[Conversation]) -> list[tuple[str, str]]:
    """Rows that were read but replaced, because their turns differ from the pivot's."""
    return [
        (row.source, check.detail)
        for row in kept
        for check in row.checks
        if check.detail == "other turns than the pivot's row"
    ]


def _manifest(
    spec: NormaliseSpec,
    parsed: dict[str, Parsed],
    kept: list[Conversation],
    *left_out: list[tuple[str, str]],
) -> dict[str, Any]:
    """Counts by source and reason; asserts that every row read is kept or left out."""
    chosen = Counter(row.source for row in kept)
    sources = {}
    total: Counter[str] = Counter()
    for name, part in parsed.items():
        reasons = part.left_out + Counter(r for group in left_out for s, r in group if s == name)
        assert part.read == chosen[name] + reasons.total(), f"{name}: rows are lost"
        total += reasons
        sources[name] = {
            "read": part.read,
            "kept": chosen[name],
            "left_out": dict(reasons),
            "examples": part.examples,
            "usable": len(part.rows),
            "expected": spec.sources[name].expected_rows,
            "raw": part.raw,
        }
    return {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "read": sum(part.read for part in parsed.values()),
        "kept": len(kept),
        "left_out": dict(total),
        "sources": sources,
        "warnings": _unexpected(spec, parsed),
        "characters": sum(n_chars(row) for row in kept),
    }


def _unexpected(spec: NormaliseSpec, parsed: dict[str, Parsed]) -> list[str]:
    """Sources that give another number of rows in the pivot language than they are known for."""
    if spec.lang != spec.pivot:
        return []
    found = []
    for name, part in parsed.items():
        expected = spec.sources[name].expected_rows
        if expected is not None and expected != len(part.rows):
            found.append(
                f"source '{name}' gives {len(part.rows)} usable rows in '{spec.lang}', "
                f"{expected} are expected. Is the copy whole, and the one that is meant?"
            )
    return found
