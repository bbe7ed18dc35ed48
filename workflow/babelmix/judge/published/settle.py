"""Published entries -> judgements: our own reading of the text beside the published verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """What the command line says of all entries. ``categories`` is by question id.

    ``trust``: the published verdict stands in where the text gives us none. ``as_published``: it
    counts always. ``scale_given``: the user said the scale; else an odd published grade is kept.
    """

    lang: str = "en"
    scale: tuple[float, float] = SCALE
    trust: bool = False
    as_published: bool = False
    scale_given: bool = False
    categories: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Comparison:
    """Our reading against the published one, where a file has both.

    ``straight`` and ``turned`` say of each pick of one answer, in the first order and in the
    exchanged one, whether we read the other letter.
    """

    same: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)
    straight: list[bool] = field(default_factory=list)
    turned: list[bool] = field(default_factory=list)

    @property
    def letters_seem_to_name_models(self) -> bool:
        """Whether what we read is the other letter in most replies to the exchanged order alone."""
        mostly = 2 * sum(self.turned) > len(self.turned)
        return len(self.turned) > 2 and mostly and 2 * sum(self.straight) <= len(self.straight)


def to_judgement(entry: Entry, number: int, source: str, setting: Setting) -> Judgement:
    """One record; its key is the entry's place in its file, so that repeated calls stay apart."""
    question_id, lang = split_id(entry.question_id, set(language_catalogue()))
    verdict, origin = settle(entry, setting)
    single = entry.protocol == "single"
    category = entry.category or setting.categories.get(question_id)
    return Judgement(
        key=digest([source, number, entry.order, entry.judge, entry.run, entry.baseline]),
        question_id=question_id,
        lang=entry.lang or lang or setting.lang,
        category=str(category or category_of(question_id) or UNKNOWN),
        turn=entry.turn,
        run=file_name(entry.run),
        baseline=file_name(entry.baseline) if entry.baseline else "",
        protocol=entry.protocol,
        order=entry.order,
        judge=file_name(entry.judge),
        score=verdict.value if single else None,
        verdict=None if single else verdict.value,
        unscored_reason=verdict.reason,
        raw=printable(entry.text or entry.note),
        tokens_in=0,
        tokens_out=0,
        cost=0.0,
        sample=entry.sample,
        origin=origin,
        weight=entry.weight,
        strength=entry.strength if origin == "published" else verdict.strength or "",
        score_a=entry.score_a,
        score_b=entry.score_b,
        length_a=entry.length_a,
        length_b=entry.length_b,
    )


def settle(entry: Entry, setting: Setting) -> tuple[Verdict[Any], str]:
    """The verdict that counts and its ``origin``: our reading of the text, or the published one.

    The published one counts where there is no text, and everywhere if it is to be taken as it is.
    """
    if setting.as_published or not has_text(entry):
        return _given(entry, setting), "published"
    read = read_text(entry, setting)
    if read.value is None and setting.trust and not is_failure(entry.text):
        published = _given(entry, setting)
        return (published, "published") if published.value is not None else (read, "reply")
    return read, "reply"


def has_text(entry: Entry) -> bool:
    """Whether there is a reply to read. An empty one beside a published verdict is none."""
    if entry.text is None:
        return False
    return bool(entry.text.strip()) or entry.given in (None, -1)


def read_text(entry: Entry, setting: Setting) -> Verdict[Any]:
    """Our reading of the judge's text."""
    text = entry.text or ""
    if is_failure(text):
        return Verdict(None, f"{FAILED}: {text.strip()}")
    if entry.read is not None:
        return entry.read
    if entry.protocol == "single":
        return parse_rating(text, setting.scale, entry.finish_reason)
    return parse_preference(text, entry.finish_reason)


def _given(entry: Entry, setting: Setting) -> Verdict[Any]:
    value = entry.given
    if entry.protocol == "single" and isinstance(value, float | int):
        low, high = setting.scale
        if value == -1 < low:  # FastChat's mark of a failure
            return Verdict(None, NOTHING)
        if not low <= value <= high and (setting.scale_given or not setting.as_published):
            return Verdict(None, f"out of range {low:g} to {high:g}: {value:g}")
        return Verdict(float(value))
    if value is None:
        return Verdict(None, f"{NOTHING}: {entry.spelled}" if entry.spelled else NOTHING)
    return Verdict(value)


def beyond_scale(entry: Entry, setting: Setting) -> bool:
    """Whether a published grade lies outside the scale."""
    low, high = setting.scale
    number = entry.given if entry.protocol == "single" else None
    return isinstance(number, float | int) and number != -1 and not low <= number <= high


def compare(entries: Sequence[Entry], setting: Setting) -> Comparison:
    """Where the published verdict is not what we read in the text."""
    found = Comparison()
    for number, entry in enumerate(entries, start=1):
        if not has_text(entry) or not entry.published:
            continue
        read = read_text(entry, setting)
        given = _given(entry, replace(setting, as_published=True, scale_given=False)).value
        if given in ("A", "B") and entry.order:
            picks = found.turned if entry.order == "BA" else found.straight
            picks.append(read.value in ("A", "B") and read.value != given)
        if read.value == given:
            found.same += 1
        else:
            found.differing.append(
                {
                    "entry": number,
                    "question_id": entry.question_id,
                    "turn": entry.turn,
                    "run": entry.run,
                    "baseline": entry.baseline,
                    "judge": entry.judge,
                    "order": entry.order,
                    "published": given,
                    "read": read.value,
                    "reason": read.reason,
                    "end_of_text": printable((entry.text or "")[-200:]),
                }
            )
    return found


def same_letter_in_both_orders(entries: Sequence[Entry]) -> bool:
    """Whether most pairs have the same letter in both orders, and no reply that could tell why."""
    shown: dict[tuple[object, ...], set[str]] = {}
    for one in entries:
        if one.order and one.text is None and one.says in ("A", "B"):
            item = (one.question_id, one.lang, one.turn, one.sample, one.run, one.judge)
            shown.setdefault(item, set()).add(one.order + one.says)
    both = [said for said in shown.values() if {word[:2] for word in said} == {"AB", "BA"}]
    same = sum(len({word[2:] for word in said}) == 1 for said in both)
    return len(both) > 2 and 2 * same > len(both)


def repeated(judgements: Sequence[Judgement], entries: Sequence[Entry], votes: bool) -> int:
    """Rows that judge what another row of the same judge judges too: votes, or the others."""
    slots = Counter(
        (j.judge, j.run, j.baseline, j.question_id, j.lang, j.turn, j.sample, j.order)
        for j, entry in zip(judgements, entries, strict=True)
        if entry.is_vote == votes
    )
    return sum(count - 1 for count in slots.values())


def file_name(name: str) -> str:
    """A name that can be a file's: what is not a letter, digit, dot or dash becomes ``-``."""
    return re.sub(r"[^\w.+-]+", "-", name.strip()).strip("-.") or "unnamed"


def printable(text: str) -> str:
    """Text that UTF-8 can hold: halves of surrogate pairs become U+FFFD."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
