"""Leave out what a reply holds besides the judge's own words.

That is the judged conversation, where a judge repeats it between the prompt's own marks, and a
further turn that a model invents after the mark that ends its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# "[The Start of Assistant A's Answer]", "<|The End of Reference Answer|>", as MT-Bench marks them.
_MARK = re.compile(r"[\[<]\|?The (Start|End) of [^\[\]<>\n]{3,60}[\]>]")
_END_OF_TURN = re.compile(r"<\|(?:eot_id|im_end|endoftext)\|>|<end_of_turn>")


def own_words(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the parts of ``spans`` that are the judge's; a mark without its end hides nothing."""
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        opened: int | None = None
        for mark in _MARK.finditer(text, start, end):
            if mark[1] == "Start":
                opened = mark.start() if opened is None else opened
            elif opened is not None:
                kept.append((start, opened))
                start, opened = mark.end(), None
        kept.append((start, end))
    return _first_turn(text, kept)


def _first_turn(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    said = False
    for start, end in spans:
        mark = _END_OF_TURN.search(text, start, end)
        said = said or bool(text[start : mark.start() if mark else end].strip())
        if mark and said:
            return [*kept, (start, mark.start())]
        kept.append((start, end))
    return kept
