"""Where a text is code: a verdict's form among other code is no verdict."""

from __future__ import annotations

import re
from bisect import bisect_right

# A span within a line, between one backtick or three.
_INLINE = re.compile(r"```[^`\n]{1,2000}```|`[^`\n]{1,2000}`")
_FENCE_LINE = re.compile(r"^[ \t>]{0,6}```([a-z0-9+#-]{0,15})[ \t]*$", re.MULTILINE)
_OPENING = re.compile(r"^```[a-z0-9+#-]{0,15}[ \t]*\n?")


class CodeSpans:
    """The code of a folded text: fenced blocks, and spans within a line.

    A fence that is never closed holds no block: it is a lone mark in prose, or the closing one of a
    block that began elsewhere. ``lone`` is where it stands, else None.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self.lone: int | None = None
        self._spans: list[tuple[int, int]] = []
        if "`" in text:
            self._spans = sorted([*self._blocks(), *(m.span() for m in _INLINE.finditer(text))])
        self._starts = [start for start, _ in self._spans]

    def _blocks(self) -> list[tuple[int, int]]:
        """Fenced blocks; a fence with a language always opens one."""
        blocks: list[tuple[int, int]] = []
        opened: int | None = None
        for fence in _FENCE_LINE.finditer(self._text):
            if opened is None or fence[1]:
                opened = fence.start()
            else:
                blocks.append((opened, fence.end()))
                opened = None
        self.lone = opened
        return blocks

    def hold(self, start: int, end: int, label: str = "") -> bool:
        """Tell whether ``text[start:end]`` stands in code together with something else.

        ``label``: what belongs to the candidate before it and is nothing else.
        """
        for at in range(bisect_right(self._starts, start) - 1, -1, -1)[:2]:
            first, last = self._spans[at]
            if last >= end:
                before = _OPENING.sub("", self._text[first:start].lstrip()).strip("` \t\n")
                before = before.removesuffix(label.strip("` \t\n")).strip("` \t\n")
                after = self._text[end:last].strip("` \t\n.;,")
                if before or after:
                    return True
        return False
