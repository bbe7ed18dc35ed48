"""Checks of a translated row: each names what it measured, and abstains rather than guesses.

Rows that fail are not dropped here; what becomes of them is the pool's decision.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ..records import TASK_FLAG, Check, Message
from .additions import addition_sign
from .alignment import unpaired_sentences
from .code import lost_names
from .echo import echo_sign
from .lengths import MIN_CHARS
from .loops import COPIES, extra_sentences, loop_copies
from .numbers import odd_numbers, shown
from .pair import Pair, plain_pair
from .placeholders import moved_placeholder
from .tasks import LANGUAGE, fragile_kinds
from .texts import Text
from .wording import (
    Pairs,
    answered_check,
    language_check,
    own_language_check,
    untranslated_check,
)

#: A closing mark, also behind quotes and brackets; a letter, digit or comma is none.
_CLOSED = re.compile(r"[.!?…:;。！？؟۔।॥။።។։*_`|>][\"'”’»«)\]]*$|[\"'”’»)\]]$")
_OPEN = re.compile(r"[\w,،、]$")
#: Shorter texts (characters) are titles and labels, whose closing mark may go.
_LONG_CHARS = 60
#: `d.h.`, `z.B`: abbreviations that look like file names.
_ABBREVIATION = re.compile(r"(?:\w\.)+\w?")


def audit(
    source: Sequence[Message], target: Sequence[Message], pivot: str, lang: str
) -> list[Check]:
    """The checks of one translated row of which no pool is known."""
    turns = turn_check(source, target)
    if not turns.ok:
        return [turns]
    before, after = ([Text(m.content) for m in side] for side in (source, target))
    return [turns, *audit_texts(before, after, plain_pair(pivot, lang))]


def audit_texts(source: Sequence[Text], target: Sequence[Text], pair: Pair) -> list[Check]:
    """The checks of a translated row whose turns match (``turn_check``)."""
    pairs = list(zip(source, target, strict=True))
    cut = [is_cut(before, after) for before, after in pairs]
    return [
        protected_check(pairs, pair.lang),
        numbers_check(pairs, pair),
        length_check(pairs, pair, cut),
        sentences_check(pairs, pair, cut),
        language_check(pairs, pair),
        untranslated_check(pairs, pair),
        repetition_check(pairs),
        answered_check(pairs, pair),
        added_check(pairs),
        echo_check(source, target),
    ]


def audit_held(target: Sequence[Text], pair: Pair) -> list[Check]:
    """The checks of a text that is not a translation of the pivot's: those of the text alone."""
    pairs = [(Text(""), text) for text in target]
    return [own_language_check(target, pair.lang), repetition_check(pairs)]


def turn_check(source: Sequence[Message], target: Sequence[Message]) -> Check:
    """The same roles in the same order, no message empty."""
    ok = [m.role for m in source] == [m.role for m in target]
    ok = ok and all(m.content.strip() for m in target)
    return Check("turns", ok, float(len(target)))


def task_flag(source: Sequence[Message], pivot: str) -> Check:
    """Names the kinds of task that translation breaks; passes always, value: how many."""
    if pivot != LANGUAGE:
        return Check(TASK_FLAG, True, None, f"not measured: the rules are for '{LANGUAGE}'")
    kinds = fragile_kinds(m.content for m in source if m.role == "user")
    return Check(TASK_FLAG, True, float(len(kinds)), ", ".join(kinds))


def protected_check(pairs: Pairs, lang: str) -> Check:
    """Code, addresses, formulas, tags and placeholders are the same; value: how many differ.

    Of code without fences the keywords and names count, of JSON the keys. A placeholder that the
    source has within a sentence must not stand before or after the translated one.
    """
    odd: Counter[str] = Counter()
    for source, target in pairs:
        if source.pieces != target.pieces:
            odd += _difference(source.pieces, target.pieces)
        odd += lost_names(source.prose, target.content)
        if source.pieces and (moved := moved_placeholder(source.content, target.content, lang)):
            odd[f"{moved} (moved)"] += 1
    return Check("protected", not odd, float(odd.total()), _shown(odd))


def numbers_check(pairs: Pairs, pair: Pair) -> Check:
    """The prose has the same numbers, as each language writes them; value: how many differ."""
    odd: list[str] = []
    for source, target in pairs:
        odd += odd_numbers(source.prose, target.prose, pair.pivot, pair.lang)
    return Check("numbers", not odd, float(len(odd)), shown(odd))


def length_check(pairs: Pairs, pair: Pair, cut_off: Sequence[bool]) -> Check:
    """Prose lengths are in proportion; value: the ratio furthest from what is usual.

    ``cut_off``: of each message whether it ends in mid-sentence (``is_cut``).
    """
    worst: tuple[float, float, str] | None = None
    for (source, target), cut in zip(pairs, cut_off, strict=True):
        before, after = len(source.prose), len(target.prose)
        if before < MIN_CHARS:
            continue
        ratio = after / before
        low, high = pair.lengths.bounds(before, cut)
        badness = max(ratio / high, low / ratio if ratio else float("inf"))
        if worst is None or badness > worst[0]:
            said = f"{ratio:.2f}, usual: {low:.2f} to {high:.2f}" + (", cut off" if cut else "")
            worst = (badness, ratio, said)
    if worst is None:
        return Check("length_ratio", True, None, "not measured: too short")
    ok = worst[0] <= 1
    return Check("length_ratio", ok, round(worst[1], 4), "" if ok else worst[2])


def sentences_check(pairs: Pairs, pair: Pair, cut_off: Sequence[bool]) -> Check:
    """No sentence is lost, none added, and the last one is not cut; value: how many are."""
    odd: list[str] = []
    for (source, target), cut in zip(pairs, cut_off, strict=True):
        found = unpaired_sentences(source, target, pair.lengths)
        odd += [f"lost: '{sentence[:40]}'" for sentence in found.lost]
        odd += [f"added: '{sentence[:40]}'" for sentence in found.added]
        # A text of some length that ends in mid-sentence where its source ends with a stop.
        if cut and not found.lost and len(source.prose) >= _LONG_CHARS:
            odd.append(f"cut off: '…{target.prose[-30:]}'")
    return Check("sentences", not odd, float(len(odd)), "; ".join(odd[:2]))


def added_check(pairs: Pairs) -> Check:
    """Nothing stands around the translation: quotation marks, notes; value: messages with such."""
    signs = [sign for source, target in pairs if (sign := addition_sign(source, target))]
    return Check("added", not signs, float(len(signs)), signs[0] if signs else "")


def echo_check(source: Sequence[Text], target: Sequence[Text]) -> Check:
    """No answer became a part of its question; value: 1 where one did."""
    sign = echo_sign(source, target)
    return Check("echo", not sign, float(bool(sign)), sign)


def is_cut(source: Text, target: Text) -> bool:
    """Whether the source ends with a closing mark and the translation in mid-sentence."""
    return bool(_CLOSED.search(source.content.rstrip()[-4:])) and bool(
        _OPEN.search(target.content.rstrip()[-1:])
    )


def repetition_check(pairs: Pairs) -> Check:
    """Nothing is said over and over in a row; value: copies in the worst loop."""
    worst, detail = 1, ""
    for source, target in pairs:
        copies = loop_copies(target.prose)
        worst = max(worst, copies)
        if copies >= COPIES and copies > loop_copies(source.prose):
            detail = detail or f"{copies} copies in a row"
        elif extra := extra_sentences(source, target):
            worst = max(worst, extra + 1)
            detail = detail or f"a sentence stands there {extra + 1} times"
    return Check("repetition", not detail, float(worst), detail)


def _difference(first: Iterable[str], second: Iterable[str]) -> Counter[str]:
    """Pieces missing, and pieces new but for abbreviations that only look like files."""
    before: Counter[str] = Counter(first)
    after: Counter[str] = Counter(second)
    new = Counter({p: n for p, n in (after - before).items() if not _ABBREVIATION.fullmatch(p)})
    return (before - after) + new


def _shown(odd: Counter[str]) -> str:
    """The first few differing pieces, each cut short."""
    return ", ".join(piece[:40].replace("\n", " ") for piece in sorted(odd)[:3])
