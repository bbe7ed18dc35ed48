"""ROUGE-L of two texts in any script: longest common subsequence of words, as an F-measure.

After Lin 2004. Words are runs of letters, marks and digits, casefolded; scripts that write no
spaces between words count characters. The usual package keeps ASCII only, which would leave most
languages empty.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

#: Blocks whose scripts put no spaces between words: Thai to Burmese, Khmer, CJK, kana.
_SPACELESS = (
    (0x0E00, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def words(text: str) -> list[str]:
    """The words that are compared."""
    found, word = [], ""
    for char in unicodedata.normalize("NFC", text.casefold()):
        alone = any(low <= ord(char) <= high for low, high in _SPACELESS)
        if unicodedata.category(char)[0] in "LMN" and not alone:
            word += char
            continue
        if word:
            found.append(word)
            word = ""
        if alone and unicodedata.category(char)[0] in "LMN":
            found.append(char)
    return [*found, word] if word else found


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, one bit a place of ``first`` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = unmatched = (1 << len(first)) - 1
    for word in second:
        hit = unmatched & places.get(word, 0)
        unmatched = ((unmatched + hit) | (unmatched - hit)) & full
    return len(first) - unmatched.bit_count()


def rouge_l(answer: str, reference: str) -> float:
    """F-measure from 0 to 1; 0 where either text has no word."""
    given, wanted = words(answer), words(reference)
    common = common_length(given, wanted) if given and wanted else 0
    return 2 * common / (len(given) + len(wanted)) if common else 0.0
