"""Tables of the translation audit: what failed, what was flagged, and examples of both."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..config.audit import policy_of
from ..io import read_json
from ..records import TASK_FLAG
from .table import Table

#: Examples kept of each check, pool and language.
_EXAMPLES = 3
#: Characters kept of an example's detail.
_DETAIL = 160


def audit_tables(paths: Iterable[Path]) -> list[Table]:
    """Both tables, from the audits of the ``collect`` verb."""
    audits = [read_json(path) for path in paths]
    return [audit_table(audits), examples_table(audits)]


def audit_table(audits: Iterable[dict[str, Any]]) -> Table:
    """Rows that failed each check, that carry a flag, and that people corrected."""
    table = Table(
        "translation_audit",
        "Translation audit",
        "Rows that failed a check; a row may fail several. `any` counts rows that failed at all, "
        "`task` rows whose task translation breaks (a flag, no failure), `corrected` rows that "
        "people corrected.",
        {
            "dataset": "Parallel pool.",
            "language": "Language.",
            "translators": "Configured translators; empty where the source holds the language.",
            "check": "Check, `any`, `task` or `corrected`.",
            "rows": "Rows of the pool.",
            "measured": "Rows of them that the check could measure.",
            "failed": "Rows that failed (carry the flag, were corrected).",
            "share": "Share of the rows.",
            "policy": "What becomes of such rows.",
        },
        ("dataset", "language", "check"),
    )
    for audit in audits:
        counts = {"any": audit["failed"], **audit["failed_by_check"]}
        measured = audit.get("measured_by_check", {})
        # A check that nothing failed is told from one that was not made.
        counts |= {name: 0 for name in measured if name not in counts and name != TASK_FLAG}
        if audit.get("flagged") or TASK_FLAG in measured:
            counts[TASK_FLAG] = audit.get("flagged", 0)
        counts["corrected"] = audit.get("corrections", {}).get("rows", 0)
        table.rows += [_row(audit, check, failed) for check, failed in counts.items()]
    return table


def _row(audit: dict[str, Any], check: str, failed: int) -> dict[str, Any]:
    rows = audit["rows"]
    policy = audit.get("on_failed_check", "")
    plain = check in ("any", "corrected")
    return {
        "dataset": audit["dataset"],
        "language": audit["lang"],
        "translators": ", ".join(audit["translators"]),
        "check": check,
        "rows": rows,
        "measured": None if plain else audit.get("measured_by_check", {}).get(check),
        "failed": failed,
        "share": failed / rows if rows else None,
        "policy": "" if plain or not policy else policy_of(check, policy),
    }


def examples_table(audits: Iterable[dict[str, Any]]) -> Table:
    """The first rows that failed each check or carry a flag."""
    table = Table(
        "translation_examples",
        "Examples from the translation audit",
        f"The first {_EXAMPLES} rows of each pool language that failed a check or carry a flag.",
        {
            "dataset": "Parallel pool.",
            "language": "Language.",
            "check": "Check.",
            "id": "Row.",
            "detail": "What the check found.",
        },
        ("dataset", "language", "check", "id"),
    )
    for audit in audits:
        for check, examples in audit.get("examples", {}).items():
            for example in examples[:_EXAMPLES]:
                table.rows.append(
                    {
                        "dataset": audit["dataset"],
                        "language": audit["lang"],
                        "check": check,
                        "id": example["id"],
                        "detail": example["detail"][:_DETAIL],
                    }
                )
    return table
