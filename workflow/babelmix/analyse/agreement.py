"""How far raters agree: judges with people, people with people, a judge with itself.

Plain functions over plain sequences, for any judge's and any people's votes: nothing here knows of
runs or study sets. A *vote* says which of two answers is better, in the terms of the pair and not
of the order in which it was shown: ``A``, ``B``, ``tie`` or ``both_bad``; None (or NaN) is no vote,
anything else an error. Labels of κ and α may be anything that can be a key of a dict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BabelmixError
from .statistics import Bootstrap, Estimate

Vote = str | None
Level = Literal["nominal", "ordinal", "interval", "ratio"]
#: How ties count in an agreement: S1 and S2 of the MT-Bench paper (arXiv 2306.05685), and LIMA's.
Setting = Literal["S1", "S2", "tie_discounted"]
SETTINGS: tuple[Setting, ...] = ("S1", "S2", "tie_discounted")
TIES = frozenset({"tie", "both_bad"})


def _missing(label: Any) -> bool:
    """None, or the NaN that data frames write for it."""
    return label is None or bool(label != label)


def _given(vote: Any) -> Vote:
    """The vote, None where there is none; an unknown word must not pass for a vote."""
    if _missing(vote):
        return None
    if vote not in ("A", "B") and vote not in TIES:
        raise BabelmixError(
            f"Unknown vote {vote!r}. Votes are A, B, tie, both_bad, or None where there is none."
        )
    return str(vote)


def _counted(vote: Any) -> Vote:
    """The vote as agreement counts it: both bad is a tie."""
    found = _given(vote)
    return "tie" if found in TIES else found


def swapped(vote: Vote) -> Vote:
    """A verdict on the pair shown in the other order, in the terms of the first order."""
    found = _given(vote)
    return {"A": "B", "B": "A"}.get(found or "", found)


def joined(first_order: Vote, other_order: Vote) -> Vote:
    """One vote of the verdicts on both orders, each as given; contradiction is a tie.

    None where one is missing.
    """
    first, back = _given(first_order), swapped(other_order)
    if first is None or back is None:
        return None
    return first if first == back else "tie"


def credit(left: Vote, right: Vote, setting: Setting = "S1") -> float | None:
    """What one pair of votes counts; None where it does not count.

    S1: 1 for the same of A, B, tie. S2: the same of A and B; any tie takes the pair out.
    Tie-discounted (LIMA, arXiv 2305.11206): ½ where one of the two alone is a tie.
    """
    a, b = _counted(left), _counted(right)
    if a is None or b is None:
        return None
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
    both = zip(left, right, strict=True)
    pairs = [(a, b) for a, b in both if not _missing(a) and not _missing(b)]
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
    rated = [[label for label in labels if not _missing(label)] for labels in items]
    at = list(range(len(rated)) if clusters is None else clusters)
    kept = [(labels, at[i]) for i, labels in enumerate(rated) if len(labels) > 1]
    ranks = _labels(label for labels, _ in kept for label in labels)
    if len(ranks) < 2:
        return Estimate(None, None, None, 0, 0, note="no value: fewer than two different labels")
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

    return (bootstrap or Bootstrap()).statistic(sums, kappa, len(kept), (-1.0, 1.0))


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]],
    level: Level = "nominal",
    clusters: Sequence[Any] | None = None,
    bootstrap: Bootstrap | None = None,
) -> Estimate:
    """Krippendorff's α of raters × items, None (or NaN) where a rater has no label.

    The value by the ``krippendorff`` package; it is None where α is not defined (one label alone,
    or nothing rated twice). The interval resamples ``clusters``; each item is its own without them.
    Labels of ``ordinal`` and above are numbers. Time and memory grow with the square of the number
    of different labels.
    """
    import krippendorff

    rated = [[x for x in labels if not _missing(x)] for labels in zip(*ratings, strict=True)]
    at = range(len(rated)) if clusters is None else clusters
    kept = [(labels, c) for labels, c in zip(rated, at, strict=True) if len(labels) > 1]
    ranks = _labels(label for labels, _ in kept for label in labels)
    if len(ranks) < 2:
        return Estimate(None, None, None, 0, 0, note="no value: fewer than two different labels")
    counts = np.zeros((len(kept), len(ranks)))
    for row, (labels, _) in enumerate(kept):
        for label in labels:
            counts[row, ranks[label]] += 1
    scale = np.array(
        [_number(x, level) for x in ranks] if level != "nominal" else range(len(ranks))
    )
    value = krippendorff.alpha(
        value_counts=counts, value_domain=scale.tolist(), level_of_measurement=level
    )
    sums = _coincidences(counts, [cluster for _, cluster in kept])
    found = (bootstrap or Bootstrap()).statistic(
        sums, lambda totals: _alpha(totals, scale, level), len(kept), (-1.0, 1.0)
    )
    return replace(found, value=float(value))


def _number(label: Any, level: Level) -> float:
    if not isinstance(label, Real):
        raise BabelmixError(f"Labels of the level '{level}' are numbers; {label!r} is none.")
    return float(label)


def _coincidences(counts: NDArray[np.float64], clusters: Sequence[Any]) -> NDArray[np.float64]:
    """Krippendorff's matrix of pairs of labels, flat, summed by cluster; (labels²) × clusters.

    ``counts`` is items × labels. An item of m labels weighs m: each of its pairs 1 / (m − 1).
    """
    place = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    n = counts.shape[1]
    sums = np.zeros((n * n, len(place)))
    for row, cluster in zip(counts, clusters, strict=True):
        pairs = (np.outer(row, row) - np.diag(row)) / (row.sum() - 1)
        sums[:, place[cluster]] += pairs.ravel()
    return sums


def _alpha(
    totals: NDArray[np.float64], scale: NDArray[np.float64], level: Level
) -> NDArray[np.float64]:
    """α of matrices of coincidences, flat along the first axis; NaN where one label is left."""
    n = len(scale)
    pairs = totals.reshape(n, n, -1)
    given = pairs.sum(axis=1)
    if level == "ordinal":
        # The distance of two labels: how many labels were given between their middles.
        middles = given.cumsum(axis=0) - given / 2
        distance = (middles[:, None] - middles[None]) ** 2
    else:
        apart = np.abs(np.subtract.outer(scale, scale))
        if level == "nominal":
            apart = (apart > 0).astype(float)
        elif level == "ratio":
            size = np.abs(np.add.outer(scale, scale))
            apart = np.divide(apart, size, out=np.zeros_like(apart), where=size > 0)
        distance = (apart**2)[:, :, None]
    seen = (pairs * distance).sum(axis=(0, 1))
    chance = (given[:, None] * given[None] * distance).sum(axis=(0, 1))
    found = 1 - (given.sum(axis=0) - 1) * seen / np.where(chance > 0, chance, np.nan)
    return np.asarray(found.reshape(totals.shape[1:]))


def _labels(labels: Iterable[Hashable]) -> dict[Hashable, int]:
    """Distinct labels in order (numbers by size, others by their text), with their ranks."""
    distinct = set(labels)
    numbers = all(isinstance(label, Real) for label in distinct)
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
    """Wins, ties and losses of ``side``, ``A`` or ``B``."""
    if side not in ("A", "B"):
        raise BabelmixError(f"Wins are counted for side A or B, not {side!r}.")
    other = swapped(side)
    counts = Counter(map(_counted, votes))
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
    first, other = [*map(_counted, first_order)], [*map(_counted, other_order)]
    picks = Counter(vote for vote in first + other if vote in ("A", "B"))
    shown_twice = zip(first, other, strict=True)
    both = [(a, b) for a, b in shown_twice if a is not None and b is not None]
    n = len(both)
    return Position(
        pairs=n,
        same=sum(a == swapped(b) for a, b in both) / n if n else None,
        first=both.count(("A", "A")) / n if n else None,
        second=both.count(("B", "B")) / n if n else None,
        first_preferred=picks["A"] / picks.total() if picks else None,
        picks=picks.total(),
    )
