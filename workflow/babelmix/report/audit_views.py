"""Tables of the page: language fidelity, audit of the judge, people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..analyse.figure import Rows, select
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from .cells import Cell, View, estimate, number, pivot, share_cell, simple, turn_words, words

Tables = dict[str, ReadTable]


def _percent(row: dict[str, Any], name: str) -> Cell:
    """A share with the interval beside it, in percent."""
    ends = {"low": row[f"{name}_low"], "high": row[f"{name}_high"]}
    return estimate(row | ends, name, ".0f", 100)


def fidelity_views(study: StudySet, name: str, tables: Tables) -> list[View]:
    """Line level, verdict × language, and scores without off-language answers, of one study."""
    variants = [v.name for v in study.variants_of_study(name)]
    views = []
    lines = select(tables["line_language"], variants)
    for benchmark in dict.fromkeys(row["benchmark"] for row in lines):
        of = [row for row in lines if row["benchmark"] == benchmark]
        caption = f"Answers without a line in another language (%) · {benchmark}"
        views.append(
            pivot(study, variants, of, "share", ".0f", caption, "line_language", factor=100)
        )
    for evaluation in study.studies[name]["evaluations"]:
        scored = select(tables["scores_by_fidelity"], variants, evaluation=evaluation, language=ALL)
        if scored:
            views.append(_with_and_without(study, variants, scored, evaluation))
        crossed = select(
            tables["verdicts_by_language"], variants, evaluation=evaluation, language=ALL
        )
        if crossed:
            views.append(_crossed(study, variants, crossed, evaluation))
    return views


def _with_and_without(
    study: StudySet, variants: Sequence[str], rows: Rows, evaluation: str
) -> View:
    found = {(row["variant"], row["answers"]): row for row in rows}
    columns = {
        "all": "all answers",
        "asked": "asked language only",
        "penalised": "others penalised",
    }
    view = View(
        f"Scores with and without answers in another language · {evaluation}",
        ["mixture", *columns.values()],
        source="scores_by_fidelity",
    )
    for variant in variants:
        if (variant, ALL) in found:
            cells = [estimate(found.get((variant, key)), "mean", ".2f") for key in columns]
            view.rows.append([words(study.variants[variant].label), *cells])
    return view


def _crossed(study: StudySet, variants: Sequence[str], rows: Rows, evaluation: str) -> View:
    found = {(row["variant"], row["answer_in"]): row for row in rows}
    places = [p for p in ("asked", "other", "empty", "not judged") if any(k[1] == p for k in found)]
    view = View(
        f"Mean score by language of the answer (share of the answers below) · {evaluation}",
        ["mixture", *places],
        source="verdicts_by_language",
    )
    for variant in variants:
        cells = []
        for place in places:
            row = found.get((variant, place))
            if row is None:
                cells.append(Cell("·", number=True))
            else:
                cells.append(Cell(f"{row['mean']:.2f}", f"{row['share']:.0%}", number=True))
        if any(cell.text != "·" for cell in cells):
            view.rows.append([words(study.variants[variant].label), *cells])
    return view


def detector_view(study: StudySet, tables: Tables) -> View:
    """Language × what the detector says of the questions."""
    rows = tables["detector_errors"].rows
    found = {(row["benchmark"], row["language"], row["detected"]): row for row in rows}
    detected = [*study.languages, "not judged"]
    detected = [code for code in detected if any(key[2] == code for key in found)]
    view = View(
        "What the language detector says of the questions themselves (turns)",
        ["benchmark", "language asked in", *detected],
        source="detector_errors",
    )
    for benchmark, lang in dict.fromkeys((key[0], key[1]) for key in found):
        cells = []
        for code in detected:
            row = found.get((benchmark, lang, code))
            wrong = row is not None and code not in (lang, "not judged")
            text = "·" if row is None else f"{row['questions']:.0f}"
            cells.append(Cell(text, number=True, warn=wrong))
        view.rows.append([words(benchmark), words(study.language_name(lang)), *cells])
    return view


def judge_audit_views(tables: Tables) -> list[View]:
    """Length, consistency across languages, agreement of judges; only where there are numbers."""
    two: Callable[[Any], Cell] = lambda value: number(value, ".2f")  # noqa: E731
    views = []
    bias = tables["length_bias"]
    if bias.rows:
        view = View(
            "Length bias: points that a doubling of the length brings",
            ["evaluation", "points a doubling", "longer answer preferred", "decided pairs"],
            source="length_bias",
        )
        for row in bias.rows:
            preferred = share_cell(row["longer_preferred"])
            slope = estimate(row, "slope", "+.2f")
            view.rows.append([words(row["evaluation"]), slope, preferred, number(row["decided"])])
        views.append(view)
        columns = {
            "evaluation": ("evaluation", words),
            "label": ("mixture", words),
            "mean": ("mean", two),
            "adjusted": ("at equal length", two),
            "doublings": ("longer by (doublings)", lambda value: number(value, "+.2f")),
        }
        caption = "Scores at equal length"
        views.append(simple(tables["length_adjusted"], caption, columns))
    rows = tables["cross_language"].rows
    if rows:
        view = View(
            "Consistency of the judge across languages (1 full, 0 chance)",
            ["evaluation", "languages", "measure", "value", "questions"],
            source="cross_language",
        )
        for row in rows:
            cells = [words(row[c]) for c in ("evaluation", "languages", "measure")]
            view.rows.append([*cells, estimate(row, "value", ".2f"), number(row["questions"])])
        views.append(view)
    judges = [r for r in tables["agreement"].rows if "humans" not in (r["left"], r["right"])]
    if judges:
        views.append(agreement_view(judges, "Agreement of judges and protocols (%)"))
    return views


def agreement_view(rows: Rows, caption: str) -> View:
    """S1, S2, tie-discounted agreement, κ, by language and turn."""
    view = View(
        caption,
        ["between", "and", "language", "turn", "S1", "S2", "tie-discounted", "κ", "α", "questions"],
        source="agreement",
    )
    for row in rows:
        view.rows.append(
            [
                *(words(row[c]) for c in ("left", "right", "language")),
                words(turn_words(row["turn"])),
                *(_percent(row, setting) for setting in ("s1", "s2", "tie_discounted")),
                number(row["kappa"], ".2f"),
                estimate(
                    row | {"low": row["alpha_low"], "high": row["alpha_high"]}, "alpha", ".2f"
                ),
                number(row["questions"]),
            ]
        )
    return view


def human_views(tables: Tables) -> list[View]:
    """Agreement with people, raters, ratings, corrected scores; empty without labels."""
    views = []
    rows = [r for r in tables["agreement"].rows if "humans" in (r["left"], r["right"])]
    if rows:
        views.append(agreement_view(rows, "Agreement with people (%)"))
    if tables["corrected_scores"].rows:
        view = View(
            "Scores corrected by human labels (PPI++, 0 to 100)",
            ["mixture", "evaluation", "judge alone", "people alone", "corrected", "labels", "λ"],
            source="corrected_scores",
        )
        for row in tables["corrected_scores"].rows:
            people = row | {"low": row["human_low"], "high": row["human_high"]}
            view.rows.append(
                [
                    words(row["label"]),
                    words(row["evaluation"]),
                    number(row["judge_score"], ".1f"),
                    estimate(people, "human_score", ".1f"),
                    estimate(row, "corrected", ".1f"),
                    number(row["labelled"]),
                    number(row["weight"], ".2f"),
                ]
            )
        views.append(view)
    ratings = {
        "label": ("mixture", words),
        "language": ("language", words),
        "excellent": ("excellent", number),
        "pass": ("pass", number),
        "fail": ("fail", number),
        "raters": ("raters", number),
        "kappa": ("κ", lambda value: number(value, ".2f")),
    }
    raters = {
        "rater": ("rater", words),
        "labels": ("labels", number),
        "repeats": ("seen twice", number),
        "same": ("labelled the same", share_cell),
        "kappa": ("κ with itself", lambda value: number(value, ".2f")),
    }
    if tables["human_ratings"].rows:
        views.append(simple(tables["human_ratings"], "Ratings by people", ratings))
    if tables["human_raters"].rows:
        views.append(simple(tables["human_raters"], "Raters", raters))
    return views
