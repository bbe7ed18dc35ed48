"""Cells and tables of the page, with what is behind each number: its questions, answers, error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..analyse.figure import Rows
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from ..analyse.thin import THIN_WORDS, most_values, thin
from ..analyse.wording import note_of, percent, short_note


@dataclass(frozen=True)
class Cell:
    """A cell: its text, small print under it, and whether it is a number or a warning.

    ``title`` is shown on hover; ``sort`` is what the table sorts by, where that is not the text.
    """

    text: str
    small: str = ""
    number: bool = False
    warn: bool = False
    title: str = ""
    sort: float | None = None


@dataclass
class View:
    """A table of the page; the first cell of each row is its header."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    source: str = ""
    note: str = ""

    @property
    def wide(self) -> bool:
        """Whether it needs more room than a text."""
        return len(self.columns) > _WIDE


#: Tables with more columns than this may be as wide as the window.
_WIDE = 10


def formatted(value: float, form: str) -> str:
    """As ``format``, but halves go away from zero, as in the figures."""
    return format(value + (1e-9 if value > 0 else -1e-9 if value < 0 else 0.0), form)


def words(value: Any) -> Cell:
    """A cell of text."""
    return Cell("–" if value in (None, "") else str(value))


def turn_words(turn: str | float) -> str:
    """A turn, or `all`; numbers come back from a table as floats."""
    return turn if isinstance(turn, str) else f"{turn:.0f}"


def number(value: float | None, form: str = ",.0f") -> Cell:
    """A cell of a number; thousands are set off by a thin space."""
    text = "–" if value is None else formatted(value, form).replace(",", "\u202f")
    return Cell(text, number=True, sort=value)


def behind(row: dict[str, Any]) -> str:
    """What stands behind a value: ``20 questions, 80 answered turns, standard error 0.12``."""
    parts = []
    for column, one in (("questions", "question"), ("values", "answered turn")):
        if row.get(column) is not None:
            count = int(row[column])
            parts.append(f"{count} {one}{'' if count == 1 else 's'}")
    if row.get("se") is not None:
        parts.append(f"standard error {row['se']:.3g}")
    return ", ".join(parts)


def estimate(row: dict[str, Any] | None, column: str, form: str, factor: float = 1.0) -> Cell:
    """A value with its interval under it, and what is unusual about that; the rest on hover."""
    if row is None or row[column] is None:
        return Cell("–", number=True)
    low, high = row.get("low"), row.get("high")
    note = short_note(note_of(row.get("interval_note"), column))
    kind = note.partition(":")[0]
    small = note
    if low is not None and high is not None:
        small = f"{formatted(factor * low, form)} … {formatted(factor * high, form)}"
        small = f"{small} ({kind})" if kind else small
    text = formatted(factor * row[column], form)
    title = "; ".join(part for part in (behind(row), note) if part)
    return Cell(text, small, number=True, title=title, sort=row[column])


def pivot(
    study: StudySet,
    variants: Sequence[str],
    rows: Rows,
    column: str,
    form: str,
    caption: str,
    source: str,
    factor: float = 1.0,
) -> View:
    """Variants × languages, the mean first; then what is behind the mean.

    A cell of few answers is marked and says how many.
    """
    found = {(row["variant"], row["language"]): row for row in rows}
    present = {row["language"] for row in rows}
    languages = [code for code in (ALL, *study.languages) if code in present]
    heads = ["mean" if code == ALL else study.language_name(code) for code in languages]
    view = View(caption, ["mixture", *heads, *_BEHIND], source=source)
    most = most_values(rows)
    for name in variants:
        if any((name, code) in found for code in languages):
            cells = []
            for code in languages:
                row = found.get((name, code))
                cell = estimate(row, column, form, factor)
                if row is not None and row[column] is not None and thin(row, most):
                    cell = _marked(cell, row)
                    view.note = THIN_WORDS
                cells.append(cell)
            cells += _behind_cells(found.get((name, ALL)), factor)
            view.rows.append([words(study.variants[name].label), *cells])
    return view


#: Headings of what stands behind a row's mean.
_BEHIND = ("standard error", "questions", "answered turns")


def _behind_cells(row: dict[str, Any] | None, factor: float) -> list[Cell]:
    if row is None:
        return [Cell("–", number=True)] * len(_BEHIND)
    se = row.get("se")
    error = None if se is None else factor * se
    return [
        number(error, ".2g"),
        number(row.get("questions")),
        number(row.get("values")),
    ]


def _marked(cell: Cell, row: dict[str, Any]) -> Cell:
    """A cell of few answers: a warning, and their number."""
    count = f"n\u202f=\u202f{row['values']:.0f}"
    return replace(cell, warn=True, small=f"{cell.small} · {count}" if cell.small else count)


def simple(
    table: ReadTable,
    caption: str,
    columns: Mapping[str, tuple[str, Callable[[Any], Cell]]],
    rows: Rows | None = None,
) -> View:
    """Chosen columns of a table: column -> (heading, how to show a value)."""
    view = View(caption, [head for head, _ in columns.values()], source=table.entry["name"])
    for row in table.rows if rows is None else rows:
        view.rows.append([show(row[name]) for name, (_, show) in columns.items()])
    return view


def share_cell(value: float | None) -> Cell:
    """A share as percent."""
    return Cell(percent(None if value is None else 100 * value, 1), number=True, sort=value)
