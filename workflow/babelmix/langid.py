"""Which language a text is in: the shared core of the translation audit, the judge and the scores.

py3langid restricted to a study's languages; prose only (code, addresses and numbers say nothing
about the language an answer is written in); silent rather than wrong on short texts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

#: Texts with fewer letters are not judged.
MIN_LETTERS = 20
#: An ideograph or syllable sign carries about as much as this many alphabetic letters.
_DENSE_WEIGHT = 3
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")

_NON_PROSE = (
    # Fenced code; a fence that an answer cut short never closes runs to the end.
    re.compile(r"(?s)```.*?(?:```|\Z)"),
    re.compile(r"(?ms)^[ \t]*~~~.*?(?:^[ \t]*~~~|\Z)"),
    re.compile(r"`[^`\n]+`"),
    re.compile(r"(?s)\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)"),
    re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE),
    re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+"),
    re.compile(r"</?[A-Za-z][^<>\n]*>"),
    # Numbers with the units, signs and separators that cling to them.
    re.compile(r"[+\-−]?\d[\d.,:/%°^*]*"),
)


def base_code(lang: str) -> str:
    """``zh-Hans`` -> ``zh``: the identifier does not tell scripts or regions apart."""
    return lang.partition("-")[0]


def strip_non_prose(text: str) -> str:
    """Take code, formulas, URLs, mail addresses, tags and numbers out; keep the prose."""
    for pattern in _NON_PROSE:
        text = pattern.sub(" ", text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def count_letters(text: str) -> int:
    """Letters of a text; a CJK, kana or hangul sign counts as three."""
    dense = len(_DENSE.findall(text))
    return sum(map(str.isalpha, text)) + (_DENSE_WEIGHT - 1) * dense


def supported(languages: Iterable[str]) -> list[str]:
    """Those of the languages that the identifier knows, in the order given."""
    return [lang for lang in languages if base_code(lang) in _known()]


def identify(
    text: str, candidates: Iterable[str], min_letters: int = MIN_LETTERS
) -> tuple[str | None, float]:
    """The likeliest of ``candidates`` and its probability (0 … 1); ``(None, 0.0)`` when too short.

    The text is taken as it is: pass it through ``strip_non_prose`` first. Candidates that the
    identifier does not know are not considered. With fewer than two that it knows there is nothing
    to choose between, so it chooses among all its languages, and the answer may be none of them.
    """
    if len(text) * _DENSE_WEIGHT < min_letters or count_letters(text) < min_letters:
        return None, 0.0
    chosen, by_base = _choices(tuple(candidates))
    found, probability = _restricted(chosen).classify(text)
    return by_base.get(found, found), float(probability)


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
