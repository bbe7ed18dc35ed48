"""One published verdict, whatever its file's form, and what all readers share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import BabelmixError
from ...io import digest
from ..verdict import Verdict

Row = Mapping[str, Any]

#: MT-Bench's categories by its question numbers: ten each, from 81 on.
MT_BENCH_CATEGORIES = (
    *("writing", "roleplay", "reasoning", "math"),
    *("coding", "extraction", "stem", "humanities"),
)
_ERROR_TEXTS = {"$ERROR$", "error", "ERROR", "None"}
_SUFFIX = re.compile(r"^(?P<id>.+?)_(?P<lang>[A-Za-z]{2}(?:-[A-Za-z]{2,4})?)$")


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict as published. ``text`` is the judge's reply, None where the file has none.

    ``given`` is what the file says of it: a score, ``A``/``B``/``tie``/``both_bad`` in the shown
    order, or None for a failure. ``order`` is as in ``Judgement``; ``""`` with a ``baseline`` is a
    vote on a pair without an order (a person's, or one that the file has merged already). ``read``
    is a verdict that the format's own wording gives; it goes before ours.
    """

    question_id: str
    run: str
    judge: str
    turn: int = 1
    sample: int = 0
    lang: str | None = None
    category: str | None = None
    baseline: str = ""
    order: str = ""
    text: str | None = None
    given: float | str | None = None
    read: Verdict[Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """Single grades have no baseline."""
        return "pairwise" if self.baseline else "single"


class Fields:
    """A row's fields, with errors that name the file, the row and the field."""

    def __init__(self, row: Any, where: str) -> None:
        if not isinstance(row, Mapping):
            raise BabelmixError(f"{where}: a JSON object is wanted, found {type(row).__name__}.")
        self.row = row
        self.where = where

    def need(self, *names: str) -> Any:
        """The first of these fields that is there and not null."""
        for name in names:
            if self.row.get(name) is not None:
                return self.row[name]
        empty = " (it is null)" if any(name in self.row for name in names) else ""
        raise BabelmixError(
            f"{self.where}: no field `{'` or `'.join(names)}`{empty}; it has "
            f"{', '.join(sorted(map(str, self.row)))}. Is --format right? `--map ours=theirs` "
            "names a field that is called otherwise."
        )

    def text(self, *names: str) -> str:
        """The first of these fields, as text."""
        return str(self.need(*names))

    def get(self, name: str, default: Any = None) -> Any:
        """A field that may be missing."""
        return self.row.get(name, default)

    def items(self, name: str) -> list[Any]:
        """A field that is a list."""
        value = self.need(name)
        if not isinstance(value, list):
            raise BabelmixError(
                f"{self.where}: `{name}` is to be a list, found {type(value).__name__}."
            )
        return value

    def turn(self) -> int:
        """The judged turn, 1 where the file has no turns."""
        return self.number("turn", 1)

    def number(self, name: str, default: int) -> int:
        """A whole number in a field that may be missing or empty."""
        value = self.row.get(name)
        try:
            return default if value in (None, "") else int(value)
        except (TypeError, ValueError):
            raise BabelmixError(f"{self.where}: `{name}` is {value!r}, not a number.") from None

    def judge(self, default: str) -> str:
        """The judge's name; files give a name or [name, prompt]."""
        value = self.row.get("judge", default)
        return str(value[0] if isinstance(value, list | tuple) and value else value)


def split_id(question_id: str, known: set[str]) -> tuple[str, str | None]:
    """``81_DE`` -> (``81``, ``de``) where ``de`` is a language that we know."""
    match = _SUFFIX.match(question_id)
    if match and match["lang"].lower() in known:
        return match["id"], match["lang"].lower()
    return question_id, None


def category_of(question_id: str) -> str | None:
    """MT-Bench's category of a question number from 81 to 160."""
    if question_id.isdecimal() and 81 <= int(question_id) <= 160:
        return MT_BENCH_CATEGORIES[(int(question_id) - 81) // 10]
    return None


def text_id(text: str) -> str:
    """An id for a question that has none: the digest of its text, the same in every file."""
    return digest(text.strip())[:12]


def is_failure(text: str | None) -> bool:
    """Whether a reply is only a mark that the call failed."""
    return text is not None and text.strip() in _ERROR_TEXTS


def numbered(rows: list[Any], path: str) -> Iterator[Fields]:
    """Rows with their place for errors."""
    for number, row in enumerate(rows, start=1):
        yield Fields(row, f"{path}: row {number}")
