"""Rows of any shape, read by a map of fields (`fields` of a source).

A path is a dotted way into a row: names step into objects, whole numbers into lists (``-1`` is the
last), and ``{lang}`` or ``{LANG}`` stands for the language. A column whose name itself holds dots
is found by its whole name first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..config.sources import FieldMap, Source
from ..config.where import as_number
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
    path = in_language(fields.turns or "", lang)
    value = at(row, path)
    turns = turn_list(None if value is MISSING else value, path, "is not a list of turns")
    if all(isinstance(turn, str) for turn in turns):
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
