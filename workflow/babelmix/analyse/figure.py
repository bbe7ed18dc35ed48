"""A figure and its words; helpers that several figures share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .charts import FEW_MARK
from .study import StudySet
from .table import ReadTable
from .thin import THIN_WORDS, most_values, thin
from .wording import note_of, short_note

if TYPE_CHECKING:
    import altair

Rows = list[dict[str, Any]]
#: What the mean over languages is called in figures.
MEAN = "mean"


@dataclass(frozen=True)
class Figure:
    """A chart with the words that belong to it.

    ``kind`` says what it shows (``answer_language_series``, ``grades`` …), so that the report can
    find it; ``table`` is the table that holds its numbers.
    """

    id: str
    kind: str
    study: str
    title: str
    caption: str
    alt: str
    table: str
    chart: altair.Chart | altair.LayerChart | altair.FacetChart

    def entry(self) -> dict[str, str]:
        """What the index says of the figure."""
        names = ("id", "kind", "study", "title", "caption", "alt", "table")
        return {name: getattr(self, name) for name in names} | {"file": f"{self.id}.json"}


def figure_id(*parts: str) -> str:
    """A file name and page anchor."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "--".join(parts))


def select(table: ReadTable, variants: Iterable[str] | None = None, **equal: Any) -> Rows:
    """Rows of a table with these values (and variants)."""
    kept = None if variants is None else set(variants)
    return [
        row
        for row in table.rows
        if all(row.get(name) == value for name, value in equal.items())
        and (kept is None or row.get("variant") in kept)
    ]


def variant_order(study: StudySet, name: str) -> tuple[list[str], list[str]]:
    """Names and labels of a study's variants, in its own order."""
    variants = study.variants_of_study(name)
    return [v.name for v in variants], [v.label for v in variants]


def with_value(rows: Rows, column: str) -> Rows:
    """Rows for a chart: the measured column as ``value``, rows without one left out.

    ``few`` marks those that few answers stand behind (``thin``).
    """
    keep = ("label", "low", "high", "questions")
    most = most_values(row for row in rows if row.get("language"))
    return [
        {"value": row[column]}
        | ({} if row.get("values") is None else {"answered turns": row["values"]})
        | ({"few": True} if row.get("language") and thin(row, most) else {})
        | {name: row.get(name) for name in keep if row.get(name) is not None}
        | {name: row[name] for name in ("language", "category", "turn") if row.get(name)}
        | {"interval": interval_text(row, column)}
        for row in rows
        if row.get(column) is not None
    ]


def interval_text(row: dict[str, Any], column: str = "value") -> str:
    """``1.2 … 3.4 (t interval: 5 questions)`` for a tooltip; why there is none."""
    note = short_note(note_of(row.get("interval_note"), column))
    if row.get("low") is None or row.get("high") is None:
        return note or "none"
    ends = f"{row['low']:.3g} … {row['high']:.3g}"
    return f"{ends} ({note})" if note else ends


def notes_words(rows: Rows, column: str) -> str:
    """`` Not the usual interval in 2 of 12 values (t interval: 2).`` Nothing where all are."""
    notes = (note_of(row.get("interval_note"), column) for row in rows)
    kinds = Counter(note.partition(":")[0] for note in notes)
    usual = kinds.pop("", 0)
    if not kinds:
        return ""
    counts = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    return f" Not the usual interval in {len(rows) - usual} of {len(rows)} values ({counts})."


def renamed_mean(rows: Rows) -> Rows:
    """``all`` -> ``mean``, as figures call it."""
    return [row | {"language": MEAN} if row["language"] == "all" else row for row in rows]


def present(order: Sequence[str], rows: Rows, column: str) -> list[str]:
    """The members of ``order`` that some row has."""
    found = {row.get(column) for row in rows}
    return [name for name in order if name in found]


def interval_words(study: StudySet) -> str:
    """``95 % intervals over questions``."""
    return f"{study.confidence:.0%} intervals over questions".replace("%", " %")


def n_words(rows: Rows, study: StudySet | None = None, name: str = "") -> str:
    """``n: 32 questions, 128 answered turns per value, 1 seed.`` What stands behind the values.

    ``study`` and ``name``: where the rows do not say how many seeds there are.
    """
    parts = []
    for column, one, many in (
        ("questions", "question", "questions"),
        ("values", "answered turn", "answered turns"),
        ("seeds", "training seed", "training seeds"),
    ):
        found = [int(row[column]) for row in rows if row.get(column) is not None]
        if column == "seeds" and not found and study is not None and name:
            found = [len(v.runs) for v in study.variants_of_study(name) if v.mixture]
        if found:
            least, most = min(found), max(found)
            number = f"{most}" if least == most else f"{least} to {most}"
            averaged = " (averaged)" if column == "seeds" and most > 1 else ""
            parts.append(f"{number} {one if most == 1 else many}{averaged}")
    return f"n per value: {', '.join(parts)}." if parts else ""


def few_words(rows: Rows) -> str:
    """What a chart's caption says of its marked cells; nothing where there are none."""
    return f" {FEW_MARK} {THIN_WORDS}" if any(row.get("few") for row in rows) else ""


def judged_words(study: StudySet, evaluation: str) -> str:
    """`` Benchmark b, judged by j.`` And of rules, that they measure no quality."""
    spec = study.evaluations[evaluation]
    rules = " (rules: no measure of quality)" if study.is_by_rules(evaluation) else ""
    protocol = spec.get("protocol", "single").replace("_", " ")
    return f" Benchmark {spec['benchmark']}, judged by {spec['judge']}{rules}, {protocol}."


def grade_name(study: StudySet, evaluation: str) -> str:
    """``mean grade``, or of rules ``grade by rules``: a title makes no claim that they cannot."""
    return "grade by rules" if study.is_by_rules(evaluation) else "mean grade"


def highest_words(rows: Rows, form: str, what: str, unit: str = "") -> str:
    """``Highest mean grade: x (6.2); lowest: y (3.1)``: a title from the rows' values."""
    if not rows:
        return f"No {what}"
    top = max(rows, key=lambda row: row["value"])
    bottom = min(rows, key=lambda row: row["value"])
    text = f"Highest {what}: {top['label']} ({format(top['value'], form)}{unit})"
    if bottom is not top:
        text += f"; lowest: {bottom['label']} ({format(bottom['value'], form)}{unit})"
    return text


def extremes(rows: Rows, form: str, name: str = "label") -> str:
    """``highest x (1.2), lowest y (0.3)`` of the rows' values."""
    if not rows:
        return "no values"
    top = max(rows, key=lambda row: row["value"])
    bottom = min(rows, key=lambda row: row["value"])
    words = f"highest {top[name]} ({format(top['value'], form)})"
    if top is not bottom:
        words += f", lowest {bottom[name]} ({format(bottom['value'], form)})"
    return words
