"""How far raters agree: judges with people, people with people, a judge with itself.

Plain functions over plain sequences, for any judge's and any people's votes: nothing here knows of
runs or study sets. A *vote* says which of two answers is better, in the terms of the pair and not
of the order in which it was shown: ``A``, ``B``, ``tie`` or ``both_bad``; None is no vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .statistics import Bootstrap, Estimate

Vote = str | None
#: How ties count in an agreement: S1 and S2 of the MT-Bench paper (arXiv 2306.05685), and LIMA's.
Setting = Literal["S1", "S2", "tie_discounted"]
SETTINGS: tuple[Setting, ...] = ("S1", "S2", "tie_discounted")
TIES = frozenset({"tie", "both_bad"})


def swapped(vote: Vote) -> Vote:
    """A verdict on the pair shown in the other order, in the terms of the first order."""
    return {"A": "B", "B": "A"}.get(vote or "", vote)


def joined(first_order: Vote, other_order: Vote) -> Vote:
    """One vote of the verdicts on both orders, each as given; contradiction is a tie.

    None where one is missing.
    """
    back = swapped(other_order)
    if first_order is None or back is None:
        return None
    return first_order if first_order == back else "tie"


def credit(left: Vote, right: Vote, setting: Setting = "S1") -> float | None:
    """What one pair of votes counts; None where it does not count.

    S1: 1 for the same of A, B, tie. S2: the same of A and B; any tie takes the pair out.
    Tie-discounted (LIMA, arXiv 2305.11206): ½ where one of the two alone is a tie.
    """
    if left is None or right is None:
        return None
    a, b = ("tie" if vote in TIES else vote for vote in (left, right))
    if "tie" not in (a, b) or (setting != "S2" and a == b):
        return float(a == b)
    return {"S1": 0.0, "S2": None, "tie_discounted": 0.5}[setting]


def agreement(
    left: Sequence[Vote],
    right: Sequence[Vote],
    clusters: Sequence[Any] | None = None,
    setting: Setting = "S1",
    bootstrap: Bootstrap | None = None,
) -> Estimate:
    """Mean credit of two raters' votes on the same items, with its interval.

    ``clusters`` (question ids) belong to the items; each item is its own without them. ``values``
    of the result are the pairs of votes that count.
    """
    values = [credit(a, b, setting) for a, b in zip(left, right, strict=True)]
    at = range(len(values)) if clusters is None else clusters
    shares = np.array([np.nan if v is None else v for v in values], dtype=float)
    return (bootstrap or Bootstrap()).share(shares, list(at))


@dataclass(frozen=True)
class Ballots:
    """All votes on all items of several raters: item -> its votes, and each item's cluster."""

    votes: Mapping[Hashable, Sequence[Vote]]
    clusters: Mapping[Hashable, Any] | None = None

    def cluster(self, item: Hashable) -> Any:
        """The question that an item belongs to."""
        return item if self.clusters is None else self.clusters[item]


def group_agreement(
    left: Ballots,
    right: Ballots | None = None,
    setting: Setting = "S1",
    bootstrap: Bootstrap | None = None,
) -> Estimate:
    """Agreement of every vote of ``left`` with every vote of ``right`` on the same item.

    Without ``right``: of all pairs of different votes within ``left`` (human against human). Every
    pair of votes weighs the same, as in MT-Bench.
    """
    values: list[float] = []
    clusters: list[Any] = []
    for item, votes in left.votes.items():
        if right is None:
            pairs: Iterable[tuple[Vote, Vote]] = combinations(votes, 2)
        else:
            pairs = ((a, b) for a in votes for b in right.votes.get(item, ()))
        found = [c for a, b in pairs if (c := credit(a, b, setting)) is not None]
        values += found
        clusters += [left.cluster(item)] * len(found)
    return (bootstrap or Bootstrap()).share(np.array(values, dtype=float), clusters)


def cohen_kappa(
    left: Sequence[Hashable], right: Sequence[Hashable], weights: str | None = None
) -> float | None:
    """Cohen's κ of two raters; pairs that miss a label are left out.

    ``weights``: None, ``linear`` or ``quadratic`` (labels are then numbers, and the weights their
    ranks' distances). None where both raters use one and the same label alone.
    """
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    labels = _labels(label for pair in pairs for label in pair)
    table = np.zeros((len(labels), len(labels)))
    for a, b in pairs:
        table[labels[a], labels[b]] += 1
    disagreement = _disagreement(len(labels), weights)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(pairs)
    chance = float((disagreement * expected).sum())
    return None if chance == 0 else 1.0 - float((disagreement * table).sum()) / chance


def _disagreement(n: int, weights: str | None) -> NDArray[np.float64]:
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)
    if weights is None:
        return (distance > 0).astype(float)
    return distance if weights == "linear" else distance**2


def fleiss_kappa(
    items: Iterable[Sequence[Hashable]],
    clusters: Sequence[Any] | None = None,
    bootstrap: Bootstrap | None = None,
) -> Estimate:
    """Fleiss' κ of items with several raters' labels each, by chance of the pooled labels.

    Items may have different numbers of raters; those with fewer than two are left out. (With equal
    numbers it is the κ of Fleiss 1971.) ``value`` is None where only one label occurs. The interval
    resamples ``clusters``; each item is its own without them.
    """
    rated = [[label for label in labels if label is not None] for labels in items]
    at = list(range(len(rated)) if clusters is None else clusters)
    kept = [(labels, at[i]) for i, labels in enumerate(rated) if len(labels) > 1]
    ranks = _labels(label for labels, _ in kept for label in labels)
    if len(ranks) < 2:
        return Estimate(None, None, None, 0, 0)
    place: dict[Any, int] = {}
    for _, cluster in kept:
        place.setdefault(cluster, len(place))
    # Rows: items, their observed agreement, then how often each label was given.
    sums = np.zeros((2 + len(ranks), len(place)))
    for labels, cluster in kept:
        counts = Counter(labels)
        of = sums[:, place[cluster]]
        of[0] += 1
        same = sum(n * (n - 1) for n in counts.values())
        of[1] += same / (len(labels) * (len(labels) - 1))
        for label, n in counts.items():
            of[2 + ranks[label]] += n

    def kappa(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        chance = ((totals[2:] / totals[2:].sum(axis=0)) ** 2).sum(axis=0)
        # One label alone in a resample: κ is not defined there.
        return np.asarray(
            (totals[1] / totals[0] - chance) / np.where(chance < 1, 1 - chance, np.nan)
        )

    return (bootstrap or Bootstrap()).statistic(sums, kappa, len(kept))


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]],
    level: Literal["nominal", "ordinal", "interval", "ratio"] = "nominal",
) -> float | None:
    """Krippendorff's α; ``ratings`` is raters × items, None where a rater has none.

    By the ``krippendorff`` package. None where it is not defined (one label, or nothing rated
    twice). Labels of ``ordinal`` and above are numbers.
    """
    import krippendorff

    rated = [[label for label in item if label is not None] for item in zip(*ratings, strict=True)]
    pairable = [labels for labels in rated if len(labels) > 1]
    found = _labels(label for labels in pairable for label in labels)
    if len(found) < 2:
        return None
    order: dict[Hashable, float] = {
        label: float(rank if level == "nominal" else label)  # type: ignore[arg-type]
        for label, rank in found.items()
    }
    coded = [
        [np.nan if v is None or v not in order else order[v] for v in rater] for rater in ratings
    ]
    return float(krippendorff.alpha(np.array(coded, dtype=float), level_of_measurement=level))


def _labels(labels: Iterable[Hashable]) -> dict[Hashable, int]:
    """Distinct labels in order (numbers by size, others by their text), with their ranks."""
    distinct = set(labels)
    numbers = all(isinstance(label, int | float) for label in distinct)
    ordered = sorted(distinct) if numbers else sorted(distinct, key=str)  # type: ignore[type-var]
    return {label: rank for rank, label in enumerate(ordered)}


@dataclass(frozen=True)
class WinRate:
    """Counts of votes for one side. ``rate`` is (wins + ½ ties) / all votes; None without any."""

    wins: int
    ties: int
    losses: int
    missing: int

    @property
    def votes(self) -> int:
        """Votes that were given."""
        return self.wins + self.ties + self.losses

    @property
    def rate(self) -> float | None:
        """Win rate with a tie as half a win, 0 … 1."""
        return (self.wins + self.ties / 2) / self.votes if self.votes else None


def win_rate(votes: Iterable[Vote], side: str = "A") -> WinRate:
    """Wins, ties and losses of ``side``."""
    other = swapped(side)
    counts = Counter("tie" if vote in TIES else vote for vote in votes)
    return WinRate(counts[side], counts["tie"], counts[other], counts[None])


@dataclass(frozen=True)
class Position:
    """What the order does to a judge. Shares are None where nothing stands behind them.

    ``same``: both orders say the same of the pair. ``first`` and ``second``: the judge picked the
    same place in both orders. ``first_preferred``: share of the first place among all picks of
    either order (½ is no preference); ``picks`` counts them.
    """

    pairs: int
    same: float | None
    first: float | None
    second: float | None
    first_preferred: float | None
    picks: int

    @property
    def flipped(self) -> float | None:
        """Share of pairs whose orders contradict each other."""
        return None if self.same is None else 1.0 - self.same


def position(first_order: Sequence[Vote], other_order: Sequence[Vote]) -> Position:
    """Position bias of the verdicts on both orders of the same pairs, each as the judge gave it.

    ``A`` is always the answer that was shown first. A tie and ``both_bad`` count as the same.
    """
    given = [*first_order, *other_order]
    picks = Counter(vote for vote in given if vote in ("A", "B"))
    both = [
        ("tie" if a in TIES else a, "tie" if b in TIES else b)
        for a, b in zip(first_order, other_order, strict=True)
        if a is not None and b is not None
    ]
    n = len(both)
    return Position(
        pairs=n,
        same=sum(a == swapped(b) for a, b in both) / n if n else None,
        first=both.count(("A", "A")) / n if n else None,
        second=both.count(("B", "B")) / n if n else None,
        first_preferred=picks["A"] / picks.total() if picks else None,
        picks=picks.total(),
    )
