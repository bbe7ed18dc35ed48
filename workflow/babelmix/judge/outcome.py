"""Two orders of one pair -> win, tie or loss of the run against its baseline.

Both protocols ask in both orders. ``AB`` shows the run's answer first, ``BA`` second. A win is a
pick in both orders, a loss likewise for the baseline, anything else a tie. Orders that disagree
count as a tie, and are marked inconsistent (MT-Bench-X; Shaham et al. 2024 for ``side_by_side``,
whose judge is made to pick: a tie verdict there still counts as no pick).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["win", "tie", "loss"]

#: What a result adds to the score; the mean times 100 is study 2's score, 50 = parity.
POINTS: dict[Result, float] = {"win": 1.0, "tie": 0.5, "loss": 0.0}

_PICK_AB: dict[str, Result] = {"A": "win", "B": "loss", "tie": "tie", "both_bad": "tie"}
_PICK_BA: dict[str, Result] = {"A": "loss", "B": "win", "tie": "tie", "both_bad": "tie"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``result`` is None when either order is unscored; everything else is then empty too.

    ``consistent``: both orders say the same of the run (a tie and ``both_bad`` agree: neither won).
    ``favoured``: ``first`` or ``second`` when the judge picked the same place in both orders.
    ``both_bad``: both orders say that both answers are bad.
    """

    result: Result | None
    consistent: bool | None = None
    favoured: Literal["first", "second"] | None = None
    both_bad: bool = False

    @property
    def points(self) -> float | None:
        """1, 0.5 or 0; None when unscored."""
        return POINTS[self.result] if self.result else None


def outcome(verdict_ab: str | None, verdict_ba: str | None) -> Outcome:
    """Join the verdicts of the two orders (``A``, ``B``, ``tie``, ``both_bad`` or None)."""
    if verdict_ab is None or verdict_ba is None:
        return Outcome(None)
    first, second = _PICK_AB[verdict_ab], _PICK_BA[verdict_ba]
    favoured: Literal["first", "second"] | None = None
    if verdict_ab == verdict_ba and verdict_ab in ("A", "B"):
        favoured = "first" if verdict_ab == "A" else "second"
    return Outcome(
        result=first if first == second else "tie",
        consistent=first == second,
        favoured=favoured,
        both_bad=verdict_ab == verdict_ba == "both_bad",
    )
