"""Second opinions on a difference: permutation test, multiplicity, power, seeds, correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    the share of ``samples`` sign patterns that give a difference of means at least as large, the
    observed one counted among them. None with fewer than two questions.
    """
    difference = np.asarray(left, dtype=float) - np.asarray(right, dtype=float)
    kept = ~np.isnan(difference)
    if not kept.any():
        return None
    languages = None if strata is None else np.asarray(strata)[kept]
    sums, counts = cluster_sums(difference[kept], np.asarray(clusters)[kept], languages)
    if len(sums) < 2:
        return None
    # Mean over strata of each stratum's mean; the counts do not change with the signs.
    of_cluster = (sums / counts.sum(axis=0)).mean(axis=1)
    signs = np.random.default_rng([seed, len(sums)]).choice([-1.0, 1.0], (samples, len(sums)))
    observed = abs(of_cluster.sum())
    # Sums of the same numbers in another order differ in the last digits.
    extreme = np.abs(signs @ of_cluster) >= observed - 1e-9 * max(1.0, observed)
    return float((1 + extreme.sum()) / (1 + samples))


def holm(p_values: Mapping[Key, float | None]) -> dict[Key, float | None]:
    """p values corrected for their number after Holm (1979); None stays None and counts not."""
    tested = sorted((p, i, key) for i, (key, p) in enumerate(p_values.items()) if p is not None)
    corrected: dict[Key, float | None] = dict.fromkeys(p_values)
    running = 0.0
    for rank, (p, _, key) in enumerate(tested):
        running = max(running, min(1.0, p * (len(tested) - rank)))
        corrected[key] = running
    return corrected


def detectable(estimate: Estimate, confidence: float = 0.95, power: float = POWER) -> float | None:
    """Smallest true effect that such a comparison finds with probability ``power``.

    (z of the two-sided confidence + z of the power) standard errors: the normal approximation.
    None where the data show no spread at all.
    """
    if not estimate.se:
        return None
    normal = NormalDist()
    return (normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)) * estimate.se


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

    The interval needs four points, and none of them on one line.
    """
    n = len(x)
    if n < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    r = float(np.corrcoef(x, y)[0, 1])
    if n < 4 or abs(r) >= 1 - 1e-12:
        return Estimate(r, None, None, n, n)
    se = 1 / math.sqrt(n - 3)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * se
    low, high = (math.tanh(math.atanh(r) + sign * half) for sign in (-1, 1))
    return Estimate(r, low, high, n, n, se)
