"""Delimiters of the judge's prompt in what a model wrote: made harmless, and counted.

An answer that closes its own block and adds a verdict of its own could speak to the judge as the
prompt does. Such marks get other brackets; all else in the answer stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache

from ..io import digest
from .fastchat_prompts import load_fastchat_prompts
from .prompts import available, load_prompts

_BRACKETED = re.compile(r"\[[^\[\]\n{}]{2,80}\]|<\|[^|\n{}]{2,80}\|>")
_OTHER = str.maketrans({"[": "⟦", "]": "⟧", "<": "‹", ">": "›"})


def neutralise(text: str, published: str | None = None, lang: str = "en") -> tuple[str, int]:
    """Return the text with other brackets around the prompt's delimiters, and how many it held.

    ``published``: the path of FastChat's own prompts, where the judge uses them. Spelling of case
    and spaces does not matter, nor which language's prompt a delimiter is from.
    """
    if "[" not in text and "<|" not in text:
        return text, 0
    marks = _own() | (_published(published, lang) if published else frozenset())
    return _pattern(marks).subn(lambda match: match[0].translate(_OTHER), text)


def _folded(mark: str) -> str:
    return " ".join(mark.casefold().replace("’", "'").split())


@lru_cache(maxsize=8)
def _pattern(marks: frozenset[str]) -> re.Pattern[str]:
    spelled = (
        r"\s*".join(re.escape(word) for word in re.findall(r"\w+|[^\w\s]", mark))
        for mark in sorted(marks, key=len, reverse=True)
    )
    return re.compile("|".join(spelled).replace("'", "['’]"), re.IGNORECASE)


@lru_cache(maxsize=1)
def _own() -> frozenset[str]:
    """Delimiters of our prompts, in all languages."""
    found: set[str] = set()
    for lang in available():
        for template in load_prompts(lang).user.values():
            found |= {_folded(mark) for mark in _BRACKETED.findall(template)}
    return frozenset(found)


def own_prompts_digest(languages: Iterable[str]) -> str:
    """Digest of what our prompts put to a judge in these languages: texts, and all delimiters.

    Comments and layout of their files do not count.
    """
    texts = {lang: asdict(load_prompts(lang)) for lang in languages}
    return digest([texts, sorted(_own())])


@lru_cache(maxsize=8)
def _published(path: str, lang: str) -> frozenset[str]:
    prompts = load_fastchat_prompts(path, lang).prompts.values()
    templates = [str(prompt["prompt_template"]) for prompt in prompts]
    return frozenset(_folded(mark) for text in templates for mark in _BRACKETED.findall(text))
