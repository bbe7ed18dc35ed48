"""Long texts cut at the ends of blocks, lines, sentences, words: joined, the parts are the text.

No cut goes through a protected piece. Sentences are sentencex's, which knows some 300 languages
and gives its input back, character by character.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise

from .blocks import split_blocks
from .protect import spans

Span = tuple[int, int]

#: sentencex takes time by the square of a long run of quotes or backticks.
_WINDOW = 5000

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n+")
_WORD = re.compile(r"\s+")


def sentences(line: str, lang: str) -> list[str]:
    """The sentences of a line, white space with the one before; at least one part."""
    return _parts(line, _sentence_ends(line, lang), spans(line))


def pack(text: str, limit: int, lang: str) -> list[str]:
    """Parts of at most ``limit`` characters, as few as may be, cut at the best ends there are.

    First at blank lines, then at line ends, sentence ends, white space, and in need anywhere. A
    part with a protected piece in it may be longer: masked, it is short.
    """
    if len(text) <= limit:
        return [text]
    kept = list(_kept(text))
    ways: list[Callable[[str], Iterable[int]]] = [
        lambda t: (m.end() for m in _PARAGRAPH.finditer(t)),
        lambda t: (m.end() for m in _LINE.finditer(t)),
        lambda t: _sentence_ends(t, lang),
        lambda t: (m.end() for m in _WORD.finditer(t)),
        lambda t: range(limit, len(t), limit),
    ]
    parts = [text]
    for way in ways:
        if all(len(part) <= limit for part in parts):
            break
        parts = _joined(_cut_long(parts, way, kept, limit), limit)
    return parts


def _cut_long(
    parts: list[str], way: Callable[[str], Iterable[int]], kept: list[Span], limit: int
) -> Iterator[str]:
    """Cut the parts that are too long; ``kept`` are places in the whole text."""
    start = 0
    for part in parts:
        end = start + len(part)
        if len(part) <= limit:
            yield part
        else:
            inside = [(a - start, b - start) for a, b in kept if start < b and a < end]
            yield from _parts(part, way(part), inside)
        start = end


def _joined(parts: Iterable[str], limit: int) -> list[str]:
    """Neighbours put together while they fit."""
    out: list[str] = []
    for part in parts:
        if out and len(out[-1]) + len(part) <= limit:
            out[-1] += part
        else:
            out.append(part)
    return out


def _sentence_ends(text: str, lang: str) -> list[int]:
    """Places where sentences end; a line of any length is read window by window."""
    from sentencex import segment

    ends: list[int] = []
    start = 0
    while start < len(text):
        window = text[start : start + _WINDOW]
        found = list(segment(lang.partition("-")[0], window))
        if "".join(found) != window:  # trusted only where it gives the text back
            found = [window]
        if start + _WINDOW < len(text) and len(found) > 1:
            found.pop()  # the window may have cut it
        ends += [start + end for end in accumulate(map(len, found))]
        start = ends[-1]
    return ends


def _parts(text: str, ends: Iterable[int], kept: list[Span]) -> list[str]:
    """The text cut at those ends that are within it and within no kept place."""
    starts = [start for start, _ in kept]

    def is_free(place: int) -> bool:
        before = bisect_left(starts, place)
        return before == 0 or kept[before - 1][1] <= place

    cuts = [end for end in ends if 0 < end < len(text) and is_free(end)]
    edges = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


def _kept(text: str) -> Iterator[Span]:
    """Places of blocks and protected pieces in a text."""
    position = 0
    for part, is_block in split_blocks(text):
        if is_block:
            yield position, position + len(part)
        else:
            start = position
            for line in part.split("\n"):
                yield from ((start + a, start + b) for a, b in spans(line))
                start += len(line) + 1
        position += len(part)
