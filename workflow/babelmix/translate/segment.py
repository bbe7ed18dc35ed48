"""A text -> what is kept and what is translated, line by line, and back again.

Blocks, blank lines, indentation, list and heading marks, quote marks, table bars and leading bold
labels are kept as they are, so that a text's structure survives any backend. A segment is one
line's prose (or one table cell): instruction data writes paragraphs as single lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .blocks import split_blocks
from .protect import Masked, mask

_MARKERS = re.compile(
    r"""\s*(?:
        > [ \t]*                              # quotation
      | \#{1,6} [ \t]+                        # heading
      | [-*+•–] [ \t]+ (?:\[[ xX]\][ \t]+)?   # bullet, task box
      | \(?\d{1,3}[.)] [ \t]+                 # 1.  1)  (1)
      | \(?[A-Za-z]\) [ \t]+                  # a)  (a)
    )*""",
    re.VERBOSE,
)
#: A bold label that opens a line, or is all of it: `**Step 1:** mix`.
_LABEL = re.compile(
    r"(?P<bold>\*\*|__)(?=[^*\n]*?[^\W_])(?P<label>[^*_\n]*+(?:_[^*_\n]++)?+)(?P=bold)"
)


@dataclass(frozen=True)
class Segment:
    """Prose to translate: as the text has it, and masked, as it goes to the backend."""

    source: str
    masked: Masked


#: A text to keep, or a segment to translate.
Part = str | Segment


def segment(text: str) -> list[Part]:
    """Split a text; joining the parts with every segment's original gives the text back."""
    parts: list[Part] = []
    for chunk, is_block in split_blocks(text):
        if is_block:
            parts.append(chunk)
            continue
        lines = chunk.split("\n")
        for number, line in enumerate(lines):
            parts.extend(_line_parts(line))
            if number < len(lines) - 1:
                parts.append("\n")
    return parts


def _line_parts(line: str) -> Iterator[Part]:
    if line.lstrip().startswith("|"):
        for cell in re.split(r"(\|)", line):
            if cell == "|":
                yield cell
            else:
                yield from _prose(cell)
        return
    markers = _MARKERS.match(line)
    start = markers.end() if markers else 0
    if start:
        yield line[:start]
    label = _LABEL.match(line, start)
    if label is None:
        yield from _prose(line[start:])
        return
    yield label["bold"]
    yield from _prose(label["label"])
    yield label["bold"]
    yield from _prose(line[label.end() :])


def _prose(text: str) -> Iterator[Part]:
    """Outer white space is kept; text without a letter outside its masks is kept too."""
    core = text.strip()
    if not core:
        if text:
            yield text
        return
    start = text.index(core)
    if start:
        yield text[:start]
    masked = mask(core)
    yield Segment(core, masked) if has_letters(masked) else core
    if start + len(core) < len(text):
        yield text[start + len(core) :]


def same_structure(source: str, target: str) -> bool:
    """Whether two messages have the same lines: as many, blank where blank, marked as marked."""
    return _skeleton(source) == _skeleton(target)


def _skeleton(text: str) -> list[tuple[bool, str, int]]:
    """For each line outside blocks: is it blank, its marks, its table bars."""
    shape = []
    for chunk, is_block in split_blocks(text):
        for line in [""] if is_block else chunk.split("\n"):
            markers = _MARKERS.match(line)
            marks = "".join(markers.group().split()) if markers else ""
            bars = line.count("|") if line.lstrip().startswith("|") else 0
            shape.append((not line.strip(), marks, bars))
    return shape


def has_letters(masked: Masked) -> bool:
    """True when there is a letter outside the masks."""
    rest = re.sub(r"XQ\d+X", "", masked.text) if masked.pieces else masked.text
    return any(map(str.isalpha, rest))
