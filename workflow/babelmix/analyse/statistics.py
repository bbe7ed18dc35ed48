"""Intervals that fit the design: the bootstrap over questions.

A question is asked in several languages, over several turns, and judged in both orders. Those
values hang together, so that resampling rows would make intervals far too narrow. Here a *cluster*
is the (English) question id with everything that belongs to it, and clusters are what is resampled.
Comparisons are paired: only items that both sides answered count, and both sides are resampled with
the same questions.

Ends of intervals are quantiles of the resamples, a little further out than the confidence says: a
bootstrap of n clusters is too narrow by √((n − 1) / n) and knows no t distribution (the *expanded*
percentile interval of Hesterberg 2015, doi 10.1080/00031305.2015.1089789). docs/statistics.md shows
how often the intervals hold the truth.
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

    ``clusters`` is the number of questions, ``values`` the number of measured values, ``se`` the
    standard error (spread of the resamples).
    """

    value: float | None
    low: float | None
    high: float | None
    clusters: int
    values: int
    se: float | None = None

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
        return Estimate(estimate.value, low, high, estimate.clusters, estimate.values, estimate.se)

    def statistic(
        self, sums: Floats, combine: Callable[[Floats], Any], values: int | None = None
    ) -> Estimate:
        """Any statistic of sums over clusters, with interval.

        ``sums`` is quantities × clusters; ``combine`` takes totals (quantities × …) to the
        statistic (…), as one number and as many. ``values``: how many values stand behind it.
        """
        n_clusters = sums.shape[1]
        n_values = n_clusters if values is None else values
        with np.errstate(divide="ignore", invalid="ignore"):
            value = _finite(combine(sums.sum(axis=1)))
            if n_clusters < 2 or value is None:
                return Estimate(value, None, None, n_clusters, n_values)
            drawn = sums @ _weights(n_clusters, self.samples, self.seed).T
            return self._with_bounds(value, combine(drawn), n_clusters, n_values)

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
        labels = np.asarray(clusters)[kept]
        languages = None if strata is None else np.asarray(strata)[kept]
        pairs = [cluster_sums(side[kept], labels, languages) for side in sides]
        sums, counts = [pair[0] for pair in pairs], pairs[0][1]
        n_clusters = len(counts)
        value = _finite(combine(np.array([_stratified(s.sum(0), counts.sum(0)) for s in sums])))
        if n_clusters < 2 or value is None:
            return Estimate(value, None, None, n_clusters, n_values)
        weights = _weights(n_clusters, self.samples, self.seed)
        drawn = weights @ counts
        means = np.array([_stratified(weights @ s, drawn) for s in sums])
        return self._with_bounds(value, combine(means), n_clusters, n_values)

    def _with_bounds(
        self, value: float, resampled: Floats, n_clusters: int, n_values: int
    ) -> Estimate:
        resampled = resampled[np.isfinite(resampled)]
        if not resampled.size:
            return Estimate(value, None, None, n_clusters, n_values)
        tail = _tail(self.confidence, n_clusters)
        low, high = np.quantile(resampled, [tail, 1.0 - tail])
        spread = float(resampled.std(ddof=1)) if resampled.size > 1 else None
        return Estimate(value, float(low), float(high), n_clusters, n_values, spread)


def cluster_sums(
    values: Floats, clusters: NDArray[Any], strata: NDArray[Any] | None = None
) -> tuple[Floats, Floats]:
    """Sums and counts of ``values`` by cluster and stratum; two arrays, clusters × strata."""
    cluster_at, n_clusters = _indices(clusters)
    stratum_at, n_strata = np.zeros(len(values), dtype=np.intp), 1
    if strata is not None:
        stratum_at, n_strata = _indices(strata)
    flat = cluster_at * n_strata + stratum_at
    shape = (n_clusters, n_strata)
    counts = np.bincount(flat, minlength=n_clusters * n_strata).reshape(shape).astype(float)
    sums = np.bincount(flat, weights=values, minlength=n_clusters * n_strata).reshape(shape)
    return np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)


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


@lru_cache(maxsize=64)
def _tail(confidence: float, n_clusters: int) -> float:
    """Share of the resamples beyond each end: that of t and of the missing √(n / (n − 1))."""
    from scipy.special import ndtr, stdtrit

    quantile = stdtrit(n_clusters - 1, 0.5 + confidence / 2)
    return float(ndtr(-quantile * np.sqrt(n_clusters / (n_clusters - 1))))


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def coverage(scored: int, asked: int) -> float | None:
    """Share of the asked values that were scored; None where nothing was asked."""
    return scored / asked if asked else None
