"""Tables of the page: the results' tables in the form a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..analyse.figure import Rows, select
from ..analyse.gain_tables import BEST, MEAN
from ..analyse.study import ALL, StudySet
from ..analyse.table import ReadTable
from ..analyse.wording import percent
from .cells import Cell, View, estimate, number, pivot, share_cell, simple, words


def score_views(study: StudySet, name: str, tables: dict[str, ReadTable]) -> list[View]:
    """Grades, gains and preferences of a study."""
    variants = [v.name for v in study.variants_of_study(name)]
    views = []
    for evaluation in study.studies[name]["evaluations"]:
        grades = select(tables["grades"], variants, evaluation=evaluation)
        if grades:
            caption = f"Mean grade (1 to 10) · {evaluation}"
            views.append(pivot(study, variants, grades, "mean", ".2f", caption, "grades"))
        gains = select(tables["gains"], study=name, evaluation=evaluation, language=ALL)
        if gains:
            views.append(_gains(gains, variants, evaluation))
            views.append(_gains_on_each(gains, variants, evaluation))
        preferences = select(tables["preferences"], variants, evaluation=evaluation)
        if preferences:
            caption = f"Preference score (50 is parity) · {evaluation}"
            views.append(
                pivot(study, variants, preferences, "score", ".1f", caption, "preferences")
            )
            views.append(_outcomes(preferences, variants, evaluation))
    return views


def _gains(rows: Rows, variants: Sequence[str], evaluation: str) -> View:
    """Against the best and the mean of the monolingual mixtures."""
    view = View(
        f"Gain over monolingual tuning in percent, mean over languages · {evaluation}",
        [
            "mixture",
            "against",
            "gain (%)",
            "difference (points)",
            "p (Holm)",
            "detectable (points)",
        ],
        source="gains",
    )
    overall = [row for row in rows if row["against"] in (BEST, MEAN)]
    for row in sorted(overall, key=lambda row: variants.index(row["variant"])):
        points = row | {"low": row["difference_low"], "high": row["difference_high"]}
        view.rows.append(
            [
                words(row["label"]),
                words(row["against_label"]),
                estimate(row, "gain", "+.1f"),
                estimate(points, "difference", "+.2f"),
                number(row["p_holm"], ".3f"),
                number(row["detectable"], ".2f"),
            ]
        )
    return view


def _gains_on_each(rows: Rows, variants: Sequence[str], evaluation: str) -> View:
    """Gain of each mixture (rows) over each monolingual one (columns)."""
    found = {(row["variant"], row["against_label"]): row for row in rows}
    singles = [row["against_label"] for row in rows if row["against"] not in (BEST, MEAN)]
    columns = list(dict.fromkeys(singles))
    view = View(f"Gain over each in percent · {evaluation}", ["mixture", *columns], source="gains")
    for name in variants:
        of = [found.get((name, column)) for column in columns]
        label = next((row["label"] for row in of if row), None)
        if label is not None:
            view.rows.append([words(label), *(estimate(row, "gain", "+.1f") for row in of)])
    return view


def _outcomes(rows: Rows, variants: Sequence[str], evaluation: str) -> View:
    view = View(
        f"Wins, ties and losses over all languages · {evaluation}",
        ["mixture", "wins", "ties", "losses", "unscored", "orders contradict"],
        source="preferences",
    )
    found = {row["variant"]: row for row in rows if row["language"] == ALL}
    for name in variants:
        if name in found:
            row = found[name]
            counts = [number(row[c]) for c in ("wins", "ties", "losses", "unscored")]
            flips = None if row["flipped"] is None else 100 * row["flipped"]
            view.rows.append([words(row["label"]), *counts, Cell(percent(flips, 0), number=True)])
    return view


def language_views(study: StudySet, name: str, tables: dict[str, ReadTable]) -> list[View]:
    """Answer language and health of the answers, for each benchmark."""
    variants = [v.name for v in study.variants_of_study(name)]
    rows = select(tables["answer_language"], variants)
    views = []
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        caption = f"Answers in the language of the question (%) · {benchmark}"
        of = [row for row in rows if row["benchmark"] == benchmark]
        views.append(
            pivot(study, variants, of, "share", ".0f", caption, "answer_language", factor=100)
        )
        views.append(_answered(of, benchmark))
        health = select(tables["answer_health"], variants, benchmark=benchmark, language=ALL)
        health.sort(key=lambda row: variants.index(row["variant"]))
        views.append(_health(of, health))
    return views


def _answered(rows: Rows, benchmark: str) -> View:
    """What became of all answers of each mixture; the parts add up."""
    counted = ("answers", "right", "wrong", "empty", "unsure", "not_judged")
    heads = ["answers", "asked language", "another language", "empty", "unsure", "too short"]
    view = View(
        f"Language of the answers, counted · {benchmark}",
        ["mixture", *heads, "share if all left out were wrong", "… right"],
        source="answer_language",
    )
    for row in rows:
        if row["language"] == ALL:
            counts = [number(row[name]) for name in counted]
            bounds = [share_cell(row[name]) for name in ("lowest", "highest")]
            view.rows.append([words(row["label"]), *counts, *bounds])
    return view


def _health(shares: Rows, rows: Rows) -> View:
    view = View(
        f"Empty, cut and repetitive answers, all languages · {rows[0]['benchmark']}",
        [
            "mixture",
            "answers",
            "empty",
            "cut",
            "repeated 4-grams",
            "characters",
            "language not told",
        ],
        source="answer_health",
    )
    silent = {row["variant"]: row["abstained"] for row in shares if row["language"] == ALL}
    for row in rows:
        view.rows.append(
            [
                words(row["label"]),
                number(row["answers"]),
                *(share_cell(row[c]) for c in ("empty", "cut", "repetition")),
                number(row["length_chars"]),
                number(silent.get(row["variant"])),
            ]
        )
    return view


def mixtures_view(study: StudySet, tables: dict[str, ReadTable]) -> View:
    """Mixtures × languages: training rows."""
    rows = tables["mixtures"].rows
    present = {row["language"] for row in rows}
    languages = [code for code in study.languages if code in present]
    heads = [study.language_name(code) for code in languages]
    view = View(
        "Training rows of each mixture by language",
        ["mixture", "pool", *heads, "rows", "ids", "held out", "left out by checks"],
        source="mixtures",
    )
    by_mixture: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_mixture.setdefault(row["mixture"], {})[row["language"]] = row
    used = [study.raw["runs"][run]["mixture"] for run in study.runs]
    for mixture in dict.fromkeys(m for m in used if m in by_mixture):
        of = by_mixture[str(mixture)]
        one = next(iter(of.values()))
        counts = [
            number(of[code]["rows"]) if code in of else Cell("·", number=True) for code in languages
        ]
        totals = ("mixture_rows", "mixture_ids", "dev_rows", "left_out")
        view.rows.append(
            [words(mixture), words(one["dataset"]), *counts, *(number(one[t]) for t in totals)]
        )
    return view


def training_view(tables: dict[str, ReadTable]) -> View:
    """Length and losses of the trainings."""

    def loss(value: float | None) -> Cell:
        return number(value, ".3f")

    return simple(
        tables["training"],
        "Trainings",
        {
            "run": ("run", words),
            "steps": ("steps", number),
            "tokens": ("tokens", number),
            "trained_tokens": ("trained on", number),
            "final_loss": ("final loss", loss),
            "dev_loss": ("held-out loss", loss),
            "seconds": ("seconds", number),
        },
    )
