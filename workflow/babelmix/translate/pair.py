"""What the audit knows of a pair of languages, part of it learnt from the pool's own file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .lengths import Lengths, fixed_lengths, learn_lengths
from .texts import Text, words

#: Words of the pivot that tell it are learnt from so many rows at most, the beginnings of their
#: messages, and at least so many words.
_SAMPLE_ROWS = 2000
_SAMPLE_CHARS = 1000
_SAMPLE_WORDS = 2000
_MARKERS = 60
#: A marker is this much rarer in the translations.
_RARER = 20


@dataclass(frozen=True)
class Pair:
    """A pivot, a target language, and what their texts are like.

    ``markers`` are words that are frequent in the pivot and all but absent from the translations.
    """

    pivot: str
    lang: str
    lengths: Lengths
    markers: frozenset[str] = frozenset()


def plain_pair(pivot: str, lang: str) -> Pair:
    """A pair about which nothing is learnt."""
    return Pair(pivot, lang, fixed_lengths(pivot, lang))


def learn_pair(rows: Sequence[tuple[list[Text], list[Text]]], pivot: str, lang: str) -> Pair:
    """The pair as the rows of a pool show it (texts of source and translation, row by row)."""
    sizes = (
        (len(before.prose), len(after.prose))
        for source, target in rows
        for before, after in zip(source, target, strict=False)
    )
    lengths = learn_lengths(sizes, pivot, lang)
    return Pair(pivot, lang, lengths, _markers(rows))


def _markers(rows: Sequence[tuple[list[Text], list[Text]]]) -> frozenset[str]:
    step = max(1, len(rows) // _SAMPLE_ROWS)
    here: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for source, target in rows[::step]:
        for text in source:
            here.update(words(text.prose[:_SAMPLE_CHARS]))
        for text in target:
            there.update(words(text.prose[:_SAMPLE_CHARS]))
    if min(here.total(), there.total()) < _SAMPLE_WORDS:
        return frozenset()
    scale = there.total() / here.total()
    common = [w for w, n in here.most_common(4 * _MARKERS) if there[w] * _RARER <= n * scale]
    return frozenset(common[:_MARKERS])
