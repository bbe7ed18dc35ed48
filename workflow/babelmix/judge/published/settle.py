"""Published entries -> judgements: our own reading of the text beside the published verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...io import digest
from ...records import Judgement
from ...resources import language_catalogue
from ..verdict import SCALE, Verdict, parse_preference, parse_rating
from .entry import Entry, category_of, is_failure, split_id

FAILED = "the judge's call failed"
NOTHING = "no verdict published"
#: Category of a question that has none.
UNKNOWN = "uncategorised"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the command line says of all entries. ``categories`` is by question id."""

    lang: str = "en"
    scale: tuple[float, float] = SCALE
    trust: bool = False
    categories: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Comparison:
    """Our reading against the published one, where a file has both."""

    same: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)


def to_judgement(entry: Entry, number: int, source: str, setting: Setting) -> Judgement:
    """One record; its key is the entry's place in its file, so that repeated calls stay apart."""
    question_id, lang = split_id(entry.question_id, set(language_catalogue()))
    verdict = settle(entry, setting)
    single = entry.protocol == "single"
    category = entry.category or setting.categories.get(question_id)
    return Judgement(
        key=digest([source, number, entry.order, entry.judge]),
        question_id=question_id,
        lang=entry.lang or lang or setting.lang,
        category=category or category_of(question_id) or UNKNOWN,
        turn=entry.turn,
        run=file_name(entry.run),
        baseline=file_name(entry.baseline) if entry.baseline else "",
        protocol=entry.protocol,
        order=entry.order,
        judge=file_name(entry.judge),
        score=verdict.value if single else None,
        verdict=None if single else verdict.value,
        unscored_reason=verdict.reason,
        raw=printable(entry.text or entry.extra.get("raw") or ""),
        tokens_in=0,
        tokens_out=0,
        cost=0.0,
        sample=entry.sample,
    )


def settle(entry: Entry, setting: Setting) -> Verdict[Any]:
    """The verdict that counts: read from the text; the published one where there is no text."""
    if entry.text is None:
        return _given(entry, setting)
    read = read_text(entry, setting)
    if read.value is None and setting.trust and not is_failure(entry.text):
        published = _given(entry, setting)
        return published if published.value is not None else read
    return read


def read_text(entry: Entry, setting: Setting) -> Verdict[Any]:
    """Our reading of the judge's text."""
    text = entry.text or ""
    if is_failure(text):
        return Verdict(None, f"{FAILED}: {text.strip()}")
    if entry.read is not None:
        return entry.read
    finish_reason = entry.extra.get("finish_reason")
    if entry.protocol == "single":
        return parse_rating(text, setting.scale, finish_reason)
    return parse_preference(text, finish_reason)


def _given(entry: Entry, setting: Setting) -> Verdict[Any]:
    value = entry.given
    if value is None:
        return Verdict(None, NOTHING)
    if entry.protocol == "single" and isinstance(value, float | int):
        low, high = setting.scale
        if not low <= value <= high:
            return Verdict(None, f"out of range {low:g} to {high:g}: {value:g}")
        return Verdict(float(value))
    return Verdict(value)


def compare(entries: Sequence[Entry], setting: Setting) -> Comparison:
    """Where the published verdict is not what we read in the text."""
    found = Comparison()
    for number, entry in enumerate(entries, start=1):
        if entry.text is None:
            continue
        read = read_text(entry, setting)
        if read.value == entry.given:
            found.same += 1
        else:
            found.differing.append(
                {
                    "entry": number,
                    "question_id": entry.question_id,
                    "turn": entry.turn,
                    "run": entry.run,
                    "order": entry.order,
                    "published": entry.given,
                    "read": read.value,
                    "reason": read.reason,
                    "end_of_text": printable(entry.text[-200:]),
                }
            )
    return found


def repeated(judgements: Sequence[Judgement]) -> int:
    """Rows that judge what another row of the same judge judges too."""
    slots = Counter(
        (j.judge, j.run, j.baseline, j.question_id, j.lang, j.turn, j.sample, j.order)
        for j in judgements
    )
    return sum(count - 1 for count in slots.values())


def file_name(name: str) -> str:
    """A name that can be a file's: what is not a letter, digit, dot or dash becomes ``-``."""
    return re.sub(r"[^\w.+-]+", "-", name.strip()).strip("-.") or "unnamed"


def printable(text: str) -> str:
    """Text that UTF-8 can hold: halves of surrogate pairs become U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
