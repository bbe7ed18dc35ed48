"""What the adapters share: usable rows, rows left out under a reason, checks of texts and turns."""

from __future__ import annotations

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
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}


class BadRow(Exception):
    """A row that is left out; the message is the reason, the same text for the same defect."""


@dataclass
class Parsed:
    """Usable conversations of one source; ``read`` = ``len(rows)`` + the sum of ``left_out``."""

    read: int
    rows: list[Conversation] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)
    #: Id -> reason of the rows that were left out but had an id.
    bad_ids: dict[str, str] = field(default_factory=dict)
    #: Counts of the raw file where its rows are not conversations (messages of a tree).
    raw: dict[str, int] = field(default_factory=dict)

    def leave_out(self, number: int, reason: str, row_id: str | None = None) -> None:
        """Count a row (by its number, from 0) under a reason."""
        self.left_out[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(number)
        if row_id is not None:
            self.bad_ids[row_id] = reason


def refuse_duplicates(ids: Iterable[str], place: str) -> None:
    """Raise BabelmixError when an id occurs more than once, naming the first few."""
    twice = sorted(i for i, n in Counter(ids).items() if n > 1)
    if twice:
        named = ", ".join(twice[:5]) + (", …" if len(twice) > 5 else "")
        raise BabelmixError(
            f"{place}: {len(twice)} id(s) occur more than once: {named}. Ids make sets parallel; "
            "rename or remove the copies, or give the sources different `id_prefix`es."
        )


def text_of(value: Any, what: str, empty: bool = False) -> str:
    """A text that can be stored: a str, not blank (unless ``empty``), no lone surrogates."""
    if not isinstance(value, str):
        raise BadRow(f"{what} is missing" if value is None else f"{what} is not text")
    if not empty and not value.strip():
        raise BadRow(f"{what} is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow(f"{what} holds broken Unicode") from None
    return value


def id_of(value: Any, prefix: str, number: int) -> str:
    """A row's own id as text, or ``prefix`` and the row's number where it has none."""
    if value is None or value == "":
        return f"{prefix}{number}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow("id is neither text nor a whole number")
    return text_of(str(value), "id")


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of objects with at least one in it."""
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        raise BadRow(f"{what} is not a list of objects")
    return value


def alternating(texts: Iterable[Any]) -> list[Message]:
    """Bare texts as turns: the user's, the assistant's, the user's, and so on."""
    roles = ("user", "assistant")
    return [Message(roles[i % 2], text_of(t, "turn")) for i, t in enumerate(texts)]


def check_turns(messages: list[Message], prompts_only: bool, single_turn_only: bool) -> None:
    """Raise BadRow unless user and assistant take turns and the assistant has the last word.

    A system message may stand first. ``prompts_only``: one user turn, no answer.
    """
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    if prompts_only:
        if [m.role for m in turns] != ["user"]:
            raise BadRow("not a single prompt")
        return
    expected = ["user", "assistant"] * (len(turns) // 2 + 1)
    if any(m.role != role for m, role in zip(turns, expected, strict=False)):
        raise BadRow("roles do not alternate between user and assistant")
    if not turns or len(turns) % 2:
        raise BadRow("odd number of turns")
    if single_turn_only and len(turns) > 2:
        raise BadRow("more than one turn pair")
