"""Tables of the page: the translation audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from ..analyse.figure import Rows
from ..analyse.table import ReadTable
from ..config.audit import CheckName
from .cells import Cell, View, number, words
from .statements import percent

#: Checks in the order of the page.
_ORDER = {name: place for place, name in enumerate(get_args(CheckName))}


def audit_views(tables: dict[str, ReadTable]) -> list[View]:
    """Pool languages × checks, then examples, where there are any."""
    views = [audit_view(tables)]
    examples = tables["translation_examples"].rows
    if examples:
        view = View(
            "What the checks found: the first rows of each pool language",
            ["pool", "language", "check", "row", "found"],
            source="translation_examples",
        )
        columns = ("dataset", "language", "check", "id", "detail")
        ordered = sorted(examples, key=lambda row: _ORDER.get(row["check"], len(_ORDER)))
        view.rows = [[words(_plain(row[name])) for name in columns] for row in ordered]
        views.append(view)
    return views


def _plain(value: Any) -> Any:
    """An id that is a number, without the decimals that reading it as one gave it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def audit_view(tables: dict[str, ReadTable]) -> View:
    """Pool languages × checks: rows that failed; flags and corrections last."""
    rows = tables["translation_audit"].rows
    grouped: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["dataset"], row["language"]), {})[row["check"]] = row
    present = {row["check"] for row in rows} - {"any", "task", "corrected"}
    checks = sorted(present, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    shown, clean = _failing(checks, rows)
    view = View(
        "Rows of each pool language that failed a check of the translation; the last columns count "
        "rows whose task translation breaks, and rows that people corrected",
        [
            "pool",
            "language",
            "translator",
            "rows",
            "failed any",
            *(_spoken(check) for check in shown),
            "fragile tasks",
            "corrected",
        ],
        source="translation_audit",
    )
    if clean:
        view.note = f"No row failed: {', '.join(_spoken(check) for check in clean)}."
    for (dataset, lang), by_check in grouped.items():
        every = by_check["any"]
        share = percent(100 * (every["share"] or 0), 1)
        view.rows.append(
            [
                words(dataset),
                words(lang),
                words(every["translators"]),
                number(every["rows"]),
                Cell(f"{every['failed']:,.0f}", share, number=True, sort=every["failed"]),
                *(_count(by_check.get(check)) for check in [*shown, "task", "corrected"]),
            ]
        )
    return view


def _failing(checks: Sequence[str], rows: Rows) -> tuple[list[str], list[str]]:
    """Checks that some row failed, and those that none did: a column of zeros says it in a word."""
    failing = {row["check"] for row in rows if row["failed"]}
    return (
        [check for check in checks if check in failing],
        [check for check in checks if check not in failing],
    )


def _spoken(check: str) -> str:
    return check.replace("_", " ")


def _count(row: dict[str, Any] | None) -> Cell:
    """Failed rows, and what becomes of them; a dot where the check was not made."""
    if row is None:
        return Cell("·", number=True)
    failed = row["failed"]
    policy = str(row.get("policy") or "").replace("_", " ")
    return Cell(f"{failed:,.0f}", policy if failed else "", number=True, sort=failed)
