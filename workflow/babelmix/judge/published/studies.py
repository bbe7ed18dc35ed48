"""Judgement files of AlpacaEval, LLMBar, PandaLM, Cherry, LogicKor and JudgeBench."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ..verdict import Verdict
from .entry import LABELS, Entry, Fields, Hints, compared, graded, score_pair, spelled, text_id
from .spellings import TARGETS

_OUTPUT_IS_BETTER = re.compile(r"output \((a|b)\) is (?:the )?better", re.IGNORECASE)


def alpaca_eval(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """AlpacaEval's preferences: 1 for the reference (output_1), 2 for the model, between a tie.

    A weighted preference (AlpacaEval 2) counts for the side that it leans to, as its own
    `discrete_win_rate` does, and is kept as ``weight``, beside the lengths of both answers. Raw
    completions are kept, but not read: their order is random.
    """
    weight, found = _alpaca_preference(row.get("preference"), hints)
    outputs = row.get("output_2"), row.get("output_1")
    yield Entry(
        question_id=str(row.get("question_id") or text_id(row.text("instruction"))),
        run=hints.run or str(row.first("generator_2") or "output_2"),
        baseline=hints.baseline or str(row.first("generator_1", "generator") or "output_1"),
        judge=hints.judge or row.judge("people" if row.has("annotator_index") else "unnamed"),
        category=row.get("dataset"),
        note=_completion(row.get("raw_completion")),
        weight=weight,
        length_a=len(outputs[0]) if isinstance(outputs[0], str) else None,
        length_b=len(outputs[1]) if isinstance(outputs[1], str) else None,
        **found,
    )


def _alpaca_preference(value: Any, hints: Hints) -> tuple[float | None, dict[str, Any]]:
    """The model's share of a preference and its verdict; 0 was a tie in older files."""
    found = graded(value, hints)
    number = found.get("given")
    if number is None or found.get("unknown"):
        return None, found
    if number == 0:
        return 0.5, {"given": "tie"}
    if not 1 <= number <= 2:
        return None, {"spelled": str(value), "unknown": True}
    side = "tie" if number == 1.5 else "A" if number > 1.5 else "B"
    return number - 1, {"given": side}


def _completion(raw: Any) -> str:
    """The text of a raw completion, of either of its forms."""
    if isinstance(raw, dict):
        message = raw.get("message")
        raw = message.get("content") if isinstance(message, dict) else raw.get("text")
    return raw if isinstance(raw, str) else ""


def llmbar(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """LLMBar's verdicts on two outputs in both orders, and its labels as a judge of their own.

    It asks some questions of several pairs of outputs, so that a pair, not a question, is an item.
    Evaluators without a text (reward models) give their winner alone.
    """
    judge = hints.judge or ".".join([*hints.path.parts[-3:-1]]) or "unnamed"
    runs = hints.run or "output_1", hints.baseline or "output_2"
    pair = "\n".join(row.text(name) for name in ("input", "output_1", "output_2"))
    same: dict[str, Any] = {"question_id": text_id(pair), "run": runs[0], "baseline": runs[1]}
    if row.get("label") is not None:
        yield Entry(judge=LABELS, **same, **_of_models(row.get("label"), hints, ""))
    held = row.get("results") or []
    games = held[-1] if isinstance(held, list) and held and isinstance(held[-1], dict) else {}
    for name, order in (("swap = False", "AB"), ("swap = True", "BA")):
        if name not in games:
            yield f"no verdict in order {order}"
            continue
        game = Fields(games[name], row.where)
        completion = game.get("completion") or [""]
        text = str(completion[0] if isinstance(completion, list) else completion)
        found = _OUTPUT_IS_BETTER.findall(text)
        yield Entry(
            judge=judge,
            order=order,
            text=text,
            read=Verdict(found[-1].upper()) if found else None,
            **_of_models(game.get("winner"), hints, order),
            **same,
        )


def _of_models(value: Any, hints: Hints, order: str) -> dict[str, Any]:
    """A winner that is an output's number, whatever the order; 3 is a tie."""
    numbers = {"1": TARGETS["win"], "2": TARGETS["loss"], "3": TARGETS["tie"]}
    told = Hints(spellings=numbers | dict(hints.spellings))
    return spelled(value, told, order)


def pandalm(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """PandaLM's test set (people's votes) and its judges' results: 0 is a tie, 1 and 2 the winner.

    The results name no models: the test set's do, where it is imported with them.
    """
    number = row.text("idx")
    item = row.row if row.has("cmp_key") else hints.items.get(number, {})
    runs = str(item.get("cmp_key") or "").split("_")
    runs = runs if len(runs) == 2 else ["response1", "response2"]
    told = Hints(spellings={"0": TARGETS["tie"]} | dict(hints.spellings))
    judges = [str(name) for name in row.row if re.fullmatch(r"annotator\d+|\w+_result", str(name))]
    if not judges:
        row.need("annotator1", "pandalm_result")
    for field in judges:
        name = field.removesuffix("_result")
        yield Entry(
            question_id=number,
            run=hints.run or runs[0],
            baseline=hints.baseline or runs[1],
            judge=hints.judge or name,
            category=item.get("motivation_app") or None,
            note=str(row.get(f"{name}_reason") or ""),
            **spelled(row.get(field), told),
        )


def cherry(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """Cherry's reviews: two grades in each order; the better one wins. -1 is a review unread.

    A row has no id: its place in its set is one, the same for all pairs of models.
    """
    meta = row.get("file") or {}
    meta = meta.get("Meta_Info") or {} if isinstance(meta, dict) else {}
    names = [Path(str(meta.get(f"fname{n}") or "")).parent.name or f"Answer{n}" for n in (1, 2)]
    same: dict[str, Any] = {
        "question_id": f"{meta.get('dataset_name') or hints.path.stem}-{row.number_in_file}",
        "run": hints.run or names[0],
        "baseline": hints.baseline or names[1],
        "judge": hints.judge or row.judge(_cherry_judge(hints.path)),
        "category": meta.get("dataset_name") or None,
    }
    lengths = [len(str(row.get(f"Answer{n}") or "")) or None for n in (1, 2)]
    for part, order in (("", "AB"), ("_reverse", "BA")):
        scores, review = row.get(f"scores{part}"), row.get(f"review{part}")
        if scores is None and review is None:
            yield f"no verdict in order {order}"
            continue
        read = score_pair(review) if isinstance(review, str) else None
        yield Entry(
            **same,
            order=order,
            text=review if isinstance(review, str) and review.strip() else None,
            read=Verdict(compared(read)["given"]) if read else None,
            length_a=lengths[0 if order == "AB" else 1],
            length_b=lengths[1 if order == "AB" else 0],
            **compared(score_pair(scores)),
        )


def _cherry_judge(path: Path) -> str:
    match = re.search(r"_reviews_gpt(3\.5|4)", path.name)
    return {"4": "gpt-4", "3.5": "gpt-3.5-turbo"}[match[1]] if match else "unnamed"


def logickor(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """LogicKor's grades of 0 to 10, both turns in a row; the folder and the file are the model.

    The judge's message gives reasons alone: its grade stands beside it.
    """
    run = hints.run or _logickor_model(hints.path)
    for turn, name in ((1, "query_single"), (2, "query_multi")):
        held = row.get(name)
        if not isinstance(held, dict):
            yield f"no verdict on turn {turn}"
            continue
        yield Entry(
            question_id=row.text("id"),
            run=run,
            judge=hints.judge or row.judge("unnamed"),
            turn=turn,
            lang=None if hints.lang_said else "ko",
            category=row.get("category") or None,
            note=str(held.get("judge_message") or ""),
            **graded(held.get("judge_score"), hints),
        )


def _logickor_model(path: Path) -> str:
    """``evaluated/org/model/default.jsonl`` -> ``org/model/default``."""
    parts = [*path.resolve().parts[:-1], path.stem]
    if "evaluated" in parts:
        return "/".join(parts[parts.index("evaluated") + 1 :])
    raise BabelmixError(
        f"{path}: names no model: it is not below a folder `evaluated`. Give it by --run, or by "
        "`--from-path '{run*}.jsonl'`."
    )


def judgebench(row: Fields, hints: Hints) -> Iterator[Entry | str]:
    """JudgeBench's decisions in one or both orders, and its labels as a judge of their own.

    Both answers are of one model: they are called ``response_A`` and ``response_B``. Decisions name
    the place shown. Judges without a reply (reward models) give theirs alone.
    """
    same: dict[str, Any] = {
        "question_id": row.text("pair_id"),
        "run": hints.run or "response_A",
        "baseline": hints.baseline or "response_B",
        "category": row.get("source") or None,
    }
    if row.get("label") is not None:
        yield Entry(judge=LABELS, **same, **spelled(row.get("label"), hints))
    judgments = row.items("judgments")
    for number, order in enumerate(("AB", "BA")):
        if number >= len(judgments) or not isinstance(judgments[number], dict):
            yield f"no verdict in order {order}"
            continue
        held = judgments[number].get("judgment") or {}
        text = held.get("response")
        grades = score_pair(held.get("scores"))
        judge = [row.get("judge_name"), held.get("judge_model")]
        yield Entry(
            judge=hints.judge or ".".join(str(name) for name in judge if name) or "unnamed",
            order=order,
            text=text if isinstance(text, str) and text.strip() else None,
            score_a=grades[0] if grades else None,
            score_b=grades[1] if grades else None,
            **same,
            **spelled(judgments[number].get("decision"), hints, order),
        )
