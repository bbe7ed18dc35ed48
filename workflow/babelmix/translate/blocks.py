"""Parts of a text that stay as they are and may span lines.

Fenced code, display formulas, LaTeX environments, HTML comments and preformatted text. Ends are
looked up in one index, so that time grows with length alone, however many beginnings have no end.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

#: What a block begins with; most texts have none of it.
_TRIGGER = re.compile(r"```|~~~|\$\$|\\\[|\\begin\{|<(?:!--|pre|script|style)")
_BEGIN = re.compile(
    r"""
      ^[ \t]*+(?P<fence>`{3,}+|~{3,}+)[^`\n]*+\n      # a fence opens a line
    | (?P<formula>\$\$|\\\[)
    | \\begin\{(?P<environment>[A-Za-z]+\*?)\}
    | (?P<comment><!--)
    | <(?P<tag>pre|script|style)\b
    """,
    re.MULTILINE | re.VERBOSE,
)
#: A run of fence signs that ends a line.
_FENCE_END = re.compile(r"(?<![`~])([`~]++)[ \t]*+$", re.MULTILINE)
#: Every other end, and blank lines; looked for at each place, for they may overlap.
_END = re.compile(
    r"""(?=
        (?P<end>\$\$ | \\\] | \\end\{[A-Za-z]+\*?\} | --> | </(?:pre|script|style)> | >)
      | (?P<blank>\n[ \t]*\n)
    )""",
    re.VERBOSE,
)
_BLANK = "\n"


def split_blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a text in order, with True for those that are blocks to keep as they are."""
    position = 0
    for start, end in _blocks(text) if _TRIGGER.search(text) else ():
        if start > position:
            yield text[position:start], False
        yield text[start:end], True
        position = end
    if position < len(text):
        yield text[position:], False


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    ends = _Ends(text)
    begin = _BEGIN.search(text)
    while begin is not None:
        end = ends.of(begin)
        if end is not None:
            yield begin.start(), end
        begin = _BEGIN.search(text, begin.start() + 1 if end is None else end)


class _Ends:
    """Where the blocks of a text end."""

    def __init__(self, text: str) -> None:
        self.text = text

    def of(self, begin: re.Match[str]) -> int | None:
        """The end of a block; None for what only looks like the beginning of one."""
        start = begin.end()
        if begin["fence"]:
            return self._fence(begin["fence"], start)
        if begin["formula"]:
            end = self._next("$$" if begin["formula"] == "$$" else r"\]", start + 1)
            blank = self._next(_BLANK, start)
            return end if end is None or blank is None or end < blank else None
        if begin["environment"]:
            return self._next(rf"\end{{{begin['environment']}}}", start)
        if begin["comment"]:
            return self._next("-->", start)
        opened = self._next(">", start)
        return None if opened is None else self._next(f"</{begin['tag']}>", opened)

    def _fence(self, fence: str, start: int) -> int:
        """A fence that nothing closes runs to the end of the text."""
        runs = _FENCE_END.finditer(self.text, start)
        return next((run.end() for run in runs if fence in run[1]), len(self.text))

    def _next(self, end: str, start: int) -> int | None:
        """Where the first such end from a place on is over."""
        places = self._places.get(end, [])
        number = bisect_left(places, start)
        return places[number] + len(end) if number < len(places) else None

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for match in _END.finditer(self.text):
            found.setdefault(match["end"] or _BLANK, []).append(match.start())
        return found
