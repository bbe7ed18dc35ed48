"""Verb ``collect``: the shards of one language -> the pool's file of it, and its audit."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from ..errors import BabelmixError
from ..io import read_records, write_json, write_records
from ..records import Conversation
from ..specs import CollectSpec

#: Rows named for each check in the audit.
EXAMPLES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--spec", required=True, help="CollectSpec as JSON")
    parser.add_argument("--pivot", required=True, help="normalised conversations of the pivot")
    parser.add_argument(
        "--shards", required=True, nargs="+", help="translated shards, or the normalised file"
    )
    parser.add_argument("--output", required=True, help="parquet of conversations")
    parser.add_argument("--audit", required=True, help="JSON: rows, passed, failed by check")


def run(args: argparse.Namespace) -> None:
    """Join the shards in the pivot's order, write them and the audit."""
    spec = CollectSpec.model_validate_json(args.spec)
    pivot = read_records(args.pivot, Conversation)
    shards = [row for path in args.shards for row in read_records(path, Conversation)]
    rows = collect(pivot, shards, spec)
    report = audit_report(rows, spec)
    write_records(args.output, rows, Conversation)
    write_json(args.audit, report)
    print(
        f"collect {spec.dataset}.{spec.lang}: {len(rows)} rows, {report['passed']} pass all "
        f"checks, {report['failed']} fail at least one"
    )


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


def audit_report(rows: list[Conversation], spec: CollectSpec) -> dict[str, Any]:
    """Counts of rows and of failed checks, with the first ids of each check."""
    failed: Counter[str] = Counter()
    examples: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        for check in row.checks:
            if check.ok:
                continue
            failed[check.name] += 1
            named = examples.setdefault(check.name, [])
            if len(named) < EXAMPLES:
                named.append({"id": row.id, "detail": check.detail})
    passed = sum(all(c.ok for c in row.checks) for row in rows)
    return {
        "dataset": spec.dataset,
        "lang": spec.lang,
        "rows": len(rows),
        "passed": passed,
        "failed": len(rows) - passed,
        "failed_by_check": dict(failed),
        "examples": examples,
        "on_failed_check": spec.on_failed_check,
        "origin": dict(Counter(row.origin for row in rows)),
        "translators": sorted({row.translator for row in rows if row.translator}),
    }
