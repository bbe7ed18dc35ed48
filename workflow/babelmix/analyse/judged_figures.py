"""Figures of what the judges said: grades, gains, categories, preferences, transfer."""

from __future__ import annotations

from collections.abc import Iterator

from . import charts
from .category_figures import category_figures
from .figure import (
    MEAN,
    Figure,
    Rows,
    extremes,
    few_words,
    figure_id,
    grade_name,
    highest_words,
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
from .gain_tables import BEST
from .gain_tables import MEAN as MEAN_OF_SINGLES
from .human_tables import RATINGS
from .significance import correlation
from .study import ALL, StudySet
from .table import ReadTable
from .wording import interval

#: What the models of a bilingual figure are tuned on.
BOTH, ALONE = "both languages", ("the first alone", "the second alone")
#: Above this many variants the language-by-language dots give way to the mean alone.
_CROWDED = 14


def judged_figures(study: StudySet, name: str, tables: dict[str, ReadTable]) -> Iterator[Figure]:
    """Figures of every evaluation of a study."""
    for evaluation in study.studies[name]["evaluations"]:
        if study.evaluations[evaluation]["protocol"] == "single":
            yield from _gains(study, name, evaluation, tables["gains"])
            yield from _grades(study, name, evaluation, tables["grades"])
            yield from category_figures(study, name, evaluation, tables["grades_by_category"])
        else:
            yield from _matrix(study, name, evaluation, tables["preferences"])
            yield from _outcomes(study, name, evaluation, tables["preferences"])
            yield from bilingual_figure(study, name, evaluation, tables["bilingual"])
            yield from _transfer(study, name, evaluation, tables["transfer"])


def _grades(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    variants, labels = variant_order(study, name)
    found = select(table, variants, evaluation=evaluation)
    rows = renamed_mean(with_value(found, "mean"))
    means = [row for row in rows if row["language"] == MEAN]
    if not rows:
        return
    shown = rows if len(means) <= _CROWDED else means
    yield Figure(
        id=figure_id("grades", name, evaluation),
        kind="grades",
        study=name,
        title=highest_words(means, ".2f", grade_name(study, evaluation)),
        caption=(
            f"Mean grade by mixture and language.{judged_words(study, evaluation)} Single "
            f"grades, 1 to 10, with {interval_words(study)}. In the mean each language "
            f"weighs the same. Unscored answers do not enter. "
            f"{n_words([row for row in found if row['language'] == ALL], study, name)}"
            f"{notes_words(found, 'mean')}"
        ),
        alt=(
            f"Dot plot with error bars of {len(means)} models: mean grade over all languages, "
            f"{extremes(means, '.2f')}."
        ),
        table="grades",
        chart=charts.dots(
            shown,
            y_order=present(labels, shown, "label"),
            colour="language",
            colour_order=present([MEAN, *study.languages], shown, "language"),
            title="mean grade",
        ),
    )


def _gains(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    _, labels = variant_order(study, name)
    rows: Rows = []
    all_found: Rows = []
    for against in (BEST, MEAN_OF_SINGLES):
        found = select(table, study=name, evaluation=evaluation, against=against, language=ALL)
        all_found += found
        rows += [row | {"against": against} for row in with_value(found, "gain")]
    best = [row for row in rows if row["against"] == BEST]
    if not rows:
        return
    yield Figure(
        id=figure_id("gains", name, evaluation),
        kind="gains",
        study=name,
        title=_gains_title(best, grade_name(study, evaluation)),
        caption=(
            f"Gain of language mixtures over monolingual tuning.{judged_words(study, evaluation)} "
            "100 · (S_mix − S_mono) / S_mono on the mean grade over all languages, paired by "
            f"question, with {interval_words(study)}. An interval that holds 0 shows no "
            "difference; "
            f"the intervals do not allow for picking the highest. {n_words(all_found, study, name)}"
            f"{notes_words(all_found, 'gain')}"
        ),
        alt=(
            f"Dot plot with error bars: gain over the best monolingual model in percent, "
            f"{extremes(best, '+.1f')}."
        ),
        table="gains",
        chart=charts.dots(
            rows,
            y_order=present(labels, rows, "label"),
            colour="against",
            colour_order=[BEST, MEAN_OF_SINGLES],
            title="gain (%)",
            rule=0.0,
        ),
    )


def _gains_title(best: Rows, what: str) -> str:
    """How many mixtures are above the best monolingual one, and which one the furthest."""
    above = sum(row.get("low") is not None and row["low"] > 0 for row in best)
    if not best:
        return f"Gain in {what} over the mean of the monolingual mixtures"
    top = max(best, key=lambda row: row["value"])
    value = f"{top['value']:+.1f}".replace("-", "−")
    most = f"{top['label']} {value} %"
    if not above:
        return f"No mixture is shown above the best monolingual one in {what} (most: {most})"
    return f"{above} of {len(best)} mixtures are above the best monolingual one in {what} ({most})"


def human_figures(study: StudySet, name: str, table: ReadTable) -> Iterator[Figure]:
    """Study 2's human ratings, excellent, pass and fail, by model and language."""
    variants, _ = variant_order(study, name)
    found = [row for row in select(table, variants) if row["language"] != ALL]
    rows = [
        {"label": f"{row['label']} · {row['language']}", "outcome": rating, "rank": rank}
        | {"count": row[rating]}
        for row in found
        for rank, rating in enumerate(RATINGS)
    ]
    if not rows:
        return
    best = [{"label": r["label"], "value": r["count"]} for r in rows if r["rank"] == 0]
    yield Figure(
        id=figure_id("ratings", name),
        kind="ratings",
        study=name,
        title=highest_words(best, ".0f", "number of excellent ratings by people"),
        caption=(
            "Ratings by people. Share of ratings, all raters; the agreement of the raters is in "
            "the "
            "table."
        ),
        alt=f"Stacked bars of ratings: excellent, {extremes(best, '.0f')}.",
        table="human_ratings",
        chart=charts.outcome_bars(
            rows,
            y_order=list(dict.fromkeys(str(row["label"]) for row in rows)),
            order=RATINGS,
            of="ratings",
        ),
    )


def _matrix(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    variants, labels = variant_order(study, name)
    found = select(table, variants, evaluation=evaluation)
    rows = renamed_mean(with_value(found + _parity(study, found), "score"))
    if not rows:
        return
    languages = present([MEAN, *study.languages], rows, "language")
    means = [row for row in rows if row["language"] == MEAN]
    spread = max(10.0, *(abs(row["value"] - 50) for row in rows))
    yield Figure(
        id=figure_id("matrix", name, evaluation),
        kind="matrix",
        study=name,
        title=highest_words(means, ".0f", "preference score"),
        caption=(
            f"Preference score by mixture and language.{judged_words(study, evaluation)} "
            "100 · (wins + ½ ties) / pairs against the baseline of each language; 50 is parity. "
            "A baseline has 50 against itself by definition (it does not enter its mean). "
            f"Blue is better, orange worse. Intervals are in the table."
            f" {n_words([r for r in found if r['language'] == ALL], study, name)}{few_words(rows)}"
        ),
        alt=(
            f"Heatmap of {len(means)} models by {len(languages)} columns: mean preference score, "
            f"{extremes(means, '.0f')}."
        ),
        table="preferences",
        chart=charts.heatmap(
            rows,
            x="language",
            x_order=languages,
            y_order=present(labels, rows, "label"),
            text=".0f",
            domain=(50 - spread, 50 + spread),
            middle=50,
        ),
    )


def _parity(study: StudySet, rows: Rows) -> Rows:
    """Return a cell of 50 for each baseline in the language where others are compared with it.

    Nothing is measured there, so that the table has no such row.
    """
    have = {(row["variant"], row["language"]) for row in rows}
    unknown = {"questions": 0, "values": 0, "interval_note": "no interval: parity by definition"}
    return [
        {"label": study.variants[name].label, "language": language, "score": 50.0} | unknown
        for name, language in sorted({(r["baseline"], r["language"]) for r in rows})
        if name in study.variants and language != ALL and (name, language) not in have
    ]


def _outcomes(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    variants, labels = variant_order(study, name)
    found = select(table, variants, evaluation=evaluation, language=ALL)
    rows = [
        {"label": row["label"], "outcome": outcome, "count": row[column], "rank": rank}
        for row in found
        for rank, (outcome, column) in enumerate(
            (("win", "wins"), ("tie", "ties"), ("loss", "losses"))
        )
        if row["wins"] + row["ties"] + row["losses"]
    ]
    wins = [{"label": r["label"], "value": r["count"]} for r in rows if r["outcome"] == "win"]
    if not rows:
        return
    yield Figure(
        id=figure_id("outcomes", name, evaluation),
        kind="outcomes",
        study=name,
        title=highest_words(wins, ".0f", "number of pairs won"),
        caption=(
            f"Wins, ties and losses against the baseline.{judged_words(study, evaluation)} Pairs "
            "over all languages and seeds. Orders that contradict each other are ties. "
            f"{n_words(found, study, name)}"
        ),
        alt=f"Stacked bars: pairs won, {extremes(wins, '.0f')}.",
        table="preferences",
        chart=charts.outcome_bars(rows, y_order=present(labels, rows, "label")),
    )


def bilingual_figure(
    study: StudySet, name: str, evaluation: str, table: ReadTable
) -> Iterator[Figure]:
    """Study 2's figure 6: both languages, and each alone, on the languages that neither holds."""
    variants, labels = variant_order(study, name)
    found = select(table, variants, evaluation=evaluation)
    rows: Rows = []
    for row in found:
        languages = list(study.variants[row["variant"]].languages)
        alone = ALONE[languages.index(row["alone"])]
        for series, column in ((BOTH, "score"), (alone, "score_alone")):
            ends = {"low": row[f"{column}_low"], "high": row[f"{column}_high"]}
            if series != BOTH or not any(r["label"] == row["label"] for r in rows):
                (made,) = with_value([row | ends], column)
                rows.append(made | {"tuned on": series})
    if not rows:
        return
    better = sum(row["difference"] > 0 for row in found)
    clear = sum(row["low"] is not None and row["low"] > 0 for row in found)
    counts = (
        f"The mixture of two is above the one alone in {better} of {len(found)} comparisons, "
        f"with an interval of the difference above 0 in {clear}."
    )
    yield Figure(
        id=figure_id("bilingual", name, evaluation),
        kind="bilingual",
        study=name,
        title=(
            f"Two languages beat one alone on the other languages in {better} of {len(found)} "
            f"comparisons ({clear} with an interval above 0)"
        ),
        caption=(
            f"Two languages against either alone.{judged_words(study, evaluation)} Preference "
            "score on the languages that are in neither mixture; 50 is parity with the "
            f"baseline of each language. {interval_words(study).capitalize()}; compare the pairs "
            f"by the intervals of their differences, in the table. {counts}"
            f"{notes_words(found, 'difference')}"
        ),
        alt=f"Dot plot with error bars of {len({r['label'] for r in rows})} mixtures of two "
        f"languages and their languages alone. {counts}",
        table="bilingual",
        chart=charts.dots(
            rows,
            y_order=present(labels, rows, "label"),
            colour="tuned on",
            colour_order=present([BOTH, *ALONE], rows, "tuned on"),
            title="mean score on the other languages",
            rule=50.0,
        ),
    )


def _transfer(study: StudySet, name: str, evaluation: str, table: ReadTable) -> Iterator[Figure]:
    rows = [
        {"x": row["pretraining_share"], "value": row["score"], "label": row["language"]}
        for row in select(table, study=name, evaluation=evaluation)
        if row["pretraining_share"] is not None
    ]
    words = correlation_words([(r["x"], r["value"]) for r in rows], study.confidence)
    if len(rows) < 3 or words is None:
        return
    yield Figure(
        id=figure_id("transfer", name, evaluation),
        kind="transfer",
        study=name,
        title=_transfer_title([(r["x"], r["value"]) for r in rows], study.confidence),
        caption=(
            "Transfer against the share of pre-training: mean score on the other languages."
            f"{judged_words(study, evaluation)} {words}"
        ),
        alt=f"Scatter plot of {len(rows)} languages. {words}",
        table="transfer",
        chart=charts.scatter(
            rows, x_title="share of pre-training data", y_title="mean score on other languages"
        ),
    )


def _transfer_title(points: list[tuple[float, float]], confidence: float) -> str:
    """Whether the correlation is shown at all."""
    found = correlation([x for x, _ in points], [y for _, y in points], confidence)
    if found is None or found.value is None:
        return "Transfer against the share of pre-training"
    shown = f"r = {found.value:.2f}, {found.clusters} languages".replace("-", "−")
    if not found.excludes(0):
        return f"No link of transfer with the share of pre-training is shown ({shown})"
    way = "better" if found.value > 0 else "worse"
    return f"Languages with more pre-training data transfer {way} ({shown})"


def correlation_words(points: list[tuple[float, float]], confidence: float) -> str | None:
    """Pearson's r with n and its interval (Fisher's z); None where it is not defined."""
    found = correlation([x for x, _ in points], [y for _, y in points], confidence)
    if found is None:
        return None
    words = f"Pearson r = {found.value:.2f}, n = {found.clusters}"
    left_out = f", {found.note}" if found.note else ""
    if found.low is None:
        return f"{words} ({found.note})."
    ends = interval(confidence, found.low, found.high, ".2f").partition(": ")[2]
    return f"{words}, {confidence:.0%} interval {ends}{left_out}.".replace("%", " %")
