"""How long translations of a pair of languages are, learnt from the pool itself.

The ratio (characters of the translation by characters of the source, prose only) is close to
log-normal for texts of about one length; median and MAD of its logarithm by length class give
bounds that a tenth of bad rows hardly moves. Where rows are few, fixed bounds stand in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .. import langid

#: Below this many characters of the source a ratio says nothing.
MIN_CHARS = 20
#: Upper ends of the length classes, in characters of the source's prose.
CLASSES = (50, 100, 200, 400, 1000, math.inf)
#: A class with fewer pairs takes the bounds of all classes together; a pool with fewer, fixed ones.
MIN_PAIRS = 50
#: Bounds lie so many standard deviations (from the MAD) off the median; FLORES: see docs/audit.md.
_WIDTH = 3.5
#: A text that also ends in mid-sentence is suspicious from here on.
_WIDTH_CUT = 1.5
#: Least deviation, so that a uniform backend (identity) does not get bounds of no width.
_LEAST_SIGMA = 0.05
#: So many characters more or less than the bounds say are no fault: short texts vary more, and the
#: bounds of a pool without many of them are those of longer ones.
_SLACK_CHARS = 16

_FIXED = (0.4, 2.5)
_FIXED_DENSE = (0.1, 1.6)
_DENSE = frozenset({"zh", "ja", "ko", "yue", "lzh"})


@dataclass(frozen=True)
class Spread:
    """Median and robust standard deviation of the log ratio, and the pairs behind them."""

    median: float
    sigma: float
    pairs: int

    def bounds(self, width: float) -> tuple[float, float]:
        """Ratios ``width`` deviations below and above the median; wider where pairs are few."""
        reach = width * self.sigma * (1 + 2 / math.sqrt(self.pairs))
        return math.exp(self.median - reach), math.exp(self.median + reach)


@dataclass(frozen=True)
class Lengths:
    """What ratios a pair of languages has; ``by_class`` is empty where rows were too few."""

    fixed: tuple[float, float]
    overall: Spread | None = None
    by_class: dict[int, Spread] = field(default_factory=dict)

    def spread(self, chars: int) -> Spread | None:
        """The spread for a source of so many characters."""
        return self.by_class.get(length_class(chars), self.overall)

    def bounds(self, chars: int, cut: bool = False) -> tuple[float, float]:
        """Least and greatest plausible ratio; ``cut``: the translation ends in mid-sentence.

        Learnt bounds only ever narrow the fixed ones: a pool that is bad throughout does not make
        bad rows plausible.
        """
        low, high = self.fixed
        spread = self.spread(chars)
        if spread is None:
            return (0.75 if cut and low >= _FIXED[0] else low), high
        learnt = spread.bounds(_WIDTH)
        if cut:
            learnt = (spread.bounds(_WIDTH_CUT)[0], learnt[1])
        if learnt[1] < low or learnt[0] > high:
            return low, high
        slack = _SLACK_CHARS / max(chars, 1)
        return max(low, learnt[0] - (0 if cut else slack)), min(high, learnt[1] + slack)

    def deviation(self, ratio: float, chars: int) -> float:
        """How many deviations a ratio is off the median (0 where nothing was learnt)."""
        spread = self.spread(chars)
        if spread is None or ratio <= 0:
            return 0.0
        return abs(math.log(ratio) - spread.median) / spread.sigma

    def summary(self) -> dict[str, Any]:
        """Plain JSON for the audit's file."""
        found: dict[str, Any] = {"fixed": list(self.fixed), "classes": []}
        for number, spread in sorted(self.by_class.items()):
            low, high = spread.bounds(_WIDTH)
            found["classes"].append(
                {
                    "up_to_chars": CLASSES[number] if CLASSES[number] < math.inf else None,
                    "pairs": spread.pairs,
                    "median": round(math.exp(spread.median), 4),
                    "low": round(low, 4),
                    "high": round(high, 4),
                }
            )
        return found


def length_class(chars: int) -> int:
    """Which of ``CLASSES`` a source of so many characters is in."""
    return next(number for number, end in enumerate(CLASSES) if chars <= end)


def fixed_lengths(pivot: str, lang: str) -> Lengths:
    """Bounds that hold for any text of a pair of languages; wider between unlike scripts."""
    dense_pivot = langid.base_code(pivot) in _DENSE
    dense = langid.base_code(lang) in _DENSE
    if dense and not dense_pivot:
        return Lengths(_FIXED_DENSE)
    if dense_pivot and not dense:
        return Lengths((1 / _FIXED_DENSE[1], 1 / _FIXED_DENSE[0]))
    return Lengths(_FIXED)


def learn_lengths(pairs: Iterable[tuple[int, int]], pivot: str, lang: str) -> Lengths:
    """The pair's ratios from (characters of source, of translation) of many messages."""
    fixed = fixed_lengths(pivot, lang)
    logs: dict[int, list[float]] = {}
    for before, after in pairs:
        if before >= MIN_CHARS and after > 0:
            logs.setdefault(length_class(before), []).append(math.log(after / before))
    every = [value for values in logs.values() for value in values]
    if len(every) < MIN_PAIRS:
        return fixed
    by_class = {number: _spread(v) for number, v in logs.items() if len(v) >= MIN_PAIRS}
    return Lengths(fixed.fixed, _spread(every), by_class)


def _spread(values: list[float]) -> Spread:
    middle = median(values)
    deviation = 1.4826 * median(abs(v - middle) for v in values)
    return Spread(middle, max(deviation, _LEAST_SIGMA), len(values))
