"""Rows of any shape, read by a map of fields (`fields` of a source).

A path is a dotted way into a row: names step into objects, whole numbers into lists (``-1`` is the
last), and ``{lang}`` or ``{LANG}`` stands for the language. A column whose name itself holds dots
is found by its whole name first.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from ..config.sources import FieldMap, Source
from ..config.where import as_number
from ..errors import BabelmixError
from ..records import Message
from .rows import BadRow, alternating, before_turns, missing, text_of
from .turns import Form, read_turns, turn_list
from .where import compares_numbers, fits

#: What a path gives when the row has nothing there.
MISSING = object()


def in_language(text: str, lang: str) -> str:
    """``{lang}`` and ``{LANG}`` substituted."""
    return text.replace("{lang}", lang).replace("{LANG}", lang.upper())


def at(row: Any, path: str) -> Any:
    """The value at a dotted path, or MISSING."""
    if isinstance(row, dict) and path in row:
        return row[path]
    head, _, rest = path.partition(".")
    if isinstance(row, dict):
        value = row.get(head, MISSING)
    elif isinstance(row, list) and head.removeprefix("-").isdecimal():
        index = int(head)
        value = row[index] if -len(row) <= index < len(row) else MISSING
    else:
        return MISSING
    return at(value, rest) if rest and value is not MISSING else value


def optional_paths(fields: FieldMap, lang: str) -> set[str]:
    """The paths that a row may lack without being a bad row."""
    given = [*fields.prompt[1:], *([fields.system] if fields.system else [])]
    return {in_language(path, lang) for path in given}


def row_id(row: Any, fields: FieldMap, lang: str) -> Any:
    """The row's own id, or None where the map names none.

    Raises BadRow where it names one that the row lacks: a number in its place would pair rows of
    two languages that are no translations of each other.
    """
    if fields.id is None:
        return None
    path = in_language(fields.id, lang)
    value = at(row, path)
    if value is MISSING or missing(value) or value == "":
        raise BadRow(f"{path} is missing")
    return value


def read_fields(
    row: dict[str, Any], lang: str, fields: FieldMap, source: Source, changes: Counter[str]
) -> list[Message]:
    """A row by its map -> messages; raises BadRow with the path that failed."""
    for path, wanted in fields.where.items():
        found = at(row, in_language(path, lang))
        if not fits(found, wanted, lang):
            odd = isinstance(found, str) and compares_numbers(wanted) and as_number(found) is None
            raise BadRow(
                f"{path} is no number, with which `where` could compare"
                if odd
                else f"{path} is not as `where` asks"
            )
    if fields.turns:
        messages = _turns(row, lang, fields, source, changes)
    else:
        messages = _pair(row, lang, fields)
    if fields.system:
        system = at(row, in_language(fields.system, lang))
        # A row without a system prompt is no bad row: not every dialogue has one.
        messages = before_turns(None if system is MISSING else system, messages, changes)
    return messages


def _pair(row: dict[str, Any], lang: str, fields: FieldMap) -> list[Message]:
    first, *others = fields.prompt
    parts = [_text(row, first, lang)]
    for path in others:
        value = at(row, in_language(path, lang))
        none = value is MISSING or missing(value)
        given = "" if none else text_of(value, path, empty=True)
        if given.strip():
            parts.append(given)
    messages = [Message("user", "\n\n".join(parts))]
    if fields.answer:
        messages.append(Message("assistant", _text(row, fields.answer, lang)))
    return messages


def _text(row: Any, path: str, lang: str) -> str:
    value = at(row, in_language(path, lang))
    return text_of(None if value is MISSING else value, in_language(path, lang))


def _turns(
    row: dict[str, Any], lang: str, fields: FieldMap, source: Source, changes: Counter[str]
) -> list[Message]:
    paths = [in_language(path, lang) for path in fields.turn_paths()]
    path = paths[0]
    if len(paths) > 1:
        texts = [at(row, path) for path in paths]
        turns = [t for t in texts if t is not MISSING and not missing(t) and t != ""]
    else:
        value = at(row, path)
        turns = turn_list(None if value is MISSING else value, path, "is not a list of turns")
    if all(isinstance(turn, str) for turn in turns):
        if fields.speakers is None:
            _refuse_questions(row, path, turns)
        return alternating(turns)

    def found(turn: dict[str, Any], name: str) -> Any:
        value = at(turn, in_language(name, lang))
        return None if value is MISSING else value

    form = Form(
        role=lambda turn: found(turn, fields.role),
        content=lambda turn: found(turn, fields.content),
        unknown=f"{fields.role} is neither of user and assistant (or system, first)",
        tool_turns=source.tool_turns,
        changes=changes,
        roles=fields.roles,
    )
    return read_turns(turns, path, form, row.get("tools"))


#: Columns beside a list of texts by which published benchmarks are known: MT-Bench (FastChat), its
#: copy on the hub, and their kin.
_OF_QUESTIONS = ("question_id", "prompt_id", "reference", "references", "reference_answer")


def _refuse_questions(row: dict[str, Any], path: str, turns: list[Any]) -> None:
    """Raise BabelmixError for a row in which all turns seem to be the user's, as in MT-Bench.

    Read as a dialogue, its second question would become the answer to the first.
    """
    signs = [name for name in _OF_QUESTIONS if name in row and name != path]
    if signs and len(turns) > 1:
        raise BabelmixError(
            f"`fields.turns: {path}` is a list of {len(turns)} texts beside `{signs[0]}`: are they "
            "all the user's, as in MT-Bench, or do user and assistant take turns? Say `speakers: "
            "user` (questions; use the source in a benchmark) or `speakers: alternate`. Files in "
            "MT-Bench's own form are read by `adapter: mt_bench`."
        )


def question_parts(
    row: dict[str, Any], lang: str, fields: FieldMap
) -> tuple[str, list[str], list[str]]:
    """Category, the user's turns and the references (one text per turn, or none) of a question."""
    if fields.turns:
        turns = _texts(row, fields.turn_paths(), lang, "turn")
    else:
        turns = [_pair(row, lang, fields)[0].content]
    given = [fields.answer] if fields.answer else fields.reference_paths()
    reference = _texts(row, given, lang, "reference", empty=True) if given else []
    reference += [""] * (len(turns) - len(reference))
    while len(reference) > len(turns) and not reference[-1].strip():
        reference.pop()  # a column for a turn that this question does not have
    if len(reference) > len(turns):
        raise BadRow(f"{len(reference)} references for {len(turns)} turns")
    category = _text(row, fields.category, lang) if fields.category else UNCATEGORISED
    return category, turns, reference if any(map(str.strip, reference)) else []


#: Category of questions whose file has none.
UNCATEGORISED = "all"


def _texts(
    row: dict[str, Any], paths: list[str], lang: str, what: str, empty: bool = False
) -> list[str]:
    """Texts at one path (a list, or a text alone) or at several, of which the last may be blank."""
    values = [at(row, in_language(path, lang)) for path in paths]
    if len(values) == 1 and not _is_text(values[0]):
        found = values[0]
        if found is MISSING or missing(found):
            values = []
        else:
            values = turn_list(found, in_language(paths[0], lang), "is not a list of texts")
    texts = ["" if v is MISSING or missing(v) else text_of(v, what, empty=True) for v in values]
    if not empty:
        while texts and not texts[-1].strip():
            texts.pop()
        if not texts or not all(map(str.strip, texts)):
            raise BadRow(f"{what} is empty")
    return texts


def _is_text(value: Any) -> bool:
    """Whether a value is one text, and not the JSON of a list of texts, as tables hold it."""
    if not isinstance(value, str):
        return False
    try:
        held = json.loads(value) if value.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        return True
    return not (isinstance(held, list) and held and all(isinstance(t, str) for t in held))
