"""Rows with our own field names: a grade, a pair, both orders or both turns in one row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import BabelmixError
from .entry import Entry, Fields, Hints, compared, graded, score_pair, spelled

#: What a part of a row says, and how the part is named: ``verdict_ba``, ``score_turn2``.
_PART = re.compile(
    r"(?P<name>score|scores|verdict|raw|weight)(?P<part>(?:_turn_?\d+)?(?:_(?:ab|ba))?)"
)
_TURN = re.compile(r"_turn_?(\d+)")
#: How files say in which order a pair was shown.
_ORDERS = {
    **dict.fromkeys(("", "none", "nan"), ""),
    **dict.fromkeys(("ab", "a-b", "original", "normal", "forward", "false"), "AB"),
    **dict.fromkeys(
        ("ba", "b-a", "swapped", "swap", "reversed", "reverse", "flipped", "true"), "BA"
    ),
}


@dataclass(slots=True)
class Part:
    """One verdict of a row: its turn and order, where their names give them, and its fields."""

    turn: int | None
    order: str | None
    values: dict[str, Any] = field(default_factory=dict)


def parts_of(row: Mapping[str, Any]) -> list[Part]:
    """The verdicts of a row by turn and order; fields without either count where no other do."""
    parts: dict[str, Part] = {}
    for name, value in row.items():
        match = _PART.fullmatch(str(name))
        if match is None:
            continue
        turn = _TURN.search(match["part"])
        order = match["part"][-2:].upper() if match["part"].endswith(("_ab", "_ba")) else None
        made = Part(int(turn[1]) if turn else None, order)
        parts.setdefault(match["part"], made).values[match["name"]] = value
    plain = parts.pop("", None)
    named = [parts[name] for name in sorted(parts)]
    return named or ([plain] if plain else [])


def records(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """Any table with our own names: question_id, run, and a `score`, `verdict` or `raw`.

    `verdict_ab` and `verdict_ba` are both orders in one row, `score_turn1` and `score_turn2` both
    turns; `scores` is a pair of grades of both answers; `weight` a weighted preference, the run's
    share of 0 to 1.
    """
    named = str(row.first("baseline", "model_b", "model_2") or "")
    run = str(row.first("run", "model", "model_id", "model_a", "model_1") or "")
    same: dict[str, Any] = {
        "question_id": row.text("question_id", "id", "key"),
        "run": hints.run or run or row.text("run", "model"),
        "baseline": hints.baseline or named,
        "judge": hints.judge or row.judge("unnamed"),
        "sample": row.number("sample", 0),
        "category": row.get("category") or None,
        "length_a": row.number("length", 0) or None,
        "length_b": row.number("baseline_length", 0) or None,
    }
    parts = parts_of(row.row)
    if not parts:
        row.need("score", "verdict", "raw", "scores", "weight")
    for part in parts:
        order = _order(row, row.get("order")) if part.order is None else part.order
        place = {"turn": row.turn() if part.turn is None else part.turn, "order": order}
        if order == "BA":
            place |= {"length_a": same["length_b"], "length_b": same["length_a"]}
        text = part.values.get("raw")
        text = str(text) if text not in (None, "") else None
        if same["baseline"]:
            found = _preference(row, part.values, hints, order, (run, named), text)
        else:
            found = _grade(row, part.values, hints)
        if len(parts) > 1 and all(value in (None, "") for value in part.values.values()):
            yield f"no verdict{_named(part)}"
            continue
        said = any(value not in (None, "") for n, value in part.values.items() if n != "raw")
        yield Entry(**(same | place), text=text, published=said or text is None, **found)


def _named(part: Part) -> str:
    turn = f" on turn {part.turn}" if part.turn is not None else ""
    return turn + (f" in order {part.order}" if part.order else "")


def _order(row: Fields, value: Any) -> str:
    written = "" if value is None else str(value).strip().lower()
    if written not in _ORDERS:
        raise BabelmixError(
            f"{row.where}: `order` is {value!r}. Allowed: AB (the run's answer was shown first), "
            "BA (second), or empty. `--map order=FIELD` names another field."
        )
    return _ORDERS[written]


def _preference(
    row: Fields,
    values: Mapping[str, Any],
    hints: Hints,
    order: str,
    names: tuple[str, str],
    text: str | None,
) -> dict[str, Any]:
    """The verdict on a pair: as a word, as two grades, or as a weight."""
    weight = _weight(row, values.get("weight"), order)
    verdict, score = values.get("verdict"), values.get("score")
    pair = score_pair(values.get("scores")) or score_pair(score)
    read = compared(score_pair(text)) if score_pair(text) else {}
    found: dict[str, Any]
    if verdict not in (None, ""):
        found = spelled(verdict, hints, order, names)
        found |= {k: v for k, v in compared(pair).items() if k != "given"} if pair else {}
    elif values.get("scores") is not None or pair or isinstance(score, list | tuple):
        found = compared(pair)
    elif weight is not None:
        found = {"given": "tie" if weight == 0.5 else "A" if weight > 0.5 else "B"}
    else:
        found = spelled(score, hints, order, names)
    if read:
        from ..verdict import Verdict

        found["read"] = Verdict(read["given"])
    return found | {"weight": weight}


def _weight(row: Fields, value: Any, order: str) -> float | None:
    """The share of the answer shown first; files give the run's."""
    try:
        weight = float(value)
    except (TypeError, ValueError):
        return None
    if math.isnan(weight):
        return None
    if not 0 <= weight <= 1:
        raise BabelmixError(
            f"{row.where}: `weight` is {weight:g}; it is to be the run's share, 0 to 1. "
            "AlpacaEval's preferences of 1 to 2 are read by `--format alpaca-eval`."
        )
    return 1 - weight if order == "BA" else weight


def _grade(row: Fields, values: Mapping[str, Any], hints: Hints) -> dict[str, Any]:
    """The grade of one answer."""
    score = values.get("score")
    if score is None and values.get("verdict") not in (None, "") and values.get("raw") is None:
        raise BabelmixError(
            f"{row.where}: has a `verdict` on a pair ({values['verdict']!r}) but no opponent. Name "
            "it by --baseline, or its field by `--map baseline=FIELD`."
        )
    return graded(score, hints)
