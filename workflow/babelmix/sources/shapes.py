"""Readers of the published shapes in which one row is one conversation.

Each takes a raw row, the language and the source, and returns messages or raises BadRow. Nothing
is repaired: text is kept character for character.
"""

from __future__ import annotations

from typing import Any

from ..config.sources import Source
from ..records import Message
from .rows import ROLES, BadRow, alternating, objects, text_of

Row = dict[str, Any]


def read_alpaca(row: Row, lang: str, source: Source) -> list[Message]:
    """Alpaca's and Bactrian-X's columns, or Dolly's own (``context``, ``response``).

    Instruction and input are joined by a blank line: how the studies did it is unpublished.
    """
    dolly = "output" not in row and "response" in row
    input_key, output_key = ("context", "response") if dolly else ("input", "output")
    instruction = text_of(row.get("instruction"), "instruction")
    given = row.get(input_key)
    given = "" if given is None else text_of(given, input_key, empty=True)
    user = f"{instruction}\n\n{given}" if given.strip() else instruction
    return [Message("user", user), Message("assistant", text_of(row.get(output_key), output_key))]


def read_lima(row: Row, lang: str, source: Source) -> list[Message]:
    """LIMA's release (``conversations``, a list of texts) or instruction/output with a history.

    The latter may have a ``system`` field, the first message.

    Lima-X's ``conversations`` may also be objects with a speaker, as in ShareGPT.
    """
    if row.get("conversations") is not None:
        turns = row["conversations"]
        if not isinstance(turns, list):
            raise BadRow("conversations is not a list")
        if not turns:
            raise BadRow("turn is missing")
        return said(turns) if isinstance(turns[0], dict) else alternating(turns)
    history = row.get("history")
    if history is not None and not isinstance(history, list):
        raise BadRow("history is not a list of pairs")
    texts: list[Any] = []
    for pair in history or []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadRow("history is not a list of pairs")
        texts += pair
    return _with_system(alternating(texts) + read_alpaca(row, lang, source), row)


def read_messages(row: Row, lang: str, source: Source) -> list[Message]:
    """``messages``: objects with ``role`` (system, user, assistant) and ``content``."""
    messages = []
    for n, turn in enumerate(objects(row.get("messages"), "messages")):
        role = turn.get("role")
        if role not in ("system", "user", "assistant") or (role == "system" and n):
            raise BadRow("role is not user or assistant (or system, in the first place)")
        messages.append(Message(role, text_of(turn.get("content"), "turn")))
    return messages


def read_sharegpt(row: Row, lang: str, source: Source) -> list[Message]:
    """``conversations`` (or ``conversation``, ``items``): objects with ``from`` and ``value``.

    A ``system`` field of the row becomes the first message. An answer before the first question,
    which ShareGPT has where a dialogue was cut, leaves the row out.
    """
    keys = ("conversations", "conversation", "items")
    key = next((k for k in keys if row.get(k) is not None), None)
    if key is None:
        raise BadRow("conversations is missing")
    messages = said(objects(row[key], key))
    return _with_system(messages, row)


def _with_system(messages: list[Message], row: Row) -> list[Message]:
    """The ``system`` field of a row, where it has one, before its messages."""
    system = row.get("system")
    if system and messages[0].role != "system":
        return [Message("system", text_of(system, "system")), *messages]
    return messages


def said(turns: list[Any]) -> list[Message]:
    """Objects with a speaker (``from`` or ``role``) and a text (``value`` or ``content``)."""
    messages = []
    for n, turn in enumerate(objects(turns, "conversations")):
        # A table that holds both forms has the other one's fields as null.
        speaker, text = (_first(turn, *names) for names in (("from", "role"), ("value", "content")))
        role = ROLES.get(speaker.lower()) if isinstance(speaker, str) else None
        if role is None or (role == "system" and n):
            raise BadRow("speaker is neither of user and assistant (or system, in the first place)")
        messages.append(Message(role, text_of(text, "turn")))
    return messages


def _first(turn: Row, *names: str) -> Any:
    """The first of several fields that is there and not null."""
    return next((turn[name] for name in names if turn.get(name) is not None), None)


def read_parallel(row: Row, lang: str, source: Source) -> list[Message]:
    """``turns``: objects with ``role`` and one text a language."""
    messages = []
    for turn in objects(row.get("turns"), "turns"):
        if turn.get("role") not in ("user", "assistant"):
            raise BadRow("role is not user or assistant")
        messages.append(Message(turn["role"], text_of(turn.get(lang), f"turn in {lang}")))
    return messages


def read_alpaca_eval(row: Row, lang: str, source: Source) -> list[Message]:
    """The instruction alone; the published outputs are other models' answers."""
    if row.get("dataset") in source.exclude_subsets:
        raise BadRow(f"subset {row['dataset']} is excluded")
    return [Message("user", text_of(row.get("instruction"), "instruction"))]
