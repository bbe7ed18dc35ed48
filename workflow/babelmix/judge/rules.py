"""The rules judge: language, emptiness, length, repetition, overlap with a reference.

**No measure of quality.** It stands in for a model in demonstrations and tests, where no key and no
network can be asked for: its grade says whether an answer is in the language of its question and
looks like a text, and nothing about whether it is true or useful. It answers in words that the same
parser reads, and its judgements pass through the same records as a model's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..langid import RIGHT, WRONG, Found, compare, identify, spelled, strip_non_prose
from ..records import Answer
from .tasks import Task

if TYPE_CHECKING:
    from sacrebleu.metrics import CHRF

#: Ratings that differ by no more than this are a tie.
TIE = 0.5
#: Both answers are bad when neither is rated above this.
BAD = 2.0
#: The share of repeated word triples that costs nothing: everyday prose has some.
_USUAL_REPETITION = 0.1
#: Fewer words than this are too few for an answer, unless the reference is as short.
_FEW_WORDS = 4
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the rules see in one answer. ``language``: what it is in, among all languages;
    ``languages``: the codes of the study;
    ``repetition`` is the share of repeated word triples, ``overlap`` chrF against the reference."""

    expected: str
    language: Found
    languages: tuple[str, ...]
    words: int
    repetition: float
    cut: bool
    overlap: float | None
    reference_words: int | None

    @property
    def rating(self) -> float:
        """1.0 to 10.0 in tenths."""
        if self.words == 0:
            return 1.0
        rating = 7.0 if self.overlap is None else 5.0 + 0.06 * self.overlap
        verdict = compare(self.language, self.expected)
        if verdict != RIGHT:
            rating -= 4.0 if verdict == WRONG else 1.0
        few = min(_FEW_WORDS, self.reference_words or _FEW_WORDS)
        if self.words < few:
            rating -= 2.0
        rating -= 6.0 * max(0.0, self.repetition - _USUAL_REPETITION)
        if self.cut:
            rating -= 0.5
        return round(min(10.0, max(1.0, rating)), 1)

    def __str__(self) -> str:
        if self.words == 0:
            return "empty"
        verdict = compare(self.language, self.expected)
        if verdict == RIGHT:
            language = f"language {self.expected} ok"
        elif verdict == WRONG:
            language = (
                f"language {spelled(self.language, self.languages)}, expected {self.expected}"
            )
        else:
            language = "language unclear"
        parts = [language, f"{self.words} words", f"repetition {self.repetition:.2f}"]
        if self.cut:
            parts.append("cut off")
        if self.overlap is not None:
            parts.append(f"chrF {self.overlap:.0f}")
        return "; ".join(parts)


def repetition(words: list[str]) -> float:
    """Share of word triples that were there before: 0 in varied prose, towards 1 in a loop."""
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(triples)) / len(triples) if triples else 0.0


class RulesReferee:
    """Judges by rules; ``languages``: the study's, which only say how to spell a code found."""

    def __init__(self, languages: Iterable[str]) -> None:
        self.languages = list(languages)

    def judge(self, task: Task, protocol: str) -> str:
        """The raw verdict on one task, as a model might have written it."""
        mine = self.inspect(task, task.answers[-1])
        if protocol == "single":
            return f"{mine} → Rating: [[{mine.rating:g}]]"
        other = self.inspect(task, task.baseline_answers[-1])
        first, second = (mine, other) if task.order == "AB" else (other, mine)
        letter = _prefer(first.rating, second.rating, both_bad=protocol == "pairwise")
        return (
            f"A: {first} ({first.rating:g}) | B: {second} ({second.rating:g}) → "
            f"Verdict: [[{letter}]]"
        )

    def inspect(self, task: Task, answer: Answer) -> Findings:
        """Look at one answer."""
        words = [word.casefold() for word in _WORD.findall(answer.text)]
        reference = _reference(task)
        return Findings(
            expected=task.question.lang,
            language=identify(strip_non_prose(answer.text)),
            languages=tuple(self.languages),
            words=len(words),
            repetition=repetition(words),
            cut=answer.finish_reason == "length",
            overlap=_overlap(answer.text, reference) if reference and words else None,
            reference_words=len(_WORD.findall(reference)) if reference else None,
        )


def _prefer(first: float, second: float, both_bad: bool) -> str:
    """The letter of the better rating; C for a tie, D (where offered) for two bad answers."""
    if abs(first - second) <= TIE + 1e-9:
        return "D" if both_bad and max(first, second) <= BAD else "C"
    return "A" if first > second else "B"


def _reference(task: Task) -> str:
    """The reference of the judged turn, if there is one."""
    reference = task.question.reference
    return reference[task.turn - 1].strip() if len(reference) >= task.turn else ""


@lru_cache(maxsize=1)
def _chrf() -> CHRF:
    from sacrebleu.metrics import CHRF

    return CHRF()


def _overlap(text: str, reference: str) -> float:
    """chrF (0 to 100), Popović 2015."""
    return float(_chrf().sentence_score(text, [reference]).score)
