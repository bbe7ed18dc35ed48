"""Two orders of one pair -> win, tie or loss of the run against its baseline.

Both protocols ask in both orders. ``AB`` shows the run's answer first, ``BA`` second. How the two
become one outcome is a rule:

- ``strict`` (both studies: MT-Bench-X; Shaham et al. 2024 for ``side_by_side``, whose judge is made
  to pick): a win is a pick in both orders, a loss likewise for the baseline, anything else a tie.
- ``lenient``: a pick in one order and a tie in the other is a win too.
- ``score``: what both orders give to each side is added up. Where the judge graded both answers
  those are the grades; else an order gives the run its weight, or 1, ½ or 0, and the mean of both
  is the outcome's worth (a win and a tie are worth ¾).

- ``one_order``: every pair was shown in one order alone (published studies that shuffle the order);
  its verdict is the outcome. Only tables of imported judgements say so.

Orders that pick different answers are a tie under each but a weighted ``score``. Whether orders
contradict each other does not depend on the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .config.evaluation import OrderRule

Result = Literal["win", "tie", "loss"]
RULES: tuple[OrderRule, ...] = get_args(OrderRule)
#: A rule of the configuration, or what published judgements leave no choice of.
JoinRule = OrderRule | Literal["one_order"]
ONE_ORDER: JoinRule = "one_order"

#: What a result adds to the score; the mean times 100 is study 2's score, 50 = parity.
POINTS: dict[Result, float] = {"win": 1.0, "tie": 0.5, "loss": 0.0}

_PICK_AB: dict[str, Result] = {"A": "win", "B": "loss", "tie": "tie", "both_bad": "tie"}
_PICK_BA: dict[str, Result] = {"A": "loss", "B": "win", "tie": "tie", "both_bad": "tie"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``result`` is None when either order is unscored; everything else is then empty too.

    ``consistent``: both orders say the same of the run (a tie and ``both_bad`` agree: neither won).
    ``favoured``: ``first`` or ``second`` when the judge picked the same place in both orders.
    ``both_bad``: both orders say that both answers are bad. ``worth`` is what the outcome adds to
    the score where that is not the result's own (rule ``score``).
    """

    result: Result | None
    consistent: bool | None = None
    favoured: Literal["first", "second"] | None = None
    both_bad: bool = False
    worth: float | None = None

    @property
    def points(self) -> float | None:
        """1, 0.5 or 0 (between them under ``score``); None when unscored."""
        if self.worth is not None:
            return self.worth
        return POINTS[self.result] if self.result else None


def outcome(
    verdict_ab: str | None,
    verdict_ba: str | None,
    rule: OrderRule = "strict",
    weights: tuple[float | None, float | None] = (None, None),
    grades: tuple[float, float] | None = None,
) -> Outcome:
    """Join the verdicts of the two orders (``A``, ``B``, ``tie``, ``both_bad`` or None).

    ``weights``: what a weighted preference gives to the run in each order, 0 … 1. ``grades``: the
    sums of the grades of the run's and the baseline's answer over both orders. Both matter to the
    rule ``score`` alone.
    """
    if verdict_ab is None or verdict_ba is None:
        return Outcome(None)
    first, second = _PICK_AB[verdict_ab], _PICK_BA[verdict_ba]
    favoured: Literal["first", "second"] | None = None
    if verdict_ab == verdict_ba and verdict_ab in ("A", "B"):
        favoured = "first" if verdict_ab == "A" else "second"
    result, worth = _joined(first, second, rule, weights, grades)
    return Outcome(
        result=result,
        worth=worth,
        consistent=first == second,
        favoured=favoured,
        both_bad=verdict_ab == verdict_ba == "both_bad",
    )


def _joined(
    first: Result,
    second: Result,
    rule: OrderRule,
    weights: tuple[float | None, float | None],
    grades: tuple[float, float] | None,
) -> tuple[Result, float | None]:
    """Return the result of both orders and, under ``score`` without grades, what it is worth."""
    if rule == "strict":
        return (first if first == second else "tie"), None
    if rule == "score" and grades is not None:
        return _side(grades[0] - grades[1]), None
    if rule == "lenient":
        return _side(POINTS[first] + POINTS[second] - 1.0), None
    given = [POINTS[r] if w is None else w for r, w in zip((first, second), weights, strict=True)]
    mean = sum(given) / 2.0
    return _side(mean - 0.5), mean


def _side(lead: float) -> Result:
    """Whose a lead is; sums in another order differ in the last digits."""
    if abs(lead) < 1e-9:
        return "tie"
    return "win" if lead > 0 else "loss"
