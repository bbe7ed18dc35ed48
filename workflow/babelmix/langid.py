"""Which language a text is in: the shared core of the translation audit, the judge and the scores.

py3langid restricted to a study's languages; prose only (code, addresses and numbers say nothing
about the language an answer is written in); silent rather than wrong on short texts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

#: A language and its probability; (None, 0.0) where a text is too short to tell.
Found = tuple[str | None, float]
#: Texts with fewer letters are not judged.
MIN_LETTERS = 20
#: An ideograph or syllable sign carries about as much as this many alphabetic letters.
_DENSE_WEIGHT = 3
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")

#: What is not prose, each with a sign that it cannot do without (most texts have none of them).
_NON_PROSE = (
    # Fenced code; a fence that an answer cut short never closes runs to the end.
    ("```", re.compile(r"(?s)```.*?(?:```|\Z)")),
    ("~~~", re.compile(r"(?ms)^[ \t]*~~~.*?(?:^[ \t]*~~~|\Z)")),
    ("`", re.compile(r"`[^`\n]+`")),
    ("$$", re.compile(r"(?s)\$\$.*?\$\$")),
    ("\\[", re.compile(r"(?s)\\\[(?:(?!\\\[).)*?\\\]")),
    ("\\(", re.compile(r"(?s)\\\((?:(?!\\\().)*?\\\)")),
    ("://", re.compile(r"\bhttps?://\S+", re.IGNORECASE)),
    (".", re.compile(r"\bwww\.\S+", re.IGNORECASE)),
    ("@", re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]+")),
    ("<", re.compile(r"</?[A-Za-z][^<>\n]*>")),
)
#: Numbers with the units, signs and separators that cling to them.
_NUMBERS = re.compile(r"[+\-−]?\d[\d.,:/%°^*]*")
_BLANKS = re.compile(r"[^\S\n]+")


def base_code(lang: str) -> str:
    """``zh-Hans`` -> ``zh``: the identifier does not tell scripts or regions apart."""
    return lang.partition("-")[0]


def strip_non_prose(text: str) -> str:
    """Take code, formulas, URLs, mail addresses, tags and numbers out; keep the prose."""
    for sign, pattern in _NON_PROSE:
        if sign in text:
            text = pattern.sub(" ", text)
    return _BLANKS.sub(" ", _NUMBERS.sub(" ", text)).strip()


def count_letters(text: str) -> int:
    """Letters of a text; a CJK, kana or hangul sign counts as three."""
    dense = len(_DENSE.findall(text))
    return sum(map(str.isalpha, text)) + (_DENSE_WEIGHT - 1) * dense


def supported(languages: Iterable[str]) -> list[str]:
    """Those of the languages that the identifier knows, in the order given."""
    return [lang for lang in languages if base_code(lang) in _known()]


def identify(text: str, candidates: Iterable[str], min_letters: int = MIN_LETTERS) -> Found:
    """The likeliest of ``candidates`` and its probability (0 … 1); ``(None, 0.0)`` when too short.

    The text is taken as it is: pass it through ``strip_non_prose`` first. Candidates that the
    identifier does not know are not considered. With fewer than two that it knows there is nothing
    to choose between, so it chooses among all its languages, and the answer may be none of them.
    """
    if _is_short(text, min_letters):
        return None, 0.0
    chosen, by_base = _choices(tuple(candidates))
    found, probability = _restricted(chosen).classify(text)
    return by_base.get(found, found), float(probability)


def identify_all(
    texts: Sequence[str], candidates: Iterable[str], min_letters: int = MIN_LETTERS
) -> list[Found]:
    """``identify`` of many texts at once, some ten times as fast."""
    from .langid_batch import classify_all

    chosen, by_base = _choices(tuple(candidates))
    long = [number for number, text in enumerate(texts) if not _is_short(text, min_letters)]
    found: list[Found] = [(None, 0.0)] * len(texts)
    told = classify_all(_restricted(chosen), [texts[number] for number in long])
    for number, (lang, probability) in zip(long, told, strict=True):
        found[number] = by_base.get(lang, lang), probability
    return found


def _is_short(text: str, min_letters: int) -> bool:
    return len(text) * _DENSE_WEIGHT < min_letters or count_letters(text) < min_letters


@lru_cache(maxsize=256)
def _choices(candidates: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The identifier's codes to choose among (none: all of them), and our code of each."""
    by_base: dict[str, str] = {}
    for lang in supported(candidates):
        by_base.setdefault(base_code(lang), lang)
    return (tuple(sorted(by_base)) if len(by_base) > 1 else ()), by_base


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_full_identifier().labels)


@lru_cache(maxsize=1)
def _full_identifier() -> LanguageIdentifier:
    """The model with all its languages, loaded once (about 0.1 s)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@lru_cache(maxsize=64)
def _restricted(languages: tuple[str, ...]) -> LanguageIdentifier:
    """An identifier of its own for each set of languages: ``set_languages`` changes the object."""
    identifier = copy.copy(_full_identifier())
    if languages:
        identifier.set_languages(list(languages))
    return identifier
