"""Win rates of weighted preferences, plain and length-controlled, as AlpacaEval 2 publishes them.

A weighted preference says with which probability a judge prefers an answer, 0 … 1. The win rate
is their mean. The length-controlled one (Dubois et al. 2024, arXiv 2404.04475) asks what it would
be if both answers were equally long. A logistic regression without intercept,

    logit P(model wins on x) = θ + φ · tanh(d_x / s) + ψ · γ_x,

is fitted to the preferences, where d_x is the baseline's length less the model's in characters, s
the standard deviation of d, and γ_x the difficulty of the instruction x; the rate is the mean of
its predictions with the length term set to 0, in percent. AlpacaEval's package (0.6.6) has it as
``length_controlled_v1``: L1 penalty, its strength chosen by 5-fold cross-validation of the log
loss, γ and the preferences between its baseline and two versions of that with other lengths (each
with weight 0.1) from its file ``df_gamed.csv``. Without that file the difficulty and those
preferences drop out, which it calls ``length_controlled_minimal``.

Which row falls into which fold depends on the versions of scikit-learn and NumPy, in its package
as here; that alone may move a rate by a hundredth or two.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BabelmixError
from .intervals import Floats

#: AlpacaEval's names of the two regressions.
FULL, MINIMAL = "length_controlled_v1", "length_controlled_minimal"
#: Weight of a preference between its baseline and one of the two other lengths of that.
_GAMED_WEIGHT = 0.2 / 2
_FOLDS = 5
_STRENGTHS = np.logspace(-4, 4, 10)
_COLUMNS = {"index", "preference", "std_delta_len", "instruction_difficulty"}


@dataclass(frozen=True)
class GamedBaselines:
    """What AlpacaEval's ``df_gamed.csv`` holds.

    ``difficulty`` of each instruction by its index; then one entry per preference between the
    baseline and another length of it: standardised difference in length, difficulty, preference
    (0 … 1).
    """

    difficulty: Mapping[int, float]
    length: Sequence[float] = field(default_factory=list)
    of_difficulty: Sequence[float] = field(default_factory=list)
    preference: Sequence[float] = field(default_factory=list)


@dataclass(frozen=True)
class Controlled:
    """A length-controlled win rate in percent; ``rate`` is None where ``note`` says why.

    ``se`` is the published standard error: the spread of the predictions, without the uncertainty
    of the fit. ``by_name``: which regression.
    """

    rate: float | None
    se: float | None
    by_name: str
    note: str = ""


def read_gamed(path: Path) -> GamedBaselines:
    """Read AlpacaEval's ``df_gamed.csv``. Raises BabelmixError where columns are missing."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    missing = sorted(_COLUMNS - set(rows[0] if rows else {}))
    if missing:
        raise BabelmixError(
            f"{path}: not AlpacaEval's df_gamed.csv; missing columns: {', '.join(missing)}. It is "
            "part of its data set (tatsu-lab/alpaca_eval)."
        )
    difficulty: dict[int, float] = {}
    for row in rows:
        difficulty.setdefault(int(float(row["index"])), float(row["instruction_difficulty"]))
    return GamedBaselines(
        difficulty,
        [float(row["std_delta_len"]) for row in rows],
        [float(row["instruction_difficulty"]) for row in rows],
        [float(row["preference"]) for row in rows],
    )


def length_controlled(
    preference: ArrayLike,
    baseline_longer: ArrayLike,
    index: Sequence[int] | None = None,
    gamed: GamedBaselines | None = None,
) -> Controlled:
    """Return the win rate at equal length.

    ``preference``: for the model, 0 … 1, NaN where there is none. ``baseline_longer``: the
    baseline's length less the model's, in characters. ``index``: each instruction's place in
    AlpacaEval's file; needed with ``gamed``.
    """
    p, d = np.asarray(preference, dtype=float), np.asarray(baseline_longer, dtype=float)
    name = MINIMAL if gamed is None else FULL
    known = ~np.isnan(p)
    if int(known.sum()) < _FOLDS:
        return Controlled(None, None, name, f"no value: fewer than {_FOLDS} preferences")
    spread = float(d.std(ddof=1))
    if not spread > 0:
        return Controlled(None, None, name, "no value: all lengths differ by the same")
    one = np.ones(len(p))
    if gamed is None:
        train = np.column_stack([np.tanh(d / spread), one])
        test = np.column_stack([0 * one, one])
        x, y, weight = train[known], p[known], one[known]
    else:
        hard = _difficulty(gamed, index or [])
        train = np.column_stack([np.tanh(d / spread), hard, one])
        test = np.column_stack([0 * one, hard, one])
        others = np.column_stack(
            [np.tanh(gamed.length), gamed.of_difficulty, np.zeros(len(gamed.length))]
        )
        x = np.vstack([others, train[known]])
        y = np.concatenate([gamed.preference, p[known]])
        weight = np.concatenate([np.full(len(others), _GAMED_WEIGHT), one[known]])
        kept = ~np.isnan(y)
        x, y, weight = x[kept], y[kept], weight[kept]
    predicted = _sigmoid(test @ _fitted(x, y, weight))
    se = 100.0 * float(predicted.std(ddof=1)) / np.sqrt(len(predicted))
    return Controlled(100.0 * float(predicted.mean()), se, name)


def _difficulty(gamed: GamedBaselines, index: Sequence[int]) -> Floats:
    unknown = sorted({i for i in index if i not in gamed.difficulty})
    if unknown:
        raise BabelmixError(
            f"No difficulty is known of {len(unknown)} instructions (index {unknown[0]} …): they "
            "are not AlpacaEval's. Leave --gamed-baselines out."
        )
    return np.array([gamed.difficulty[i] for i in index])


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def _fitted(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Coefficients of the regression of proportions ``y``, of the strength that predicts best."""
    from sklearn.model_selection import GroupKFold

    rows = np.concatenate([np.arange(len(y))] * 2)
    folds = list(GroupKFold(_FOLDS).split(x[rows], groups=rows))
    scores = [
        np.mean(
            [
                _log_likelihood(
                    _fit(x, y, weight, train[train < len(y)], strength), x, y, weight, t
                )
                for train, held_out in folds
                for t in [held_out[held_out < len(y)]]
            ]
        )
        for strength in _STRENGTHS
    ]
    best = float(_STRENGTHS[int(np.argmax(scores))])
    return _fit(x, y, weight, np.arange(len(y)), best)


def _fit(x: Floats, y: Floats, weight: Floats, at: NDArray[Any], strength: float) -> Floats:
    """L1-penalised logistic regression: each row once as won and once as lost, by its share."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        l1_ratio=1.0, C=strength, solver="liblinear", fit_intercept=False, random_state=123
    )
    won, both = y[at], np.concatenate([x[at], x[at]])
    shares = np.concatenate([won, 1.0 - won]) * np.concatenate([weight[at], weight[at]])
    labels = np.concatenate([np.ones(len(at)), np.zeros(len(at))])
    return np.asarray(model.fit(both, labels, sample_weight=shares).coef_[0])


def _log_likelihood(beta: Floats, x: Floats, y: Floats, weight: Floats, at: NDArray[Any]) -> float:
    p = np.clip(_sigmoid(x[at] @ beta), 1e-15, 1 - 1e-15)
    return float(np.mean(weight[at] * (y[at] * np.log(p) + (1 - y[at]) * np.log(1 - p))))
