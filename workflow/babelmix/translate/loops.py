"""Text that a model says over and over: runs of words in a row, and whole sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from .texts import Text

#: A run of at most so many words that comes so often back to back, over so many words, is a loop.
_PERIOD = 30
COPIES = 4
_UNITS = 8
#: Sentences of fewer letters recur in good texts too.
_SENTENCE_LETTERS = 40


def loop_copies(prose: str) -> int:
    """How often the worst loop of a text repeats back to back (1: there is none).

    A loop is a run of 1 to 30 words (characters, where words are not spaced) that fills at least
    eight units; text that a model repeats until its limit is one, a recurring phrase is not.
    """
    words = prose.split()
    # Scripts without spaces give "words" as long as sentences.
    spaced = len(words) * 12 >= len(prose.strip())
    units: Sequence[str] = words if spaced else "".join(words)
    most = 1
    for period in _periods(units):
        run = 0
        for before, after in zip(units, islice(units, period, None), strict=False):
            run = run + 1 if before == after else 0
            if run + period >= _UNITS:
                most = max(most, run // period + 1)
    return most


def _periods(units: Sequence[str]) -> list[int]:
    """Periods that a loop may have: gaps between the copies of four units met three times.

    Four copies over eight units hold such a four-unit run, whatever the period; most texts have
    none, and need no closer look.
    """
    if len(units) < _UNITS:
        return []
    fours = list(zip(units, units[1:], units[2:], units[3:], strict=False))
    if len(set(fours)) > len(fours) - 2:
        return []  # none of them three times
    often = {four for four, count in Counter(fours).items() if count >= 3}
    if not often:
        return []
    last: dict[tuple[str, ...], int] = {}
    gaps = set()
    for place, four in enumerate(fours):
        if four in often:
            if four in last:
                gaps.add(place - last[four])
            last[four] = place
    return sorted(gap for gap in gaps if gap <= _PERIOD)


def extra_sentences(source: Text, target: Text) -> int:
    """Long sentences that the translation has more often than any sentence of the source."""
    here = _most_common(target)
    return max(0, here - max(1, _most_common(source))) if here > 1 else 0


def _most_common(text: Text) -> int:
    long = [s.lower() for s in text.sentences if len(s) >= _SENTENCE_LETTERS]
    if len(set(long)) == len(long):
        return 1
    return max(Counter(long).values())
