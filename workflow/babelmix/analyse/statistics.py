"""Intervals that fit the design: the bootstrap over questions.

A question is asked in several languages, over several turns, and judged in both orders. Those
values hang together, so that resampling rows would make intervals far too narrow. Here a *cluster*
is the (English) question id with everything that belongs to it, and clusters are what is resampled.
Comparisons are paired: only items that both sides answered count, and both sides are resampled with
the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: Every interval of a study set resamples with the same draws, so that comparisons stay paired.
SEED = 20240103


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; both None where the data cannot give them.

    ``clusters`` is the number of questions, ``values`` the number of measured values.
    """

    value: float | None
    low: float | None
    high: float | None
    clusters: int
    values: int

    def excludes(self, reference: float) -> bool:
        """Whether the interval lies wholly on one side of ``reference``."""
        if self.low is None or self.high is None:
            return False
        return self.low > reference or self.high < reference


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: their confidence, the number of resamples, and the seed."""

    confidence: float = 0.95
    samples: int = 2000
    seed: int = SEED

    def mean(
        self,
        values: ArrayLike,
        clusters: Sequence[Any] | NDArray[Any],
        strata: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Estimate:
        """Mean with interval. NaN values are left out, never counted as a number.

        With ``strata`` (languages) the mean is that of the strata's means, so that a language with
        unscored answers does not weigh less. All three arrays have the same length.
        """
        return self._estimate([np.asarray(values, dtype=float)], clusters, strata, lambda m: m[0])

    def difference(
        self,
        left: ArrayLike,
        right: ArrayLike,
        clusters: Sequence[Any] | NDArray[Any],
        strata: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Estimate:
        """Paired difference of means, left − right; items that miss one side are left out."""
        return self._estimate(_paired(left, right), clusters, strata, lambda m: m[0] - m[1])

    def gain(
        self,
        left: ArrayLike,
        right: ArrayLike,
        clusters: Sequence[Any] | NDArray[Any],
        strata: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Estimate:
        """Paired relative gain of means in percent, 100 · (left − right) / right."""

        def ratio(means: Floats) -> Floats:
            below = np.where(means[1] == 0, np.nan, means[1])
            return 100.0 * (means[0] - means[1]) / below

        return self._estimate(_paired(left, right), clusters, strata, ratio)

    def share(
        self,
        values: ArrayLike,
        clusters: Sequence[Any] | NDArray[Any],
        strata: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Estimate:
        """Share of ones among zeros and ones, with interval.

        Where every value is the same a bootstrap knows no spread; the exact binomial bound for that
        many questions stands in (three of three is no proof of 100 %).
        """
        estimate = self.mean(values, clusters, strata)
        if estimate.value not in (0.0, 1.0) or estimate.clusters < 2:
            return estimate
        bound = ((1.0 - self.confidence) / 2.0) ** (1.0 / estimate.clusters)
        low, high = (bound, 1.0) if estimate.value == 1.0 else (0.0, 1.0 - bound)
        return Estimate(estimate.value, low, high, estimate.clusters, estimate.values)

    def _estimate(
        self,
        sides: list[Floats],
        clusters: Sequence[Any] | NDArray[Any],
        strata: Sequence[Any] | NDArray[Any] | None,
        combine: Callable[[Floats], Any],
    ) -> Estimate:
        """``sides`` are measured on the same items and NaN at the same places."""
        kept = ~np.isnan(sides[0])
        n_values = int(kept.sum())
        if not n_values:
            return Estimate(None, None, None, 0, 0)
        cluster_at, n_clusters = _indices(np.asarray(clusters)[kept])
        if strata is None:
            stratum_at, n_strata = np.zeros(n_values, dtype=np.intp), 1
        else:
            stratum_at, n_strata = _indices(np.asarray(strata)[kept])
        flat = cluster_at * n_strata + stratum_at
        shape = (n_clusters, n_strata)
        counts = np.bincount(flat, minlength=n_clusters * n_strata).reshape(shape)
        sums = [
            np.bincount(flat, weights=side[kept], minlength=n_clusters * n_strata).reshape(shape)
            for side in sides
        ]
        value = _finite(combine(np.array([_stratified(s.sum(0), counts.sum(0)) for s in sums])))
        if n_clusters < 2 or value is None:
            return Estimate(value, None, None, n_clusters, n_values)
        weights = _weights(n_clusters, self.samples, self.seed)
        drawn = weights @ counts
        means = np.array([_stratified(weights @ s, drawn) for s in sums])
        low, high = self._bounds(combine(means))
        return Estimate(value, low, high, n_clusters, n_values)

    def _bounds(self, statistics: Floats) -> tuple[float | None, float | None]:
        statistics = statistics[np.isfinite(statistics)]
        if not statistics.size:
            return None, None
        tail = (1.0 - self.confidence) / 2.0
        low, high = np.quantile(statistics, [tail, 1.0 - tail])
        return float(low), float(high)


def _paired(left: ArrayLike, right: ArrayLike) -> list[Floats]:
    """Both sides as floats, NaN wherever either is."""
    a, b = np.array(left, dtype=float), np.array(right, dtype=float)
    missing = np.isnan(a) | np.isnan(b)
    a[missing] = np.nan
    b[missing] = np.nan
    return [a, b]


def _indices(labels: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Labels -> (index of each among the sorted distinct ones, how many there are)."""
    distinct, at = np.unique(labels, return_inverse=True)
    return at.astype(np.intp), len(distinct)


def _stratified(sums: Floats, counts: Floats) -> Floats:
    """Mean over the last axis of the strata's means; strata without values do not count."""
    present = counts > 0
    means = np.divide(sums, counts, out=np.zeros_like(sums, dtype=float), where=present)
    n_present = present.sum(axis=-1)
    total = means.sum(axis=-1)
    return np.asarray(np.where(n_present > 0, total / np.maximum(n_present, 1), np.nan))


@lru_cache(maxsize=4)
def _weights(n_clusters: int, samples: int, seed: int) -> Floats:
    """How often each cluster is drawn in each resample; samples × clusters."""
    generator = np.random.default_rng([seed, n_clusters])
    drawn = generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=samples)
    return drawn.astype(float)


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def coverage(scored: int, asked: int) -> float | None:
    """Share of the asked values that were scored; None where nothing was asked."""
    return scored / asked if asked else None
