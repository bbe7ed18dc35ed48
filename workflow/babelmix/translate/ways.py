"""How a text is cut into what a backend gets, how a result is proved, and what is tried next.

A result is accepted when every protected piece is there as often as before, neither lost nor
doubled nor made up, and a whole message has kept its lines and marks. Otherwise the text is tried
in smaller parts: a message line by line, a line sentence by sentence, a sentence between its masks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .backends.base import Failure, Limits, Result
from .protect import Masked, mask, mask_message, protected_pieces, restore, same_numbers
from .protect import split_at_masks as at_masks
from .segment import Segment, has_letters, same_structure, segment
from .sentences import pack, sentences

LOST_MASK = "the backend lost a protected piece"
LOST_LINES = "lines or marks of the message are not the same"
CHANGED_NUMBERS = "numbers are not the same"


@dataclass(slots=True)
class Node:
    """A text that a backend gets as one.

    ``way`` is its unit, or ``numbers`` (a line with its numbers masked as well), or ``between``
    (what stands between two protected pieces). Once tried, it has a ``result``, and ``parts``
    where it was tried anew in parts.
    """

    source: str
    masked: Masked
    way: str
    result: Result | None = None
    parts: list[Part] | None = None


#: A text that is kept as it is, or one to translate.
Part = str | Node


def cut(text: str, unit: str, limits: Limits, lang: str) -> list[Part]:
    """A message cut for a backend; joined, the sources of the parts are the message."""
    if unit == "text":
        return [Node(text, Masked(text), "text")]
    if unit == "message":
        chunks = pack(text, limits.text_chars, lang) if limits.text_chars else [text]
        return [part for chunk in chunks for part in _message(chunk)]
    parts: list[Part] = []
    for part in segment(text):
        if isinstance(part, str):
            parts.append(part)
        else:
            parts += _line(part, unit, limits, lang)
    return parts


def _message(text: str) -> Iterator[Part]:
    core = text.strip()
    start = text.index(core)
    if text[:start]:
        yield text[:start]
    if core:
        masked = mask_message(core)
        yield Node(core, masked, "message") if has_letters(masked) else core
    if text[start + len(core) :]:
        yield text[start + len(core) :]


def _line(part: Segment, unit: str, limits: Limits, lang: str) -> list[Part]:
    """A line's prose as one node, or cut where the unit or the limit asks for it."""
    limit = limits.text_chars
    if unit == "line" and (limit is None or len(part.source) <= limit):
        return [Node(part.source, part.masked, "line")]
    pieces = sentences(part.source, lang) if unit == "sentence" else [part.source]
    if limit is not None:
        pieces = [short for piece in pieces for short in pack(piece, limit, lang)]
    return [node for piece in pieces for node in _prose(piece, unit)]


def _prose(text: str, way: str) -> Iterator[Part]:
    """A part of a line; what has no letter outside its masks is kept."""
    core = text.strip()
    masked = mask(core)
    if not core or not has_letters(masked):
        yield text
        return
    start = text.index(core)
    if start:
        yield text[:start]
    yield Node(core, masked, way)
    if text[start + len(core) :]:
        yield text[start + len(core) :]


def prove(node: Node, result: Result) -> tuple[Result, str | None]:
    """What a backend's result makes of a node's text, and why it should be tried anew, if so.

    A result that only changed numbers is a text *and* a reason: it stands if nothing better comes.
    """
    if isinstance(result, Failure):
        return result, result.reason if result.content else None
    if node.way == "text":
        return result, None
    text = restore(result, node.masked) if node.masked.pieces else result
    if text is None or not _same_pieces(node, text):
        return Failure(LOST_MASK), LOST_MASK
    if node.way == "message":
        same = same_structure(node.source, text)
        return (text, None) if same else (Failure(LOST_LINES), LOST_LINES)
    if node.way in ("line", "sentence") and not same_numbers(node.source, text):
        return text, CHANGED_NUMBERS
    return text, None


def _same_pieces(node: Node, text: str) -> bool:
    after = protected_pieces(text)
    if not node.masked.pieces or node.way == "numbers":
        return not after or Counter(after) == Counter(protected_pieces(node.source))
    return Counter(after) == Counter(protected_pieces(node.source))


def other_way(node: Node, reason: str, limits: Limits, lang: str) -> list[Part] | None:
    """The node's text cut anew; None when there is nothing left to try."""
    if node.way == "message":
        return cut(node.source, "line", limits, lang)
    if node.way not in ("line", "sentence"):
        return None
    if reason == CHANGED_NUMBERS:
        return [Node(node.source, mask(node.source, numbers=True), "numbers")]
    if node.way == "line" and len(pieces := sentences(node.source, lang)) > 1:
        return [part for piece in pieces for part in _prose(piece, "sentence")]
    return list(_between(node)) if node.masked.pieces else None


def _between(node: Node) -> Iterator[Part]:
    for text, kept in at_masks(node.masked):
        if kept or not any(map(str.isalpha, text)):
            yield text
            continue
        core = text.strip()
        start = text.index(core)
        yield text[:start]
        yield Node(core, Masked(core), "between")
        yield text[start + len(core) :]


def assembled(parts: list[Part]) -> tuple[str, list[Failure]]:
    """The translated text of some parts, and the failures among them (their source stands)."""
    texts: list[str] = []
    failures: list[Failure] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        found = _resolved(part)
        if isinstance(found, Failure):
            failures.append(found)
            texts.append(part.source)
        else:
            texts.append(found)
    return "".join(texts), failures


def _resolved(node: Node) -> Result:
    assert node.result is not None, "a node was not translated"
    if node.parts is None:
        return node.result
    text, failures = assembled(node.parts)
    if not failures:
        return text
    return node.result if isinstance(node.result, str) else failures[0]
