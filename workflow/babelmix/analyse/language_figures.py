"""Figures of the answers' language, and study 2's curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import charts
from .figure import (
    MEAN,
    Figure,
    Rows,
    extremes,
    few_words,
    figure_id,
    grade_name,
    highest_words,
    interval_text,
    interval_words,
    judged_words,
    n_words,
    notes_words,
    present,
    renamed_mean,
    select,
    variant_order,
    with_value,
)
from .study import ALL, Series, StudySet
from .table import ReadTable
from .wording import NARROW

_MEASURES = {
    "answer_language": ("Answers in the language of the question", "answers in asked language"),
    "grade": ("Mean grade", "mean grade"),
    "score": ("Preference score", "score (50 = parity)"),
}


def language_figures(study: StudySet, name: str, tables: dict[str, ReadTable]) -> Iterator[Figure]:
    """Curves of the study's families, then the share of each mixture and language."""
    for series in study.series():
        if series.study == name:
            yield from _curves(study, series, tables["series"])
    yield from _share_heatmaps(study, name, tables["answer_language"])


def _share_heatmaps(study: StudySet, name: str, table: ReadTable) -> Iterator[Figure]:
    variants, labels = variant_order(study, name)
    for benchmark in dict.fromkeys(row["benchmark"] for row in table.rows):
        found = select(table, variants, benchmark=benchmark)
        rows = renamed_mean(with_value(found, "share"))
        if not rows:
            continue
        languages = present([MEAN, *study.languages], rows, "language")
        means = [row for row in rows if row["language"] == MEAN]
        yield Figure(
            id=figure_id("answer-language", name, benchmark),
            kind="answer_language",
            study=name,
            title=highest_words(
                [row | {"value": 100 * row["value"]} for row in means],
                ".0f",
                "share of answers in the language of the question",
                " %",
            ),
            caption=(
                f"Answers in the language of the question, benchmark {benchmark}. Share of "
                "answered turns in the language they were asked in, in percent; rows are "
                "mixtures, columns the language asked in. Empty answers count as failures, answers "
                "too short or of uncertain language are left out (the table counts them)."
                " Intervals are in the table, and when you point at a cell. "
                f"{n_words([r for r in found if r['language'] == ALL], study, name)}"
                f"{few_words(rows)}"
            ),
            alt=(
                f"Heatmap of {len(means)} models by {len(languages)} columns: mean share of "
                f"answers in the asked language, {extremes(means, '.0%')}."
            ),
            table="answer_language",
            chart=charts.heatmap(
                [row | {"value": 100 * row["value"]} for row in rows],
                x="language",
                x_order=languages,
                y_order=present(labels, rows, "label"),
                text=".0f",
                domain=(0, 100),
            ),
        )


def _curves(study: StudySet, series: Series, table: ReadTable) -> Iterator[Figure]:
    variants = [v.name for v in series.variants]
    rows = select(table, variants, study=series.study, family=series.family)
    for measure in dict.fromkeys(row["measure"] for row in rows):
        chosen = [row for row in rows if row["measure"] == measure and row["value"] is not None]
        if len({row["x"] for row in chosen}) > 1:
            yield _curve(study, series, measure, chosen)


def _curve(study: StudySet, series: Series, measure: str, rows: Rows) -> Figure:
    kind, _, of = measure.partition(":")
    title, y_title = _MEASURES[kind]
    names = _line_names(study, series, rows)
    of_lines = [row for row in rows if row["language"] in names]
    lines = [{**_point(row), "line": names[row["language"]]} for row in of_lines]
    codes = [c for c in study.languages if c != series.main or series.policy != "pinch"]
    dots = [_point(row) | {"language": row["language"]} for row in rows if row["language"] in codes]
    pinch = series.policy == "pinch"
    main = study.language_name(series.main or "")
    axis = f"share of rows not in {main} (%)" if pinch else "languages in the mixture"
    first = next(iter(names.values()))
    shown = sorted((row for row in lines if row["line"] == first), key=lambda row: row["x"])
    form = ".0%" if kind == "answer_language" else ".1f"
    where = f"benchmark {of}."
    if kind != "answer_language":
        where = judged_words(study, of).strip().replace("B", "b", 1)
    ends = [f"{format(row['value'], form)} at {row['x']:.3g}" for row in (shown[0], shown[-1])]
    bent = charts.is_bent([row["x"] for row in lines])
    stretched = " The axis is stretched near 0." if bent else ""
    model, recipe, _ = series.variants[0].comparable
    return Figure(
        id=figure_id("series", kind, series.study, series.family, f"{model}.{recipe}", of),
        kind=f"{kind}_series",
        study=series.study,
        title=_curve_title(lines, names, _spoken(study, kind, of), form, pinch, main),
        caption=(
            f"{title} against {axis.replace(' (%)', '')}, {where} Dots are languages, lines are "
            f"means ({', '.join(names.values())}); bands, dashed edges and thin lines are "
            f"{interval_words(study)}. {n_words(of_lines, study, series.study)}"
            f"{notes_words(of_lines, 'value')}{stretched} "
            f"Mixture family {series.family}, model {model}."
        ),
        alt=f"Line chart, {y_title} against {axis}. {first}: {ends[0]}, {ends[1]}.",
        table="series",
        chart=charts.curve(
            lines,
            dots,
            line_order=list(names.values()),
            point_order=present(codes, dots, "language"),
            x_title=axis,
            y_title=y_title,
            percent=kind == "answer_language",
            several_per_x=not pinch,
        ),
    )


def _spoken(study: StudySet, kind: str, of: str) -> str:
    """What a curve measures, in a title."""
    if kind == "answer_language":
        return "answers in the language of the question"
    return grade_name(study, of) if kind == "grade" else "preference score"


def _curve_title(
    lines: Rows, names: dict[str, str], what: str, form: str, pinch: bool, main: str
) -> str:
    """From the first to the last x, what each line does: ``…: German 20 % → 90 %``."""
    at = sorted({row["x"] for row in lines})
    unit = f"{NARROW}% of rows not in {main}" if pinch else " languages"
    parts = []
    for name in names.values():
        own = sorted((row for row in lines if row["line"] == name), key=lambda row: row["x"])
        if own:
            first, last = (format(row["value"], form) for row in (own[0], own[-1]))
            parts.append(f"{name} {first} → {last}".replace("%", f"{NARROW}%"))
    return f"From {at[0]:.3g} to {at[-1]:.3g}{unit}, {what}: {'; '.join(parts)}"


def _point(row: dict[str, Any]) -> dict[str, Any]:
    keep = ("x", "value", "low", "high", "label", "questions")
    kept = {name: row[name] for name in keep if row.get(name) is not None}
    kept["answered turns"] = row["values"]
    return kept | {"interval": interval_text(row)}


def _line_names(study: StudySet, series: Series, rows: Rows) -> dict[str, str]:
    """Groups of languages that get a line, with their names."""
    found = {row["language"] for row in rows}
    main = series.main if series.policy == "pinch" else None
    if "unseen" in found:
        wanted = {"unseen": "languages not in the mixtures", "seen": "languages in the mixtures"}
        if main is None:
            wanted.pop("seen")
    elif main is not None:
        wanted = {"other": f"mean without {study.language_name(main)}"}
    else:
        wanted = {"all": "mean of all languages"}
    if main is not None:
        wanted[main] = study.language_name(main)
    return {group: words for group, words in wanted.items() if group in found}
