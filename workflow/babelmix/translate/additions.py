"""What a translator adds around a translation: quotation marks, a note after it, an explanation."""

from __future__ import annotations

import re

from .texts import Text

#: Opening quotation marks and what may close each.
_QUOTES = {
    '"': '"', "“": "”“", "„": "“”„", "«": "»", "»": "«", "‹": "›", "「": "」", "『": "』", "'": "'",
    "‘": "’", "‚": "‘’",
}  # fmt: skip
_ANY_QUOTE = "\"“”„«»‹›「」『』'‘’‚"
#: "Note" as chat models head a remark on their translation, in the languages they remark in.
_NOTE_WORDS = (
    r"(?:translat\w+['’]?s?\s+)?notes?|n\.?\s?b|explanation|hinweis|anmerkung(?:en)?|erläuterung|"
    r"remarques?|notes?\s+du\s+traducteur|nota(?:\s+del\s+traduct?t?ore?)?|notas?|osservazione|"
    r"observaci[oó]n|aclaraci[oó]n|observação|opmerking(?:en)?|toelichting|uwaga|poznámka|bemærk|"
    r"anmärkning|obs|huomautus|huom|märkus|megjegyzés|notă|napomena|opomba|примечани[ея]|"
    r"пояснение|примітка|бележка|σημείωση|ملاحظة|הערה|توجه|نوٹ|नोट|টীকা|หมายเหตุ|catatan|ghi\s+chú|"
    r"dokezo|tanbihi|kumbuka|注释|注解|注意|注|備考|補足|译注|譯註|訳注|説明|참고|주의|역주"
)
_NOTE = re.compile(
    rf"(?:^|[\n.!?。！？)\]\"”»]\s*)[*_]*[(\[（【]?\s*[*_]*(?:{_NOTE_WORDS})(?!\w)[*_]*"
    r"(?:\s+[^:：\n.]{0,40})?\s*[:：]",
    re.IGNORECASE,
)
#: `※`, which opens a note of its own line in Japanese and Korean.
_REFERENCE = re.compile(r"\n\s*[(（]?※[^\n]+")
_ANY_NOTE = re.compile(rf"(?<!\w)(?:{_NOTE_WORDS})(?!\w)", re.IGNORECASE)
#: Where a note is looked for: the end of the text.
_TAIL = 700
_LAST_BRACKET = re.compile(r"[(\[（【]([^()\[\]（）【】]{15,600})[)\]）】][*_.\s]*$")
#: `ВВП (валовой внутренний продукт)`: an abbreviation, written out.
_ABBREVIATION = re.compile(r"(?<!\w)[A-ZА-ЯІЇЄΑ-Ω][A-ZА-ЯІЇЄΑ-Ω\d]{1,6}\s*$")
_GLOSS_CHARS = 80
_STOP = re.compile(r"[.!?。！？]$")
_TITLE_CHARS = 60
_SMALL_IN_TITLES = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "the", "to"}
)
_OPENING = re.compile(r"[(\[（【]")


def addition_sign(source: Text, target: Text) -> str:
    """What shows that a translation has something added to it; empty when nothing does."""
    wrapped = _is_wrapped(target.content) and not _is_wrapped(source.content)
    if wrapped and not _is_title(source.content):
        return "wrapped in quotation marks"
    tail = target.prose[-_TAIL:]
    if (found := _last_note(tail)) and not _ANY_NOTE.search(source.prose):
        return f"a note after it: '{found[:40]}'"
    if (mark := _REFERENCE.search(tail)) and "※" not in source.prose:
        return f"a note after it: '{mark.group().strip()[:40]}'"
    bracket = _LAST_BRACKET.search(tail)
    if bracket and _brackets(target) > _brackets(source) and not _is_gloss(tail, bracket):
        return f"a remark after it: '({bracket[1].strip()[:40]}'"
    return ""


def _last_note(tail: str) -> str:
    """The text from the last head of a note on, unless the text itself begins with it."""
    found = ""
    for match in _NOTE.finditer(tail):
        if match.start():
            found = tail[match.start() :].lstrip('\n.!?。！？)]"”» ')
    return found


def _is_title(text: str) -> bool:
    """Whether a text is a name: many languages put a book's or film's into quotation marks."""
    text = text.strip()
    if not text or text[-1] in ".!?:;" or len(text) > _TITLE_CHARS:
        return False
    said = [word for word in text.split() if word[0].isalpha()]
    return len(said) > 1 and all(w[0].isupper() or w in _SMALL_IN_TITLES for w in said)


def _is_gloss(tail: str, bracket: re.Match[str]) -> bool:
    """Whether brackets right behind an abbreviation, within the sentence, write it out."""
    word = _ABBREVIATION.search(tail[: bracket.start()])
    return bool(word) and len(bracket[1]) <= _GLOSS_CHARS and not _STOP.search(bracket[1].rstrip())


def _brackets(text: Text) -> int:
    return len(_OPENING.findall(text.prose))


def _is_wrapped(text: str) -> bool:
    """Whether one pair of quotation marks encloses the whole text."""
    text = text.strip()
    if len(text) < 3 or text[-1] not in _QUOTES.get(text[0], ""):
        return False
    inner = text[1:-1]
    if text[0] in "'‘‚":  # an apostrophe is no quotation mark
        return not re.search(r"(?<!\w)['’‘]|['’‘](?!\w)", inner)
    return not any(mark in inner for mark in (text[0], text[-1]))
