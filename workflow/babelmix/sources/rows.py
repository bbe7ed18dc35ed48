"""What the adapters share: usable rows, rows left out under a reason, checks of texts and turns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import BabelmixError
from ..records import Conversation, Message

#: Row numbers kept for each reason in a manifest.
EXAMPLES = 10

#: What published sets call the two sides of a dialogue, in lower case.
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "claude": "assistant",
    "ai": "assistant",
    "chatbot": "assistant",
}


class BadRow(Exception):
    """A row that is left out; the message is the reason, the same text for the same defect."""


@dataclass
class Parsed:
    """What a source gave: ``read`` = ``usable`` + the sum of ``left_out``.

    ``rows`` are the usable conversations where they are kept in memory.
    """

    read: int = 0
    rows: list[Conversation] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)
    #: Id -> reason of the rows that were left out but had an id (of those in ``wanted``, if given).
    bad_ids: dict[str, str] = field(default_factory=dict)
    wanted: frozenset[str] | None = None
    #: Counts of the raw file: messages of a tree, rows by language, repaired ids.
    raw: dict[str, int] = field(default_factory=dict)
    #: What was done to rows that stay: ends trimmed, turns of tools dropped.
    changed: Counter[str] = field(default_factory=Counter)
    #: Rows without an id of their own, numbered by their place.
    numbered: int = 0
    #: Columns that rows have and nothing reads, in the order in which they were met.
    unread: dict[str, None] = field(default_factory=dict)
    #: What a person should know of how the files were read.
    notes: list[str] = field(default_factory=list)

    @property
    def usable(self) -> int:
        """The number of usable rows."""
        return self.read - self.left_out.total()

    def leave_out(self, number: int, reason: str, row_id: str | None = None) -> None:
        """Count a row (by its number, from 0) under a reason."""
        self.left_out[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(number)
        if row_id is not None and (self.wanted is None or row_id in self.wanted):
            self.bad_ids[row_id] = reason


def refuse_duplicates(ids: Iterable[str], place: str) -> None:
    """Raise BabelmixError when an id occurs more than once, naming the first few."""
    twice = sorted(i for i, n in Counter(ids).items() if n > 1)
    if twice:
        named = ", ".join(twice[:5]) + (", …" if len(twice) > 5 else "")
        raise BabelmixError(
            f"{place}: {len(twice)} id(s) occur more than once: {named}. Ids make sets parallel; "
            "rename or remove the copies, set `duplicate_ids: keep_first` (or `number`) for the "
            "source, or give two sources different `id_prefix`es."
        )


def missing(value: Any) -> bool:
    """Whether a value stands for none: null, or NaN, as tables write it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of(value: Any, what: str, empty: bool = False) -> str:
    """A text that can be stored: a str, not blank (unless ``empty``), no lone surrogates."""
    if not isinstance(value, str):
        raise BadRow(f"{what} is missing" if missing(value) else f"{what} is not text")
    if not empty and not value.strip():
        raise BadRow(f"{what} is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow(f"{what} holds broken Unicode") from None
    return value


def id_of(value: Any, prefix: str, number: int) -> str:
    """A row's own id as text, or the row's number where it has none; ``prefix`` before either.

    Tables write whole numbers with a fraction where a row of theirs has none: 7.0 is 7.
    """
    if missing(value) or value == "":
        return f"{prefix}{number}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow("id is neither text nor a number")
    return text_of(f"{prefix}{value}", "id")


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of objects with at least one in it."""
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        raise BadRow(f"{what} is not a list of objects")
    return value


def alternating(texts: Iterable[Any]) -> list[Message]:
    """Bare texts as turns: the user's, the assistant's, the user's, and so on."""
    roles = ("user", "assistant")
    return [Message(roles[i % 2], text_of(t, "turn")) for i, t in enumerate(texts)]


def before_turns(system: Any, messages: list[Message], changes: Counter[str]) -> list[Message]:
    """A system prompt beside the turns, put before them; counted where they have their own."""
    given = "" if missing(system) else text_of(system, "system", empty=True)
    if not given.strip():
        return messages
    if messages and messages[0].role == "system":
        changes["system prompt beside the turns not kept: they have one"] += (
            given.strip() not in messages[0].content
        )
        return messages
    return [Message("system", given), *messages]


def trim_ends(messages: list[Message]) -> tuple[list[Message], list[str]]:
    """The dialogue from its first question to its last answer, and what was cut off for that."""
    system = [m for m in messages[:1] if m.role == "system"]
    turns = messages[len(system) :]
    first = next((i for i, m in enumerate(turns) if m.role == "user"), len(turns))
    last = max((i for i, m in enumerate(turns) if m.role == "assistant"), default=-1)
    said = ["turns before the first question trimmed"] if 0 < first < len(turns) else []
    said += ["turns after the last answer trimmed"] if last < len(turns) - 1 else []
    return (system + turns[first : last + 1], said) if first < last else (messages, [])


#: Who may speak after whom; a tool answers an assistant's call, and the assistant goes on.
_NEXT = {
    "": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"tool", "assistant"},
}


def check_turns(messages: list[Message], prompts_only: bool, single_turn_only: bool) -> None:
    """Raise BadRow unless user and assistant take turns and the assistant has the last word.

    A system message may stand first. ``prompts_only``: one user turn, no answer.
    """
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    if prompts_only:
        if [m.role for m in turns] != ["user"]:
            raise BadRow("not a single prompt")
        return
    before = ""
    for message in turns:
        if message.role not in _NEXT[before]:
            raise BadRow("roles do not alternate between user and assistant")
        before = message.role
    if before != "assistant":
        raise BadRow("odd number of turns")
    if single_turn_only and sum(m.role == "user" for m in turns) > 1:
        raise BadRow("more than one turn pair")
    if not any(m.train for m in turns if m.role == "assistant"):
        raise BadRow("no turn is to be trained on (weight 0, train: false)")
