"""Pairwise judgements: both orders of a pair become one outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frames import ANSWER

if TYPE_CHECKING:
    import pandas as pd

#: What an outcome is worth in the score (study 1's adjusted win rate, study 2's score).
WORTH = {"win": 100.0, "tie": 50.0, "loss": 0.0}
_PAIR = ["evaluation", "variant", "run", "baseline", "protocol", *ANSWER, "vote"]
_MIRRORED = {"A": "B", "B": "A"}


def outcomes(judgements: pd.DataFrame) -> pd.DataFrame:
    """One row per pair of answers and vote: ``outcome`` (None: unscored), ``value``, ``flipped``.

    ``value`` is 100 for a win, 50 for a tie, 0 for a loss. ``flipped`` is True where the two orders
    contradict each other, False where they agree, None where one of them is missing. A vote that
    knows no order (``order`` is empty: a person's) is an outcome by itself, and never flipped.
    """
    from ..judge.outcome import outcome

    pairs = judgements[judgements["protocol"] != "single"]
    pairs = _votes_as_orders(pairs)
    wide = pairs.set_index([*_PAIR, "voted", "order"])["verdict"].unstack("order").reset_index()
    joined = [
        outcome(ab, ba) for ab, ba in zip(_verdicts(wide, "AB"), _verdicts(wide, "BA"), strict=True)
    ]
    wide["outcome"] = [found.result for found in joined]
    wide["value"] = [WORTH.get(found.result or "", float("nan")) for found in joined]
    wide["flipped"] = [
        None if voted or found.consistent is None else not found.consistent
        for voted, found in zip(wide["voted"], joined, strict=True)
    ]
    rows: pd.DataFrame = wide[[*_PAIR, "outcome", "value", "flipped"]]
    return rows.astype({"outcome": object, "value": float, "flipped": object})


def _votes_as_orders(pairs: pd.DataFrame) -> pd.DataFrame:
    """Votes without an order as what they would be in both; ``voted`` marks them."""
    import pandas as pd

    pairs = pairs.assign(voted=pairs["order"] == "")
    votes = pairs[pairs["voted"]]
    mirrored = votes["verdict"].map(lambda verdict: _MIRRORED.get(verdict, verdict))
    orders = [votes.assign(order="AB"), votes.assign(order="BA", verdict=mirrored)]
    return pd.concat([pairs[~pairs["voted"]], *orders], ignore_index=True)


def _verdicts(wide: pd.DataFrame, order: str) -> list[str | None]:
    if order not in wide.columns:
        return [None] * len(wide)
    return [verdict if isinstance(verdict, str) else None for verdict in wide[order]]
