"""Which of several is best, with intervals that allow for picking the highest of them.

The highest of K means is too high: chance helped to make it the highest. Everything here therefore
holds for all K at once, on the same resamples of the questions (paired: a hard question is hard for
all of them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .intervals import MIN_BOOTSTRAP, Floats, t_quantile
from .significance import POWER

#: Means closer than this are equal.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Standing:
    """Where one of several stands.

    ``low`` and ``high`` hold the values of all at once. ``gap`` is the value less the highest of
    the others', with its interval; ``may_be_best`` is False where that interval ends at 0.
    ``p_best`` is the share of resamples in which it is the highest, ``rank_low`` and ``rank_high``
    the ranks that the resamples give it (1 is the highest). ``detectable`` is the true distance
    from the highest that such a comparison would show in 4 of 5 studies.
    """

    low: float | None = None
    high: float | None = None
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    p_best: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    may_be_best: bool | None = None
    detectable: float | None = None


def standings(
    means: Sequence[float], drawn: Floats, n_clusters: int, confidence: float
) -> list[Standing]:
    """Compare K means; ``drawn`` (K × samples) are the same means in each resample.

    The intervals of the values are a simultaneous max-|t| band from the bootstrap (Westfall & Young
    1993; Romano & Wolf 2005, doi 10.1111/j.1468-0262.2005.00615.x). The intervals of ``gap`` are
    Hsu's multiple comparisons with the best (Hsu 1984, doi 10.1214/aos/1176346732), whose critical
    values come from the same resamples: whichever is truly best is among those that may be best,
    with the given confidence, although the data themselves point it out. Both are widened for few
    questions as the other intervals of ``statistics`` are. Resamples without all K means are left
    out; with one question, or half of the resamples lost, there are ranks and gaps alone.
    """
    values = np.asarray(means, dtype=float)
    if not len(values):
        return []
    ranks = _ranks(values)
    gaps = _gaps(values)
    plain = [
        Standing(rank=int(r), gap=_number(g)) for r, g in zip(ranks.tolist(), gaps, strict=True)
    ]
    kept = drawn[:, np.isfinite(drawn).all(axis=0)]
    if n_clusters < 2 or 2 * kept.shape[1] < drawn.shape[1] or not kept.shape[1]:
        return plain
    off = kept - values[:, None]
    wider = expansion(confidence, n_clusters)
    low, high = _band(values, off, confidence, wider)
    gap_low, gap_high, may, distance = _with_best(values, off, confidence, wider, n_clusters)
    chances = _chances(kept)
    tail = (1.0 - confidence) / 2.0
    at = (kept[None, :, :] > kept[:, None, :] + _EQUAL).sum(axis=1) + 1
    ends = np.quantile(at, [tail, 1.0 - tail], axis=1, method="nearest")
    return [
        Standing(
            low=float(low[i]),
            high=float(high[i]),
            rank=int(ranks[i]),
            rank_low=int(ends[0, i]),
            rank_high=int(ends[1, i]),
            p_best=float(chances[i]),
            gap=_number(gaps[i]),
            gap_low=_number(gap_low[i]),
            gap_high=_number(gap_high[i]),
            may_be_best=bool(may[i]),
            detectable=_number(distance[i]),
        )
        for i in range(len(values))
    ]


def expansion(confidence: float, n: int) -> float:
    """Return how much wider than the bootstrap says: t for z, and the missing √(n / (n − 1))."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2.0))
    return float(t_quantile(confidence, n) / z * np.sqrt(n / (n - 1)))


def _ranks(values: Floats) -> Floats:
    """Rank of each, 1 the highest; equal ones share the better rank."""
    return np.asarray((values[None, :] > values[:, None] + _EQUAL).sum(axis=1) + 1)


def _gaps(values: Floats) -> Floats:
    """Each less the highest of the others; NaN where there are none."""
    if len(values) < 2:
        return np.full(len(values), np.nan)
    return np.array([v - np.delete(values, i).max() for i, v in enumerate(values)])


def _chances(kept: Floats) -> Floats:
    """Share of the resamples in which each is the highest; equal ones share it."""
    top = kept >= kept.max(axis=0) - _EQUAL
    return np.asarray((top / top.sum(axis=0)).mean(axis=1))


def _band(values: Floats, off: Floats, confidence: float, wider: float) -> tuple[Floats, Floats]:
    """Ends of the simultaneous band: one critical value for all."""
    sd = off.std(axis=1, ddof=1)
    moves = sd > _EQUAL
    if not moves.any():
        return values, values
    largest = np.abs(off[moves] / sd[moves, None]).max(axis=0)
    half = wider * float(np.quantile(largest, confidence)) * sd
    return values - half, values + half


def _with_best(
    values: Floats, off: Floats, confidence: float, wider: float, n: int
) -> tuple[Floats, Floats, list[bool], Floats]:
    """Hsu's intervals of each value less the highest of the others, and what they could show."""
    from scipy.special import stdtrit

    k = len(values)
    if k < 2:
        nothing = np.full(k, np.nan)
        return nothing, nothing, [True] * k, nothing
    critical = np.zeros(k)
    sd = np.zeros((k, k))
    for i in range(k):
        away = np.delete(off - off[i], i, axis=0)
        sd[i] = np.insert(away.std(axis=1, ddof=1), i, 0.0)
        moves = np.delete(sd[i], i) > _EQUAL
        if moves.any():
            scaled = away[moves] / np.delete(sd[i], i)[moves, None]
            critical[i] = wider * float(np.quantile(scaled.max(axis=0), confidence))
    distance = values[:, None] - values[None, :]
    margin = critical[:, None] * sd
    # Two that are as far apart in every resample: a few questions prove nothing, many do.
    stuck = (sd <= _EQUAL) & (np.abs(distance) > _EQUAL) & (n < MIN_BOOTSTRAP)
    margin = np.where(stuck, np.abs(distance) + _EQUAL, margin)
    others = ~np.eye(k, dtype=bool)
    upper = np.where(others, distance + margin, np.inf).min(axis=1)
    # Equal to the highest in every resample: it may be the best as well as that one.
    may = upper > -_EQUAL
    lower = np.where(others & may[None, :], distance - margin.T, np.inf).min(axis=1)
    alone = may.sum() == 1
    low = np.array([0.0 if may[i] and alone else min(0.0, lower[i]) for i in range(k)])
    high = np.maximum(0.0, upper)
    top = int(values.argmax())
    second = int(np.where(np.arange(k) == top, -np.inf, values).argmax())
    of = np.array([second if i == top else top for i in range(k)])
    spread = sd[np.arange(k), of]
    power = float(stdtrit(n - 1, POWER)) * np.sqrt(n / (n - 1))
    shown = (critical + power) * spread
    return low, high, may.tolist(), np.where(spread > _EQUAL, shown, np.nan)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
