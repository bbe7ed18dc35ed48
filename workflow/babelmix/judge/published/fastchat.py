"""Judgement files of FastChat's MT-Bench and of what was built after it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import BabelmixError
from .entry import Entry, Fields, Hints, graded, spelled
from .own_rows import records

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def fastchat_single(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """FastChat's grades, and MT-Bench-X's, which are the same with ids like ``81_DE``."""
    text = row.get("judgment", row.get("judgement"))
    yield Entry(
        question_id=row.text("question_id"),
        run=hints.run or row.text("model", "model_id"),
        judge=hints.judge or row.judge("unnamed"),
        turn=row.turn(),
        category=row.get("category") or None,
        text=None if text is None else str(text),
        **graded(row.get("score"), hints),
    )


def fastchat_pair(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """FastChat's pairs: game 1 shows model_1 first, game 2 model_2; winners are models."""
    names = row.text("model_1"), row.text("model_2")
    for game, order in (("g1", "AB"), ("g2", "BA")):
        winner = row.get(f"{game}_winner")
        if winner is None:
            yield f"no verdict in order {order}"
            continue
        text = row.get(f"{game}_judgment", row.get(f"{game}_judgement"))
        yield Entry(
            question_id=row.text("question_id"),
            run=names[0],
            baseline=names[1],
            judge=hints.judge or row.judge("unnamed"),
            turn=row.turn(),
            order=order,
            text=None if text is None else str(text),
            **spelled(winner, hints, order, names),
        )


def votes(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """Votes on pairs without an order: people's, or a judge's whose orders were merged."""
    names = row.text("model_a", "model_1"), row.text("model_b", "model_2")
    if row.has("winner_model_a", "winner_model_b", "winner_tie"):
        winner = _one_of(row)
    else:
        winner = row.get("winner") if "winner" in row.row else row.need("winner")
    yield Entry(
        question_id=row.text("question_id", "id", "conversation_id"),
        run=names[0],
        baseline=names[1],
        judge=hints.judge or row.judge("people"),
        turn=row.turn(),
        category=row.get("category") or None,
        **spelled(winner, hints, "", names),
    )


def _one_of(row: Fields) -> str:
    """The winner of one-hot columns."""
    names = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
    chosen = [winner for name, winner in names.items() if row.number(name, 0) == 1]
    if len(chosen) != 1:
        raise BabelmixError(
            f"{row.where}: {', '.join(names)} must have a 1 in exactly one; it has {len(chosen)}."
        )
    return chosen[0]


def arena_hard(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """Arena-Hard's games: the baseline is shown first in the first one, second in the other."""
    games = row.items("games")
    for number in (0, 1):
        order = "BA" if number == 0 else "AB"
        if number >= len(games) or not games[number]:
            yield f"no verdict in order {order}"
            continue
        held = Fields(games[number], row.where)
        text = held.get("judgment", held.get("judgement"))
        if isinstance(text, dict):
            text = text.get("answer")
        yield Entry(
            question_id=row.text("question_id", "uid"),
            run=hints.run or row.text("model"),
            baseline=hints.baseline or str(row.get("baseline") or "baseline"),
            judge=hints.judge or row.judge("unnamed"),
            order=order,
            category=row.get("category"),
            text=None if text is None else str(text),
            **spelled(held.get("score"), hints, order),
        )


def mt_bench_repro(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """mt_bench_repro's grades (both turns in a row) and pairs (both orders in a row).

    ``winner_ab`` and ``winner_ba`` name the place shown; ``winner``, which joins them, is left to
    our own joining.
    """
    renamed = dict(row.row)
    for name, value in row.row.items():
        if match := re.fullmatch(r"(judgment|judgement|winner)_(turn\d+|ab|ba)", str(name)):
            kind = "verdict" if match[1] == "winner" else "raw"
            renamed[f"{kind}_{match[2]}"] = value
    yield from records(Fields(renamed, row.where, row.number_in_file), hints)


def fasteval(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """FastEval's ``judge-replies.json``: replies alone; the folder names the model.

    Turns count from 0. Its judge was GPT-4, which no file says.
    """
    run = hints.run or model_folder(hints)
    text = row.get("judge_reply")
    yield Entry(
        question_id=row.text("question_id"),
        run=run or row.text("model"),
        judge=hints.judge or row.judge("gpt-4"),
        turn=row.number("turn_number", 1),
        text=None if text is None else str(text),
        given=None,
        published=False,
    )


def model_folder(hints: Hints) -> str | None:
    """The nearest folder above a file that is not the id of a run."""
    for name in reversed(hints.path.resolve().parts[:-1]):
        if not _UUID.fullmatch(name):
            return name
    return None
