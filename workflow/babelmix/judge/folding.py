"""Fold a text to plain letters, digits and brackets, so that one pattern reads every script."""

from __future__ import annotations

import sys
import unicodedata
from functools import lru_cache

#: Brackets that judges write in place of ``[[`` and ``]]``; a lenticular one stands for two.
_BRACKETS = {"【": "[[", "】": "]]", "〖": "[[", "〗": "]]", "〔": "[", "〕": "]", "⟦": "[[", "⟧": "]]"}
_PUNCTUATION = {"٫": ".", "،": ",", "½": ".5", "⁄": "/", "∕": "/", "\u00a0": " ", "\u202f": " "}
#: Emphasis, escapes and invisible marks say nothing.
_DROPPED = "*_\\\u200b\u200c\u200d\u200e\u200f\u2060\ufeff$~"


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    """Translation table: every script's decimal digit -> 0 … 9, and the marks above."""
    table: dict[int, str] = {
        code: str(unicodedata.decimal(char))
        for code in range(128, sys.maxunicode + 1)
        if unicodedata.decimal(char := chr(code), None) is not None
    }
    table.update({ord(a): b for a, b in (_BRACKETS | _PUNCTUATION).items()})
    table.update({ord(c): "" for c in _DROPPED})
    return table


def fold(text: str) -> str:
    """Lower-case, without accents, emphasis and escapes; digits and brackets as in ASCII."""
    text = text.translate(_table())
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in text if not unicodedata.combining(c))
    return text.casefold()
