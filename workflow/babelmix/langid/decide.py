"""From probabilities to an answer: a language, a few close relatives, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ..code_lines import without_code_lines
from . import scripts
from .codes import RELATIVES, identifier_code
from .models import known_languages, pooled
from .prose import MIN_LETTERS
from .spans import is_names, without_quotations

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A language is named from this probability on.
THRESHOLD = 0.7
#: The same of lists of names, and of what surrounds a quotation in another language.
_SURE = 0.9
#: A relative is named beside the likeliest language from this probability on.
_BESIDE = 0.05
#: Texts in a script other than Latin need fewer letters: the script itself tells much.
MIN_SCRIPT_LETTERS = 4
#: Less of a text's letters than this in one script: the text is mixed.
_MAIN_SHARE = 0.6
#: What stands in ``script`` then (ISO 15924's code of no one script).
MIXED = "Zyyy"
#: Of a longer text its beginning and its end are looked at, in characters.
_MAX_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """What a text is in.

    ``languages``: the language (identifiers' code), or close relatives that it is one of, likeliest
    first; empty where nothing can be said. ``probability``: of these languages together, 0 to 1.
    ``guess``: the likeliest language, however unlikely. ``script``: ISO 15924 (``Latn``, ``Jpan``),
    None for a text too short to tell even that.
    """

    languages: tuple[str, ...] = ()
    probability: float = 0.0
    script: str | None = None
    guess: str | None = None

    @property
    def language(self) -> str | None:
        """The language where it is one, or None."""
        return self.languages[0] if len(self.languages) == 1 else None

    @property
    def name(self) -> str | None:
        """``de``; ``da/no`` for one of several; ``und-Cyrl`` where only the script is certain."""
        if self.languages:
            return "/".join(self.languages)
        return f"und-{self.script}" if self.script not in (None, MIXED, "Latn") else None

    @property
    def short(self) -> bool:
        """Whether the text is too short to tell anything."""
        return self.script is None


_SHORT = Found()


def spelled(found: Found, languages: Iterable[str]) -> str | None:
    """Return ``found.name`` in a study's own codes where it has one: ``nb`` for ``no``."""
    if not found.languages:
        return found.name
    own: dict[str, str] = {}
    for lang in languages:
        script = scripts.asked_script(lang)
        if script is not None and found.script not in scripts.allowed(script):
            continue  # Cyrillic is no `sr-Latn`
        own.setdefault(identifier_code(lang), lang)
    return "/".join(own.get(code, code) for code in found.languages)


def identify(text: str, min_letters: int = MIN_LETTERS) -> Found:
    """Recognise the language of one text among all languages; ``identify_all`` of one text."""
    return identify_all([text], min_letters)[0]


def identify_all(texts: Sequence[str], min_letters: int = MIN_LETTERS) -> list[Found]:
    """Recognise the language of each text among all languages; many at once are faster.

    Texts are taken as they are: pass them through ``strip_non_prose`` first. A text in Latin script
    with fewer than ``min_letters`` letters is not judged, in another script with fewer than four (a
    dense sign counts as three). Lines of code are no prose. Where what a text quotes is in another
    language than the rest, the rest counts if it is certain; else nothing is said.
    """
    bare = [without_code_lines(_ends(text)) for text in texts]
    outside = {n: other for n, text in enumerate(bare) if (other := without_quotations(text))}
    found = _identify_all([*bare, *outside.values()], min_letters)
    for number, rest in zip(outside, found[len(bare) :], strict=True):
        found[number] = _of_both(found[number], rest)
    return found[: len(bare)]


def _of_both(whole: Found, rest: Found) -> Found:
    """What is found in a text, given what is found in it without its quotations."""
    if rest.language is None or whole.languages[:1] == rest.languages:
        return whole
    if rest.probability >= _SURE or not whole.languages:
        return rest
    return Found((), whole.probability, whole.script, whole.guess)


def _identify_all(texts: Sequence[str], min_letters: int) -> list[Found]:
    found = [_SHORT] * len(texts)
    asked: list[tuple[int, scripts.Written]] = []
    for number, text in enumerate(texts):
        seen = scripts.written(text)
        if seen.letters < (min_letters if seen.script == "Latn" else MIN_SCRIPT_LETTERS):
            continue
        if seen.share < _MAIN_SHARE:
            found[number] = Found(script=MIXED)
        elif alone := scripts.tells_language(seen.script):
            found[number] = Found((alone,), seen.share, seen.script, alone)
        else:
            asked.append((number, seen))
    if asked:
        probabilities = pooled([w.text for _, w in asked], [w.script for _, w in asked])
        for (number, seen), row in zip(asked, probabilities, strict=True):
            found[number] = _decide(row, seen)
    return found


def _ends(text: str) -> str:
    if len(text) <= _MAX_CHARS:
        return text
    return f"{text[: _MAX_CHARS // 2]} {text[-_MAX_CHARS // 2 :]}"


def _decide(row: NDArray[Any], seen: scripts.Written) -> Found:
    codes = known_languages()
    best = int(row.argmax())
    probability = float(row[best])
    if not probability:
        return Found(script=seen.script)
    guess = codes[best]
    if probability < _SURE and is_names(seen.text):
        return Found((), probability, seen.script, guess)
    if probability >= THRESHOLD:
        return Found((guess,), probability, seen.script, guess)
    for columns in _relatives(guess):
        together = float(row[columns].sum())
        if together >= THRESHOLD:
            near = sorted((c for c in columns if row[c] >= _BESIDE), key=lambda c: -row[c])
            return Found(tuple(codes[c] for c in near), together, seen.script, guess)
    return Found((), probability, seen.script, guess)


@cache
def _relatives(code: str) -> list[list[int]]:
    codes = known_languages()
    return [
        [codes.index(one) for one in sorted(group) if one in codes]
        for group in RELATIVES
        if code in group
    ]
