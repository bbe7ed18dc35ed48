"""What the page says of the contrasts that a study declares: first, and whatever they show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..analyse import wording
from ..analyse.figure import select
from ..analyse.statistics import Estimate
from ..analyse.study import StudySet
from ..analyse.table import ReadTable
from .cells import View, estimate, number, words
from .statement import Statement


def declared_statements(study: StudySet, name: str, table: ReadTable) -> Iterator[Statement]:
    """One finding per contrast and measure, in the order of the configuration."""
    for contrast in study.studies[name].get("contrasts", []):
        for row in _of(table, study, name, contrast):
            yield _statement(study, row)


def _of(
    table: ReadTable, study: StudySet, name: str, contrast: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of a contrast: judged measures in the study's order, then the answers' language.

    Grades of rules are no measure of quality: there the language comes first.
    """
    rows = select(table, study=name, contrast=contrast["name"], model=contrast["model"])
    evaluations = list(study.studies[name]["evaluations"])
    free = -1 if all(map(study.is_by_rules, evaluations)) else len(evaluations)

    def place(row: dict[str, Any]) -> int:
        evaluation = row["measure"].partition(":")[2]
        return evaluations.index(evaluation) if evaluation in evaluations else free

    return sorted((r for r in rows if (r["recipe"] or "") == contrast["recipe"]), key=place)


def _statement(study: StudySet, row: dict[str, Any]) -> Statement:
    difference = Estimate(
        row["difference"],
        row["low"],
        row["high"],
        int(row["questions"] or 0),
        int(row["values"] or 0),
        note=row["interval_note"] or "",
    )
    left, right = row["left"], row["right"]
    if row["against"]:
        left, right = f"{left} − {right}", f"{row['against']}"
    text = wording.difference_sentence(
        left,
        right,
        difference,
        row["unit"],
        study.confidence,
        row["detectable"],
        corrected=row["p_holm"],
    )
    asked = f"{row['question']} " if row["question"] else ""
    tests = ""
    if (row["tests"] or 0) > 1:
        tests = f" p is corrected for {row['tests']:.0f} declared contrasts."
    missing = (
        f" {row['left_out']:.0f} items are not scored on all sides." if row["left_out"] else ""
    )
    note = (
        f"Declared contrast {row['contrast']}, {row['measure']}, languages {row['languages']}: "
        f"{row['questions'] or 0:.0f} questions.{tests}{missing}"
    )
    return Statement(f"{asked}{text}", note, ())


def declared_view(study: StudySet, name: str, table: ReadTable) -> View | None:
    """A study's declared contrasts as a table; None where it declares none."""
    rows = [
        row for c in study.studies[name].get("contrasts", []) for row in _of(table, study, name, c)
    ]
    if not rows:
        return None
    columns = ["contrast", "measure", "languages", "left", "right", "difference", "p (Holm)"]
    view = View(
        "Declared contrasts: named in the configuration before the results, corrected for one "
        "another alone",
        [*columns, "detectable"],
        source="declared",
    )
    for row in rows:
        right = f"{row['right']} (minus {row['against']})" if row["against"] else row["right"]
        view.rows.append(
            [
                words(f"{row['contrast']} · {row['model']} · {row['recipe']}"),
                words(row["measure"]),
                words(row["languages"]),
                words(f"{row['left']}: {_mean(row['left_mean'])}"),
                words(f"{right}: {_mean(row['right_mean'])}"),
                estimate(row, "difference", "+.2f"),
                number(row["p_holm"], ".3f"),
                number(row["detectable"], ".2f"),
            ]
        )
    return view


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
