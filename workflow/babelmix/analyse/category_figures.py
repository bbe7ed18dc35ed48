"""Figures of the grades by category: one mixture among all, all of them, study 1's radar."""

from __future__ import annotations

from collections.abc import Iterator

from . import charts
from .figure import (
    MEAN,
    Figure,
    Rows,
    extremes,
    few_words,
    figure_id,
    grade_name,
    interval_words,
    judged_words,
    n_words,
    present,
    renamed_mean,
    select,
    variant_order,
    with_value,
)
from .panel_charts import among
from .radar import radar
from .study import ALL, StudySet
from .table import ReadTable


def category_figures(
    study: StudySet, name: str, evaluation: str, table: ReadTable
) -> Iterator[Figure]:
    """All figures of the categories; of fewer than two there is none."""
    yield from _dots(study, name, evaluation, table)
    yield from _heatmap(study, name, evaluation, table)
    yield from _radar(study, name, evaluation, table)


def _title(whole: Rows, what: str) -> str:
    """The categories that are graded highest and lowest, over the mixtures shown."""
    by_category: dict[str, list[float]] = {}
    for row in whole:
        by_category.setdefault(row["category"], []).append(row["value"])
    means = {name: sum(values) / len(values) for name, values in by_category.items()}
    top, bottom = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    return (
        f"{what.capitalize()} over all mixtures: highest in {top} ({means[top]:.1f}), lowest in "
        f"{bottom} ({means[bottom]:.1f})"
    )


def _dots(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    """One mixture with intervals, the others as strokes; mixture and language are chosen."""
    variants, labels = variant_order(study, name)
    found = select(table, variants, evaluation=evaluation, turn=ALL)
    rows = renamed_mean(with_value(found, "mean"))
    categories = list(dict.fromkeys(row["category"] for row in rows))
    labels = present(labels, rows, "label")
    if len(categories) < 2:
        return
    selectors = {"language": present([MEAN, *study.languages], rows, "language"), "label": labels}
    shown = [r for r in rows if r["label"] == labels[0] and r["language"] == MEAN]
    yield Figure(
        id=figure_id("category-dots", name, evaluation),
        kind="category_dots",
        study=name,
        title=(
            f"{labels[0]} by category, {grade_name(study, evaluation)}: "
            f"{extremes(shown, '.1f', 'category')}; choose another mixture below"
        ),
        caption=(
            f"Mean grade by category of one mixture (dots, with {interval_words(study)}) among all "
            f"others (strokes).{judged_words(study, evaluation)} Choose the mixture and the "
            "language below. "
            f"{n_words([row for row in found if row['language'] == ALL], study, name)}"
        ),
        alt=(
            f"Dot plot of {len(categories)} categories. {labels[0]}, mean over languages: "
            f"{extremes(shown, '.1f', 'category')}."
        ),
        table="grades_by_category",
        chart=among(
            rows, y="category", y_order=categories, selectors=selectors, title="mean grade"
        ),
    )


def _heatmap(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    """Mixtures × categories."""
    variants, labels = variant_order(study, name)
    found = select(table, variants, evaluation=evaluation)
    cells = [row for row in found if row["language"] == ALL and row["turn"] == ALL]
    rows = renamed_mean(with_value(found, "mean"))
    whole = [row for row in rows if row["language"] == MEAN and row["turn"] == ALL]
    categories = list(dict.fromkeys(row["category"] for row in whole))
    if len(categories) < 2:
        return
    selectors = {"language": present([MEAN, *study.languages], rows, "language")}
    turns = sorted({row["turn"] for row in rows} - {ALL})
    if turns:
        selectors["turn"] = [ALL, *turns]
    yield Figure(
        id=figure_id("categories", name, evaluation),
        kind="categories",
        study=name,
        title=_title(whole, grade_name(study, evaluation)),
        caption=(
            f"Mean grade by category.{judged_words(study, evaluation)} Rows are mixtures, "
            "columns the benchmark's categories. Choose a language and a turn "
            "below the figure; at first it shows the mean over languages and all turns. Few "
            "questions stand behind a cell: point at it, or see the table. "
            f"{n_words(cells, study, name)}"
            f"{few_words(rows)}"
        ),
        alt=(
            f"Heatmap of mean grades by mixture and {len(categories)} categories, over all "
            f"languages: {extremes(whole, '.1f', 'category')} among the cells."
        ),
        table="grades_by_category",
        chart=charts.heatmap(
            rows,
            x="category",
            x_order=categories,
            y_order=present(labels, rows, "label"),
            text=".1f",
            domain=(1, 10),
            selectors=selectors,
        ),
    )


def _radar(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    """A trace a turn; mixture and language are chosen below the figure."""
    variants, labels = variant_order(study, name)
    rows = renamed_mean(with_value(select(table, variants, evaluation=evaluation), "mean"))
    several = any(row["turn"] != ALL for row in rows)
    rows = [
        row | {"turn": f"turn {float(row['turn']):.0f}" if row["turn"] != ALL else "all turns"}
        for row in rows
        if (row["turn"] != ALL) == several
    ]
    categories = list(dict.fromkeys(row["category"] for row in rows))
    if len(categories) < 3:
        return
    labels = present(labels, rows, "label")
    selectors = {"label": labels, "language": present([MEAN, *study.languages], rows, "language")}
    shown = [r for r in rows if r["label"] == labels[0] and r["language"] == MEAN]
    yield Figure(
        id=figure_id("radar", name, evaluation),
        kind="radar",
        study=name,
        title=(
            f"{labels[0]} by category and turn, {grade_name(study, evaluation)}: "
            f"{extremes(shown, '.1f', 'category')}"
        ),
        caption=(
            f"Mean grade by category and turn.{judged_words(study, evaluation)} Distance from "
            "the centre is the mean grade (rings: 2, 4, 6, 8, 10). Choose a mixture "
            "and a language below the figure; at first it shows the mean over languages. Compare "
            "lengths along a spoke, not areas; intervals are in the table."
        ),
        alt=(
            f"Radar of {len(categories)} categories. {labels[0]}, mean over languages: "
            f"{extremes(shown, '.1f', 'category')}."
        ),
        table="grades_by_category",
        chart=radar(
            rows,
            categories=categories,
            turns=sorted({row["turn"] for row in rows}),
            selectors=selectors,
        ),
    )
