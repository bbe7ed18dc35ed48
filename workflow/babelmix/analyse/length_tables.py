"""Do judges like long answers? The slope, and scores as they would be at equal length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .frames import ANSWER, ITEM
from .statistics import Bootstrap, Estimate
from .study import StudySet
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


@dataclass(frozen=True)
class LengthFit:
    """How a judge's values depend on length, and each variant's mean at equal length.

    ``slope``: points a doubling of the length brings. ``adjusted``: by variant; ``excess``: how far
    its answers are longer than all models' (grades) or than the baseline's, in doublings.
    """

    slope: Estimate
    adjusted: dict[str, float]
    excess: dict[str, float]


def fit(frame: pd.DataFrame, blocked: bool, bootstrap: Bootstrap) -> LengthFit | None:
    """Least squares of ``value`` on ``length`` (log2) within variants, and within items.

    ``frame``: columns variant, ITEM, value, length, complete. ``blocked``: items are blocks, so
    that hard questions with long answers do not count as dislike of length (grades); a pair is
    compared with its own baseline and needs no block. None where no length differs.
    """
    rows = frame.dropna(subset=["value", "length"])
    if blocked:
        answered_by = rows.groupby(ITEM)["variant"].transform("nunique")
        rows = rows[answered_by == rows["variant"].nunique()]
    if rows.empty:
        return None
    y, x = (_within(rows, column, blocked) for column in ("value", "length"))
    if not float((x**2).sum()) > 1e-9:
        return None
    clusters, at = np.unique(rows["question_id"].to_numpy().astype(str), return_inverse=True)
    sums = np.array([np.bincount(at, weights=w, minlength=len(clusters)) for w in (x * y, x * x)])
    slope = bootstrap.statistic(sums, lambda totals: totals[0] / totals[1], len(rows))
    means = rows.groupby("variant")[["value", "length"]].mean()
    # Where lengths are equal: the mean of all models, or the baseline's own length.
    excess = means["length"] - (means["length"].mean() if blocked else 0.0)
    adjusted = means["value"] - (slope.value or 0.0) * excess
    return LengthFit(slope, dict(adjusted.items()), dict(excess.items()))


def _within(rows: pd.DataFrame, column: str, blocked: bool) -> NDArray[np.float64]:
    """Values less their variant's mean, and less their item's mean (balanced: exact)."""
    values = rows[column] - rows.groupby("variant")[column].transform("mean")
    if blocked:
        values = values - values.groupby([rows[name] for name in ITEM]).transform("mean")
    return np.asarray(values, dtype=float)


def _log2_length(scores: pd.DataFrame) -> pd.DataFrame:
    lengths = scores[scores["metric"] == "length_chars"]
    kept = lengths[["run", "benchmark", *ANSWER]]
    return kept.assign(length=np.log2(1.0 + lengths["value"].astype(float)))


def _frames(
    study: StudySet, judged: pd.DataFrame, pairs: pd.DataFrame, scores: pd.DataFrame
) -> Iterator[tuple[str, bool, pd.DataFrame]]:
    """(evaluation, blocked, frame for ``fit``), seeds and samples averaged."""
    lengths = _log2_length(scores)
    single = judged[judged["protocol"] == "single"].rename(columns={"score": "value"})
    for frame, blocked in ((single, True), (pairs, False)):
        for evaluation, rows in frame.groupby("evaluation"):
            benchmark = study.evaluations[str(evaluation)]["benchmark"]
            own = lengths[lengths["benchmark"] == benchmark].drop(columns="benchmark")
            joined = rows.merge(own, on=["run", *ANSWER], how="inner")
            if not blocked:
                other = own.rename(columns={"run": "baseline", "length": "other"})
                joined = joined.merge(other, on=["baseline", *ANSWER], how="inner")
                joined["length"] = joined["length"] - joined["other"]
            items = joined.astype({"value": float}).groupby(["variant", *ITEM])
            yield str(evaluation), blocked, items[["value", "length"]].mean().reset_index()


def length_tables(
    study: StudySet,
    judged: pd.DataFrame,
    pairs: pd.DataFrame,
    scores: pd.DataFrame,
    bootstrap: Bootstrap,
) -> list[Table]:
    """``length_bias`` by evaluation and ``length_adjusted`` by evaluation and variant."""
    bias = Table(
        "length_bias",
        "Length bias of the judge",
        "What a doubling of an answer's length brings. Grades: least squares within question, "
        "language, turn and model, so that hard questions and good models do not count. Pairs: "
        "against the difference in length from the baseline's answer, within model. A slope is no "
        "proof of a bias: longer answers may be better.",
        EVALUATION_COLUMNS
        | {"slope": "Grade points (or score points, 0 to 100) a doubling of the length."}
        | ESTIMATE_COLUMNS
        | {
            "longer_preferred": "Share of decided pairs that the longer answer won.",
            "decided": "Decided pairs whose lengths differ.",
        },
        ("evaluation",),
    )
    adjusted = Table(
        "length_adjusted",
        "Scores at equal length",
        "The mean less what the slope of the table of length bias ascribes to length: grades as if "
        "all models wrote as much as their average, preference scores as if the answer were as "
        "long as the baseline's. Every item weighs the same here.",
        EVALUATION_COLUMNS
        | VARIANT_COLUMNS
        | {
            "mean": "Mean grade or preference score over the same items.",
            "adjusted": "The same at equal length.",
            "doublings": "How much longer the answers are, in doublings.",
        },
        ("evaluation", "variant"),
    )
    for evaluation, blocked, frame in _frames(study, judged, pairs, scores):
        found = fit(frame, blocked, bootstrap)
        if found is None:
            continue
        cells = evaluation_cells(study, evaluation)
        longer = {} if blocked else _longer_preferred(frame)
        bias.rows.append(cells | estimate_cells(found.slope, "slope") | longer)
        for name, value in found.adjusted.items():
            slope = found.slope.value or 0.0
            adjusted.rows.append(
                cells
                | variant_cells(study.variants[name])
                | {"mean": value + slope * found.excess[name], "adjusted": value}
                | {"doublings": found.excess[name]}
            )
    return [bias, adjusted]


def _longer_preferred(frame: pd.DataFrame) -> dict[str, Any]:
    decided = frame[(frame["value"] != 50) & frame["value"].notna() & (frame["length"] != 0)]
    longer = (decided["value"] > 50) == (decided["length"] > 0)
    return {
        "longer_preferred": float(longer.mean()) if len(decided) else None,
        "decided": len(decided),
    }
