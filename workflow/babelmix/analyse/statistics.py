"""Intervals that fit the design: the bootstrap over questions, and what stands in where it fails.

A question is asked in several languages, over several turns, and judged in both orders. Those
values hang together, so that resampling rows would make intervals far too narrow. Here a *cluster*
is the (English) question id with everything that belongs to it, and clusters are what is resampled.
Comparisons are paired: only items that both sides answered count, and both sides are resampled with
the same questions.

Ends of intervals are quantiles of the resamples, a little further out than the confidence says: a
bootstrap of n clusters is too narrow by √((n − 1) / n) and knows no t distribution (the *expanded*
percentile interval of Hesterberg 2015, doi 10.1080/00031305.2015.1089789). Few questions get a t
interval, questions that are all alike an exact one, shares that of Korn and Graubard; one question
gets none. ``Estimate.note`` says so. docs/statistics.md shows how often the intervals hold the
truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BabelmixError
from . import intervals
from .intervals import MIN_BOOTSTRAP, MIN_DIFFERENT, Floats, Scale

Labels = Sequence[Any] | NDArray[Any]

#: Every interval of a study set resamples with the same draws, so that comparisons stay paired.
SEED = 20240103


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; both None where the data cannot give them.

    ``clusters`` is the number of questions, ``values`` the number of measured values, ``se`` the
    standard error. ``note`` says why there is no value or no interval, or that the interval is
    another one than the usual; it is empty otherwise.
    """

    value: float | None
    low: float | None
    high: float | None
    clusters: int
    values: int
    se: float | None = None
    note: str = ""

    def excludes(self, reference: float) -> bool:
        """Whether the interval lies wholly on one side of ``reference``."""
        if self.low is None or self.high is None:
            return False
        return self.low > reference or self.high < reference


def nothing() -> Estimate:
    """Return the estimate of no data."""
    return Estimate(None, None, None, 0, 0, note="no value: nothing was scored")


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made: their confidence, the number of resamples, and the seed."""

    confidence: float = 0.95
    samples: int = 2000
    seed: int = SEED

    def mean(
        self,
        values: ArrayLike,
        clusters: Labels,
        strata: Labels | None = None,
        scale: Scale | None = None,
    ) -> Estimate:
        """Mean with interval. NaN values are left out, never counted as a number.

        With ``strata`` (languages) the mean is that of the strata's means, so that a language with
        unscored answers does not weigh less. All three arrays have the same length. ``scale``: the
        lowest and highest possible value, where there are such.
        """
        sides = [np.asarray(values, dtype=float)]
        return self._estimate(sides, clusters, strata, lambda m: m[0], scale)

    def difference(
        self,
        left: ArrayLike,
        right: ArrayLike,
        clusters: Labels,
        strata: Labels | None = None,
        scale: Scale | None = None,
    ) -> Estimate:
        """Paired difference of means, left − right; items that miss one side are left out.

        ``scale`` is that of each side.
        """
        of = None if scale is None else (scale[0] - scale[1], scale[1] - scale[0])
        return self._estimate(_paired(left, right), clusters, strata, lambda m: m[0] - m[1], of)

    def gain(
        self, left: ArrayLike, right: ArrayLike, clusters: Labels, strata: Labels | None = None
    ) -> Estimate:
        """Paired relative gain of means in percent, 100 · (left − right) / right."""

        def ratio(means: Floats) -> Floats:
            below = np.where(means[1] == 0, np.nan, means[1])
            return 100.0 * (means[0] - means[1]) / below

        return self._estimate(_paired(left, right), clusters, strata, ratio)

    def share(
        self,
        values: ArrayLike,
        clusters: Labels,
        strata: Labels | None = None,
        scale: Scale = (0.0, 1.0),
    ) -> Estimate:
        """Share of ones among zeros and ones (or mean of values from one end of ``scale`` to the
        other), with an interval that also holds near the ends.

        The interval is that of Clopper and Pearson for as many independent values as the questions
        are worth (Korn & Graubard 1998): three of three is no proof of 100 %.
        """
        sides = [np.asarray(values, dtype=float)]
        return self._estimate(sides, clusters, strata, lambda m: m[0], scale, share=True)

    def statistic(
        self,
        sums: Floats,
        combine: Callable[[Floats], Any],
        values: int | None = None,
        scale: Scale | None = None,
    ) -> Estimate:
        """Any statistic of sums over clusters, with interval.

        ``sums`` is quantities × clusters; ``combine`` takes totals (quantities × …) to the
        statistic (…), as one number and as many. ``values``: how many values stand behind it.
        ``scale`` limits the ends of the interval.
        """
        n_clusters = sums.shape[1]
        n_values = n_clusters if values is None else values
        if not n_clusters:
            return nothing()
        with np.errstate(divide="ignore", invalid="ignore"):
            point = Estimate(_finite(combine(sums.sum(axis=1))), None, None, n_clusters, n_values)
            return self._with_interval(
                point,
                lambda: intervals.without_each(sums, combine),
                lambda: combine(sums @ _weights(n_clusters, self.samples, self.seed).T),
                limits=scale,
            )

    def draws(self, n_clusters: int) -> Floats:
        """Return how often each cluster is drawn in each resample; samples × clusters.

        The same for everything that is measured on these clusters, so that comparisons are paired.
        """
        return _weights(n_clusters, self.samples, self.seed)

    def _estimate(
        self,
        sides: list[Floats],
        clusters: Labels,
        strata: Labels | None,
        combine: Callable[[Floats], Any],
        scale: Scale | None = None,
        share: bool = False,
    ) -> Estimate:
        """``sides`` are measured on the same items and NaN at the same places."""
        kept = ~np.isnan(sides[0])
        n_values = int(kept.sum())
        if not n_values:
            return nothing()
        labels = _named(clusters)[kept]
        languages = None if strata is None else _named(strata)[kept]
        pairs = [cluster_sums(side[kept], labels, languages) for side in sides]
        sums, counts = [pair[0] for pair in pairs], pairs[0][1]
        n_clusters = len(counts)
        point = Estimate(None, None, None, n_clusters, n_values)
        infinite = int(np.isinf([side[kept] for side in sides]).any(axis=0).sum())
        if infinite:
            return replace(point, note=f"no value: {infinite} of {n_values} values are infinite")
        point = replace(
            point,
            value=_finite(
                combine(np.array([stratified_mean(s.sum(0), counts.sum(0)) for s in sums]))
            ),
        )

        def resampled() -> Floats:
            weights = _weights(n_clusters, self.samples, self.seed)
            drawn = weights @ counts
            return np.asarray(
                combine(np.array([stratified_mean(weights @ s, drawn) for s in sums]))
            )

        def left_out() -> Floats:
            others = counts.sum(0) - counts
            return np.asarray(
                combine(np.array([stratified_mean(s.sum(0) - s, others) for s in sums])),
                dtype=float,
            )

        most = _independent(sums[0], counts, point.value, scale) if scale else 0.0
        return self._with_interval(point, left_out, resampled, scale, scale, share, most)

    def _with_interval(
        self,
        point: Estimate,
        left_out: Callable[[], Floats],
        resampled: Callable[[], Floats],
        scale: Scale | None = None,
        limits: Scale | None = None,
        share: bool = False,
        most: float = 0.0,
    ) -> Estimate:
        """Add the interval that these data allow, and say which.

        ``left_out``: the estimate without each question. ``most``: the most independent values
        that the questions can be worth.
        """
        value, n = point.value, point.clusters
        if value is None:
            return replace(point, note="no value: not defined for these data")
        if n < 2:
            return replace(point, note="no interval: one question")
        pseudo = intervals.pseudo_values(value, left_out())
        if not np.isfinite(pseudo).all():
            # A language of one question, say: how far its questions differ is unknown.
            return replace(point, note="no interval: not defined without one of the questions")
        se = float(pseudo.std(ddof=1) / np.sqrt(n))
        different = intervals.number_different(pseudo, value)
        if not different:
            return self._alike(point, scale)
        if scale and (share or (n >= MIN_BOOTSTRAP and different < MIN_DIFFERENT)):
            low, high = self._near_the_ends(value, se, n, scale, most)
            few = f"binomial interval: only {different} of {n} questions differ from the others"
            return replace(point, low=low, high=high, se=se, note="" if share else few)
        if n < MIN_BOOTSTRAP:
            low, high = _within(intervals.t_interval(value, se, n, self.confidence), limits)
            few = f"t interval: {n} questions; a bootstrap needs {MIN_BOOTSTRAP}"
            return replace(point, low=low, high=high, se=se, note=few)
        return self._bootstrapped(point, resampled(), limits)

    def _alike(self, point: Estimate, scale: Scale | None) -> Estimate:
        """Interval of questions that all say the same: exact where the scale has ends."""
        if point.value is None or scale is None:
            return replace(point, se=0.0, note="no interval: all questions give the same value")
        ends = intervals.alike_interval(point.value, scale, point.clusters, self.confidence)
        note = f"exact interval: all {point.clusters} questions give the same value"
        return replace(point, low=ends[0], high=ends[1], se=0.0, note=note)

    def _near_the_ends(
        self, value: float, se: float, n: int, scale: Scale, most: float
    ) -> tuple[float, float]:
        """Ends of Korn and Graubard's interval, on the measure's own scale."""
        start, width = scale[0], scale[1] - scale[0]
        part = min(1.0, max(0.0, (value - start) / width))
        size = intervals.effective_size(part, se / width, n, most, self.confidence)
        low, high = intervals.korn_graubard(part, size, self.confidence)
        return start + width * low, start + width * high

    def _bootstrapped(self, point: Estimate, drawn: Floats, limits: Scale | None) -> Estimate:
        finite = drawn[np.isfinite(drawn)]
        lost = len(drawn) - len(finite)
        if 2 * len(finite) < len(drawn):
            return replace(
                point, note=f"no interval: not defined in {lost} of {len(drawn)} resamples"
            )
        tail = intervals.bootstrap_tail(self.confidence, point.clusters)
        low, high = np.quantile(finite, [tail, 1.0 - tail])
        low, high = _within((float(low), float(high)), limits)
        note = f"{lost} of {len(drawn)} resamples left out: not defined there" if lost else ""
        return replace(point, low=low, high=high, se=float(finite.std(ddof=1)), note=note)


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


def stratified_mean(sums: Floats, counts: Floats) -> Floats:
    """Mean over the last axis of the strata's means; NaN where a stratum has no value.

    Without one of the languages it would be the mean of something else.
    """
    missing = np.full(np.broadcast_shapes(sums.shape, counts.shape), np.nan)
    return np.asarray(np.divide(sums, counts, out=missing, where=counts > 0).mean(axis=-1))


@lru_cache(maxsize=4)
def _weights(n_clusters: int, samples: int, seed: int) -> Floats:
    """How often each cluster is drawn in each resample; samples × clusters."""
    generator = np.random.default_rng([seed, n_clusters])
    drawn = generator.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=samples)
    return drawn.astype(float)


def _independent(sums: Floats, counts: Floats, value: float | None, scale: Scale) -> float:
    """The most independent zeros and ones that these values can be worth: those of cells (question
    and stratum) that do not hang together. Rows that stand twice in a cell count once."""
    if value is None:
        return 0.0
    present = counts > 0
    spread = float(((sums[present] / counts[present] - value) ** 2).mean())
    at_most = (value - scale[0]) * (scale[1] - value)
    return int(present.sum()) * at_most / spread if spread > 0 else float("inf")


def _within(ends: tuple[float, float], limits: Scale | None) -> tuple[float, float]:
    """Ends that no possible value lies beyond."""
    if limits is None:
        return ends
    return max(ends[0], limits[0]), min(ends[1], limits[1])


def _named(labels: Labels) -> NDArray[Any]:
    """Labels as an array; one that is missing would join all such rows into one question."""
    named = np.asarray(labels)
    missing = sum(label is None or label != label for label in named.tolist())
    if missing:
        raise BabelmixError(
            f"{missing} of {len(named)} values have no question id (or language). Give each its "
            "own, or leave those rows out."
        )
    return named


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None


def coverage(scored: int, asked: int) -> float | None:
    """Share of the asked values that were scored; None where nothing was asked."""
    return scored / asked if asked else None
