"""Verb ``collect``: the shards of one language -> the pool's file of it, corrected and audited."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..errors import BabelmixError
from ..io import file_digest, read_records, write_json, write_records
from ..options import add_settings, read_settings
from ..records import ABSENT_CHECKS, TASK_FLAG, Check, Conversation, is_verbatim
from ..specs import CollectSpec
from .audit import audit_held, audit_texts, task_flag, turn_check
from .corrections import Applied, Overlay, correct_rows, read_overlay
from .measures import Measure, read_measures
from .pair import Pair, learn_pair, plain_pair
from .texts import Text, identify_texts
from .variety import script_check
from .wording import PARTLY, own_language_check

#: Rows named for each check in the audit.
EXAMPLES = 10
#: Rows whose languages are found together.
_AT_ONCE = 2000
#: Checks that a row brings along; all others are made here, anew.
_BROUGHT = ABSENT_CHECKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_settings(parser, CollectSpec)
    parser.add_argument("--pivot", required=True, help="normalised conversations of the pivot")
    parser.add_argument(
        "--shards", required=True, nargs="+", help="translated shards, or the normalised file"
    )
    parser.add_argument("--corrections", help="overlay of human corrections (JSONL or CSV)")
    parser.add_argument(
        "--measures", nargs="+", default=[], help="measures of the rows made before (JSON)"
    )
    parser.add_argument("--output", required=True, help="parquet of conversations")
    parser.add_argument("--audit", required=True, help="JSON: rows, passed, failed by check")


def run(args: argparse.Namespace) -> None:
    """Join the shards in the pivot's order, correct and audit them, write rows and audit."""
    spec = read_settings(args, CollectSpec)
    pivot = read_records(args.pivot, Conversation)
    rows, applied = assemble(pivot, args.shards, spec, args.corrections)
    measures = read_measures(args.measures)
    pair = audit_rows(pivot, rows, spec, measures)
    assert len(rows) == len(pivot), "rows are lost"
    report = audit_report(rows, spec) | {"lengths": pair.lengths.summary()}
    if measures:
        found = {m.check: m.summary(spec.below.get(m.check)) for m in measures}
        report["measures"] = found
    if applied is not None:
        digest = file_digest(args.corrections)
        report["corrections"] = applied.summary() | {"file": args.corrections, "sha256": digest}
    write_records(args.output, rows, Conversation)
    write_json(args.audit, report)
    print(
        f"collect {spec.dataset}.{spec.lang}: {len(rows)} rows, {report['passed']} pass all "
        f"checks, {report['failed']} fail at least one"
        + (f"; {applied.text()}" if applied is not None else "")
        + _language_words(report, spec.lang)
    )


def _language_words(report: dict[str, Any], lang: str) -> str:
    found = Counter(report["languages_found"])
    partly = report["partly_in_another_language"]
    words = f"; {partly} are partly in another language" if partly else ""
    if found:
        most = ", ".join(f"{name} {count}" for name, count in found.most_common(5))
        words = f"; {found.total()} are not in '{lang}' ({most}){words}"
    return words


def assemble(
    pivot: list[Conversation], shards: Sequence[str], spec: CollectSpec, corrections: str | None
) -> tuple[list[Conversation], Applied | None]:
    """All rows of one language in the pivot's order, human corrections put over them."""
    rows = [row for path in shards for row in read_records(path, Conversation)]
    rows = collect(pivot, rows, spec)
    if corrections is None:
        return rows, None
    overlay: Overlay = read_overlay(corrections)
    return rows, correct_rows(rows, pivot, overlay, spec.lang)


def collect(
    pivot: list[Conversation], shards: list[Conversation], spec: CollectSpec
) -> list[Conversation]:
    """Rows of all shards in the pivot's order; BabelmixError unless each id is there once."""
    by_id = {row.id: row for row in shards}
    wanted = [row.id for row in pivot]
    where = f"collect {spec.dataset}.{spec.lang}"
    if len(by_id) != len(shards):
        twice = [i for i, n in Counter(row.id for row in shards).items() if n > 1]
        raise BabelmixError(f"{where}: ids in several shards: {', '.join(sorted(twice)[:5])}.")
    odd = sorted(set(wanted) ^ set(by_id))
    if odd:
        raise BabelmixError(
            f"{where}: {len(shards)} rows for {len(pivot)} of the pivot; {len(odd)} ids differ: "
            f"{', '.join(odd[:5])}. Delete the shards of this language and run again."
        )
    wrong = {row.lang for row in shards} - {spec.lang}
    if wrong:
        raise BabelmixError(f"{where}: the shards hold {sorted(wrong)}, not '{spec.lang}'.")
    return [by_id[i] for i in wanted]


def audit_rows(
    pivot: list[Conversation],
    rows: list[Conversation],
    spec: CollectSpec,
    measures: Sequence[Measure] = (),
) -> Pair:
    """Fill the checks of every row, in place; returns what was learnt of the pair.

    The pivot itself is only asked whether it is in the language declared. Rows that only hold
    their place (``ABSENT_CHECKS``) keep the check that says so, and no other. Length ratios are
    learnt from the rows that are there.
    """
    plain = plain_pair(spec.pivot, spec.lang)
    if spec.lang == spec.pivot:
        _audit_pivot(rows, spec)
        return plain
    whole: list[tuple[Conversation, Conversation]] = []
    for source, row in zip(pivot, rows, strict=True):
        brought = [c for c in row.checks if c.name in _BROUGHT or c.name.startswith("correct")]
        row.checks = brought
        if any(c.name in ABSENT_CHECKS and not c.ok for c in brought):
            continue
        turns = turn_check(source.messages, row.messages)
        row.checks = [*brought, turns]
        if turns.ok:
            whole.append((source, row))
    texts = [_texts(source, row) for source, row in whole]
    pair = plain
    if spec.as_translation:
        pair = learn_pair(texts, spec.pivot, spec.lang)
    for number, (source, row) in enumerate(whole):
        if number % _AT_ONCE == 0:
            some = texts[number : number + _AT_ONCE]
            identify_texts([text for _, after in some for text in after])
        before, after = texts[number]
        texts[number] = ([], [])  # what was found out about them takes room
        if spec.as_translation:
            row.checks += audit_texts(before, after, pair)
        else:
            row.checks += audit_held(after, pair)
        row.checks += variety_checks(after, spec)
        row.checks += [m.of(row.id, spec.below.get(m.check)) for m in measures]
        row.checks.append(task_flag(source.messages, spec.pivot))
    return pair


def _audit_pivot(rows: list[Conversation], spec: CollectSpec) -> None:
    """Check in place that each row of the pivot is in the language that its pool declares."""
    for start in range(0, len(rows), _AT_ONCE):
        some = [(row, [Text(m.content) for m in row.messages]) for row in rows[start:][:_AT_ONCE]]
        identify_texts([text for _, texts in some for text in texts])
        for row, texts in some:
            if any(c.name in ABSENT_CHECKS and not c.ok for c in row.checks):
                continue
            brought = [c for c in row.checks if c.name in _BROUGHT or c.name.startswith("correct")]
            row.checks = [
                *brought,
                own_language_check(texts, spec.lang),
                *variety_checks(texts, spec),
            ]


def variety_checks(texts: list[Text], spec: CollectSpec) -> list[Check]:
    """Return the check of script and region, where the language's code names one."""
    check = script_check(texts, spec.lang, spec.script)
    return [check] if check else []


def _texts(source: Conversation, row: Conversation) -> tuple[list[Text], list[Text]]:
    pairs = zip(source.messages, row.messages, strict=True)
    # What tools are asked and say is in no language.
    compared = [(m, n) for m, n in pairs if not is_verbatim(m)]
    return [Text(m.content) for m, _ in compared], [Text(n.content) for _, n in compared]


def audit_report(rows: list[Conversation], spec: CollectSpec) -> dict[str, Any]:
    """Counts of rows and of failed checks, with the first ids of each check.

    ``flagged`` counts the tasks that translation breaks: such rows have not failed by that.
    """
    failed: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    measured: Counter[str] = Counter()
    examples: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        for check in row.checks:
            measured[check.name] += not check.detail.startswith("not measured")
            if check.name == TASK_FLAG and check.value:
                flagged.update(check.detail.split(", "))
                _add_example(examples, TASK_FLAG, row, check)
            if not check.ok:
                failed[check.name] += 1
                _add_example(examples, check.name, row, check)
    passed = sum(all(c.ok for c in row.checks) for row in rows)
    return {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "rows": len(rows),
        "passed": passed,
        "failed": len(rows) - passed,
        "failed_by_check": dict(failed),
        "measured_by_check": dict(measured),
        "flagged": sum(any(c.name == TASK_FLAG and c.value for c in row.checks) for row in rows),
        "flagged_by_task": dict(flagged),
        "languages_found": dict(_languages_found(rows)),
        "partly_in_another_language": sum(
            c.name == "language" and c.detail.startswith(PARTLY) for row in rows for c in row.checks
        ),
        "examples": examples,
        "on_failed_check": spec.on_failed_check,
        "origin": dict(Counter(row.origin for row in rows)),
        "translators": sorted({row.translator for row in rows if row.translator}),
    }


def _languages_found(rows: list[Conversation]) -> Counter[str]:
    """Languages of the rows that fail the language check: which, and how many."""
    failed = (c for row in rows for c in row.checks if c.name == "language" and not c.ok)
    return Counter(check.detail.removeprefix("found ") for check in failed)


def _add_example(
    examples: dict[str, list[dict[str, str]]], name: str, row: Conversation, check: Check
) -> None:
    named = examples.setdefault(name, [])
    if len(named) < EXAMPLES:
        named.append({"id": row.id, "detail": check.detail})
