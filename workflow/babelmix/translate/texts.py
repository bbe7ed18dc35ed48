"""A message as the audit looks at it: pieces to keep, prose, sentences, each found once."""

from __future__ import annotations

import re
from functools import cached_property

from .. import langid
from .protect import protected_pieces, without_protected

#: A text without any of these signs holds nothing to protect.
_HINT = re.compile(r"[`@\\$<&{%/~\[]|\]\(|www\.|\.[A-Za-z0-9]|XQ")
#: Characters at either end of a text that the language is told from.
_PLAIN_CHARS = 120
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+")
_MARKUP = re.compile(r"^[\s>#*+\-–•\d.)(]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Text:
    """One message. What a check asks for is computed on demand and kept."""

    def __init__(self, content: str) -> None:
        self.content = content
        hint = _HINT.search(content) is not None
        #: Code, addresses, formulas, tags, placeholders: what translation must keep.
        self.pieces = protected_pieces(content) if hint else []
        #: The rest; a blank stands for each piece.
        self.prose = (without_protected(content) if hint else content).strip()

    @cached_property
    def plain(self) -> str:
        """Prose without numbers either, its beginning and its end: enough to tell a language."""
        prose = self.prose
        if len(prose) > 2 * _PLAIN_CHARS:
            prose = f"{prose[:_PLAIN_CHARS]} {prose[-_PLAIN_CHARS:]}"
        return langid.strip_non_prose(prose)

    @cached_property
    def letters(self) -> int:
        """Letters of the prose; a sign of a dense script counts as three."""
        return langid.count_letters(self.prose)

    @cached_property
    def sentences(self) -> list[str]:
        """Sentences and lines of the prose, list marks and outer blanks taken off."""
        parts = (_MARKUP.sub("", part).strip() for part in _SENTENCE_END.split(self.prose))
        return [part for part in parts if part]

    @cached_property
    def words(self) -> list[str]:
        """Words of the prose, in small letters."""
        return words(self.prose)


def words(text: str) -> list[str]:
    """Words of a text in small letters; numbers and signs left out."""
    return _WORD.findall(text.lower())
