"""The page's first screen: the decision of a study, its ranked table, its figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..analyse.decision import Decision, decisions
from ..analyse.decision_table import FIDELITY, GRADE
from ..analyse.decision_words import lost, shown_value, signed
from ..analyse.figure import figure_id
from ..analyse.study import StudySet
from ..analyse.table import ReadTable
from ..analyse.wording import NARROW, percent
from .cells import Cell, View, behind, number


@dataclass(frozen=True)
class DecisionPart:
    """What the page shows of one decision; ``decided_by`` says in a few words what it rests on."""

    decision: Decision
    decided_by: str
    view: View
    figure: dict[str, str] | None


def decision_parts(
    study: StudySet, name: str, table: ReadTable, figures: list[dict[str, str]]
) -> list[DecisionPart]:
    """Every decision of a study, the one that the page opens with first."""
    by_id = {figure["id"]: figure for figure in figures}
    return [
        DecisionPart(
            decision=one,
            decided_by=_decided_by(study, one),
            view=_view(one),
            figure=by_id.get(figure_id("decision", one.study, one.model, one.basis)),
        )
        for one in decisions(study, name, table)
    ]


def _decided_by(study: StudySet, one: Decision) -> str:
    """Who judged what, or that nobody did."""
    several = len({v.model for v in study.variants_of_study(one.study)}) > 1
    model = f"Model {one.model}. " if several else ""
    if one.criterion == FIDELITY:
        benchmark = one.basis.partition(":")[2]
        why = "only rules graded" if any(r["grade"] is not None for r in one.rows) else "no judge"
        return f"{model}Decided by the language of the answers ({why}), benchmark {benchmark}"
    spec = study.evaluations[one.basis]
    what = (
        "single grades"
        if one.criterion == GRADE
        else f"{spec['protocol'].replace('_', ' ')} preferences"
    )
    return f"{model}Decided by {spec['judge']}, {what}, benchmark {spec['benchmark']}"


def _view(one: Decision) -> View:
    """The ranked table: other languages, main language, language of the answers, cost."""
    where = "in other languages" if one.rows[0]["others"] else "over all languages"
    what = {FIDELITY: "answers in the language asked", GRADE: "mean grade"}
    first = f"{what.get(one.criterion, 'preference score')} {where}"
    graded = any(row["main_value"] is not None for row in one.rows)
    by = " (by rules)" if one.judged_by_rules else ""
    main = f"{one.main} {'score' if one.criterion not in (FIDELITY, GRADE) else 'grade'}{by}"
    columns = ["mixture", first, "best with probability"]
    columns += [main] if graded else [f"{one.main} questions answered in {one.main}"]
    if one.criterion != FIDELITY:
        columns.append("answers in the language asked")
    columns += [f"rows not in {one.main}", "questions"]
    view = View("Every mixture, the best first", columns, source="decision")
    for row in one.rows:
        cells = [_name(row), _value(one, row), _chance(row)]
        cells.append(_main(row) if graded else _spoken(row["main_fidelity"]))
        if one.criterion != FIDELITY:
            cells.append(_share(row))
        cells += [number(row["rows_other"]), _count(row)]
        view.rows.append(cells)
    view.note = (
        "Intervals in the second column hold for all mixtures at once, so that the best may be "
        "picked from them. Probability and rank are of the bootstrap over questions (one draw for "
        "all mixtures); of few questions it is too sure near 0 and 100 %, and what may be the best "
        "is decided by an interval instead."
    )
    if graded:
        view.note += (
            f" {one.main}: held against the mixture of {one.main} alone, paired by question; lost "
            "or gained where the interval (point at the number) leaves out 0."
        )
    return view


def _name(row: dict[str, Any]) -> Cell:
    said = [f"also {row['aliases']}"] if row["aliases"] else []
    said += ["not ranked"] if row["rank"] is None else []
    said += ["may be the best"] if row["may_be_best"] == "yes" else []
    return Cell(row["label"], "; ".join(said))


def _value(one: Decision, row: dict[str, Any]) -> Cell:
    if row["value"] is None:
        return Cell("–", number=True)
    small = ""
    if row["low"] is not None and row["high"] is not None:
        ends = [shown_value(one.criterion, row[end]) for end in ("low", "high")]
        small = " … ".join(end.replace(f"{NARROW}%", "") for end in ends)
    text = shown_value(one.criterion, row["value"])
    return Cell(text, small, number=True, title=behind(row), sort=row["value"])


def _chance(row: dict[str, Any]) -> Cell:
    """Share of the resamples in which it is the best, and the ranks that they give it."""
    if row["p_best"] is None:
        return Cell("–", number=True)
    share = 100 * row["p_best"]
    text = f"<1{NARROW}%" if 0 < share < 1 else percent(share, 0)
    low, high = (f"{row[f'rank_{end}']:.0f}" for end in ("low", "high"))
    ranks = f"rank {low}" if low == high else f"rank {low} … {high}"
    return Cell(text, ranks, number=True, sort=row["p_best"])


def _main(row: dict[str, Any]) -> Cell:
    """The main language's grade, and what the mixture does to it."""
    if row["main_value"] is None:
        return Cell("–", number=True)
    small = "alone" if row["reference"] == row["label"] else ""
    if row["main_difference"] is not None:
        small = f"{signed(row['main_difference'], '.2f')}: {row['main_kept'] or 'no interval'}"
    title = ""
    if row["main_low"] is not None and row["main_high"] is not None:
        ends = " … ".join(signed(row[f"main_{end}"], ".2f") for end in ("low", "high"))
        title = f"difference {ends}"
    text = f"{row['main_value']:.2f}"
    return Cell(text, small, number=True, warn=lost(row), title=title, sort=row["main_value"])


def _share(row: dict[str, Any]) -> Cell:
    """Answers in the language of the question, other languages."""
    if row["fidelity"] is None:
        return Cell("–", number=True)
    small = ""
    if row["fidelity_low"] is not None and row["fidelity_high"] is not None:
        small = f"{100 * row['fidelity_low']:.0f} … {100 * row['fidelity_high']:.0f}"
    return Cell(percent(100 * row["fidelity"], 0), small, number=True, sort=row["fidelity"])


def _count(row: dict[str, Any]) -> Cell:
    """Questions, and answered turns behind the value."""
    turns = f"{row['values']:,.0f} answered turns".replace(",", NARROW)
    seeds = f"{row['seeds']:.0f} training seed{'' if row['seeds'] == 1 else 's'}"
    text = f"{row['questions']:.0f}"
    return Cell(text, turns, number=True, title=seeds, sort=row["questions"])


def _spoken(value: float | None) -> Cell:
    """A share of answers, without an interval."""
    return Cell(percent(None if value is None else 100 * value, 0), number=True, sort=value)
