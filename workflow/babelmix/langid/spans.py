"""Parts of a text that are no evidence of the language it is in: quotations, names."""

from __future__ import annotations

import re

#: Quotations of this many characters; shorter ones are single words. A mark never closed is none.
_QUOTED = re.compile(
    r"“[^“”„\n]{12,}[”“]|„[^“”„\n]{12,}[“”]|«[^«»\n]{12,}»|»[^«»\n]{12,}«"
    r"|「[^「」\n]{5,}」|『[^『』\n]{5,}』"
)
_STRAIGHT = re.compile(r'"[^"\n]{12,}"')
_ANY = re.compile('["“„«»「『]')
_WORD = re.compile(r"[^\W\d_]{2,}")
#: A text with fewer words in small letters than this share is a list of names, or a headline.
_SMALL_SHARE = 0.2


def without_quotations(text: str) -> str | None:
    """Return the text without what it quotes; None where it quotes nothing."""
    if _ANY.search(text) is None:
        return None
    rest = _QUOTED.sub(" ", text)
    if rest.count('"') % 2 == 0:
        rest = _STRAIGHT.sub(" ", rest)
    return None if rest == text else rest


def is_names(text: str) -> bool:
    """Tell whether nearly all words open with a capital and are not all in capitals."""
    words = _WORD.findall(text)
    small = sum(word[0].islower() for word in words)
    capital = sum(word[0].isupper() and not word.isupper() for word in words)
    return bool(capital) and small < _SMALL_SHARE * len(words) <= small + capital
