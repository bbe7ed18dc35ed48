"""Figures of held-out likelihood: bits saved by mixture and language, and the transfer matrix."""

from __future__ import annotations

from collections.abc import Iterator

from . import charts
from .figure import (
    MEAN,
    Figure,
    Rows,
    extremes,
    figure_id,
    interval_words,
    n_words,
    notes_words,
    present,
    renamed_mean,
    select,
    variant_order,
    with_value,
)
from .study import StudySet
from .table import ReadTable

#: Percent that the colours reach to at least: smaller savings stay pale.
_PALE = 10.0


def likelihood_figures(
    study: StudySet, name: str, tables: dict[str, ReadTable]
) -> Iterator[Figure]:
    """Bits saved by mixture and language; of variants tuned on one language, a matrix."""
    table = tables["likelihood"]
    variants, labels = variant_order(study, name)
    for held_out, spec in study.raw.get("likelihoods", {}).items():
        if name not in spec["studies"]:
            continue
        rows = select(table, variants, held_out=held_out, part="answer")
        found = [as_saved(row) for row in rows if row["saved"] is not None]
        if found:
            yield _mixtures(study, name, held_out, found, labels)
            yield from _matrix(study, name, held_out, found)


def as_saved(row: dict[str, object]) -> dict[str, object]:
    """A row of the table with the interval of the bits saved as its own."""
    return row | {"low": row["saved_low"], "high": row["saved_high"]}


def _mixtures(study: StudySet, name: str, held_out: str, found: Rows, labels: list[str]) -> Figure:
    rows = renamed_mean(with_value(found, "saved"))
    languages = present([MEAN, *study.languages], rows, "language")
    means = [row for row in rows if row["language"] == MEAN]
    spread = max(_PALE, *(abs(row["value"]) for row in rows))
    return Figure(
        id=figure_id("likelihood", name, held_out),
        kind="likelihood",
        study=name,
        title=f"Bits of held-out answers saved, by mixture and language · {held_out}",
        caption=(
            "Bits per byte of held-out answers against the untuned model, in percent: blue saves "
            "bits, orange needs more. Rows are mixtures, columns the language of the texts, the "
            f"same texts in every cell ({found[0]['questions']:.0f} texts; "
            f"{interval_words(study)} are in the table).{notes_words(found, 'saved')}"
            f" {n_words([], study, name)} No judge is asked, and nothing is said of the language a "
            "model answers in."
        ),
        alt=(
            f"Heatmap of {len(means)} models by {len(languages)} columns: mean share of bits "
            f"saved in percent, {extremes(means, '.1f')}."
        ),
        table="likelihood",
        chart=charts.heatmap(
            rows,
            x="language",
            x_order=languages,
            y_order=present(labels, rows, "label"),
            text=".1f",
            domain=(-spread, spread),
            middle=0.0,
        ),
    )


def _matrix(study: StudySet, name: str, held_out: str, found: Rows) -> Iterator[Figure]:
    """Tuned in × asked in, where there are two monolingual variants or more and others beside."""
    singles = {v.name: v for v in study.variants_of_study(name) if v.monolingual}
    own = [row for row in found if row["variant"] in singles and row["language"] != "all"]
    order = study.languages
    tuned = sorted(
        dict.fromkeys(row["variant"] for row in own),
        key=lambda variant: order.index(singles[variant].languages[0]),
    )
    if len(tuned) < 2 or len(tuned) == len({row["variant"] for row in found}):
        return
    several = len({singles[v].comparable for v in tuned}) > 1
    names = {v: _tuned_in(study, singles[v].languages[0], singles[v].label, several) for v in tuned}
    rows = with_value([row | {"label": names[row["variant"]]} for row in own], "saved")
    spread = max(_PALE, *(abs(row["value"]) for row in rows))
    yield Figure(
        id=figure_id("likelihood-matrix", name, held_out),
        kind="likelihood_matrix",
        study=name,
        title=f"Transfer by likelihood: tuned in, asked in · {held_out}",
        caption=(
            "Bits of held-out answers saved against the untuned model, in percent. Rows: the one "
            "language that was tuned on. Columns: the language of the texts. The diagonal is "
            "tuning in the language itself, all else is transfer."
            f"{notes_words(own, 'saved')} {n_words([], study, name)}"
        ),
        alt=(
            f"Heatmap of {len(tuned)} languages tuned in by "
            f"{len({row['language'] for row in rows})} asked in: bits saved in percent, "
            f"{extremes(rows, '.1f')}."
        ),
        table="likelihood",
        chart=charts.heatmap(
            rows,
            x="language",
            x_order=present(study.languages, rows, "language"),
            y_order=list(names.values()),
            text=".1f",
            domain=(-spread, spread),
            middle=0.0,
        ),
    )


def _tuned_in(study: StudySet, lang: str, label: str, several: bool) -> str:
    words = f"tuned in {study.language_name(lang)}"
    return f"{words} · {label}" if several else words
