"""Tables of what needs no judge: the answers' language, emptiness, cuts, repetition; and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .frames import ITEM, languages_of, metric
from .language import EMPTY, FOUND, UNSURE
from .statistics import Bootstrap, Estimate
from .study import ALL, Series, StudySet
from .table import ESTIMATE_COLUMNS, VARIANT_COLUMNS, Table, estimate_cells, variant_cells

if TYPE_CHECKING:
    import pandas as pd

_HEALTH = {
    "empty": "Share of empty answers.",
    "cut": "Share of answers cut at the length limit.",
    "repetition": "Mean share of repeated word 4-grams.",
    "length_chars": "Mean length in characters.",
}


def share(bootstrap: Bootstrap, frame: pd.DataFrame) -> Estimate:
    """Share of ones in ``value`` over languages (each weighs the same), with interval."""
    return bootstrap.share(
        frame["value"].to_numpy(), frame["question_id"].to_numpy(), frame["lang"].to_numpy()
    )


def answer_language_table(study: StudySet, scores: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Share of answers in the language of the question."""
    table = Table(
        "answer_language",
        "Answers in the language of the question",
        "Share of answered turns whose text is in the asked language, recognised among all "
        "languages. Empty answers are failures. Answers whose language is not certain (`unsure`), "
        "too short or unknown to the identifier (`not_judged`) are left out of the share; `lowest` "
        "and `highest` say what it would be if all of them were wrong, or right.",
        {"benchmark": "Benchmark."}
        | VARIANT_COLUMNS
        | {"language": "Language asked in, or `all`.", "share": "Share, 0 to 1."}
        | ESTIMATE_COLUMNS
        | {
            "answers": "Answered turns of all seeds and samples.",
            "right": "Answers in the asked language.",
            "wrong": "Answers in another language.",
            "empty": "Empty answers; they count as failures.",
            "unsure": "Answers whose language is not certain, or one of several close relatives.",
            "not_judged": "Answers too short, or in a language that no identifier knows.",
            "abstained": "Answers left out of the share: `unsure` and `not_judged` together.",
            "lowest": "Share if every answer left out were wrong.",
            "highest": "Share if every answer left out were right.",
        },
        ("benchmark", "variant", "language"),
    )
    raw = scores[scores["metric"] == "answer_language"]
    averaged = metric(scores, "answer_language")
    groups = dict(iter(raw.groupby(["benchmark", "variant"])))
    for (benchmark, name), frame in averaged.groupby(["benchmark", "variant"]):
        for lang, rows in languages_of(frame):
            of = groups[benchmark, name]
            of = of if lang == ALL else of[of["lang"] == lang]
            table.rows.append(
                {"benchmark": benchmark, "language": lang}
                | variant_cells(study.variants[name])
                | estimate_cells(share(bootstrap, rows), "share")
                | _counts(of)
            )
    return table


def _counts(of: pd.DataFrame) -> dict[str, float]:
    """What became of all answers: they add up; and the bounds of the share."""
    values, reasons = of["value"], of["reason"].fillna("").astype(str)
    silent = values.isna()
    unsure = int((silent & reasons.str.startswith(UNSURE)).sum())
    empty = int((reasons == EMPTY).sum())
    by_language = of.groupby("lang")["value"]  # each language weighs the same, as in the share
    return {
        "answers": len(of),
        "right": int((values == 1).sum()),
        "wrong": int((values == 0).sum()) - empty,
        "empty": empty,
        "unsure": unsure,
        "not_judged": int(silent.sum()) - unsure,
        "abstained": int(silent.sum()),
        "lowest": float(by_language.agg(lambda v: v.fillna(0).mean()).mean()),
        "highest": float(by_language.agg(lambda v: v.fillna(1).mean()).mean()),
    }


def answered_in_table(study: StudySet, scores: pd.DataFrame) -> Table:
    """In which language the answers are, by the language asked in."""
    table = Table(
        "answered_in",
        "Language asked, language answered",
        "Which language the answers are in. The rows of one mixture and asked language sum to 1.",
        {"benchmark": "Benchmark."}
        | VARIANT_COLUMNS
        | {
            "language": "Language asked in.",
            "answered": "Language of the answer, whichever it is (`und-Cyrl`: only its script is "
            "certain), `empty`, `unsure`, or `not judged` (too short, or unknown).",
            "answers": "Answered turns of all seeds and samples.",
            "share": "Share of the answers to questions in that language.",
        },
        ("benchmark", "variant", "language", "answered"),
    )
    raw = scores[scores["metric"] == "answer_language"]
    for (benchmark, name, lang), frame in raw.groupby(["benchmark", "variant", "lang"]):
        where = [
            answered(str(lang), value, reason)
            for value, reason in zip(frame["value"], frame["reason"], strict=True)
        ]
        for found in sorted(set(where)):
            table.rows.append(
                {"benchmark": benchmark, "language": lang, "answered": found}
                | variant_cells(study.variants[name])
                | {
                    "answers": where.count(found),
                    "share": where.count(found) / len(where),
                }
            )
    return table


def answered(lang: str, value: float, reason: Any) -> str:
    """Return the language that an answer is in, or why there is none."""
    if value == 1.0:
        return lang
    if isinstance(reason, str) and reason.startswith(FOUND):
        return reason.removeprefix(FOUND)
    if isinstance(reason, str) and reason.startswith(UNSURE):
        return UNSURE
    return EMPTY if reason == EMPTY else "not judged"


def health_table(study: StudySet, scores: pd.DataFrame) -> Table:
    """Empty, cut and repetitive answers, and length."""
    table = Table(
        "answer_health",
        "Empty, cut and repetitive answers",
        "Measured on every answered turn of all seeds; `all` is the mean over languages.",
        {"benchmark": "Benchmark."}
        | VARIANT_COLUMNS
        | {"language": "Language asked in, or `all`.", "answers": "Answered turns."}
        | _HEALTH,
        ("benchmark", "variant", "language"),
    )
    chosen = scores[scores["metric"].isin(list(_HEALTH))]
    for (benchmark, name), frame in chosen.groupby(["benchmark", "variant"]):
        for lang, rows in languages_of(frame):
            means = rows.groupby(["metric", "lang"])["value"].mean().groupby("metric").mean()
            table.rows.append(
                {"benchmark": benchmark, "language": lang}
                | variant_cells(study.variants[name])
                | {"answers": int((rows["metric"] == "empty").sum())}
                | {name: float(means[name]) for name in _HEALTH if name in means}
            )
    return table


#: What takes items (columns ITEM, value) to their mean.
Estimator = Callable[[Bootstrap, "pd.DataFrame"], Estimate]
#: A measure of the curves: its name, its items (columns variant, ITEM, value), its estimator.
Measure = tuple[str, "pd.DataFrame", Estimator]


def series_table(
    study: StudySet,
    measures: list[Measure],
    rows_by_mixture: dict[str, dict[str, int]],
    bootstrap: Bootstrap,
) -> Table:
    """Study 2's curves: every measure against the size of the pinch, or the number of languages.

    ``rows_by_mixture``: training rows by mixture and language, from the manifests.
    """
    table = Table(
        "series",
        "Curves: from one language to many",
        "Every measure along the mixture families with an axis. In a `pinch` family x is the "
        "percentage of rows that are not in the main language, in `k_languages` the number of "
        "languages.",
        {
            "study": "Study.",
            "family": "Mixture family.",
            "policy": "`pinch` or `k_languages`.",
            "main": "Main language of a pinch family.",
            "x": "Position on the axis.",
            "rows_other": "Training rows that are not in the main language.",
        }
        | VARIANT_COLUMNS
        | {
            "measure": "`answer_language:` benchmark, `grade:` or `score:` evaluation.",
            "language": "Language, or `all`, `other` (all but the main one), `seen` and `unseen` "
            "(of the other ones, those in the family's mixtures and those in none).",
            "value": "Share (0 to 1), mean grade (1 to 10) or score (0 to 100).",
        }
        | ESTIMATE_COLUMNS,
        ("study", "family", "model", "measure", "language", "x", "variant"),
    )
    for series in study.series():
        for name, frame, estimator in measures:
            for variant in series.variants:
                own = frame[frame["variant"] == variant.name]
                if own.empty:
                    continue
                cells = _series_cells(series) | variant_cells(variant)
                cells |= {"x": series.position(variant), "measure": name}
                if variant.mixture in rows_by_mixture and series.policy == "pinch":
                    rows = rows_by_mixture[variant.mixture]
                    cells["rows_other"] = sum(n for k, n in rows.items() if k != series.main)
                for lang, chosen in _language_groups(own, series):
                    estimate = estimator(bootstrap, chosen)
                    table.rows.append(cells | {"language": lang} | estimate_cells(estimate))
    return table


def _series_cells(series: Series) -> dict[str, Any]:
    main = series.main if series.policy == "pinch" else None
    return {
        "study": series.study,
        "family": series.family,
        "policy": series.policy,
        "main": main,
    }


def _language_groups(frame: pd.DataFrame, series: Series) -> Iterator[tuple[str, pd.DataFrame]]:
    yield from languages_of(frame)
    other = frame
    if series.policy == "pinch":
        other = frame[frame["lang"] != series.main]
        if len(other):
            yield "other", other
    unseen = other[~other["lang"].isin(series.languages)]
    if len(unseen):
        yield "unseen", unseen
        seen = other[other["lang"].isin(series.languages)]
        if len(seen):
            yield "seen", seen


def language_measures(scores: pd.DataFrame) -> list[Measure]:
    """The answer-language measure of each benchmark."""
    frame = metric(scores, "answer_language")
    return [
        (f"answer_language:{benchmark}", rows[["variant", *ITEM, "value"]], share)
        for benchmark, rows in frame.groupby("benchmark", sort=True)
    ]
