"""Human corrections: an overlay of texts that people wrote, put over what a machine translated.

A correction names a row, a language and a field (``messages.0`` is the first message, ``turns.0``
and ``reference.0`` those of a question), the new text, who wrote it and why. ``source_sha`` is the
digest of the pivot's text that the person read: when that text is another one now, the correction
is stale. It is then not applied; the row fails the check ``correction`` and says so.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BabelmixError
from .files.readers import read_rows
from .files.sheets import read_sheet
from .io import digest
from .records import Check, Conversation, Question

COLUMNS = ("id", "lang", "field", "text", "by", "note", "source_sha")
CORRECTED, STALE = "corrected", "correction"
_FIELD = re.compile(r"(messages|turns|reference)\.(\d+)")
#: Places named in the audit and on the terminal.
_SHOWN = 10


@dataclass(frozen=True)
class Correction:
    """One corrected text; ``place`` is the list and the index that ``field`` names."""

    id: str
    lang: str
    field: str
    text: str
    by: str = ""
    note: str = ""
    source_sha: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """``messages.1`` -> (``messages``, 1)."""
        name, _, index = self.field.partition(".")
        return name, int(index)


@dataclass
class Overlay:
    """The corrections of a file, and the file."""

    path: str
    corrections: list[Correction]

    def of(self, lang: str) -> dict[str, list[Correction]]:
        """Corrections of one language by row id."""
        found: dict[str, list[Correction]] = {}
        for correction in self.corrections:
            if correction.lang == lang:
                found.setdefault(correction.id, []).append(correction)
        return found


@dataclass
class Applied:
    """What became of an overlay's corrections of one language."""

    texts: int = 0
    rows: int = 0
    by: Counter[str] = field(default_factory=Counter)
    stale: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Plain JSON for manifests."""
        return {
            "texts": self.texts,
            "rows": self.rows,
            "by": dict(sorted(self.by.items())),
            "stale": {"count": len(self.stale), "first": self.stale[:_SHOWN]},
            "unknown_id": {"count": len(self.unknown), "first": self.unknown[:_SHOWN]},
        }

    def text(self) -> str:
        """One line for the terminal."""
        parts = [f"{self.texts} texts of {self.rows} rows corrected by people"]
        if self.stale:
            parts.append(f"{len(self.stale)} stale corrections not applied ({self.stale[0]}, …)")
        if self.unknown:
            parts.append(f"{len(self.unknown)} corrections of rows that are not here")
        return ", ".join(parts)


def text_sha(text: str) -> str:
    """Short digest of a source text, for ``source_sha``."""
    return digest(text)[:16]


def read_overlay(path: Path | str) -> Overlay:
    """Read and check an overlay (JSONL, or CSV with a header).

    Raises BabelmixError, naming the row, for a missing or unknown column, a field that names no
    text, an empty text, and two corrections of one place.
    """
    csv = str(path).lower().endswith(".csv")
    raw: Sequence[Any] = read_sheet(Path(path)) if csv else read_rows(path)
    corrections = [_correction(row, f"{path}: correction {n}") for n, row in enumerate(raw, 1)]
    _refuse_twice(corrections, str(path))
    return Overlay(str(path), corrections)


def read_overlays(paths: Iterable[Path | str]) -> Overlay:
    """Several overlays as one; BabelmixError when two of them correct one text."""
    overlays = [read_overlay(path) for path in paths]
    where = ", ".join(overlay.path for overlay in overlays)
    found = [correction for overlay in overlays for correction in overlay.corrections]
    _refuse_twice(found, where)
    return Overlay(where, found)


def _refuse_twice(corrections: Iterable[Correction], where: str) -> None:
    places = Counter((c.id, c.lang, c.field) for c in corrections)
    twice = [" ".join(place) for place, count in places.items() if count > 1]
    if twice:
        raise BabelmixError(f"{where}: corrected more than once: {', '.join(twice[:5])}. Keep one.")


def _correction(row: Any, where: str) -> Correction:
    if not isinstance(row, Mapping):
        raise BabelmixError(f"{where}: not an object with the columns {', '.join(COLUMNS)}.")
    unknown = sorted(str(name) for name in set(row) - set(COLUMNS))
    if unknown:
        raise BabelmixError(f"{where}: unknown column(s) {unknown}. Known: {', '.join(COLUMNS)}.")
    values = {name: row[name] for name in COLUMNS if row.get(name) is not None}
    odd = [name for name, value in values.items() if not isinstance(value, str)]
    missing = [name for name in ("id", "lang", "field", "text") if not values.get(name, "").strip()]
    if odd or missing:
        raise BabelmixError(f"{where}: {(odd or missing)[0]} is missing, empty or not text.")
    if not _FIELD.fullmatch(values["field"]):
        raise BabelmixError(
            f"{where}: field '{values['field']}' names no text. Fields are messages.0, turns.1, "
            "reference.0 and so on, counted from 0."
        )
    return Correction(**values)


def correct_rows(
    rows: list[Conversation], pivot: Iterable[Conversation], overlay: Overlay, lang: str
) -> Applied:
    """Put corrections over rows, in place; each corrected row gets the check ``corrected``.

    Corrections of ids that are not among the rows are counted, because one overlay serves pools of
    different sizes. Raises BabelmixError for a field that the row does not have.
    """
    sources = {row.id: row for row in pivot}
    by_id = {row.id: row for row in rows}
    applied = Applied()
    for row_id, corrections in overlay.of(lang).items():
        row = by_id.get(row_id)
        if row is None:
            applied.unknown += [f"{row_id} {c.field}" for c in corrections]
            continue
        _correct_row(row, sources[row_id], corrections, applied, overlay.path)
    return applied


def _correct_row(
    row: Conversation,
    source: Conversation,
    corrections: list[Correction],
    applied: Applied,
    path: str,
) -> None:
    row.messages = [dataclasses.replace(m) for m in row.messages]
    stale = []
    done = []
    for correction in corrections:
        index = _place_in(row, *correction.place)
        if index is None:
            raise BabelmixError(
                f"{path}: {row.id} {row.lang}: the row has no {correction.field}; it has "
                f"messages.0 to messages.{len(row.messages) - 1}."
            )
        if correction.source_sha and correction.source_sha != text_sha(
            source.messages[index].content
        ):
            stale.append(correction.field)
            continue
        row.messages[index].content = correction.text
        done.append(correction)
    if done:
        applied.texts += len(done)
        applied.rows += 1
        applied.by.update(c.by or "unnamed" for c in done)
        people = ", ".join(sorted({c.by for c in done if c.by}))
        # A text that was not there is there now, if people wrote all of it.
        if len(done) == len(row.messages):
            row.checks = [c for c in row.checks if c.ok]
        row.checks.append(Check(CORRECTED, True, float(len(done)), people))
    if stale:
        applied.stale += [f"{row.id} {name}" for name in stale]
        row.checks.append(
            Check(STALE, False, float(len(stale)), f"source text changed: {', '.join(stale)}")
        )


def _place_in(row: Conversation, name: str, index: int) -> int | None:
    """The message that a field names: its number, a user's turn, or the reference after one."""
    if name != "messages":
        users = [n for n, m in enumerate(row.messages) if m.role == "user"]
        if index >= len(users):
            return None
        index = users[index]
    if name == "reference":
        index += 1
        if index >= len(row.messages) or row.messages[index].role != "assistant":
            return None
    return index if index < len(row.messages) else None


def correct_questions(
    questions: list[Question], sources: Mapping[str, Question], overlay: Overlay, lang: str
) -> tuple[list[Question], Applied]:
    """Questions with corrections put over their turns and references.

    ``sources`` are the questions in the language that people translated from, for ``source_sha``.
    """
    by_id = overlay.of(lang)
    known = {question.question_id for question in questions}
    applied = Applied()
    applied.unknown = [f"{i} {c.field}" for i, cs in by_id.items() if i not in known for c in cs]
    made = []
    for question in questions:
        turns, reference = list(question.turns), list(question.reference)
        done = 0
        for correction in by_id.get(question.question_id, []):
            name, index = correction.place
            texts = reference if name == "reference" else turns
            if index >= len(texts):
                raise BabelmixError(
                    f"{overlay.path}: question {question.question_id} has no {correction.field}."
                )
            source = sources.get(question.question_id)
            before = (source.reference if name == "reference" else source.turns) if source else []
            if correction.source_sha and (
                index >= len(before) or correction.source_sha != text_sha(before[index])
            ):
                applied.stale.append(f"{question.question_id} {correction.field}")
                continue
            texts[index] = correction.text
            applied.by[correction.by or "unnamed"] += 1
            done += 1
        applied.texts += done
        applied.rows += bool(done)
        made.append(
            Question(question.question_id, question.lang, question.category, turns, reference)
        )
    return made, applied


def question_corrections(
    before: Iterable[Question],
    after: Iterable[Question],
    sources: Mapping[str, Question],
    by: str = "",
) -> list[Correction]:
    """The overlay that turns one version of a benchmark's questions into another.

    Raises BabelmixError when the versions differ in questions or in the number of turns.
    """
    new = {question.question_id: question for question in after}
    found = []
    for old in before:
        other = new.pop(old.question_id, None)
        if other is None or len(other.turns) != len(old.turns):
            raise BabelmixError(f"question {old.question_id}: not in both, or with other turns.")
        source = sources.get(old.question_id)
        for name in ("turns", "reference"):
            pairs = zip(getattr(old, name), getattr(other, name), strict=False)
            for index, (one, two) in enumerate(pairs):
                if one != two and two.strip():
                    texts = getattr(source, name) if source is not None else []
                    sha = text_sha(texts[index]) if index < len(texts) else ""
                    place = f"{name}.{index}"
                    found.append(Correction(old.question_id, old.lang, place, two, by, "", sha))
    if new:
        raise BabelmixError(f"questions only in one version: {', '.join(sorted(new)[:5])}.")
    return found
