"""Checks of a translated row: each names what it measured, and abstains rather than guesses.

Rows that fail are not dropped here; what becomes of them is the pool's decision.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from .. import langid
from ..records import Check, Message
from .protect import protected_pieces, without_protected

#: Characters of the translation by one of the source; between unlike scripts the range is wider.
_RATIO = (0.4, 2.5)
_DENSE_RATIO = (0.1, 1.6)
_DENSE = frozenset({"zh", "ja", "ko", "yue", "lzh"})
#: Below this many characters a ratio says nothing.
_RATIO_MIN_CHARS = 20
#: A message of this many letters that equals its source was not translated.
_LONG_LETTERS = 40
#: A run of at most so many words that comes so often back to back, over so many words, is a loop.
_LOOP_PERIOD = 30
_LOOP_COPIES = 4
_LOOP_UNITS = 8
#: Common target languages are told from one another as well as from the pivot.
_NEIGHBOURS = ("en", "de", "fr", "it", "es")

_NUMBER = re.compile(r"\d+(?:[.,'’\u00a0\u202f]\d+)*")
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?!\d)")
_SEPARATORS = re.compile(r"[.,'’\u00a0\u202f ]")


def audit(
    source: Sequence[Message], target: Sequence[Message], pivot: str, lang: str
) -> list[Check]:
    """The checks of one translated row (``source`` in the pivot, ``target`` in ``lang``)."""
    turns = turn_check(source, target)
    if not turns.ok:
        return [turns]
    pairs = [(s.content, t.content) for s, t in zip(source, target, strict=True)]
    return [
        turns,
        protected_check(pairs),
        numbers_check(pairs),
        length_check(pairs, pivot, lang),
        language_check(pairs, pivot, lang),
        untranslated_check(pairs),
        repetition_check(pairs),
    ]


def turn_check(source: Sequence[Message], target: Sequence[Message]) -> Check:
    """The same roles in the same order, no message empty."""
    ok = [m.role for m in source] == [m.role for m in target]
    ok = ok and all(m.content.strip() for m in target)
    return Check("turns", ok, float(len(target)))


def protected_check(pairs: Sequence[tuple[str, str]]) -> Check:
    """Code, addresses, formulas, tags and placeholders are the same; value: how many differ."""
    odd: Counter[str] = Counter()
    for source, target in pairs:
        odd += _difference(protected_pieces(source), protected_pieces(target))
    return Check("protected", not odd, float(odd.total()), _shown(odd))


def numbers_check(pairs: Sequence[tuple[str, str]]) -> Check:
    """Numbers in digits are the same, separators aside; value: how many differ."""
    odd: Counter[str] = Counter()
    for source, target in pairs:
        readings: list[Counter[str]] = [
            _difference(numbers(source, spaced), numbers(target, other))
            for spaced in (False, True)
            for other in (False, True)
        ]
        fewest: Counter[str] = min(readings, key=_total)
        odd += fewest
    return Check("numbers", not odd, float(odd.total()), _shown(odd))


def numbers(text: str, spaced: bool) -> list[str]:
    """Digit strings of a text's prose; ``spaced``: ``1 000`` is one number."""
    prose = without_protected(text)
    if spaced:
        prose = _SPACED.sub(lambda m: m.group().replace(" ", ""), prose)
    return [_SEPARATORS.sub("", n) for n in _NUMBER.findall(prose)]


def length_check(pairs: Sequence[tuple[str, str]], pivot: str, lang: str) -> Check:
    """Prose lengths are in proportion; value: the ratio furthest from the bounds' middle."""
    low, high = _DENSE_RATIO if langid.base_code(lang) in _DENSE else _RATIO
    if langid.base_code(pivot) in _DENSE and langid.base_code(lang) not in _DENSE:
        low, high = 1 / _DENSE_RATIO[1], 1 / _DENSE_RATIO[0]
    ratios = []
    for source, target in pairs:
        before, after = (
            len(without_protected(source).strip()),
            len(without_protected(target).strip()),
        )
        if before >= _RATIO_MIN_CHARS:
            ratios.append(after / before)
    if not ratios:
        return Check("length_ratio", True, None, "not measured: too short")
    worst = max(ratios, key=lambda r: max(r / high, low / r if r else float("inf")))
    return Check("length_ratio", low <= worst <= high, round(worst, 4))


def language_check(pairs: Sequence[tuple[str, str]], pivot: str, lang: str) -> Check:
    """The prose of each message long enough to tell is in the target language.

    Value: probability of the language found in the message that fails, or in the last one.
    """
    candidates = sorted({pivot, lang, *_NEIGHBOURS})
    if not langid.supported([lang]):
        return Check("language", True, None, f"not measured: '{lang}' is unknown to py3langid")
    value: float | None = None
    for _, target in pairs:
        prose = langid.strip_non_prose(without_protected(target))
        found, probability = langid.identify(prose, candidates)
        if found is None:
            continue
        value = round(probability, 4)
        if langid.base_code(found) != langid.base_code(lang):
            return Check("language", False, value, f"found {found}")
    return Check("language", True, value, "" if value is not None else "not measured: too short")


def untranslated_check(pairs: Sequence[tuple[str, str]]) -> Check:
    """No long message equals its source; value: how many do."""
    same = 0
    for source, target in pairs:
        if source.strip() == target.strip():
            same += sum(map(str.isalpha, without_protected(source))) >= _LONG_LETTERS
    return Check("untranslated", not same, float(same))


def repetition_check(pairs: Sequence[tuple[str, str]]) -> Check:
    """No run of words is said over and over in a row; value: copies in the worst loop."""
    worst, ok = 1, True
    for source, target in pairs:
        copies = loop_copies(target)
        worst = max(worst, copies)
        ok = ok and (copies < _LOOP_COPIES or copies <= loop_copies(source))
    return Check("repetition", ok, float(worst))


def loop_copies(text: str) -> int:
    """How often the worst loop of a text repeats back to back (1: there is none).

    A loop is a run of 1 to 30 words (characters, where words are not spaced) that fills at least
    eight units; text that a model repeats until its limit is one, a recurring phrase is not.
    """
    prose = without_protected(text)
    words = prose.split()
    # Scripts without spaces give "words" as long as sentences.
    units = words if len(words) * 12 >= len(prose.strip()) else list("".join(words))
    most = 1
    for period in range(1, min(_LOOP_PERIOD, len(units) // 2) + 1):
        run = 0
        for before, after in zip(units, units[period:], strict=False):
            run = run + 1 if before == after else 0
            if run + period >= _LOOP_UNITS:
                most = max(most, run // period + 1)
    return most


def _difference(first: Iterable[str], second: Iterable[str]) -> Counter[str]:
    before: Counter[str] = Counter(first)
    after: Counter[str] = Counter(second)
    return (before - after) + (after - before)


def _total(odd: Counter[str]) -> int:
    return odd.total()


def _shown(odd: Counter[str]) -> str:
    """The first few differing pieces, each cut short."""
    return ", ".join(piece[:40].replace("\n", " ") for piece in sorted(odd)[:3])
