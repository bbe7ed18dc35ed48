"""Tables of single grades: means, categories, gains over monolingual tuning, noise of the seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .frames import ITEM, aligned, over_seeds
from .statistics import Bootstrap, Estimate, coverage
from .study import ALL, StudySet, Variant
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd

#: Opponents of a mixture in the table of gains.
BEST, MEAN = "best monolingual", "mean of the monolinguals"


def languages_of(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield ("all", everything), then (language, its rows) for each language."""
    yield ALL, frame
    for lang, rows in frame.groupby("lang", sort=True):
        yield str(lang), rows


def stratified_mean(bootstrap: Bootstrap, frame: pd.DataFrame) -> Estimate:
    """Mean of ``value`` over languages (each weighs the same), with interval."""
    return bootstrap.mean(
        frame["value"].to_numpy(), frame["question_id"].to_numpy(), frame["lang"].to_numpy()
    )


def grades_table(
    study: StudySet, judgements: pd.DataFrame, grades: pd.DataFrame, bootstrap: Bootstrap
) -> Table:
    """Mean grade of each variant and language, and over all languages."""
    table = Table(
        "grades",
        "Mean grade by mixture and language",
        "Single grades, 1 to 10. Unscored answers never enter a mean: see coverage.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {"seeds": "Training seeds.", "language": "Language, or `all`.", "mean": "Mean grade."}
        | ESTIMATE_COLUMNS
        | {"coverage": "Share of the asked grades that were scored."},
        ("evaluation", "variant", "language"),
    )
    single = judgements[judgements["protocol"] == "single"]
    asked = dict(iter(single.groupby(["evaluation", "variant"])))
    for (evaluation, name), frame in grades.groupby(["evaluation", "variant"]):
        variant = study.variants[name]
        all_asked = asked[evaluation, name]
        for lang, rows in languages_of(frame):
            of = all_asked if lang == ALL else all_asked[all_asked["lang"] == lang]
            table.rows.append(
                evaluation_cells(study, evaluation)
                | variant_cells(variant)
                | {"seeds": len(variant.runs), "language": lang}
                | estimate_cells(stratified_mean(bootstrap, rows), "mean")
                | {"coverage": coverage(int(of["scored"].sum()), len(of))}
            )
    return table


def category_table(study: StudySet, grades: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Mean grade by category, turn and language."""
    table = Table(
        "grades_by_category",
        "Mean grade by category",
        "As the table of grades, for each category of the benchmark and each turn.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "category": "Category of the question.",
            "turn": "Turn, or `all`.",
            "language": "Language, or `all`.",
            "mean": "Mean grade.",
        }
        | ESTIMATE_COLUMNS,
        ("evaluation", "variant", "category", "turn", "language"),
    )
    for (evaluation, name, category), frame in grades.groupby(
        ["evaluation", "variant", "category"]
    ):
        cells = evaluation_cells(study, evaluation) | variant_cells(study.variants[name])
        turns: list[tuple[Any, pd.DataFrame]] = [(ALL, frame)]
        if frame["turn"].nunique() > 1:
            turns += [(int(turn), rows) for turn, rows in frame.groupby("turn")]
        for turn, of_turn in turns:
            for lang, rows in languages_of(of_turn):
                table.rows.append(
                    cells
                    | {"category": category, "turn": turn, "language": lang}
                    | estimate_cells(stratified_mean(bootstrap, rows), "mean")
                )
    return table


def gains_table(study: StudySet, grades: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Gain of every mixture over monolingual tuning (study 1's headline)."""
    table = Table(
        "gains",
        "Gain over monolingual tuning",
        "100 · (S_mix − S_mono) / S_mono on the mean grade, paired by question; each language "
        "weighs the same. The best monolingual variant is the one with the highest mean over all "
        "languages in these same data; the interval does not account for that choice.",
        {"study": "Study."}
        | EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "against": "Opponent: `best monolingual`, `mean of the monolinguals`, or a variant.",
            "against_label": "Short name of the opponent.",
            "language": "Language, or `all`.",
            "gain": "Gain in percent.",
        }
        | ESTIMATE_COLUMNS
        | {
            "difference": "Difference in grade points.",
            "difference_low": "Lower end of its interval.",
            "difference_high": "Upper end of its interval.",
        },
        ("study", "evaluation", "variant", "against", "language"),
    )
    for study_name, spec in study.studies.items():
        for evaluation in spec["evaluations"]:
            frame = grades[grades["evaluation"] == evaluation]
            if len(frame):
                cells = {"study": study_name} | evaluation_cells(study, evaluation)
                variants = study.variants_of_study(study_name)
                table.rows += [cells | row for row in _gains(frame, variants, bootstrap)]
    return table


def _gains(
    frame: pd.DataFrame, variants: list[Variant], bootstrap: Bootstrap
) -> Iterator[dict[str, Any]]:
    present = set(frame["variant"].unique())
    for comparable in dict.fromkeys(v.comparable for v in variants):
        members = [v for v in variants if v.comparable == comparable and v.name in present]
        singles = [v for v in members if v.monolingual]
        mixed = [v for v in members if len(v.languages) > 1]
        if not singles or not mixed:
            continue
        best = best_of(frame, singles)
        mean = frame[frame["variant"].isin([v.name for v in singles])]
        mean = over_seeds(mean, ITEM).assign(variant=MEAN)
        for variant in mixed:
            cells = variant_cells(variant)
            own = frame[frame["variant"] == variant.name]
            opponents = [(BEST, f"best monolingual ({best.label})", best.name)]
            opponents += [(v.name, v.label, v.name) for v in singles]
            for against, label, name in opponents:
                pairs = aligned(frame, variant.name, name)
                named = cells | {"against": against, "against_label": label}
                yield from (named | row for row in _gain_rows(pairs, against, bootstrap))
            pairs = aligned(_joined(own, mean), variant.name, MEAN)
            named = cells | {"against": MEAN, "against_label": MEAN}
            yield from (named | row for row in _gain_rows(pairs, MEAN, bootstrap))


def _joined(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([own, other], ignore_index=True)


def _gain_rows(pairs: pd.DataFrame, against: str, bootstrap: Bootstrap) -> Iterator[dict[str, Any]]:
    """Over all languages; against the best also language by language."""
    for lang, rows in languages_of(pairs):
        if lang != ALL and against != BEST:
            return
        sides = rows["left"].to_numpy(), rows["right"].to_numpy()
        at = rows["question_id"].to_numpy(), rows["lang"].to_numpy()
        gain = bootstrap.gain(*sides, *at)
        difference = bootstrap.difference(*sides, *at)
        yield (
            {"language": lang}
            | estimate_cells(gain, "gain")
            | {
                "difference": difference.value,
                "difference_low": difference.low,
                "difference_high": difference.high,
            }
        )


def best_of(frame: pd.DataFrame, variants: list[Variant]) -> Variant:
    """The variant with the highest mean over languages; the first by name among equals."""

    def mean(variant: Variant) -> float:
        rows = frame[frame["variant"] == variant.name]
        return float(rows.groupby("lang")["value"].mean().mean())

    return min(variants, key=lambda v: (-mean(v), v.name))


def noise_table(study: StudySet, judgements: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """A/A comparisons: two seeds of one variant, whose difference is noise."""
    table = Table(
        "seed_noise",
        "Noise of the training seed",
        "Two seeds of one mixture, compared as two mixtures would be: what a difference without "
        "any cause looks like.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "run": "One seed.",
            "other_run": "The other seed.",
            "difference": "Mean grade of the one minus that of the other.",
        }
        | ESTIMATE_COLUMNS,
        ("evaluation", "run", "other_run"),
    )
    single = judgements[judgements["protocol"] == "single"].rename(columns={"score": "value"})
    for (evaluation, name), frame in single.groupby(["evaluation", "variant"]):
        runs = sorted(frame["run"].unique())
        by_run = frame.assign(variant=frame["run"])
        for i, left in enumerate(runs):
            for right in runs[i + 1 :]:
                pairs = aligned(by_run, left, right)
                difference = bootstrap.difference(
                    pairs["left"].to_numpy(),
                    pairs["right"].to_numpy(),
                    pairs["question_id"].to_numpy(),
                    pairs["lang"].to_numpy(),
                )
                table.rows.append(
                    evaluation_cells(study, evaluation)
                    | variant_cells(study.variants[name])
                    | {"run": left, "other_run": right}
                    | estimate_cells(difference, "difference")
                )
    return table
