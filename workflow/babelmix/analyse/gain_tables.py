"""Mixtures against monolingual tuning, pools against pools: paired, tested, corrected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .frames import ITEM, aligned, languages_of, over_seeds
from .grade_tables import grade_scale
from .significance import detectable, holm, sign_flip_p
from .statistics import Bootstrap
from .study import ALL, StudySet, Variant
from .table import (
    ESTIMATE_COLUMNS,
    EVALUATION_COLUMNS,
    TEST_COLUMNS,
    VARIANT_COLUMNS,
    Table,
    estimate_cells,
    evaluation_cells,
    joined_notes,
    variant_cells,
)

if TYPE_CHECKING:
    import pandas as pd

#: Opponents of a mixture in the table of gains.
BEST, MEAN = "best monolingual", "mean of the monolinguals"
#: Pools whose numbers of rows differ by less than this share count as equally large.
_SAME_SIZE = 0.1


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
        }
        | TEST_COLUMNS,
        ("study", "evaluation", "variant", "against", "language"),
    )
    for study_name, spec in study.studies.items():
        for evaluation in spec["evaluations"]:
            frame = grades[grades["evaluation"] == evaluation]
            if len(frame):
                cells = {"study": study_name} | evaluation_cells(study, evaluation)
                variants = study.variants_of_study(study_name)
                found = list(_gains(frame, variants, bootstrap))
                add_holm([row for row in found if row["language"] == ALL])
                table.rows += [cells | row for row in found]
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


def add_holm(rows: list[dict[str, Any]]) -> None:
    """Correct the p values of these rows for one another; ``tests`` says how many there are."""
    corrected = holm({i: row["p"] for i, row in enumerate(rows)})
    count = sum(p is not None for p in corrected.values())
    for i, row in enumerate(rows):
        row |= {"p_holm": corrected[i], "tests": count}


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
        difference = bootstrap.difference(*sides, *at, scale=grade_scale(*sides))
        yield (
            {"language": lang}
            | estimate_cells(gain, "gain")
            | {"interval_note": joined_notes({"gain": gain, "difference": difference})}
            | {
                "difference": difference.value,
                "difference_low": difference.low,
                "difference_high": difference.high,
                "detectable": detectable(difference, bootstrap.confidence),
                "p": sign_flip_p(*sides, *at),
            }
        )


def best_of(frame: pd.DataFrame, variants: list[Variant]) -> Variant:
    """The variant with the highest mean over languages; the first by name among equals."""

    def mean(variant: Variant) -> float:
        rows = frame[frame["variant"] == variant.name]
        return float(rows.groupby("lang")["value"].mean().mean())

    return min(variants, key=lambda v: (-mean(v), v.name))


def contrast_table(study: StudySet, grades: pd.DataFrame, bootstrap: Bootstrap) -> Table:
    """Study 1's question of size and source: the same mixtures, made from two pools."""
    table = Table(
        "contrasts",
        "Size and source of the data",
        "Two pools compared over the mixtures that both were made into: each question's grade is "
        "averaged over those mixtures, then paired. `source`: about as many rows, other sources. "
        "`size`: the same sources, other numbers of rows. `translator`: the same rows, translated "
        "by another system. If a thousand curated rows were enough "
        "(the Superficial Alignment Hypothesis), the larger pool would show no difference.",
        EVALUATION_COLUMNS
        | {
            "model": "Base model.",
            "left": "One pool.",
            "right": "The other pool.",
            "contrast": "`source`, `size`, `size and source`, `translator` or `draw` (no other).",
            "left_rows": "Training rows of the matched mixtures of the one pool, mean.",
            "right_rows": "The same of the other pool.",
            "recipes": "Recipes of the two, where they differ; else empty.",
            "mixtures": "Mixtures matched.",
            "language": "Language, or `all`.",
            "difference": "Grade points, left − right.",
        }
        | ESTIMATE_COLUMNS
        | TEST_COLUMNS,
        ("evaluation", "model", "left", "right", "language"),
    )
    for evaluation, frame in grades.groupby("evaluation"):
        cells = evaluation_cells(study, str(evaluation))
        found = [cells | row for row in _contrasts(study, frame, bootstrap)]
        add_holm([row for row in found if row["language"] == ALL])
        table.rows += found
    return table


def _contrasts(
    study: StudySet, frame: pd.DataFrame, bootstrap: Bootstrap
) -> Iterator[dict[str, Any]]:
    present = set(frame["variant"].unique())
    tuned = [v for v in study.variants.values() if v.dataset and v.name in present]
    for model in dict.fromkeys(v.model for v in tuned):
        shapes: dict[str, dict[Any, Variant]] = {}
        for variant in tuned:
            if variant.model == model and variant.dataset:
                shapes.setdefault(variant.dataset, {}).setdefault(variant.composition, variant)
        pools = sorted(shapes)
        for i, left in enumerate(pools):
            for right in pools[i + 1 :]:
                both = [shape for shape in shapes[left] if shape in shapes[right]]
                pairs = [(shapes[left][shape], shapes[right][shape]) for shape in both]
                if pairs:
                    cells = {"model": model, "left": left, "right": right}
                    cells |= _contrast_cells(study, pairs)
                    rows = _contrast_rows(frame, pairs, bootstrap)
                    yield from (cells | row for row in rows)


def _contrast_cells(study: StudySet, pairs: list[tuple[Variant, Variant]]) -> dict[str, Any]:
    counts = [sum(v.rows or 0 for v in side) / len(pairs) for side in zip(*pairs, strict=True)]
    one, other = pairs[0]
    same_size = bool(counts[1]) and abs(counts[0] / counts[1] - 1) < _SAME_SIZE
    same_source = study.sources_of(one.dataset) == study.sources_of(other.dataset)
    translators = [study.translators_of(v.dataset) for v in (one, other)]
    if same_size and same_source:
        kind = "translator" if translators[0] != translators[1] else "draw"
    else:
        kind = "source" if same_size else "size" if same_source else "size and source"
    return {
        "contrast": kind,
        "left_rows": counts[0] or None,
        "right_rows": counts[1] or None,
        "recipes": "" if one.recipe == other.recipe else f"{one.recipe}, {other.recipe}",
        "mixtures": len(pairs),
    }


def _contrast_rows(
    frame: pd.DataFrame, pairs: list[tuple[Variant, Variant]], bootstrap: Bootstrap
) -> Iterator[dict[str, Any]]:
    """Over all languages, then one by one; only mixtures and items that both pools have."""
    import pandas as pd

    parts = [aligned(frame, one.name, other.name).dropna() for one, other in pairs]
    items = pd.concat(parts).groupby(ITEM, sort=True)[["left", "right"]].mean().reset_index()
    for lang, rows in languages_of(items):
        sides = rows["left"].to_numpy(), rows["right"].to_numpy()
        at = rows["question_id"].to_numpy(), rows["lang"].to_numpy()
        difference = bootstrap.difference(*sides, *at, scale=grade_scale(*sides))
        yield (
            {"language": lang}
            | estimate_cells(difference, "difference")
            | {
                "detectable": detectable(difference, bootstrap.confidence),
                "p": sign_flip_p(*sides, *at),
            }
        )
