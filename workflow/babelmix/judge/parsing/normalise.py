"""Fold a text to plain letters, digits and brackets, so that one pattern reads every script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np

#: Brackets that judges write in place of ``[[`` and ``]]``; a lenticular one stands for two.
_BRACKETS = {
    "【": "[[",
    "】": "]]",
    "〖": "[[",
    "〗": "]]",
    "〔": "[",
    "〕": "]",
    "⟦": "[[",
    "⟧": "]]",
}
_PUNCTUATION = {"٫": ".", "،": ",", "½": ".5", "⁄": "/", "∕": "/", "\u00a0": " ", "\u202f": " "}
_PUNCTUATION |= {"≫": ">>", "≪": "<<", "⟫": ">>", "⟪": "<<"}
#: Emphasis, escapes and invisible marks say nothing.
_DROPPED = "*_\\\u200b\u200c\u200d\u200e\u200f\u2060\ufeff$~"

_TABLE = str.maketrans(_BRACKETS | _PUNCTUATION | dict.fromkeys(_DROPPED, ""))
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")


def fold(text: str) -> str:
    """Lower-case, without accents, emphasis and escapes; digits and brackets as in ASCII."""
    text = text.translate(_TABLE)
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in text if not unicodedata.combining(c))
        text = _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    return text.casefold()


class FoldedText:
    """The parts of a text that are read, folded, with the way back to the text's own offsets.

    ``spans``: (start, end) of the parts; a line break is put between two of them.
    """

    def __init__(self, text: str, spans: Sequence[tuple[int, int]] | None = None) -> None:
        self._original = text
        self._spans = [(0, len(text))] if spans is None else list(spans)
        self.plain = "\n".join(text[start:end] for start, end in self._spans)
        self.text = fold(self.plain)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where ``self.text[start:end]`` stands in the text as it was given."""
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, end, side="left")) if end > start else first
        return self.plain_origin(first, last + 1)

    def plain_origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where ``self.plain[start:end]`` stands in the text as it was given."""
        return self._to_original(start), self._to_original(end - 1) + 1

    @cached_property
    def _ends(self) -> np.ndarray:
        """The folded length up to and with each character: folding maps characters one by one."""
        widths = {character: len(fold(character)) for character in set(self.plain)}
        return np.fromiter(accumulate(widths[c] for c in self.plain), np.int64, len(self.plain))

    def _to_original(self, offset: int) -> int:
        for start, end in self._spans:
            if offset <= end - start:
                return start + offset
            offset -= end - start + 1
        return len(self._original)
