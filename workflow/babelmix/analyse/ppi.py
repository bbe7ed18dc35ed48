"""Judge scores corrected by a few human labels: prediction-powered inference (PPI++).

Angelopoulos et al. 2023, arXiv 2311.01453. The judge says something of every item, people of some
that were drawn at random. The judge's mean over the other items is moved by the mean of what people
said beyond it, each weighted by how far the judge can be trusted (λ): an unbiased judge makes the
interval narrower than the people's own, a useless one leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .intervals import Scale
from .statistics import Bootstrap, Estimate, Floats


@dataclass(frozen=True)
class Corrected:
    """``estimate`` by judge and people, the people's ``human`` alone, and the judge's weight."""

    estimate: Estimate
    human: Estimate
    weight: float
    labelled: int


def corrected_mean(
    judge: ArrayLike,
    human: ArrayLike,
    clusters: Sequence[Any],
    bootstrap: Bootstrap,
    scale: Scale = (0.0, 100.0),
) -> Corrected | None:
    """Mean of what people would say of all items. ``human`` is NaN where nobody was asked.

    Both are on one ``scale``. Items that the judge left unscored count only through the people.
    None with fewer than two labelled items. The interval resamples ``clusters`` (questions).
    """
    f, y = np.array(judge, dtype=float), np.array(human, dtype=float)
    labelled = ~np.isnan(y) & ~np.isnan(f)
    free = np.isnan(y) & ~np.isnan(f)
    n, rest = int(labelled.sum()), int(free.sum())
    if n < 2:
        return None
    weight = _weight(f[labelled], y[labelled], f[labelled | free], n, rest)
    names, at = np.unique(np.array([str(c) for c in clusters]), return_inverse=True)

    def by_cluster(values: Floats, where: Any) -> Floats:
        counted = np.bincount(at[where], weights=values[where], minlength=len(names))
        return np.asarray(counted, dtype=float)

    one = np.ones(len(f))
    sums = np.array(
        [
            by_cluster(f, free),
            by_cluster(one, free),
            by_cluster(y - weight * f, labelled),
            by_cluster(one, labelled),
        ]
    )
    # Clusters without any item of either kind would only thin out the resamples.
    sums = sums[:, (sums[1] + sums[3]) > 0]

    def combine(totals: Floats) -> Floats:
        correction = totals[2] / totals[3]
        return correction + weight * totals[0] / totals[1] if weight else correction

    own = bootstrap.share(y[labelled], np.asarray(names)[at[labelled]], scale=scale)
    whole = bootstrap.statistic(sums, combine, n + rest, scale)
    return Corrected(whole, own, weight, n)


def _weight(f: Floats, y: Floats, judged: Floats, n: int, rest: int) -> float:
    """λ that gives the smallest variance, kept within 0 … 1; 0 where nothing is left to use."""
    spread = float(judged.var())
    if not rest or not spread:
        return 0.0
    covariance = float(((f - f.mean()) * (y - y.mean())).sum() / (n - 1))
    return min(1.0, max(0.0, covariance / (spread * (1 + n / rest))))
