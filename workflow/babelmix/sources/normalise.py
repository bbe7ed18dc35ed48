"""Verb ``normalise``: raw sources -> the conversations of one language of a pool.

The pivot language decides which ids a pool has (bad rows, ``max_chars``, the draw of ``rows``);
every other language that the sources hold keeps exactly those ids. In a pool that is not parallel
each language is its own pivot. Rows are read, chosen and written one after the other: a file of any
size takes the memory of what is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import BabelmixError
from ..io import read_json, read_records, write_json
from ..options import add_settings, read_settings
from ..records import Check, Conversation
from ..specs import NormaliseSpec
from .alignment import check_alignment
from .choose import Chooser, n_chars
from .ids import Ids
from .question_pool import asked_rows
from .reading import Reading, files_of, open_source
from .rows import EXAMPLES, Parsed
from .writer import write_conversations

#: The check that a row fails when its language's file does not hold it.
PRESENT = "present"
#: Columns that are named in the log; the manifest has all.
NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, NormaliseSpec)
    parser.add_argument(
        "--records", required=True, nargs="+", help="records of the fetched sources"
    )
    parser.add_argument("--pivot-file", help="normalised pivot file; for any other language")
    parser.add_argument("--output", required=True, help="parquet of conversations")
    parser.add_argument("--manifest", required=True, help="JSON with the counts")


def run(args: argparse.Namespace) -> None:
    """Read the raw files, choose the rows, write conversations and counts."""
    spec = read_settings(args, NormaliseSpec)
    records = dict(_records(args.records, spec))
    if spec.choice is not None:
        _report(spec, *_write_questions(spec, records, args.output), args.manifest)
        return
    readings = _open(spec, records)
    if spec.lang == spec.pivot:
        chooser = Chooser(spec, readings)
        kept = write_conversations(args.output, chooser.rows())
        manifest = _manifest(spec, readings, chooser.kept, chooser.left_out, chooser.characters)
    else:
        if args.pivot_file is None:
            raise BabelmixError(
                f"normalise {spec.dataset}.{spec.lang}: give --pivot-file, the normalised file of "
                f"the pivot language '{spec.pivot}', which decides the ids."
            )
        pivot = read_records(args.pivot_file, Conversation)
        rows, manifest = follow_pivot(spec, readings, pivot)
        manifest["alignment"] = _check_pairs(spec, records, readings)
        for found in manifest["alignment"].values():
            manifest["warnings"] += found["warnings"]
        kept = write_conversations(args.output, rows)
    _report(spec, kept, manifest, args.manifest)


def _write_questions(
    spec: NormaliseSpec, records: Mapping[str, dict[str, Any]], output: str
) -> tuple[int, dict[str, Any]]:
    """The questions of a benchmark that are asked, as rows; their number and the manifest."""
    ((name, record),) = records.items()
    rows, parsed, left_out = asked_rows(spec, record)
    kept = write_conversations(output, rows)
    reasons = {(name, reason): count for reason, count in left_out.items()}
    characters = sum(map(n_chars, rows))
    manifest = _manifest(spec, {name: Reading.of(parsed)}, {name: kept}, reasons, characters)
    return kept, manifest


def _report(spec: NormaliseSpec, kept: int, manifest: dict[str, Any], path: str) -> None:
    """Write the manifest and say what was kept and left out."""
    write_json(path, manifest)
    for warning in manifest["warnings"]:
        print(f"babelmix normalise: warning: {warning}", file=sys.stderr)
    left_out = sum(manifest["left_out"].values())
    print(
        f"normalise {spec.dataset}.{spec.lang}: {manifest['read']} rows read, {kept} kept, "
        f"{left_out} left out"
    )
    if spec.lang == spec.pivot:
        for name, part in manifest["sources"].items():
            if unread := part["columns_not_read"]:
                print(f"  source '{name}': columns not read: {_named(unread)}")
    for counts in (manifest["left_out"], manifest["changed"]):
        for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
            print(f"  {reason}: {count}", file=sys.stderr)


def _named(columns: list[str]) -> str:
    """Names of columns, the first of many."""
    more = f", and {len(columns) - NAMED} more" if len(columns) > NAMED else ""
    return ", ".join(columns[:NAMED]) + more


def _records(paths: list[str], spec: NormaliseSpec) -> list[tuple[str, dict[str, Any]]]:
    """Records of the spec's sources, in the spec's order; each exactly once."""
    loaded = {record["source"]: record for record in map(read_json, paths)}
    if sorted(loaded) != sorted(spec.sources) or len(loaded) != len(paths):
        raise BabelmixError(
            f"normalise {spec.dataset}: --records are of {sorted(loaded)}, the spec names "
            f"{sorted(spec.sources)}."
        )
    return [(name, loaded[name]) for name in spec.sources]


def _open(spec: NormaliseSpec, records: Mapping[str, dict[str, Any]]) -> dict[str, Reading]:
    """The sources to read; in a pool that is not parallel, those that hold the language."""
    opened = {}
    for name, record in records.items():
        source = spec.sources[name]
        if spec.lang in source.languages:
            opened[name] = open_source(spec, name, files_of(record, spec.lang))
        elif spec.parallel:
            raise BabelmixError(
                f"source '{name}' does not hold '{spec.lang}' (its `languages`: "
                f"{', '.join(source.languages)}), but other sources of '{spec.dataset}' do. Put it "
                "into a dataset of its own."
            )
    if not opened:
        raise BabelmixError(
            f"dataset '{spec.dataset}': none of its sources holds '{spec.lang}'. Add it to a "
            "source's `languages`, or take it out of the dataset's."
        )
    return opened


def choose_rows(
    spec: NormaliseSpec, parsed: dict[str, Parsed]
) -> tuple[list[Conversation], dict[str, Any]]:
    """The pivot language's rows, of rows in memory, and the manifest; see ``Chooser``."""
    readings = {name: Reading.of(part) for name, part in parsed.items()}
    chooser = Chooser(spec, readings)
    rows = list(chooser.rows())
    manifest = _manifest(spec, readings, chooser.kept, chooser.left_out, chooser.characters)
    return rows, manifest


def follow_pivot(
    spec: NormaliseSpec,
    readings: Mapping[str, Reading | Parsed],
    pivot: list[Conversation],
) -> tuple[list[Conversation], dict[str, Any]]:
    """The pivot's ids, in its order, in another language that the sources hold.

    A pivot row that this language lacks (or whose copy is unusable or has other turns) stays as a
    row with the pivot's text and a failed check ``present``, so that the pool can leave it out.
    """
    opened = {n: Reading.of(r) if isinstance(r, Parsed) else r for n, r in readings.items()}
    wanted = frozenset(row.id for row in pivot)
    rows: dict[str, Conversation] = {}
    left_out: Counter[tuple[str, str]] = Counter()
    ids = Ids()
    for reading in opened.values():
        reading.parsed.wanted = wanted
        for row in reading.first():
            ids.add(row.id)
            if row.id in wanted:
                rows[row.id] = row
            else:
                left_out[row.source, f"not among the ids of {spec.pivot}"] += 1
    every = (row.id for reading in opened.values() for row in reading.again())
    ids.refuse_doubled(lambda: every, f"dataset '{spec.dataset}' in '{spec.lang}'")
    if not rows:
        raise BabelmixError(
            f"dataset '{spec.dataset}': no id of '{spec.pivot}' occurs in '{spec.lang}'. The files "
            "are not parallel, or their ids differ. Where the languages are no translations of "
            "each other, say `parallel: false`."
        )
    bad = {i: reason for r in opened.values() for i, reason in r.parsed.bad_ids.items()}
    kept = [_matched(row, rows.get(row.id), bad.get(row.id), spec.lang) for row in pivot]
    left_out += _other_turns(kept)
    present = [row for row in kept if not row.checks]
    counts = Counter(row.source for row in present)
    manifest = _manifest(spec, opened, counts, left_out, sum(map(n_chars, present)))
    absent = [row.id for row in kept if row.checks]
    manifest["absent"] = {"count": len(absent), "ids": absent[:EXAMPLES]}
    return kept, manifest


def _matched(
    pivot: Conversation, found: Conversation | None, reason: str | None, lang: str
) -> Conversation:
    if found is not None and [m.role for m in found.messages] == [m.role for m in pivot.messages]:
        return found
    detail = _OTHER_TURNS if found is not None else reason or "no such row"
    source = found.source if found is not None else pivot.source
    check = Check(PRESENT, ok=False, detail=detail)
    return Conversation(
        pivot.id, lang, pivot.dataset, source, pivot.messages, "source", checks=[check]
    )


_OTHER_TURNS = "other turns than the pivot's row"


def _other_turns(kept: Iterable[Conversation]) -> Counter[tuple[str, str]]:
    """Rows that were read but replaced, because their turns differ from the pivot's."""
    details = ((row.source, check.detail) for row in kept for check in row.checks)
    return Counter(pair for pair in details if pair[1] == _OTHER_TURNS)


def _check_pairs(
    spec: NormaliseSpec, records: Mapping[str, dict[str, Any]], readings: Mapping[str, Reading]
) -> dict[str, Any]:
    """What shows that rows without ids pair, by source; an error where they do not."""
    found = {}
    for name, reading in readings.items():
        record = records[name]
        if not reading.parsed.numbered or files_of(record, spec.lang) == files_of(
            record, spec.pivot
        ):
            continue

        def texts(lang: str, name: str = name, record: dict[str, Any] = record) -> Iterator[str]:
            return open_source(spec, name, files_of(record, lang), lang).texts()

        where = f"source '{name}' of dataset '{spec.dataset}'"
        trusted = spec.sources[name].alignment == "trust"
        found[name] = check_alignment(texts, spec.pivot, spec.lang, where, trusted)
    return found


def _manifest(
    spec: NormaliseSpec,
    readings: Mapping[str, Reading],
    chosen: Mapping[str, int],
    left_out: Mapping[tuple[str, str], int],
    characters: int,
) -> dict[str, Any]:
    """Counts by source and reason; asserts that every row read is kept or left out."""
    sources = {}
    total: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    for name, reading in readings.items():
        part = reading.parsed
        reasons = part.left_out + Counter({r: n for (s, r), n in left_out.items() if s == name})
        kept = chosen.get(name, 0)
        assert part.read == kept + reasons.total(), f"{name}: rows are lost"
        total += reasons
        changed += part.changed
        sources[name] = {
            "read": part.read,
            "kept": kept,
            "left_out": dict(reasons),
            "examples": part.examples,
            "usable": part.usable,
            "expected": spec.sources[name].expected_rows,
            "raw": part.raw,
            "changed": dict(part.changed),
            "numbered": part.numbered,
            "columns_not_read": list(part.unread),
        }
    return {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "read": sum(reading.parsed.read for reading in readings.values()),
        "kept": sum(chosen.values()),
        "left_out": dict(total),
        "changed": dict(changed),
        "sources": sources,
        "warnings": _unexpected(spec, readings) + _notes(readings),
        "characters": characters,
    }


def _notes(readings: Mapping[str, Reading]) -> list[str]:
    return list(dict.fromkeys(note for r in readings.values() for note in r.parsed.notes))


def _unexpected(spec: NormaliseSpec, readings: Mapping[str, Reading]) -> list[str]:
    """Sources that give another number of rows in the pivot language than they are known for."""
    if spec.lang != spec.pivot:
        return []
    found = []
    for name, reading in readings.items():
        expected, usable = spec.sources[name].expected_rows, reading.parsed.usable
        if expected is not None and expected != usable:
            found.append(
                f"source '{name}' gives {usable} usable rows in '{spec.lang}', "
                f"{expected} are expected. Is the copy whole, and the one that is meant?"
            )
    return found
