"""Numbers in words: ``twenty``, ``zwanzigste``, ``veinte``."""

from __future__ import annotations

import re
from functools import lru_cache

from ..langid import base_code

#: Largest number that a translator may have put into words of a language we cannot spell.
_WORDS_BELOW = 20


def in_words(number: int, text: str, lang: str) -> bool:
    """Whether a text may say a number in words.

    For a language that num2words cannot spell, small numbers and round ones get the benefit of the
    doubt.
    """
    pattern = _spelled(number, base_code(lang))
    if pattern is None:
        return number <= _WORDS_BELOW or str(number).strip("0") in {"1", "2", "5"}
    return pattern.search(_flat(text)) is not None


@lru_cache(maxsize=4096)
def _spelled(number: int, lang: str) -> re.Pattern[str] | None:
    """A pattern of a number's cardinal and ordinal with other endings; None: cannot be spelled."""
    from num2words import num2words

    forms = set()
    for kind in ("cardinal", "ordinal"):
        try:
            forms.add(_flat(num2words(number, lang=lang, to=kind)))
        except (NotImplementedError, OverflowError, KeyError, TypeError, ValueError, IndexError):
            continue
    if not forms:
        return None
    forms |= {_without_one(form) for form in forms}
    # The last letter may change with gender, number or case; a compound may follow.
    stems = sorted(re.escape(f[:-1] if len(f) > 4 else f) for f in forms if len(f) > 1)
    return re.compile(r"\b(?:" + "|".join(stems) + r")(?:\w{0,4}\b|(?<=\w{4})\w*)")


_ONE = re.compile(r"^(?:one|ein|eine|un|uno|una|um|en|et) ?(?=\w{3})")


def _without_one(form: str) -> str:
    """``one hundred`` -> ``hundred``, ``un millón`` -> ``millón``."""
    return _ONE.sub("", form)


def _flat(text: str) -> str:
    """Small letters, hyphens as blanks, `and` between number words left out."""
    flat = re.sub(r"[-\u2010-\u2012\u00a0\u202f]", " ", text.casefold())
    return flat.replace(" and ", " ").replace(" et ", " ").replace(" y ", " ")
