"""Second opinions on a difference: permutation test, multiplicity, power, seeds, correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BabelmixError
from .statistics import SEED, Estimate, cluster_sums

Key = TypeVar("Key")

#: Probability with which a *detectable* effect is found.
POWER = 0.8


def sign_flip_p(
    left: ArrayLike,
    right: ArrayLike,
    clusters: Sequence[Any] | NDArray[Any],
    strata: Sequence[Any] | NDArray[Any] | None = None,
    samples: int = 10_000,
    seed: int = SEED,
) -> float | None:
    """Two-sided p value of a paired difference: the signs of whole questions are flipped.

    If neither side is better, the difference of a question may as well have the other sign. p is
    the share of sign patterns that give a difference of means at least as large: of all 2ⁿ where
    those are at most ``samples``, else of ``samples`` drawn ones, the observed one counted among
    them. None with fewer than two questions, and where a value is infinite.
    """
    difference = np.asarray(left, dtype=float) - np.asarray(right, dtype=float)
    kept = ~np.isnan(difference)
    if not kept.any() or np.isinf(difference[kept]).any():
        return None
    languages = None if strata is None else np.asarray(strata)[kept]
    sums, counts = cluster_sums(difference[kept], np.asarray(clusters)[kept], languages)
    if len(sums) < 2:
        return None
    # Mean over strata of each stratum's mean; the counts do not change with the signs.
    of_cluster = (sums / counts.sum(axis=0)).mean(axis=1)
    n = len(sums)
    every = n < 60 and 2**n <= samples
    if every:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng([seed, n]).choice([-1.0, 1.0], (samples, n))
    observed = abs(of_cluster.sum())
    # Sums of the same numbers in another order differ in the last digits.
    extreme = np.abs(signs @ of_cluster) >= observed - 1e-9 * max(1.0, observed)
    return float(extreme.mean() if every else (1 + extreme.sum()) / (1 + samples))


def holm(p_values: Mapping[Key, float | None]) -> dict[Key, float | None]:
    """p values corrected for their number after Holm (1979).

    None and NaN are no tests: they are not counted, correct nothing, and come back as None.
    Raises BabelmixError for a number outside 0 … 1.
    """
    given = [(p, i, key) for i, (key, p) in enumerate(p_values.items()) if _is_number(p)]
    tested = sorted((float(p), i, key) for p, i, key in given if p is not None)
    for p, _, key in tested:
        if not 0.0 <= p <= 1.0:
            raise BabelmixError(f"p of {key} is {p}; a p value lies within 0 … 1.")
    corrected: dict[Key, float | None] = dict.fromkeys(p_values)
    running = 0.0
    for rank, (p, _, key) in enumerate(tested):
        running = max(running, min(1.0, p * (len(tested) - rank)))
        corrected[key] = running
    return corrected


def detectable(estimate: Estimate, confidence: float = 0.95, power: float = POWER) -> float | None:
    """Smallest true effect that such a comparison finds with probability ``power``.

    (t of the two-sided confidence + t of the power) standard errors, with as many degrees of
    freedom as there are questions but one. None where the data show no spread at all.
    """
    from scipy.special import stdtrit

    if not estimate.se or not math.isfinite(estimate.se) or estimate.clusters < 2:
        return None
    quantiles = stdtrit(estimate.clusters - 1, [0.5 + confidence / 2, power])
    return float(quantiles.sum() * estimate.se)


@dataclass(frozen=True)
class SeedSpread:
    """What seeds add to a score, pooled over variants of two seeds or more.

    ``floor``: the difference between two seeds of one variant that 95 % of such pairs stay below
    (the A/A noise floor). ``component``: standard deviation that the seed alone causes, once the
    chance of each question's answer is taken off (0 where that explains all).
    """

    variants: int
    runs: int
    floor: float
    component: float


def seed_spread(tables: Sequence[ArrayLike], confidence: float = 0.95) -> SeedSpread | None:
    """Spread of the seeds. Each table is seeds × items of one variant; NaN where unscored.

    Two-way analysis of variance without replication, variant by variant: the question is a block.
    None where no variant has two seeds and two items that all of its seeds have a value for.
    """
    between = within = 0.0
    freedom = freedom_within = runs = variants = 0
    variance = 0.0
    items = 0
    for table in tables:
        values = np.asarray(table, dtype=float)
        values = values[:, ~np.isnan(values).any(axis=0)]
        seeds, n = values.shape
        if seeds < 2 or n < 2:
            continue
        of_seed = values.mean(axis=1)
        residual = values - of_seed[:, None] - values.mean(axis=0)[None, :] + values.mean()
        between += n * float(((of_seed - of_seed.mean()) ** 2).sum())
        within += float((residual**2).sum())
        variance += float(((of_seed - of_seed.mean()) ** 2).sum())
        freedom += seeds - 1
        freedom_within += (seeds - 1) * (n - 1)
        runs, variants, items = runs + seeds, variants + 1, items + n
    if not freedom:
        return None
    excess = between / freedom - within / freedom_within
    quantile = NormalDist().inv_cdf(0.5 + confidence / 2)
    return SeedSpread(
        variants=variants,
        runs=runs,
        floor=quantile * math.sqrt(2 * variance / freedom),
        component=math.sqrt(max(0.0, excess) / (items / variants)),
    )


def correlation(
    x: Sequence[float], y: Sequence[float], confidence: float = 0.95
) -> Estimate | None:
    """Pearson's r with its interval (Fisher's z); None where it is not defined.

    Points that lack a finite coordinate are left out: ``clusters`` counts the others, the note says
    how many went. The interval needs four points, and not all of them on one line.
    """
    points = [(a, b) for a, b in zip(x, y, strict=True) if _is_finite(a) and _is_finite(b)]
    n, lost = len(points), len(x) - len(points)
    if n < 3 or any(len(set(side)) < 2 for side in zip(*points, strict=True)):
        return None
    r = float(np.corrcoef(np.array(points).T)[0, 1])
    left_out = f"{lost} of {len(x)} points left out: not finite" if lost else ""
    if n < 4 or abs(r) >= 1 - 1e-12:
        why = f"too few points ({n})" if n < 4 else "all points lie on one line"
        note = f"no interval: {why}"
        return Estimate(r, None, None, n, n, note=f"{note}; {left_out}" if lost else note)
    se = 1 / math.sqrt(n - 3)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * se
    low, high = (math.tanh(math.atanh(r) + sign * half) for sign in (-1, 1))
    return Estimate(r, low, high, n, n, se, left_out)


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
