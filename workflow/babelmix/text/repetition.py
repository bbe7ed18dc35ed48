"""How much of a text repeats itself."""

from __future__ import annotations

from collections.abc import Sequence

#: Words (or characters, in scripts without spaces) of a repeated piece; shorter texts have none.
_NGRAM = 4


def repetition(text: str) -> float | None:
    """Share of a text's word 4-grams that occurred before in it, 0 … 1.

    None where there are none. Text without spaces (Chinese, Japanese) is taken by the character.
    """
    units: Sequence[str] = text.split()
    if len(text) > 12 * max(len(units), 1):
        units = "".join(units)
    grams = [tuple(units[i : i + _NGRAM]) for i in range(len(units) - _NGRAM + 1)]
    if not grams:
        return None
    return 1.0 - len(set(grams)) / len(grams)
