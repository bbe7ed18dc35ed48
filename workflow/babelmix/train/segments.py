"""Which tokens of a conversation stand for the text of which turn, and how many bytes that has.

Bits per byte are only as right as this: the tokens whose bits are added up and the bytes they are
divided by must be of the same text. The text of a turn is found by rendering the conversation a
second time with a mark in its place, so that words of the template are never taken for it. The
tokens of an answer must be among those that a training would label. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .chat import IGNORED, Chat, Formatter

#: Stands in for a turn's text: private-use characters, which no template writes.
_MARK = "\ue0f1\ue0f2\ue0f3"
ANSWER, PROMPT = "answer", "prompt"


@dataclass(slots=True)
class Segment:
    """One turn's text: tokens ``start`` up to ``end`` of its row, and its UTF-8 bytes.

    ``reason`` says why it cannot be scored; then there are no tokens.
    """

    part: str
    turn: int
    n_bytes: int
    start: int = 0
    end: int = 0
    reason: str = ""


@dataclass(slots=True)
class TokenRow:
    """A conversation as token ids with its turns' segments."""

    ids: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        """Score none of its turns, for this reason (unless one has its own)."""
        self.ids = []
        for segment in self.segments:
            segment.start = segment.end = 0
            segment.reason = segment.reason or reason


def token_row(
    messages: Chat, formatter: Formatter, unknown: int | None = None, *, prompts: bool = True
) -> TokenRow:
    """Tokenise a conversation as a training does and find the tokens of each turn's text.

    ``unknown`` is the id of the tokenizer's unknown token, if it has one: a text that it stands in
    for is not what the bits are of.
    """
    turns = _turns(messages, prompts=prompts)
    row = TokenRow(segments=[segment for _, segment in turns])
    encoded = formatter.encode(messages)
    if encoded.note:
        row.refuse(encoded.note)
        return row
    text = formatter.render(messages)
    spans = formatter.token_spans(text)
    row.ids = encoded.input_ids
    for place, segment in turns:
        found = _find(messages, place, text, formatter)
        inside = [] if found is None else _inside(spans, found)
        labelled = all(encoded.labels[i] != IGNORED for i in inside)
        if found is None:
            segment.reason = "refused: the template changes the text"
        elif not inside or (segment.part == ANSWER and not labelled):
            segment.reason = "refused: its tokens are not those that are trained on"
        elif inside[0] == 0:
            segment.reason = "refused: nothing stands before its first token"
        elif unknown is not None and unknown in row.ids[inside[0] : inside[-1] + 1]:
            segment.reason = "unknown token: the tokenizer cannot write this text"
        else:
            segment.start, segment.end = inside[0], inside[-1] + 1
    return row


def _turns(messages: Chat, *, prompts: bool) -> list[tuple[int, Segment]]:
    """(place among the messages, segment) of every turn to score."""
    found, turn = [], 0
    for place, message in enumerate(messages):
        role, size = message["role"], len(message["content"].strip().encode())
        if role == "user":
            turn += 1
            if prompts:
                found.append((place, Segment(PROMPT, turn, size)))
        elif role == "assistant" and message.get("train", True):
            found.append((place, Segment(ANSWER, max(turn, 1), size)))
    return found


def _find(messages: Chat, place: int, text: str, formatter: Formatter) -> tuple[int, int] | None:
    """Characters of one message's text, white space at its ends apart; None where it is changed."""
    marked: list[Any] = [dict(m) for m in messages]
    marked[place]["content"] = _MARK
    before, mark, after = formatter.render(marked).partition(_MARK)
    content = messages[place]["content"].strip()
    end = len(text) - len(after)
    if not mark or not text.startswith(before) or not text.endswith(after) or end < len(before):
        return None
    within = text[len(before) : end]
    if within.strip() != content:
        return None
    start = len(before) + within.index(content)
    return start, start + len(content)


def _inside(spans: Sequence[tuple[int, int]], span: tuple[int, int]) -> list[int]:
    """Tokens that stand for a part of a span of characters."""
    return [i for i, (a, b) in enumerate(spans) if a < b and a < span[1] and b > span[0]]
