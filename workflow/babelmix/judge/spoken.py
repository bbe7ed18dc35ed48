"""Grades that a sentence gives: "I would rate this 7 out of 10", "une note de 7,5 sur 10".

Believed only where nothing clearer stands in the text, where a word of grading comes before it in
the same sentence and nothing that denies it, and where no other grade on the same scale stands
anywhere in the text.
"""

from __future__ import annotations

import re

from .folding import fold
from .labels import RATING_LABELS

#: What stands between a grade and its scale's end, and the units of grades (folded, as all is).
OUT_OF = r"(?:/|out of|von|sur|su|de|di|sobre|auf|op|na|of|из|з|من)"
UNITS = (
    r"(?:points?|punkten?|punti|puntos?|pontos?|punten|punkty?|punktow|poang|балл(?:ов|а)?"
    + "".join(f"|{fold(unit)}" for unit in "点分점")
    + ")"
)
_GRADING = (
    r"\b(?:rate|rated|grade|give|gave|bewerte|benote|vergebe|gebe|attribue|donne|donnerais|"
    r"assegno|assegnerei|darei|doy|daria|dou|atribuo|geef|oceniam|daje|ставлю|оцениваю)\b"
)
_N = r"(?<![\d.,/])(?P<number>\d{1,3}(?:[.,]\d{1,2})?)"
_FRACTION = rf"{_N}[ \t]*(?:{UNITS}[ \t]*)?{OUT_OF}[ \t]*(?P<of>\d{{1,3}})(?![\d/%]|[.,]\d)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?:{RATING_LABELS}|{_GRADING})[^\d\n.!?;]{{0,40}}{_FRACTION}",
        rf"{_FRACTION}[ \t]+{UNITS}\b",
        rf"{_N}[ \t]*{UNITS}[ \t]+{OUT_OF}[ \t]*(?P<of>\d{{1,3}})(?![\d/%]|[.,]\d)",
        # "I give it a score of 8." and no more in that sentence
        rf"{_GRADING}[^\d\n.!?;]{{0,40}}(?:{RATING_LABELS})[ \t]+(?:of|von|de|di)[ \t]+{_N}(?P<of>)"
        r"(?=[ \t]*(?:[.!](?!\d)|\n|$))",
        r"(?P<of>\d{1,3})[ \t]*[点分](?:満点|满分)?中[ \t]*(?P<number>\d{1,3})[ \t]*[点分]",
        r"打[ \t了个]{0,3}(?P<number>\d{1,3}(?:\.\d)?)[ \t]*分(?P<of>)",
    )
)
_SENTENCE_END = re.compile(r"[.!?;\n]")
_NEGATED = re.compile(
    r"\b(?:not|cannot|never|nicht|kein\w*|pas|no|non|nao|niet|geen|nie|не|нельзя)\b|n['’]t\b"
)
_ANY_FRACTION = re.compile(_FRACTION)


def spoken_grades(text: str) -> list[tuple[str, str]]:
    """(grade, end of its scale or nothing) of each grade that a sentence of a folded text gives.

    If there is any, other fractions of the same scale in the text are among them.
    """
    found = [
        _grade(match)
        for form in _FORMS
        for match in form.finditer(text)
        if not _is_negated(text, match)
    ]
    ends = {end for _, end in found if end}
    others = [_grade(match) for match in _ANY_FRACTION.finditer(text)] if ends else []
    others = [grade for grade in others if grade[1] in ends]
    return list(dict.fromkeys(found + others))


def _grade(match: re.Match[str]) -> tuple[str, str]:
    return match["number"].replace(",", "."), match["of"] or ""


def _is_negated(text: str, match: re.Match[str]) -> bool:
    """Whether the sentence says no before it comes to the grade."""
    before = _SENTENCE_END.split(text[max(0, match.start() - 60) : match.start("number")])[-1]
    return _NEGATED.search(before) is not None
