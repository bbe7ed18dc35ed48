"""Placeholders that a backend put before or after the sentence they belong in."""

from __future__ import annotations

import re

_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]+\}\}|\$?\{[A-Za-z_][\w.-]*\}|%\([A-Za-z_]\w*\)[sdif]|%[sdif]\b"
)
_STOP = "[.!?。！？]"
_AHEAD = re.compile(rf"(?:^|{_STOP}\s+)$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？؟।])\s*|\n+")
_CAPITAL = re.compile(r"\s+([A-ZÀ-ÖØ-ÞА-Я]\w*)")
_AFTER = re.compile(rf"{_STOP}[\"'”’»)]*\s+$")
#: German writes nouns in capitals: there only these open a sentence behind a placeholder.
_OPENERS_DE = re.compile(
    r"(?:Alle|Als|Auf|Aus|Bei|Bitte|Das|Dass|Deine?|Dem|Den|De[rs]|Dies(?:e[rs]?)?|Die|Du|Eine?[nr]?|Er|Es|Für|"
    r"Gib|Hat|Ich|Ihre?|Im|In|Ist|Jeder?|Kann|Mein|Mit|Nach|Sie|Sind|Um|Und|Unser|Von|Wenn|Wir|Zu[mr]?)"
)


def moved_placeholder(source: str, target: str, lang: str) -> str:
    """The first placeholder that left its sentence; empty when none did.

    The source must have it once and within a sentence. Other moves may be right: orders differ.
    """
    for match in _PLACEHOLDER.finditer(source):
        name = match.group()
        if source.count(name) != 1 or target.count(name) != 1:
            continue
        if not _is_within(source[: match.start()], source[match.end() :]):
            continue
        before, _, after = target.partition(name)
        if _AHEAD.search(before) and _opens_sentence(after, lang):
            return name
        if _AFTER.search(before) and not after.strip():
            return name
    return _in_other_sentence(source, target)


def _in_other_sentence(source: str, target: str) -> str:
    """The first placeholder in another sentence, where both sides have as many sentences.

    A placeholder that only one side has, or has more often, is not looked at.
    """
    here, there = (
        [part for part in _SENTENCE_END.split(side.strip()) if re.search(r"\w", part)]
        for side in (source, target)
    )
    if len(here) != len(there) or len(here) < 2:
        return ""
    for match in _PLACEHOLDER.finditer(source):
        name = match.group()
        if source.count(name) == target.count(name) == 1:
            at, now = (next(i for i, p in enumerate(side) if name in p) for side in (here, there))
            if at != now:
                return name
    return ""


def _is_within(before: str, after: str) -> bool:
    """Whether words of the same sentence stand on both sides."""
    here = re.split(rf"{_STOP}\s|\n", before)[-1]
    there = re.split(rf"{_STOP}(?:\s|$)|\n", after)[0]
    return bool(re.search(r"\w", here) and re.search(r"\w", there))


def _opens_sentence(after: str, lang: str) -> bool:
    """Whether what follows begins with a word in capitals that begins a sentence."""
    word = _CAPITAL.match(after)
    if word is None:
        return False
    return lang.partition("-")[0] not in {"de", "lb"} or bool(_OPENERS_DE.fullmatch(word[1]))
