"""A message as the audit looks at it: pieces to keep, prose, sentences, each found once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from .. import langid
from .protect import taken_apart

#: Characters at either end of a text that the language is told from.
_PLAIN_CHARS = 120
_SENTENCE_END = re.compile(r"(?<=[.!?…؟۔।॥။።។։])[\"'”’“‘»«)\]]*\s+|(?<=[。！？])|\n+")
_MARKUP = re.compile(r"^[\s>#*+\-–•\d.)(]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Text:
    """One message. What a check asks for is computed on demand and kept."""

    def __init__(self, content: str) -> None:
        self.content = content
        #: Code, addresses, formulas, tags, placeholders: what translation must keep.
        self.pieces, prose = taken_apart(content)
        #: The rest; a blank stands for each piece.
        self.prose = prose.strip()
        self._found: langid.Found | None = None

    @cached_property
    def plain(self) -> str:
        """Prose without numbers either, its beginning and its end: enough to tell a language."""
        prose = self.prose
        if len(prose) > 2 * _PLAIN_CHARS:
            prose = f"{prose[:_PLAIN_CHARS]} {prose[-_PLAIN_CHARS:]}"
        return langid.strip_non_prose(prose)

    @property
    def language(self) -> langid.Found:
        """What language the prose is in, among all."""
        if self._found is None:
            self._found = langid.identify(self.plain)
        return self._found

    @cached_property
    def letters(self) -> int:
        """Letters of the prose; a sign of a dense script counts as three."""
        return langid.count_letters(self.prose)

    @cached_property
    def sentences(self) -> list[str]:
        """Sentences and lines of the prose, list marks and outer blanks taken off."""
        parts = (_MARKUP.sub("", part).strip() for part in _SENTENCE_END.split(self.prose))
        return [part for part in parts if part]


def words(text: str) -> list[str]:
    """Words of a text in small letters; numbers and signs left out."""
    return _WORD.findall(text.lower())


def identify_texts(texts: Sequence[Text]) -> None:
    """Find the languages of many texts at once, for ``Text.language``."""
    found = langid.identify_all([text.plain for text in texts])
    for text, language in zip(texts, found, strict=True):
        text._found = language
