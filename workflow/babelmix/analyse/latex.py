"""LaTeX of the main tables, for papers: mixture × language, intervals under the values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .study import ALL, StudySet
from .table import Table
from .wording import note_of

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "·": r"$\cdot$",
    "½": r"$\frac12$",
    "…": r"\dots{}",
}


@dataclass(frozen=True)
class Pivot:
    """How a table becomes mixture × language: its value column, what groups it, its form."""

    value: str
    group: str
    form: str = ".2f"
    factor: float = 1.0


#: The tables that get LaTeX.
MAIN = {
    "grades": Pivot("mean", "evaluation"),
    "preferences": Pivot("score", "evaluation", ".1f"),
    "answer_language": Pivot("share", "benchmark", ".0f", 100),
    "line_language": Pivot("share", "benchmark", ".0f", 100),
}


def escaped(text: Any) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(sign, sign) for sign in str(text))


def main_latex(table: Table, study: StudySet) -> str | None:
    """LaTeX of one of the main tables, a ``tabular`` a group; None for the others and without rows.

    Needs the package ``booktabs``.
    """
    if table.name == "gains":
        return "\n".join(_gains(table)) if table.rows else None
    pivot = MAIN.get(table.name)
    if pivot is None or not table.rows:
        return None
    lines = [f"% {table.title}. {study.confidence:.0%} intervals over questions."]
    for group in dict.fromkeys(row[pivot.group] for row in table.rows):
        of = [row for row in table.rows if row[pivot.group] == group]
        lines += [f"% {group}".replace("\n", " "), *_pivoted(of, pivot, study)]
    return "\n".join(lines) + "\n"


def _pivoted(rows: Sequence[dict[str, Any]], pivot: Pivot, study: StudySet) -> Iterator[str]:
    found = {(row["variant"], row["language"]): row for row in rows}
    marks = _marks(rows, pivot.value)
    languages = [c for c in (ALL, *study.languages) if any(key[1] == c for key in found)]
    heads = ["mean" if code == ALL else code.upper() for code in languages]
    yield rf"\begin{{tabular}}{{l{'r' * len(languages)}}}"
    yield r"\toprule"
    yield " & ".join(["mixture", *heads]) + r" \\"
    yield r"\midrule"
    for name, variant in study.variants.items():
        cells = [found.get((name, code)) for code in languages]
        if any(cells):
            values = [_cell(row, pivot.value, pivot, marks) for row in cells]
            yield " & ".join([escaped(variant.label), *values]) + r" \\"
    yield from (r"\bottomrule", r"\end{tabular}")
    yield from _footnotes(marks)


def _marks(rows: Sequence[dict[str, Any]], *columns: str) -> dict[str, str]:
    """Return a mark for each note on an interval, in order: ``a``, ``b`` …, ``aa``."""
    named = {note_of(row.get("interval_note"), name) for row in rows for name in columns}
    notes = sorted(named - {""})
    return {note: chr(97 + i % 26) * (1 + i // 26) for i, note in enumerate(notes)}


def _footnotes(marks: dict[str, str]) -> Iterator[str]:
    """Lines under a tabular that say what its marks mean."""
    for note, mark in marks.items():
        yield rf"\par{{\footnotesize $^{{{mark}}}$ {escaped(note)}}}"


def _cell(row: dict[str, Any] | None, column: str, pivot: Pivot, marks: dict[str, str]) -> str:
    if row is None or row.get(column) is None:
        return "--"
    note = note_of(row.get("interval_note"), column)
    mark = f"$^{{{marks[note]}}}$" if note else ""
    value = f"{pivot.factor * row[column]:{pivot.form}}{mark}"
    if row.get("low") is None or row.get("high") is None:
        return value
    ends = "--".join(f"{pivot.factor * row[end]:{pivot.form}}" for end in ("low", "high"))
    return rf"{value} {{\tiny {ends}}}"


def _gains(table: Table) -> Iterator[str]:
    """Gains over all languages: one row a mixture and opponent."""
    yield f"% {table.title}: 100 (S_mix - S_mono) / S_mono."
    yield r"\begin{tabular}{llrrr}"
    yield r"\toprule"
    yield r"mixture & against & gain (\%) & difference & $p$ (Holm) \\"
    yield r"\midrule"
    plain = Pivot("gain", "", "+.1f")
    points = Pivot("difference", "", "+.2f")
    rows = [row for row in table.rows if row["language"] == ALL]
    marks = _marks(rows, "gain", "difference")
    for row in rows:
        ends = {"low": row["difference_low"], "high": row["difference_high"]}
        p = row.get("p_holm")
        cells = [escaped(row["label"]), escaped(row["against_label"])]
        cells += [_cell(row, "gain", plain, marks), _cell(row | ends, "difference", points, marks)]
        yield " & ".join([*cells, "--" if p is None else f"{p:.3f}"]) + r" \\"
    yield from (r"\bottomrule", r"\end{tabular}", *_footnotes(marks), "")
