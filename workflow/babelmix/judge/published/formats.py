"""Readers of published judgement files, one a format: rows -> entries.

| format | of | one row |
|---|---|---|
| fastchat-single, mt-bench-x | FastChat ``model_judgment/*_single.jsonl`` | a grade |
| fastchat-pair | FastChat ``model_judgment/*_pair.jsonl`` | a pair in both orders |
| votes | LMSYS ``mt_bench_human_judgments`` | a vote on a pair, without an order |
| alpaca-eval | AlpacaEval ``annotations.json`` | a preference, orders merged |
| llmbar | LLMBar ``evaluators/*/*/result.json`` | a pair in both orders, and its label |
| arena-hard | Arena-Hard ``model_judgment/*/*.jsonl`` | a pair in both orders |
| records | JSON lines or CSV with our own names | one verdict |
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ..verdict import Verdict
from .entry import Entry, Fields, numbered, text_id

#: Who a label comes from when a file holds labels beside verdicts.
LABELS = "labels"
_WINNERS = {"model_1": 1, "model_a": 1, "1": 1, "model_2": 2, "model_b": 2, "2": 2}
#: Orders that disagreed are a tie, as MT-Bench counts them.
_TIES = {"tie", "tie (inconsistent)", "tie (bothbad)", "both", "3", "c"}
_FLIPPED = {"A": "B", "B": "A"}
_ARENA = {"A>>B": "A", "A>B": "A", "A=B": "tie", "B=A": "tie", "B>A": "B", "B>>A": "B"}
_ARENA_BRACKETS = re.compile(r"\[\[[ ]?([AB](?:>{1,2}|=)[AB])[ ]?\]\]")
_OUTPUT_IS_BETTER = re.compile(r"output \((a|b)\) is (?:the )?better", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hints:
    """What the command line adds: names for what a file does not say of itself."""

    judge: str | None = None
    run: str | None = None
    baseline: str | None = None


def _winner(value: Any) -> str | None:
    """``A`` where the first model of the row won, ``B``, ``tie``, or None for a failure."""
    text = str(value).strip().lower()
    if text in _WINNERS:
        return "AB"[_WINNERS[text] - 1]
    if text == "tie (bothbad)":
        return "both_bad"
    return "tie" if text in _TIES else None


def _shown(winner: str | None, order: str) -> str | None:
    """A winner in terms of the models as a verdict in terms of the places shown."""
    return _FLIPPED.get(winner, winner) if winner and order == "BA" else winner


def _number(value: Any) -> float | None:
    """A published score; FastChat's -1 and anything that is no number are failures."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def fastchat_single(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """FastChat's grades, and MT-Bench-X's, which are the same with ids like ``81_DE``."""
    for row in numbered(rows, path):
        text = row.get("judgment", row.get("judgement"))
        yield Entry(
            question_id=row.text("question_id"),
            run=hints.run or row.text("model", "model_id"),
            judge=hints.judge or row.judge("unnamed"),
            turn=row.turn(),
            text=None if text is None else str(text),
            given=_number(row.get("score")),
        )


def fastchat_pair(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """FastChat's pairs: game 1 shows model_1 first, game 2 model_2; winners are models."""
    for row in numbered(rows, path):
        for game, order in (("g1", "AB"), ("g2", "BA")):
            winner = row.get(f"{game}_winner")
            if winner is None:
                continue
            text = row.get(f"{game}_judgment", row.get(f"{game}_judgement"))
            yield Entry(
                question_id=row.text("question_id"),
                run=row.text("model_1"),
                baseline=row.text("model_2"),
                judge=hints.judge or row.judge("unnamed"),
                turn=row.turn(),
                order=order,
                text=None if text is None else str(text),
                given=_shown(_winner(winner), order),
            )


def votes(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """Votes on pairs without an order: people's, or a judge's whose orders were merged."""
    for row in numbered(rows, path):
        yield Entry(
            question_id=row.text("question_id"),
            run=row.text("model_a", "model_1"),
            baseline=row.text("model_b", "model_2"),
            judge=hints.judge or row.judge("people"),
            turn=row.turn(),
            given=_winner(row.need("winner")),
        )


def alpaca_eval(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """AlpacaEval's preferences: 1 for the reference (output_1), 2 for the model, between a tie.

    A weighted preference (AlpacaEval 2) counts for the side that it leans to, as its own
    `discrete_win_rate` does. Raw completions are kept, but not read: their order is random.
    """
    for row in numbered(rows, path):
        preference = _number(row.get("preference"))
        if preference is None or preference > 2:
            given = None
        elif preference in (0, 1.5):
            given = "tie"
        else:
            given = "A" if preference > 1.5 else "B"
        raw = row.get("raw_completion")
        yield Entry(
            question_id=text_id(row.text("instruction")),
            run=hints.run or row.text("generator_2"),
            baseline=hints.baseline or row.text("generator_1"),
            judge=hints.judge or str(row.get("annotator") or "unnamed"),
            category=row.get("dataset"),
            given=given,
            extra={"raw": raw if isinstance(raw, str) else ""},
        )


def llmbar(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """LLMBar's verdicts on two outputs in both orders, and its labels as a judge of their own.

    It asks some questions of several pairs of outputs, so that a pair, not a question, is an item.
    """
    place = Path(path)
    judge = hints.judge or ".".join([*place.parts[-3:-1]]) or "unnamed"
    runs = hints.run or "output_1", hints.baseline or "output_2"
    for row in numbered(rows, path):
        pair = "\n".join(row.text(name) for name in ("input", "output_1", "output_2"))
        same: dict[str, Any] = {"question_id": text_id(pair), "run": runs[0], "baseline": runs[1]}
        if row.get("label") is not None:
            yield Entry(judge=LABELS, given=_winner(row.get("label")), **same)
        held = row.get("results") or []
        games = held[-1] if held and isinstance(held[-1], dict) else {}
        for name, order in (("swap = False", "AB"), ("swap = True", "BA")):
            if name not in games:
                continue
            game = Fields(games[name], row.where)
            completion = game.get("completion") or [""]
            text = str(completion[0] if isinstance(completion, list) else completion)
            found = _OUTPUT_IS_BETTER.findall(text)
            yield Entry(
                judge=judge,
                order=order,
                text=text,
                given=_shown(_winner(game.get("winner")), order),
                read=Verdict(found[-1].upper()) if found else None,
                **same,
            )


def arena_hard(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """Arena-Hard's games: the baseline is shown first in the first one, second in the other."""
    for row in numbered(rows, path):
        for number, game in enumerate(row.need("games")[:2]):
            held = Fields(game or {}, row.where)
            text = held.get("judgment", held.get("judgement"))
            if isinstance(text, dict):
                text = text.get("answer")
            label = str(held.get("score"))
            found = _ARENA_BRACKETS.findall(str(text or ""))
            yield Entry(
                question_id=row.text("question_id", "uid"),
                run=hints.run or row.text("model"),
                baseline=hints.baseline or str(row.get("baseline") or "baseline"),
                judge=hints.judge or row.judge("unnamed"),
                order="BA" if number == 0 else "AB",
                text=None if text is None else str(text),
                given=_ARENA.get(label),
                read=Verdict(_ARENA[found[-1]]) if found and found[-1] in _ARENA else None,
                category=row.get("category"),
            )


def records(rows: list[Any], path: str, hints: Hints) -> Iterator[Entry]:
    """Any table with our own names: question_id, run, and a `score`, `verdict` or `raw`."""
    for row in numbered(rows, path):
        verdict = row.get("verdict")
        baseline = hints.baseline or str(row.get("baseline") or "")
        raw = row.get("raw")
        given: float | str | None
        if baseline:
            given = verdict if verdict in ("A", "B", "tie", "both_bad") else _winner(verdict)
        else:
            given = _number(row.get("score"))
        yield Entry(
            question_id=row.text("question_id"),
            run=hints.run or row.text("run", "model"),
            judge=hints.judge or row.judge("unnamed"),
            turn=row.turn(),
            sample=row.number("sample", 0),
            lang=str(row.get("lang") or "") or None,
            category=row.get("category") or None,
            baseline=baseline,
            order=str(row.get("order") or ""),
            text=raw or None,
            given=given,
        )


FORMATS: dict[str, Callable[[list[Any], str, Hints], Iterator[Entry]]] = {
    "fastchat-single": fastchat_single,
    "fastchat-pair": fastchat_pair,
    "mt-bench-x": fastchat_single,
    "alpaca-eval": alpaca_eval,
    "llmbar": llmbar,
    "arena-hard": arena_hard,
    "votes": votes,
    "records": records,
}
#: Fields that tell a format, the most telling first.
_SIGNS = (
    ("arena-hard", {"games"}),
    ("llmbar", {"input", "results"}),
    ("alpaca-eval", {"instruction", "preference"}),
    ("fastchat-pair", {"model_1", "model_2", "g1_winner"}),
    ("votes", {"model_a", "model_b", "winner"}),
    ("fastchat-single", {"question_id", "model", "score"}),
    ("records", {"question_id", "run"}),
)


def recognise(rows: list[Any], path: str) -> str:
    """The format of a file by the fields of its first row."""
    first = rows[0] if rows and isinstance(rows[0], dict) else {}
    for name, signs in _SIGNS:
        if signs <= set(first):
            return name
    raise BabelmixError(
        f"{path}: its rows are of no form that we know (fields: {', '.join(sorted(first))}). Name "
        f"it by --format ({', '.join(FORMATS)}), with `--map ours=theirs` for fields that are "
        "called otherwise."
    )
