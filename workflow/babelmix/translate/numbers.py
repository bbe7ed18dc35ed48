"""Numbers of a text and of its translation: the same ones, however each language writes them.

What good translations do to numbers, as seen in FLORES' professional ones, is allowed for: other
separators (1,000.5 and 1.000,5), words for digits and digits for words, a clock of 12 or 24 hours,
decades (1960s, anni '60), Roman numerals for centuries, millions written out, measures converted,
East Asian and South Asian grouping (``numerals``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..langid import base_code
from .number_words import in_words
from .numerals import EAST_ASIAN, plain_numerals, scale_after, spoken_numerals

_SPACE = " \u00a0\u2009\u202f"
#: Separators within a number; the last two are Arabic's decimal and thousands signs.
_MARKS = ".,'’:\u00a0\u2009\u202f\u066b\u066c"
_NUMBER = re.compile(rf"\d+(?:[{_MARKS}]\d+)*")
#: Thousands set off by blanks: 10 000.
_SPACED = re.compile(rf"(?<![\d.,])\d{{1,3}}(?:[{_SPACE}]\d{{3}})+(?!\d)")
_SEPARATOR = re.compile(f"[{_MARKS}]")
_FRACTION = re.compile("[\u00bc-\u00be\u2150-\u215e]")
_FIRST = re.compile(r"\d+")

_CLOCK = re.compile(r"\d\s?[ap]\.?\s?m\b", re.IGNORECASE)
#: Words that multiply a number: then equal digits alone say little.
_BIG = re.compile(
    r"\d[\s\u00a0\u202f-]*(?:mil|bil|tril|mrd|bn\b|tsd|thousand|tausend|lakh|crore)", re.I
)
_HALF = re.compile(r"\bhalf a (?=(?:thousand|million|billion|trillion)\b)", re.IGNORECASE)
#: Imperial measures by what one is in metric units that translators turn it into.
_IMPERIAL = {
    r"miles?|mi|mph": (1.609, 1609.0),
    r"feet|foot|ft": (0.3048, 30.48),
    r"inch(?:es)?|in": (2.54, 25.4, 0.0254),
    r"pounds?|lbs?": (0.4536, 453.6),
    r"ounces?|oz": (28.35,),
    r"yards?|yd": (0.9144,),
    r"gallons?|gal": (3.785,),
    r"acres?": (0.4047, 4047.0),
}
_UNITS = [
    (re.compile(rf"[\s\u00a0-]*(?:{name})\b", re.IGNORECASE), factors)
    for name, factors in _IMPERIAL.items()
]
#: 5 feet 7 inches, 5'7": one measure.
_FEET_INCHES = re.compile(
    r"\b(\d+)[\s-]*(?:feet|foot|ft\.?|['′’])[\s-]*(?:and\s+)?(\d+)[\s-]*(?:inch(?:es)?|in\b|[\"″”])",
    re.IGNORECASE,
)
_FAHRENHEIT = re.compile(r"\s*(?:°|degrees?)?\s*F(?:ahrenheit)?\b")
_DECADES = re.compile(r"\b(\d{1,2})\d0['’]?s\b")
_DECADE = re.compile(r"['’]?s\b")
_SQUARE = re.compile(r"(?<=m)[23]\b")
_ROMAN = re.compile(r"\b[IVXLC]+(?=\b|e\b|ème|er\b)")
_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_MONTH = re.compile(
    r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"(?:uary|ruary|ch|il|e|y|ust|t(?:ember)?|ober|ember)?\b",
    re.IGNORECASE,
)
_SLASH_DATE = re.compile(r"\b\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}\b")
#: In these words 1 and 2 hide.
_FEW = {
    1: re.compile(r"\b(?:an?|one|once|single|first|half|sole)\b", re.IGNORECASE),
    2: re.compile(
        r"\b(?:two|twice|second|both|pair|couple|double|half|halves|bi\w+)\b", re.IGNORECASE
    ),
}
#: Texts with more differing numbers than this are not looked at one by one.
_MANY = 100
#: Texts with more numbers than this are data: their digits are compared, not read.
_TABLE = 2000
#: Longer runs of digits are no numbers that anybody reads, and of no use as floats.
_LONGEST = 30


@dataclass(frozen=True)
class Token:
    """A number as written: what it may mean, its whole numbers, and the text right after it.

    ``scale``: what a word after it multiplies it by (``million``), None where there is none.
    """

    text: str
    values: frozenset[float]
    parts: tuple[int, ...]
    after: str
    bracketed: bool
    scale: float | None = None

    @property
    def scaled(self) -> frozenset[float]:
        """What it may mean together with the word after it."""
        if self.scale is None:
            return self.values
        return frozenset(round(v * self.scale, 6) for v in self.values)


def odd_numbers(source: str, target: str, pivot: str, lang: str) -> list[str]:
    """Numbers of one text that the other does not have in any form, as written."""
    here, there = _FIRST.findall(source), _FIRST.findall(target)
    plain = not {lang, pivot} & EAST_ASIAN and not _BIG.search(source)
    if plain and sorted(here) == sorted(there):
        return []  # the same digit groups, whatever stands between them: true of most rows
    if max(len(here), len(there)) > _TABLE:
        left, right = Counter(here), Counter(there)
        return list(((left - right) + (right - left)).elements())
    pivot, lang = base_code(pivot), base_code(lang)
    source = plain_numerals(_plain_fractions(source), pivot)
    target = plain_numerals(_plain_fractions(target), lang)
    if pivot == "en":
        source = _HALF.sub("0.5 ", source)
    sources = [source]
    if pivot == "en" and _FEET_INCHES.search(source):
        sources.append(_FEET_INCHES.sub(_as_inches, source))
    tries = (
        _Comparison(one, target, pivot, lang, spaced, other).odd()
        for one in sources
        for spaced in (False, True)
        for other in (False, True)
    )
    best: list[str] | None = None
    for odd in tries:
        if best is None or len(odd) < len(best):
            best = odd
        if not best:
            break
    return best or []


def _as_inches(match: re.Match[str]) -> str:
    return f"{12 * int(match[1]) + int(match[2])} inches"


def _plain_fractions(text: str) -> str:
    """``¾`` as `` 3⁄4``; ``km2`` without its exponent, which is ``km²`` elsewhere."""
    text = _FRACTION.sub(lambda m: " " + unicodedata.normalize("NFKC", m.group()), text)
    return _SQUARE.sub("", text)


def tokens(text: str, spaced: bool, lang: str) -> list[Token]:
    """The numbers of a text; ``spaced``: ``10 000`` is one number."""
    if spaced:
        text = _SPACED.sub(lambda m: re.sub(rf"[{_SPACE}]", "", m.group()), text)
    found = []
    for match in _NUMBER.finditer(text):
        after = text[match.end() : match.end() + 24]
        before = text[max(0, match.start() - 2) : match.start()]
        bracketed = "(" in before or "(" in text[max(0, match.start() - 16) : match.start()]
        written = match.group()
        if len(written) > _LONGEST:
            found.append(Token(written, frozenset(), (hash(written),), "", False))
            continue
        parts = tuple(int(p) for p in _SEPARATOR.split(written))
        values = frozenset(readings(written))
        found.append(Token(written, values, parts, after, bracketed, scale_after(after, lang)))
    return found


def readings(written: str) -> list[float]:
    """What a number may mean: ``1.234`` is 1234 and 1.234, ``1.234,5`` is 1234.5 alone.

    Groups of two digits before the last three are South Asian: ``15,00,000`` is 1500000.
    """
    groups = _SEPARATOR.split(written)
    if len(groups) == 1:
        return [float(int(written))]
    marks = _SEPARATOR.findall(written)
    found = []
    thousands = len(groups[0]) <= 3 and all(len(g) == 3 for g in groups[1:])
    if thousands and len(set(marks)) == 1 and marks[0] != ":":
        found.append(float("".join(groups)))
    south_asian = len(groups) > 2 and all(len(g) == 2 for g in groups[1:-1])
    if south_asian and len(groups[0]) <= 2 and len(groups[-1]) == 3 and set(marks) == {","}:
        found.append(float("".join(groups)))
    decimal = marks[-1] in ".,\u066b" and marks[-1] not in marks[:-1] and len(set(marks[:-1])) <= 1
    whole = groups[:-1]
    if decimal and (len(whole) == 1 or all(len(g) == 3 for g in whole[1:])):
        found.append(float("".join(whole) + "." + groups[-1]))
    return found


class _Comparison:
    """Takes matching numbers of two texts off each other, the surest ways first."""

    def __init__(
        self, source: str, target: str, pivot: str, lang: str, spaced: bool, other: bool
    ) -> None:
        self.source, self.target = source, target
        self.pivot, self.lang = pivot, lang
        #: The 1990s are the nineties of the 20th century: 20世纪90年代.
        self._centuries = {int(d) + 1 for d in _DECADES.findall(source)}
        self.left = tokens(source, spaced, pivot)
        self.right = tokens(target, other, lang)
        self.known_left = {p for t in self.left for p in t.parts}
        self.known_right = {p for t in self.right for p in t.parts}

    def odd(self) -> list[str]:
        """What is left on either side."""
        self._match_written()
        if len(self.left) > _MANY or len(self.right) > _MANY:
            return [t.text for t in (*self.left, *self.right)]
        self._match(lambda a, b: bool(a.scaled & b.scaled))
        self._match(lambda a, b: bool(a.values & b.values) and not _other_scale(a, b))
        if self.left and self.right:
            self._match(_converted)
        spoken = spoken_numerals(self.target, self.lang)
        self.left = [t for t in self.left if not spoken & (t.scaled | t.values)]
        # 12.00, 12:00, 12 h 00; 03.12.2021: compare the whole numbers in them, zeros left out.
        left = [(p, t) for t in self.left for p in t.parts if p]
        right = [(p, t) for t in self.right for p in t.parts if p]
        different = [t for t in self.left if any(_other_scale(t, o) for o in self.right)]
        left, right = _cancel(left, right) if not different else (left, right)
        if _CLOCK.search(self.source) or _CLOCK.search(self.target):
            left, right = _cancel(left, right, lambda n: n % 12 if n <= 24 else n)
        left, right = _cancel_hundreds(left, right)
        left, right = _cancel_decades(left, right)
        lost = [t.text for p, t in left if not self._excused_loss(p, t, bool(right))]
        added = [t.text for p, t in right if not self._excused_addition(p, bool(left))]
        return lost + added

    def _match_written(self) -> None:
        """Numbers with the same digit groups and word of scale: nearly all, in one pass."""
        common = Counter(_written(t) for t in self.left) & Counter(_written(t) for t in self.right)
        self.left = _without_tokens(self.left, common.copy())
        self.right = _without_tokens(self.right, common.copy())

    def _match(self, same: Callable[[Token, Token], bool]) -> None:
        left = []
        for token in self.left:
            partner = next((t for t in self.right if same(token, t)), None)
            if partner is None:
                left.append(token)
            else:
                self.right.remove(partner)
        self.left = left

    def _excused_loss(self, number: int, token: Token, replaced: bool) -> bool:
        if number <= 2 or in_words(number, self.target, self.lang):
            return True
        if not replaced and number in self.known_right:
            return True  # said once where the source says it twice
        decade = _DECADE.match(token.after) is not None
        if decade and number % 100 and in_words(number % 100, self.target, self.lang):
            return True  # the 1990s are the nineties
        if decade and number % 100 == 0:
            number = number // 100 + 1  # the 1800s are the 19th century
        if number in _roman_numbers(self.target):
            return True
        if _SLASH_DATE.search(self.source) and number <= 12:
            return True  # the month is a word now
        return token.bracketed and not replaced and _factors(token) != ()

    def _excused_addition(self, number: int, replaces: bool) -> bool:
        if in_words(number, self.source, self.pivot):
            return True
        if not replaces and number in self.known_left:
            return True
        if number in _roman_numbers(self.source):
            return True
        if number in self._centuries:
            return True
        few = _FEW.get(number)
        if self.pivot == "en" and few is not None and few.search(self.source):
            return True
        months = {_MONTHS[m.lower()] for m in _MONTH.findall(self.source)}
        return self.pivot == "en" and number in months


Written = tuple[tuple[int, ...], float | None]


def _written(token: Token) -> Written:
    return token.parts, token.scale


def _other_scale(one: Token, other: Token) -> bool:
    """A billion in place of a million: both say a scale, the number is the same, they differ."""
    scales = one.scale, other.scale
    return None not in scales and scales[0] != scales[1] and bool(one.values & other.values)


def _without_tokens(found: list[Token], gone: Counter[Written]) -> list[Token]:
    rest = []
    for token in found:
        if gone[_written(token)] > 0:
            gone[_written(token)] -= 1
        else:
            rest.append(token)
    return rest


Parts = list[tuple[int, Token]]


def _cancel(left: Parts, right: Parts, key: Callable[[int], int] = int) -> tuple[Parts, Parts]:
    """Take numbers with the same key off both sides."""
    there = Counter(key(p) for p, _ in right)
    here = Counter(key(p) for p, _ in left)
    return _without(left, here & there, key), _without(right, here & there, key)


def _without(parts: Parts, gone: Counter[int], key: Callable[[int], int]) -> Parts:
    rest, gone = [], gone.copy()
    for number, token in parts:
        if gone[key(number)] > 0:
            gone[key(number)] -= 1
        else:
            rest.append((number, token))
    return rest


def _cancel_hundreds(left: Parts, right: Parts) -> tuple[Parts, Parts]:
    """1200 hours and 12:00: the zeros of the clock are gone from one side already."""

    def key(number: int) -> int:
        return number // 100 if number % 100 == 0 and 0 < number < 2400 else number

    if any(p >= 100 for p, _ in left) != any(p >= 100 for p, _ in right):
        return _cancel(left, right, key)
    return left, right


def _cancel_decades(left: Parts, right: Parts) -> tuple[Parts, Parts]:
    """The 1960s and gli anni '60."""
    decades = [(p, t) for p, t in left if p >= 100 and p % 10 == 0 and _DECADE.match(t.after)]
    short = [(p, t) for p, t in right if p < 100]
    if not decades or not short:
        return left, right
    others = [pair for pair in left if pair not in decades]
    long = [pair for pair in right if pair not in short]
    decades, short = _cancel(decades, short, lambda n: n % 100)
    return others + decades, long + short


def _factors(token: Token) -> tuple[float, ...]:
    return next((factors for unit, factors in _UNITS if unit.match(token.after)), ())


def _converted(one: Token, other: Token) -> bool:
    """17,500 miles and 28 000 km, to 6 %: translators round."""
    for value in one.values:
        goals = [value * factor for factor in _factors(one)]
        if _FAHRENHEIT.match(one.after):
            goals.append((value - 32) / 1.8)
        if any(abs(goal - b) <= 0.06 * abs(goal) for goal in goals for b in other.values):
            return True
    return False


def _roman_numbers(text: str) -> set[int]:
    return {_roman(m) for m in _ROMAN.findall(text)}


def _roman(numeral: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[sign] for sign in numeral]
    return sum(-v if any(v < w for w in values[i + 1 : i + 2]) else v for i, v in enumerate(values))


def shown(odd: Iterable[str]) -> str:
    """The first few odd numbers for a check's detail."""
    return ", ".join(list(odd)[:5])
