"""One published verdict, whatever its file's form, and what all readers share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ...io import digest
from ..verdict import SCALE, Verdict
from .spellings import Reading, Unknown, read_spelling

Row = Mapping[str, Any]
#: Who a label comes from when a file holds labels beside verdicts.
LABELS = "labels"

#: MT-Bench's categories by its question numbers: ten each, from 81 on.
MT_BENCH_CATEGORIES = (
    *("writing", "roleplay", "reasoning", "math"),
    *("coding", "extraction", "stem", "humanities"),
)
_ERROR_TEXTS = {"$ERROR$", "error", "ERROR", "None"}
_SUFFIX = re.compile(r"^(?P<id>.+?)_(?P<lang>[A-Za-z]{2}(?:-[A-Za-z]{2,4})?)$")


@dataclass(frozen=True, slots=True)
class Hints:
    """What the command line and a file's place add: names for what a file does not say of itself.

    ``spellings`` and ``numbers`` are what the user said of published verdicts and grades (folded
    and as written). ``models``: letters name models, also in the exchanged order. ``items`` are
    rows of other files of the same import by their id, for files that refer to them.
    """

    judge: str | None = None
    run: str | None = None
    baseline: str | None = None
    path: Path = Path()
    spellings: Mapping[str, Reading] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    models: bool = False
    lang_said: bool = False
    scale: tuple[float, float] = SCALE
    items: Mapping[str, Row] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict as published. ``text`` is the judge's reply, None where the file has none;
    ``finish_reason`` is ``length`` where it was cut at its token limit.

    ``given`` is what the file says of it: a score, ``A``/``B``/``tie``/``both_bad`` in the shown
    order, or None for a failure. ``spelled`` is how the file writes it, ``says`` how that was read,
    ``unknown`` that nobody knows what it means; ``published`` is False where the file has replies
    alone. ``order`` is as in ``Judgement``; ``""`` with a ``baseline`` is a vote on a pair without
    an order (a person's, or one that the file has merged already). ``read`` is a verdict that the
    format's own wording gives; it goes before ours. ``note`` is text beside the verdict in which no
    verdict is looked for. The other fields are as in ``Judgement``.
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
    finish_reason: str | None = None
    given: float | str | None = None
    spelled: str | None = None
    says: str = ""
    unknown: bool = False
    published: bool = True
    read: Verdict[Any] | None = None
    note: str = ""
    weight: float | None = None
    strength: str = ""
    score_a: float | None = None
    score_b: float | None = None
    length_a: int | None = None
    length_b: int | None = None

    @property
    def protocol(self) -> str:
        """Single grades have no baseline."""
        return "pairwise" if self.baseline else "single"

    @property
    def is_vote(self) -> bool:
        """A verdict on a pair without an order and without a reply: several of them count."""
        return bool(self.baseline) and not self.order and self.text is None and self.judge != LABELS


class Fields:
    """A row's fields, with errors that name the file, the row and the field."""

    def __init__(self, row: Any, where: str, number: int = 1) -> None:
        if not isinstance(row, Mapping):
            raise BabelmixError(f"{where}: a JSON object is wanted, found {type(row).__name__}.")
        self.row = row
        self.where = where
        self.number_in_file = number

    def has(self, *names: str) -> bool:
        """Whether one of these fields is there and not null."""
        return any(self.row.get(name) is not None for name in names)

    def first(self, *names: str) -> Any:
        """The first of these fields that is there and not null, else None."""
        return next((self.row[name] for name in names if self.row.get(name) is not None), None)

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
            if value is None or value == "":
                return default
            number = float(value)
            if not number.is_integer():
                raise ValueError(value)
            return int(number)
        except (TypeError, ValueError, OverflowError):
            raise BabelmixError(
                f"{self.where}: `{name}` is {value!r}, not a whole number."
            ) from None

    def judge(self, default: str) -> str:
        """The judge's name; files give a name or [name, prompt]."""
        value = self.first("judge", "judge_id", "annotator")
        value = default if value is None else value
        return str(value[0] if isinstance(value, list | tuple) and value else value)


def split_id(question_id: str, known: set[str]) -> tuple[str, str | None]:
    """``81_DE`` -> (``81``, ``de``) where ``de`` is a language that we know.

    ``81.0`` is ``81``: a column of numbers with a hole in it is written so.
    """
    question_id = re.sub(r"^(\d+)\.0$", r"\1", question_id)
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
        yield Fields(row, f"{path}: row {number}", number)


def spelled(
    value: Any, hints: Hints, order: str = "", names: tuple[str, str] = ("", "")
) -> dict[str, Any]:
    """The fields of an ``Entry`` that a published verdict on a pair gives.

    ``names`` are the run's and the baseline's as the file writes them.
    """
    reading = read_spelling(value, names, hints.spellings)
    written = "" if value is None else str(value).strip()
    if isinstance(reading, Unknown):
        return {"spelled": written, "unknown": True}
    if hints.models:
        reading = replace(reading, of_model=True)
    return {
        "spelled": written,
        "says": reading.said(),
        "given": reading.shown(order),
        "strength": reading.strength,
    }


def graded(value: Any, hints: Hints) -> dict[str, Any]:
    """The fields of an ``Entry`` that a published grade gives; infinite and not a number are none.

    ``8``, ``"8"``, ``"7,5"``, ``"8/10"`` and ``"[[8]]"`` are grades, and true and false on a scale
    of 0 to 1; other words are unknown unless the user gave them a number.
    """
    written = "" if value is None else str(value).strip()
    for spelling in (written, written.casefold()):
        if spelling in hints.numbers:
            return {
                "spelled": written,
                "says": f"{hints.numbers[spelling]:g}",
                "given": hints.numbers[spelling],
            }
    if written.casefold() in ("true", "false") and hints.scale == (0, 1):
        number = float(written.casefold() == "true")
        return {"spelled": written, "says": f"{number:g}", "given": number}
    if isinstance(value, bool | list | dict):
        return {"spelled": written, "unknown": True}
    bare = written.strip("[] ")
    if (match := re.fullmatch(r"(\S+) ?/ ?(\d+)", bare)) and float(match[2]) == hints.scale[1]:
        bare = match[1]
    bare = bare.replace(",", ".") if re.fullmatch(r"\d+,\d+", bare) else bare
    try:
        number = float(bare)
    except ValueError:
        reading = read_spelling(written, mapped=hints.spellings)
        failed = isinstance(reading, Reading) and reading.side == "none"
        return {"spelled": written, "given": None, "unknown": not failed}
    return {"given": number if math.isfinite(number) else None}


def score_pair(value: Any) -> tuple[float, float] | None:
    """Two grades side by side: ``[8, 7]``, ``"[8.0, 7.0]"``, ``"8 7"``, ``"8, 7"``, or the first
    line of a review that opens so. None where there are not two, or a failure's -1."""
    if isinstance(value, str):
        line = value.strip().split("\n", 1)[0].strip().strip("[]()")
        value = re.split(r"[,\s]+", line.strip())
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    try:
        first, second = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    finite = math.isfinite(first) and math.isfinite(second)
    return (first, second) if finite and (first, second) != (-1, -1) else None


def compared(pair: tuple[float, float] | None) -> dict[str, Any]:
    """The fields of an ``Entry`` that two grades give: the better one wins."""
    if pair is None:
        return {"given": None}
    first, second = pair
    winner = "tie" if first == second else "A" if first > second else "B"
    return {"given": winner, "score_a": first, "score_b": second}
