"""Interval ends where a bootstrap cannot give any: few questions, or all of them alike.

Every function works on numbers alone. ``statistics.Bootstrap`` decides which of them applies, for
every interval of the tables; docs/statistics.md has the rules and how often they hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Lowest and highest possible value of a measure: (0, 1) of a share, (1, 10) of a grade.
Scale = tuple[float, float]

#: A bootstrap needs so many questions. With fewer its intervals hold the truth too rarely: 51 % at
#: 2 questions, 92 % at 5, 93 % at 8, 94 % at 10 (nominal 95 %), where t holds it in 95 %.
MIN_BOOTSTRAP = 10
#: A bootstrap needs so many questions that differ from the most frequent value.
MIN_DIFFERENT = 5
#: Values closer than this are the same, relative to the estimate (and to 1).
_SAME = 1e-9


def t_interval(value: float, se: float, n: int, confidence: float) -> tuple[float, float]:
    """Return the ends of Student's t interval of ``n`` questions (n − 1 degrees of freedom)."""
    half = t_quantile(confidence, n) * se
    return value - half, value + half


def korn_graubard(share: float, effective: float, confidence: float) -> tuple[float, float]:
    """Return Clopper and Pearson's exact ends for a share of ``effective`` independent values.

    The number of values need not be whole (Korn & Graubard 1998, Survey Methodology 24, 193–201):
    the ends are quantiles of the beta distribution. ``share`` is 0 … 1.
    """
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    hits, misses = share * effective, (1.0 - share) * effective
    low = 0.0 if hits <= 0 else float(betaincinv(hits, misses + 1.0, tail))
    high = 1.0 if misses <= 0 else float(betaincinv(hits + 1.0, misses, 1.0 - tail))
    return low, high


def effective_size(share: float, se: float, n: int, most: float, confidence: float) -> float:
    """Return how many independent values a clustered share is worth.

    share · (1 − share) / se², at most ``most``, and fewer for the degrees of freedom of ``n``
    questions: times (z / t)², as Korn and Graubard do.
    """
    from scipy.special import ndtri

    independent = min(share * (1.0 - share) / se**2, most)
    z = float(ndtri(0.5 + confidence / 2.0))
    return float(independent * (z / t_quantile(confidence, n)) ** 2)


def alike_interval(value: float, scale: Scale, n: int, confidence: float) -> tuple[float, float]:
    """Return exact ends for a mean of ``n`` questions that all gave the same value.

    At most 1 − (tail)^(1/n) of all questions can give another one, at worst an end of the scale.
    For a share of 0 or 1 this is Clopper and Pearson's interval.
    """
    different = 1.0 - ((1.0 - confidence) / 2.0) ** (1.0 / n)
    low, high = scale
    return value - different * (value - low), value + different * (high - value)


def pseudo_values(value: float, left_out: Floats) -> Floats:
    """Return the jackknife's value of each question from the estimates without each of them.

    Their mean's standard error is that of the estimate; for a plain mean they are the questions'
    own values.
    """
    n = len(left_out)
    return np.asarray(n * value - (n - 1) * left_out)


def number_different(values: Floats, value: float) -> int:
    """Return how many questions differ from the most frequent value."""
    rounded = np.round(values / (_SAME * max(1.0, abs(value))))
    return len(values) - int(np.unique(rounded, return_counts=True)[1].max())


def without_each(sums: Floats, combine: Callable[[Floats], Any]) -> Floats:
    """Return the statistic of all clusters but each; ``sums`` is quantities × clusters."""
    return np.asarray(combine(sums.sum(axis=1)[:, None] - sums), dtype=float)


@lru_cache(maxsize=64)
def bootstrap_tail(confidence: float, n: int) -> float:
    """Return the share of resamples beyond each end: that of t, and of the missing √(n/(n − 1))."""
    from scipy.special import ndtr

    return float(ndtr(-t_quantile(confidence, n) * np.sqrt(n / (n - 1))))


@lru_cache(maxsize=64)
def t_quantile(confidence: float, n: int) -> float:
    """Return Student's two-sided quantile for ``n`` questions (n − 1 degrees of freedom)."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.5 + confidence / 2.0))
