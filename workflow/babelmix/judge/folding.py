"""Fold a text to plain letters, digits and brackets, so that one pattern reads every script."""

from __future__ import annotations

import re
import unicodedata

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
