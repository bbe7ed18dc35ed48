"""Sentences of a text that its translation lost, or has too many: told by their lengths.

Lengths of a sentence and of its translation are nearly proportional (Gale and Church 1993). Of all
ways to pair the sentences in order, the best that leaves some unpaired is compared with the best
that leaves none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .. import langid
from .lengths import Lengths
from .texts import Text

#: Variance of a translation's length per character (FLORES: 2 to 3; Gale and Church 1993: 6.8).
_VARIANCE = 3.0
#: What a sentence split or merged costs before lengths are looked at, and one unpaired (nats).
_SPLIT, _UNPAIRED = 2.3, 3.5
#: So much better must the way with an unpaired sentence be (docs/audit.md has the figures).
_MARGIN = 3.0
#: The same where the ratio of lengths had to be guessed. One learnt from a few rows, which may be
#: the damaged ones, does worse than a guess.
_MARGIN_GUESSED = 3.5
#: The least that any way with unpaired sentences costs where both sides have as many.
_LEAST_BROKEN = _UNPAIRED + _SPLIT
#: Shorter sentences than this (letters) are headings, labels, "Yes.": their loss is not told.
_LETTERS = 20
#: Of texts with more sentences only the length of the whole is looked at.
_MOST = 60
#: Tried where the pool has not shown how long its translations are.
_RATIOS = (0.75, 0.85, 0.95, 1.05, 1.15, 1.25, 1.4)
_RATIOS_DENSE = (0.2, 0.27, 0.35, 0.45, 0.55)
#: No sentence ends there: "me... maybe", "U.S. imperialism", "z. B. so".
_NO_END = re.compile(r"(?:…|\.\.\.|\b\w\.)$")
_STEPS = ((1, 1, 0.0), (2, 1, _SPLIT), (1, 2, _SPLIT), (3, 1, 2 * _SPLIT), (1, 3, 2 * _SPLIT))


@dataclass(frozen=True)
class Unpaired:
    """Sentences without a partner: of the source (lost), of the translation (added)."""

    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def unpaired_sentences(source: Text, target: Text, lengths: Lengths) -> Unpaired:
    """Find the sentences that only one side has."""
    here, there = _joined(source.sentences), _joined(target.sentences)
    if not here or not there or not 1 < max(len(here), len(there)) <= _MOST:
        return Unpaired()
    before, after = ([len(s) for s in side] for side in (here, there))
    best: tuple[float, float, list[int], list[int]] | None = None
    for ratio in _ratios(lengths):
        if _run_in_step(before, after, ratio):
            return Unpaired()
        whole, broken, lost, added = _align(before, after, ratio)
        if best is None or min(whole, broken) < min(best[0], best[1]):
            best = (whole, broken, lost, added)
    if best is None or best[0] - best[1] < _margin(lengths):
        return Unpaired()
    return Unpaired(
        tuple(here[i] for i in best[2] if langid.count_letters(here[i]) >= _LETTERS),
        tuple(there[i] for i in best[3] if langid.count_letters(there[i]) >= _LETTERS),
    )


def _joined(sentences: Sequence[str]) -> list[str]:
    """Sentences without breaks after dots and abbreviations: translations differ in them."""
    found: list[str] = []
    for sentence in sentences:
        if found and _NO_END.search(found[-1]):
            found[-1] = f"{found[-1]} {sentence}"
        else:
            found.append(sentence)
    return found


def _ratios(lengths: Lengths) -> Sequence[float]:
    if lengths.overall is not None:
        return (math.exp(lengths.overall.median),)
    return _RATIOS_DENSE if lengths.fixed[1] < 2 else _RATIOS


def _margin(lengths: Lengths) -> float:
    return _MARGIN_GUESSED if lengths.overall is None else _MARGIN


def _run_in_step(before: Sequence[int], after: Sequence[int], ratio: float) -> bool:
    """Whether one to one fits so well that no other way could win: true of most rows."""
    if len(before) != len(after):
        return False
    cost = sum(_misfit(a, b, ratio) for a, b in zip(before, after, strict=True))
    return cost < _LEAST_BROKEN + _MARGIN


def _align(
    before: Sequence[int], after: Sequence[int], ratio: float
) -> tuple[float, float, list[int], list[int]]:
    """Costs of the best pairing that leaves none unpaired, and of the best of all.

    Of the latter also the places of unpaired sentences on either side.
    """
    n, m = len(before), len(after)
    # Costs by place; the steps of the second search are those of the first, and two more.
    whole = [[math.inf] * (m + 1) for _ in range(n + 1)]
    every = [[math.inf] * (m + 1) for _ in range(n + 1)]
    came: dict[tuple[int, int], tuple[int, int]] = {}
    whole[0][0] = every[0][0] = 0.0
    for i in range(n + 1):
        for j in range(m + 1):
            for di, dj, price in _STEPS:
                if i < di or j < dj:
                    continue
                one, other = whole[i - di][j - dj] + price, every[i - di][j - dj] + price
                if one >= whole[i][j] and other >= every[i][j]:
                    continue
                misfit = _misfit(sum(before[i - di : i]), sum(after[j - dj : j]), ratio)
                whole[i][j] = min(whole[i][j], one + misfit)
                if other + misfit < every[i][j]:
                    every[i][j] = other + misfit
                    came[i, j] = (di, dj)
            for di, dj in ((1, 0), (0, 1)):
                if i >= di and j >= dj and every[i - di][j - dj] + _UNPAIRED < every[i][j]:
                    every[i][j] = every[i - di][j - dj] + _UNPAIRED
                    came[i, j] = (di, dj)
    lost, added = [], []
    i, j = n, m
    while (i, j) in came:
        di, dj = came[i, j]
        i, j = i - di, j - dj
        if not dj:
            lost.append(i)
        elif not di:
            added.append(j)
    return whole[-1][-1], every[-1][-1], lost[::-1], added[::-1]


def _misfit(before: int, after: int, ratio: float) -> float:
    """-log of how likely lengths this far from proportion are (two-sided normal)."""
    mean = max((before + after / ratio) / 2, 1.0)
    delta = abs(after - before * ratio) / math.sqrt(mean * _VARIANCE * ratio)
    return -math.log(max(math.erfc(delta / math.sqrt(2)), 1e-300))
