"""Turns of a dialogue in the forms that published sets have, as messages.

A list of turns may also be JSON text of one, or a struct of lists. A text may be a list of text
parts, as chat services take them. A turn may say that it is not to be trained on (``weight: 0`` or
``train: false``). Calls of tools and their results are left out, dropped, kept or masked, as the
source's ``tool_turns`` says. Raises BadRow for everything else.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..config.where import as_number
from ..records import TOOL_CALL, TOOLS, Message
from .rows import ROLES, BadRow, missing, text_of

#: Speakers that are a tool: what it was asked, and what it said (OpenAI, ShareGPT, Llama, Hermes).
_CALLERS = frozenset({"function_call", "tool_call"})
_RESULTS = frozenset(
    {"tool", "function", "observation", "ipython", "tool_response", "function_response"}
)
#: What says whether a turn is trained on: OpenAI and Mistral, axolotl (two), ms-swift.
_TRAINS = ("weight", "train", "training", "loss")
#: The same of a whole row.
ROW_TRAINS = ("weight", "train")
#: What says more than yes or no, or means it the other way round in some sets: never guessed at.
_MASKS: tuple[str, ...] = (
    "train_detail",
    "training_detail",
    "loss_mask",
    "loss_scale",
    "loss_weight",
)
_MASKS += ("mask", "masked", "trainable", "train_on_turn")
#: What a reasoning model thought before its answer, beside the answer.
_REASONING = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True)
class Form:
    """How a set writes its turns, and what becomes of tools'.

    ``role`` and ``content`` look a value up in a turn (None where it has none); ``unknown`` is the
    reason for a speaker that nobody knows; what is done to turns is counted in ``changes``.
    """

    role: Callable[[dict[str, Any]], Any]
    content: Callable[[dict[str, Any]], Any]
    unknown: str
    tool_turns: str
    changes: Counter[str]
    roles: Mapping[str, str]


def turn_list(value: Any, what: str, lack: str = "is not a list of objects") -> list[Any]:
    """The turns of a row, with at least one in it."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRow(f"{what} is text, but not JSON") from None
    if isinstance(value, dict) and value and all(isinstance(v, list) for v in value.values()):
        if len({len(column) for column in value.values()}) > 1:
            raise BadRow(f"{what} is lists of different lengths")
        columns = value.values()
        value = [dict(zip(value, turn, strict=True)) for turn in zip(*columns, strict=True)]
    if not isinstance(value, list) or not value:
        raise BadRow(f"{what} {lack}")
    return value


def read_turns(turns: list[Any], what: str, form: Form, tools: Any = None) -> list[Message]:
    """Turns with a speaker -> messages; ``tools`` are the row's definitions of tools, if any."""
    messages: list[Message] = []
    met = False
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise BadRow(f"{what} is not a list of objects")
        made, tool = _read_turn(turn, number, form)
        messages += made
        met |= tool
    if not met:
        return messages
    if form.tool_turns == "leave_out":
        raise BadRow("turns of tools (see `tool_turns`)")
    if not messages:
        raise BadRow("no turn is left without those of tools")
    form.changes[_DONE[form.tool_turns]] += 1
    return messages if form.tool_turns == "drop" else _with_tools(messages, tools)


_DONE = {
    "drop": "turns of tools dropped",
    "keep": "turns of tools kept",
    "mask": "turns of tools kept, not trained",
}


def _read_turn(turn: dict[str, Any], number: int, form: Form) -> tuple[list[Message], bool]:
    """The messages of one turn (none where it is dropped), and whether it is a tool's."""
    speaker = form.role(turn)
    name = "" if missing(speaker) else str(speaker)
    known = form.roles.get(name) or ROLES.get(name.lower())
    calls = _calls(turn)
    if known is None and name.lower() in _CALLERS:
        calls = calls or [form.content(turn)]
    if calls and known in (None, "assistant"):
        return _call(turn, calls, form), True
    if known is None and name.lower() in _RESULTS:
        if form.tool_turns in ("leave_out", "drop"):
            return [], True
        return [Message("tool", text_of(plain(form.content(turn)), "a tool's result"))], True
    if known is None or (known == "system" and number):
        raise BadRow(form.unknown)
    content = plain(form.content(turn))
    if known == "system" and isinstance(content, str) and not content.strip():
        form.changes["empty system turn left out"] += 1
        return [], False
    if known == "assistant" and any(turn.get(key) for key in _REASONING):
        form.changes["reasoning beside an answer not kept"] += 1
    return [Message(known, text_of(content, "turn"), trained(turn, known))], False


def _call(turn: dict[str, Any], calls: list[Any], form: Form) -> list[Message]:
    """What the assistant asks of tools, in the form of Hermes (also Qwen's)."""
    if form.tool_turns in ("leave_out", "drop"):
        return []
    said = plain(form.content(turn)) if _calls(turn) else None
    parts = [said] if isinstance(said, str) and said.strip() else []
    parts = [f"{TOOL_CALL}\n{_json(call)}\n</tool_call>" for call in calls] + parts
    train = form.tool_turns == "keep" and trained(turn, "assistant")
    return [Message("assistant", text_of("\n".join(parts), "a call of a tool"), train)]


def _calls(turn: dict[str, Any]) -> list[Any]:
    """The calls of tools in a turn as OpenAI writes them: `tool_calls`, once `function_call`."""
    calls = turn.get("tool_calls")
    if isinstance(calls, list) and calls:
        return [c.get("function", c) if isinstance(c, dict) else c for c in calls]
    call = turn.get("function_call")
    return [] if missing(call) or call == {} else [call]


def _json(value: Any) -> str:
    """A call as one line of JSON; arguments that are JSON text are put in as values."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict) and isinstance(value.get("arguments"), str):
        with contextlib.suppress(ValueError):
            value = {**value, "arguments": json.loads(value["arguments"])}
    return json.dumps(_there(value), ensure_ascii=False)


def _there(value: Any) -> Any:
    """A value without the nulls that a table puts where other rows have something."""
    if isinstance(value, dict):
        return {name: _there(v) for name, v in value.items() if not missing(v)}
    return [_there(v) for v in value] if isinstance(value, list) else value


def _with_tools(messages: list[Message], tools: Any) -> list[Message]:
    """The definitions of the tools, at the end of the system message."""
    if missing(tools) or tools in ("", "[]", []):
        return messages
    text = f"{TOOLS}\n{tools.strip() if isinstance(tools, str) else _json(tools)}\n</tools>"
    if messages[0].role != "system":
        return [Message("system", text), *messages]
    return [Message("system", f"{messages[0].content}\n\n{text}"), *messages[1:]]


def trained(turn: dict[str, Any], role: str) -> bool:
    """Whether a turn is trained on; only an assistant's can be."""
    given = {key: turn[key] for key in _TRAINS if not missing(turn.get(key))}
    for key in _MASKS:
        if not missing(turn.get(key)):
            raise BadRow(f"{key}: which tokens it means is not known; use `weight` or `train`")
    for key, value in given.items():
        # 0.5 would need a weighted loss, "no" may be anything: neither is guessed at.
        if isinstance(value, str) or value not in (0, 1):
            raise BadRow(f"{key} is {_short(value)}, neither 0 nor 1 (false nor true)")
    values = {bool(value) for value in given.values()}
    if role != "assistant":
        if role == "user" and True in values:
            raise BadRow("a user's turn is to be trained on; only the assistant's are")
        return True
    if len(values) > 1:
        raise BadRow(f"{' and '.join(given)} contradict each other")
    return False not in values


def refuse_untrained(row: dict[str, Any]) -> None:
    """Leave a whole row out that says that it is not trained on (`weight` or `train` beside it).

    Fireworks reads a row's weight; OpenAI, Mistral and others have one per message alone.

    Raises:
        BadRow: for 0 and false, and for a weight that only a weighted loss could honour.
    """
    for key in ROW_TRAINS:
        value = row.get(key)
        if missing(value) or value == "":
            continue
        number = as_number(value) if isinstance(value, str) else value
        number = _WORDS.get(str(value).lower(), number)
        if isinstance(number, str) or number not in (0, 1):
            raise BadRow(f"{key} of the row is {_short(value)}, neither 0 nor 1 (false nor true)")
        if not number:
            raise BadRow("row is not to be trained on (weight 0, train: false)")


_WORDS = {"true": 1, "false": 0}


def _short(value: Any) -> str:
    return repr(value)[:20]


def plain(content: Any) -> Any:
    """A text, also where it comes as a list of text parts (joined as chat templates join them)."""
    if not isinstance(content, list):
        return content
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if kind not in ("text", "input_text", "output_text") or not isinstance(text, str):
            raise BadRow(f"turn has a part that is no text ({_short(kind)})")
        texts.append(text)
    return "".join(texts)
