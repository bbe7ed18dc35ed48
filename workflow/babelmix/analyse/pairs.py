"""Pairwise judgements: both orders of a pair become one outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .frames import ANSWER

if TYPE_CHECKING:
    import pandas as pd

    from ..config.evaluation import OrderRule
    from ..outcome import JoinRule

#: What an outcome is worth in the score (study 1's adjusted win rate, study 2's score).
WORTH = {"win": 100.0, "tie": 50.0, "loss": 0.0}
_PAIR = ["evaluation", "variant", "run", "baseline", "protocol", *ANSWER, "vote"]
#: What an order of a pair says.
_SAID = ["verdict", "weight", "score_a", "score_b"]
_MIRRORED = {"A": "B", "B": "A"}


def outcomes(judgements: pd.DataFrame, rules: Mapping[str, JoinRule] | None = None) -> pd.DataFrame:
    """One row per pair of answers and vote: ``outcome`` (None: unscored), ``value``, ``flipped``.

    ``rules``: how the two orders are joined, by evaluation; ``strict`` where it says nothing.
    ``value`` is 100 for a win, 50 for a tie, 0 for a loss; under the rule ``score`` it may lie
    between. ``flipped`` is True where the two orders contradict each other, False where they agree,
    None where one of them is missing. Under ``one_order`` the verdict is the outcome. A vote
    that knows no order (``order`` is empty: a person's) is an outcome by itself, and never flipped.
    A run against itself is no pair.
    """
    from ..outcome import outcome

    pairs = judgements[judgements["protocol"] != "single"]
    pairs = pairs[pairs["run"] != pairs["baseline"]]
    rule_of = rules or {}
    alone = [name for name, rule in rule_of.items() if rule == "one_order"]
    pairs = _votes_as_orders(_without_order(pairs, pairs["evaluation"].isin(alone)))
    wide = pairs.set_index([*_PAIR, "voted", "order"])[_SAID].unstack("order")
    joined = [
        outcome(ab.verdict, ba.verdict, _rule(rule_of, evaluation), *_sums(ab, ba))
        for evaluation, ab, ba in zip(
            wide.index.get_level_values("evaluation"),
            _order(wide, "AB"),
            _order(wide, "BA"),
            strict=True,
        )
    ]
    rows: pd.DataFrame = wide.index.to_frame(index=False)
    rows["outcome"] = [found.result for found in joined]
    rows["value"] = [
        float("nan") if found.points is None else 100.0 * found.points for found in joined
    ]
    rows["flipped"] = [
        None if voted or found.consistent is None else not found.consistent
        for voted, found in zip(rows["voted"], joined, strict=True)
    ]
    rows = rows[[*_PAIR, "outcome", "value", "flipped"]]
    return rows.astype({"outcome": object, "value": float, "flipped": object})


def _rule(rules: Mapping[str, JoinRule], evaluation: str) -> OrderRule:
    """The rule of an evaluation; where both orders are one verdict, any rule says the same."""
    rule = rules.get(evaluation, "strict")
    return "strict" if rule == "one_order" else rule


class _Said(NamedTuple):
    """What one order says: verdict, weight of the first answer, grades of first and second."""

    verdict: str | None
    weight: float | None
    score_a: float | None
    score_b: float | None


def _order(wide: pd.DataFrame, order: str) -> list[_Said]:
    columns = []
    for name in _SAID:
        at = (name, order)
        values = wide[at].tolist() if at in wide.columns else [None] * len(wide)
        columns.append([None if value is None or value != value else value for value in values])
    return [_Said(*row) for row in zip(*columns, strict=True)]


def _sums(
    ab: _Said, ba: _Said
) -> tuple[tuple[float | None, float | None], tuple[float, float] | None]:
    """The run's weight in each order, and both sides' grades over both orders."""
    weights = (ab.weight, None if ba.weight is None else 1.0 - ba.weight)
    grades = (ab.score_a, ba.score_b, ab.score_b, ba.score_a)
    if any(grade is None for grade in grades):
        return weights, None
    run_ab, run_ba, other_ab, other_ba = (float(grade or 0.0) for grade in grades)
    return weights, (run_ab + run_ba, other_ab + other_ba)


def _mirrored(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    """The same verdicts as the other order would have said them; ``order`` is its name."""
    return rows.assign(
        order=order,
        verdict=rows["verdict"].map(lambda verdict: _MIRRORED.get(verdict, verdict)),
        weight=1.0 - rows["weight"].astype(float),
        score_a=rows["score_b"],
        score_b=rows["score_a"],
    )


def _without_order(pairs: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """The chosen verdicts as votes without an order, in the terms of the run's answer."""
    import pandas as pd

    turned = chosen & (pairs["order"] == "BA")
    parts = [
        pairs[~chosen],
        pairs[chosen & ~turned].assign(order=""),
        _mirrored(pairs[turned], ""),
    ]
    return pd.concat([part for part in parts if len(part)] or [pairs], ignore_index=True)


def _votes_as_orders(pairs: pd.DataFrame) -> pd.DataFrame:
    """Votes without an order as what they would be in both; ``voted`` marks them."""
    import pandas as pd

    pairs = pairs.assign(voted=pairs["order"] == "")
    votes = pairs[pairs["voted"]]
    mirrored = _mirrored(votes, "BA")
    parts = [pairs[~pairs["voted"]], votes.assign(order="AB"), mirrored]
    return pd.concat([part for part in parts if len(part)] or [pairs], ignore_index=True)
