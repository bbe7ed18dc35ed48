"""Readers of the published shapes in which one row is one conversation.

Each takes a raw row, the language and the source, and returns messages or raises BadRow. Nothing
is repaired: text is kept character for character.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ..config.sources import Source
from ..records import Message
from .rows import BadRow, alternating, before_turns, missing, objects, text_of
from .turns import Form, read_turns, trained, turn_list

Row = dict[str, Any]


def read_alpaca(row: Row, lang: str, source: Source, changes: Counter[str]) -> list[Message]:
    """Alpaca's and Bactrian-X's columns, or Dolly's own (``context``, ``response``).

    Earlier turns may stand in ``history`` (pairs of question and answer), and a system prompt in
    ``system``.
    """
    history = row.get("history")
    if missing(history):
        history = []
    if not isinstance(history, list) or not all(
        isinstance(p, list) and len(p) == 2 for p in history
    ):
        raise BadRow("history is not a list of pairs")
    before = alternating(text for pair in history for text in pair)
    return _with_system(before + _last_pair(row), row, changes)


def _last_pair(row: Row) -> list[Message]:
    """A row's instruction and its answer.

    Instruction and input are joined by a blank line: how the studies did it is unpublished.
    """
    # A table of both kinds has the other kind's columns as null.
    dolly = missing(row.get("output")) and not missing(row.get("response"))
    input_key, output_key = ("context", "response") if dolly else ("input", "output")
    instruction = text_of(row.get("instruction"), "instruction")
    given = row.get(input_key)
    given = "" if missing(given) else text_of(given, input_key, empty=True)
    user = f"{instruction}\n\n{given}" if given.strip() else instruction
    return [Message("user", user), Message("assistant", text_of(row.get(output_key), output_key))]


def read_lima(row: Row, lang: str, source: Source, changes: Counter[str]) -> list[Message]:
    """LIMA's release (``conversations``, a list of texts), or Alpaca's columns with a history.

    Lima-X's ``conversations`` may also be objects with a speaker, as in ShareGPT.
    """
    if row.get("conversations") is not None:
        turns = row["conversations"]
        if isinstance(turns, list) and turns and all(isinstance(t, str) for t in turns):
            return alternating(turns)
        return said(turns, "conversations", row, source, changes)
    return read_alpaca(row, lang, source, changes)


#: Where rows keep their turns, the first that is there.
_TURNS = {
    "messages": ("messages", "conversations", "conversation"),
    "sharegpt": ("conversations", "conversation", "items"),
}


def read_dialogue(row: Row, lang: str, source: Source, changes: Counter[str]) -> list[Message]:
    """``messages`` (``role``, ``content``) or ``conversations`` (``from``, ``value``).

    Both adapters read both; they differ in which column they take first. A ``system`` (or
    ``system_prompt``) field of the row becomes the first message.
    """
    keys = _TURNS[source.adapter]
    key = next((k for k in keys if not missing(row.get(k))), None)
    if key is not None:
        messages = said(row[key], key, row, source, changes)
    else:
        messages = _prompt_and_answer(row, keys[0], source, changes)
    return _with_system(messages, row, changes)


def _prompt_and_answer(row: Row, lack: str, source: Source, changes: Counter[str]) -> list[Message]:
    """TRL's rows: ``prompt`` and ``completion`` as turns, or the ``chosen`` one of two answers.

    ``chosen`` may be a whole dialogue, or what follows the prompt; a prompt may be a text.
    """
    if not missing(row.get("completion")):
        key = "completion"
    elif not missing(row.get("chosen")):
        key = "chosen"
    else:
        raise BadRow(f"{lack} is missing")
    if key == "chosen":
        changes["the chosen answer taken, the rejected one not read"] += 1
        if isinstance(row[key], str) and _HH.match(row[key]):
            return _marked(row[key], _HH)
    if isinstance(row[key], str):
        raise BadRow(f"{key} is text, not turns (see `adapter: fields`)")
    answer = said(row[key], key, row, source, changes)
    if answer and answer[0].role != "assistant":
        return answer
    prompt = row.get("prompt")
    if isinstance(prompt, str) and prompt.lstrip()[:1] not in ("[", "{"):
        return [Message("user", text_of(prompt, "prompt")), *answer]
    return [*said(prompt, "prompt", row, source, changes), *answer]


def _with_system(messages: list[Message], row: Row, changes: Counter[str]) -> list[Message]:
    """The system prompt in a row's own field, where it has one, before its messages."""
    return before_turns(_first(row, "system", "system_prompt"), messages, changes)


def said(turns: Any, what: str, row: Row, source: Source, changes: Counter[str]) -> list[Message]:
    """Turns with a speaker (``from`` or ``role``) and a text (``value`` or ``content``).

    Or Capybara's: objects that hold a question and its answer, ``input`` and ``output``.
    """
    turns = turn_list(turns, what)
    if all(isinstance(turn, dict) and turn.keys() >= _PAIR for turn in turns):
        return _pairs(turns)
    form = Form(
        # A table that holds both forms has the other one's fields as null.
        role=lambda turn: _first(turn, "from", "role"),
        content=lambda turn: _first(turn, "value", "content"),
        unknown="role is not user or assistant (or system, in the first place)",
        tool_turns=source.tool_turns,
        changes=changes,
        roles={},
    )
    return read_turns(turns, what, form, row.get("tools"))


_PAIR = {"input", "output"}


def _pairs(turns: list[Row]) -> list[Message]:
    """Turns of a question and an answer each; a pair may say that it is not trained on."""
    messages = []
    for turn in turns:
        train = trained(turn, "assistant")
        messages.append(Message("user", text_of(turn["input"], "input")))
        messages.append(Message("assistant", text_of(turn["output"], "output"), train))
    return messages


_GUANACO = re.compile(r"(?:\A|(?<=\S)|\n)\s*### (Human|Assistant):")


def read_guanaco(row: Row, lang: str, source: Source, changes: Counter[str]) -> list[Message]:
    """``text``: a dialogue in one text, as openassistant-guanaco has it (``### Human: …``).

    Space around a turn is the format's, not the speaker's.
    """
    text = text_of(row.get("text"), "text")
    if not _GUANACO.match(text):
        raise BadRow("text does not open with `### Human:` or `### Assistant:`")
    return _marked(text, _GUANACO)


#: hh-rlhf's dialogues: a blank line before each speaker.
_HH = re.compile(r"(?:\A|\n\n)\s*(Human|Assistant):")


def _marked(text: str, speaker: re.Pattern[str]) -> list[Message]:
    """A dialogue in one text, whose turns open with a mark."""
    _, *parts = speaker.split(text)
    roles = {"Human": "user", "Assistant": "assistant"}
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [Message(roles[who], text_of(text.strip(), "turn")) for who, text in pairs]


def _first(turn: Row, *names: str) -> Any:
    """The first of several fields that is there and not null."""
    return next((turn[name] for name in names if not missing(turn.get(name))), None)


def read_parallel(row: Row, lang: str, source: Source, changes: Counter[str]) -> list[Message]:
    """``turns``: objects with ``role`` and one text a language."""
    messages = []
    for turn in objects(row.get("turns"), "turns"):
        if turn.get("role") not in ("user", "assistant"):
            raise BadRow("role is not user or assistant")
        text = text_of(turn.get(lang), f"turn in {lang}")
        messages.append(Message(turn["role"], text, trained(turn, turn["role"])))
    return messages


def read_alpaca_eval(row: Row, lang: str, source: Source, changes: Counter[str]) -> list[Message]:
    """The instruction alone; the published outputs are other models' answers."""
    if row.get("dataset") in source.exclude_subsets:
        raise BadRow(f"subset {row['dataset']} is excluded")
    return [Message("user", text_of(row.get("instruction"), "instruction"))]
