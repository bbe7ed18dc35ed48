"""Which rows need a human most, the sheet they are handed out in, and what comes back.

Verbs ``export-review`` and ``import-review`` are called by hand; what they make, an overlay of
corrections, is named by a dataset's `corrections`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..corrections import Correction, text_sha
from ..errors import BabelmixError
from ..records import TASK_FLAG, Check, Conversation
from .audit import is_cut
from .pair import Pair, learn_pair
from .texts import Text

#: Columns of the sheet; people fill ``text``, ``by`` and ``note``.
COLUMNS = (
    "rank",
    "id",
    "lang",
    "field",
    "why",
    "tasks",
    "source",
    "translation",
    "text",
    "by",
    "note",
    "source_sha",
)
#: What a failed check adds to a row's need; others add 1.
_WEIGHTS = {
    "translated": 3.0,
    "present": 3.0,
    "correction": 3.0,
    "turns": 3.0,
    "untranslated": 3.0,
    "language": 3.0,
    "answered": 3.0,
    "echo": 3.0,
    "protected": 2.0,
    "sentences": 2.0,
    "added": 2.0,
    "repetition": 2.0,
    "length_ratio": 2.0,
    "numbers": 1.5,
}
#: A task that translation breaks wants a look though nothing failed.
_TASK_WEIGHT = 0.75


@dataclass(frozen=True)
class Needy:
    """A row with its source, how much it needs a human (0: nothing speaks for it), and why."""

    source: Conversation
    row: Conversation
    need: float
    why: str


def ranked(pivot: Iterable[Conversation], rows: Sequence[Conversation]) -> list[Needy]:
    """The audited rows of one language, those most in need of a human first.

    What failed weighs most; then how unusual lengths are, uncertain languages, words left as they
    were, and tasks that translation breaks. Rows of equal need keep their order.
    """
    sources = {row.id: row for row in pivot}
    missing = [row.id for row in rows if row.id not in sources]
    if missing:
        raise BabelmixError(f"the pivot's file has no row {missing[0]}: files of two pools?")
    if not rows:
        return []
    texts = [([Text(m.content) for m in sources[r.id].messages], _texts(r)) for r in rows]
    pivot_lang = sources[rows[0].id].lang
    pair = learn_pair(texts, pivot_lang, rows[0].lang)
    found = [
        Needy(sources[row.id], row, need(row.checks, before, after, pair), why(row.checks))
        for row, (before, after) in zip(rows, texts, strict=True)
    ]
    return sorted(found, key=lambda needy: -needy.need)


def _texts(row: Conversation) -> list[Text]:
    return [Text(m.content) for m in row.messages]


def need(
    checks: Iterable[Check], source: Sequence[Text], target: Sequence[Text], pair: Pair
) -> float:
    """How much a row needs a human: its failed checks, and what is odd without failing."""
    total = 0.0
    for check in checks:
        if not check.ok:
            total += _WEIGHTS.get(check.name, 1.0)
        elif check.name == TASK_FLAG and check.value:
            total += _TASK_WEIGHT
        elif check.name == "language" and check.value is not None:
            total += 1 - check.value
        elif check.name == "untranslated" and check.value is not None:
            total += 2 * check.value
    oddest = 0.0
    for before, after in zip(source, target, strict=False):
        if before.prose and after.prose:
            ratio = len(after.prose) / len(before.prose)
            oddest = max(oddest, pair.lengths.deviation(ratio, len(before.prose)))
        total += 0.5 * is_cut(before, after)
        # Pieces that must stay as they are, and long texts, have more to go wrong.
        total += 0.1 * min(5, len(before.pieces)) + 0.1 * math.log10(1 + len(before.prose))
    return round(total + 0.3 * min(oddest, 5.0), 4)


def why(checks: Iterable[Check]) -> str:
    """The failed checks of a row in words."""
    failed = [c for c in checks if not c.ok]
    return "; ".join(f"{c.name}: {c.detail}" if c.detail else c.name for c in failed)


def sheet(needy: Sequence[Needy]) -> list[dict[str, str]]:
    """Rows of the sheet: one a message, in the order of need."""
    found = []
    for rank, one in enumerate(needy, start=1):
        tasks = ", ".join(c.detail for c in one.row.checks if c.name == TASK_FLAG and c.value)
        pairs = zip(one.source.messages, one.row.messages, strict=False)
        for index, (before, after) in enumerate(pairs):
            values = {
                "rank": str(rank),
                "id": one.row.id,
                "lang": one.row.lang,
                "field": f"messages.{index}",
                "why": one.why,
                "tasks": tasks,
                "source": before.content,
                "translation": after.content,
                "source_sha": text_sha(before.content),
            }
            found.append({name: values.get(name, "") for name in COLUMNS})
    return found


def corrections_of(
    filled: Sequence[dict[str, str]],
    pivot: Iterable[Conversation],
    rows: Iterable[Conversation],
    where: str,
) -> list[Correction]:
    """What people wrote into a sheet, checked against the pool it was made from.

    A row without ``text``, or with the translation itself there, is no correction. Raises
    BabelmixError for a missing column, an unknown row or field, and a source that has changed.
    """
    missing = [name for name in ("id", "lang", "field", "text") if filled and name not in filled[0]]
    if missing:
        raise BabelmixError(f"{where}: no column `{missing[0]}`. Keep the sheet's first line.")
    sources = {row.id: row for row in pivot}
    translated = {(row.id, row.lang): row for row in rows}
    found = []
    for number, line in enumerate(filled, start=2):
        if not line["text"].strip():
            continue
        row = translated.get((line["id"], line["lang"]))
        index = _index(line["field"], row)
        if row is None or index is None:
            raise BabelmixError(
                f"{where}: line {number}: the pool has no {line['id']} {line['lang']} "
                f"{line['field']}. These columns must stay as they were exported."
            )
        sha = text_sha(sources[row.id].messages[index].content)
        if line.get("source_sha") and line["source_sha"] != sha:
            raise BabelmixError(
                f"{where}: line {number}: the source text of {row.id} is not the one that was "
                "exported. Export the sheet anew, and look at this row again; or empty its `text` "
                "here, to leave it out."
            )
        if line["text"] != row.messages[index].content:
            by, note = line.get("by", ""), line.get("note", "")
            place = (row.id, row.lang, line["field"])
            found.append(Correction(*place, line["text"], by, note, sha))
    return found


def _index(field: str, row: Conversation | None) -> int | None:
    name, _, number = field.partition(".")
    if row is None or name != "messages" or not number.isdecimal():
        return None
    return int(number) if int(number) < len(row.messages) else None
