"""The figure of the decision: every mixture in the other languages, and in the main one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .charts import NEUTRAL, PALE, PALETTE
from .decision import Decision, decisions
from .decision_table import FIDELITY, GRADE
from .decision_words import lost, shown_value, signed
from .figure import Figure, Rows, figure_id, interval_words, n_words
from .panel_charts import panels
from .study import StudySet
from .table import ReadTable

#: What the colours say.
MAY, NOT, UNRANKED = "may be the best", "shown not to be the best", "not ranked"


def decision_figures(study: StudySet, name: str, table: ReadTable) -> Iterator[Figure]:
    """One figure per model and basis."""
    for decision in decisions(study, name, table):
        if sum(row["value"] is not None for row in decision.rows) > 1:
            yield _figure(study, decision)


def _figure(study: StudySet, decision: Decision) -> Figure:
    factor = 100.0 if decision.criterion == FIDELITY else 1.0
    unit = {FIDELITY: "% of answers in the language asked", GRADE: "mean grade"}
    others = f"other languages: {unit.get(decision.criterion, 'preference score')}"
    if not decision.rows[0]["others"]:
        others = unit.get(decision.criterion, "preference score")
    grade = "grade by rules" if decision.judged_by_rules else "grade"
    if decision.criterion not in (FIDELITY, GRADE):
        grade = "score"
    main = f"{decision.main}: {grade} less that of {decision.main} alone"
    loses = f"loses {decision.main}"
    rows: Rows = []
    for row in decision.rows:
        if row["value"] is None:
            continue
        rows.append(_point(row, others, row["value"], row["low"], row["high"], factor))
        if row["main_difference"] is not None:
            ends = row["main_low"], row["main_high"]
            point = _point(row, main, row["main_difference"], *ends, 1.0)
            rows.append(point | {"state": loses} if lost(row) else point)
    shown = [p for p in (others, main) if any(row["panel"] == p for row in rows)]
    ranked = [row for row in decision.rows if row["rank"] is not None]
    return Figure(
        id=figure_id("decision", decision.study, decision.model, decision.basis),
        kind="decision",
        study=decision.study,
        title=figure_title(decision),
        caption=(
            f"Left: the higher, the better in the other languages, with {interval_words(study)} "
            f"that hold for all {len(ranked)} mixtures at once and so allow for choosing the best. "
            f"Right: what {decision.main} loses or gains, paired by question, with usual intervals."
            f" {n_words(ranked, study)}"
        ),
        alt=(
            f"Dot plot with error bars of {len(ranked)} mixtures, in the other languages and in "
            f"{decision.main}. {figure_title(decision)}."
        ),
        table="decision",
        chart=panels(
            rows,
            panel_order=shown,
            y_order=[row["label"] for row in decision.rows],
            hues={MAY: PALETTE[0], NOT: NEUTRAL, loses: PALETTE[1], UNRANKED: PALE},
            zero_in=[main],
        ),
    )


def figure_title(decision: Decision) -> str:
    """What the figure shows: the highest, and what becomes of the main language there."""
    ranked = [row for row in decision.rows if row["rank"] is not None]
    if not ranked:
        return "No mixture can be ranked"
    top, bottom = ranked[0], ranked[-1]
    value = shown_value(decision.criterion, top["value"])
    text = f"{top['label']} does best in the other languages ({value}"
    if not top["others"]:
        text = f"{top['label']} does best ({value}"
    if decision.judged_by_rules:
        text = f"{top['label']} answers most often in the language of the question ({value}"
    if bottom is not top:
        text += f"; {bottom['label']} {shown_value(decision.criterion, bottom['value'])}"
    text += ")"
    if top["main_difference"] is not None:
        by = signed(top["main_difference"], ".2f" if decision.criterion != "score" else ".1f")
        word = "and loses" if lost(top) else "with"
        text += f" {word} {decision.main} {by}" if lost(top) else f", {decision.main} {by}"
    keeper = decision.keeper
    if keeper and keeper["label"] != top["label"]:
        text += f"; {keeper['label']} keeps it"
    return text


def _point(
    row: dict[str, Any], panel: str, value: float, low: Any, high: Any, factor: float
) -> dict[str, Any]:
    state = {"no": NOT, "yes": MAY}.get(row["may_be_best"] or "", UNRANKED)
    found = {
        "label": row["label"],
        "panel": panel,
        "value": factor * value,
        "state": state,
        "questions": row["questions"],
        "answered turns": row["values"],
        "seeds": row["seeds"],
    }
    if low is None or high is None:
        return found
    ends = {"low": factor * low, "high": factor * high}
    return found | ends | {"interval": f"{ends['low']:.3g} … {ends['high']:.3g}"}
