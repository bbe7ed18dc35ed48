"""The language of imported rows: one for all, a field's, or one that a file's path names."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ...resources import language_catalogue
from .tabular import field_at, names_in_path

#: English names of languages beyond the catalogue, as published files write them.
_NAMES = {
    "unknown": "und", "japanese": "ja", "korean": "ko", "vietnamese": "vi", "thai": "th",
    "turkish": "tr", "swedish": "sv", "danish": "da", "norwegian": "no", "hungarian": "hu",
    "romanian": "ro", "greek": "el", "bulgarian": "bg", "catalan": "ca", "indonesian": "id",
    "malay": "ms", "persian": "fa", "bengali": "bn", "tamil": "ta", "telugu": "te", "urdu": "ur",
    "lithuanian": "lt", "latvian": "lv", "basque": "eu", "galician": "gl", "icelandic": "is",
}  # fmt: skip
_CODE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,4}){0,2}")


@dataclass(frozen=True, slots=True)
class LanguageSource:
    """What ``--lang`` says: a code, ``field:NAME`` or ``path:PATTERN`` with ``{lang}``.

    ``said`` is False where the option was left out.
    """

    code: str = "en"
    field: str | None = None
    pattern: str | None = None
    said: bool = True

    def of_file(self, path: Path) -> str:
        """The language of a file's rows that do not name theirs."""
        if self.pattern is None:
            return self.code
        return language_code(names_in_path(path, self.pattern)["lang"], str(path))

    def own_of_row(self, row: Mapping[str, Any], where: str) -> str | None:
        """The language that a row names by itself, in ``lang`` or ``language``.

        A value there that is no language (a programming language) is an error, or passed over where
        ``--lang`` says the language.
        """
        value = next((row[name] for name in ("lang", "language") if row.get(name)), None)
        if not isinstance(value, str):
            return None
        try:
            return language_code(value, where)
        except BabelmixError:
            if self.said:
                return None
            raise

    def of_row(self, row: Mapping[str, Any], where: str) -> str | None:
        """The language that a row's field names; None where no field is asked for."""
        if self.field is None:
            return None
        value = field_at(row, self.field, None)
        if value is None or not str(value).strip():
            raise BabelmixError(f"{where}: --lang field:{self.field}: the row has no such value.")
        return language_code(str(value), where)


def parse_lang(words: str | None) -> LanguageSource:
    """Read ``--lang``; English where it is left out."""
    if words is None:
        return LanguageSource(said=False)
    kind, colon, rest = words.partition(":")
    if not colon:
        return LanguageSource(code=language_code(words, "--lang"))
    if kind == "field" and rest:
        return LanguageSource(field=rest)
    if kind == "path" and "{lang}" in rest:
        return LanguageSource(pattern=rest)
    raise BabelmixError(
        f"--lang: '{words}' is none of CODE (`de`), `field:NAME` (`field:language`) and "
        "`path:PATTERN` with {lang} (`path:*_{lang}.jsonl`)."
    )


def language_code(name: str, where: str) -> str:
    """A code as ``de`` or ``pt-br`` of a code, an ISO 639-3 code or an English name."""
    folded = name.strip().casefold()
    known = _by_name().get(folded)
    if known is None and _CODE.fullmatch(folded):
        known = folded.replace("_", "-")
    if known is None:
        raise BabelmixError(
            f"{where}: '{name}' names no language. Write a code, as `de`, or an English name, as "
            "`German`; `--lang CODE` says it for all rows that name none."
        )
    return known


@functools.cache
def _by_name() -> dict[str, str]:
    found = dict(_NAMES)
    for code, entry in language_catalogue().items():
        for key in (entry.get("name"), entry.get("iso639_3")):
            if key:
                found[str(key).casefold()] = code
    return found | {code: code for code in language_catalogue()}
