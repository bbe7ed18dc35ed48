"""What rows call their languages -> codes of the configuration."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..config.sources import Source
from ..resources import RESOURCES
from .fields import MISSING, at
from .rows import BadRow, missing


class LanguageColumn:
    """Finds the language of each row of one source; what was met is counted in ``met``."""

    def __init__(self, source: Source) -> None:
        self.path = source.language_column or ""
        self.met: Counter[str] = Counter()
        self._code = functools.cache(
            lambda value: code_of(value, source.languages, source.language_values)
        )

    def check(self, row: dict[str, Any], lang: str) -> None:
        """Raise BadRow unless the row is in ``lang``."""
        value = at(row, self.path)
        if value is MISSING or missing(value) or value == "":
            raise BadRow(f"{self.path} is missing")
        code = self._code(str(value).strip())
        self.met[code or str(value)[:40]] += 1
        if code != lang:
            raise BadRow("in another language")

    def text(self) -> str:
        """What was met, the most frequent first."""
        return ", ".join(f"{name} ({n})" for name, n in self.met.most_common(8))


def code_of(
    value: str, languages: Sequence[str], values: Mapping[str, str | list[str]] = {}
) -> str | None:
    """The one of ``languages`` that a code or an English name means, or None.

    The closest fits: `zh_Hant` is zh-Hant where that is listed and zh where only that is. Codes of
    single languages count as their macrolanguage (`arb` as ar, `cmn` as zh), by ISO 639-3's table.
    """
    for code, named in values.items():
        if value in ([named] if isinstance(named, str) else named):
            return code
    for code in languages:
        if value.replace("_", "-").casefold() == code.casefold():
            return code
    tag = _parts(_names().get(value.casefold()) or value)
    if tag is None:
        return None
    fitting = [(_closeness(tag, _parts(code)), code) for code in languages]
    best = max(fitting, default=(0, ""))
    return best[1] if best[0] else None


@functools.cache
def _names() -> dict[str, str]:
    """English names of the languages that are known, and their codes."""
    known = yaml.safe_load((RESOURCES / "languages.yaml").read_text(encoding="utf-8"))
    return {entry["name"].casefold(): code for code, entry in known.items()}


def _parts(tag: str) -> tuple[str, str | None, str | None] | None:
    """Language, script and region of a code; None where it is none."""
    import langcodes

    try:
        found = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True))
    except ValueError:
        return None
    if not found.language or not found.is_valid():
        return None
    return found.language, found.script, found.territory


def _closeness(
    tag: tuple[str, str | None, str | None], wanted: tuple[str, str | None, str | None] | None
) -> int:
    """0 where a code does not fall under another, else more the closer it is."""
    if wanted is None or tag[0] != wanted[0]:
        return 0
    closeness = 1
    for given, asked in zip(tag[1:], wanted[1:], strict=True):
        if asked is not None:
            if given != asked:
                return 0
            closeness += 1
    return closeness
