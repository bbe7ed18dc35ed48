"""Rows of any shape, read by a map of fields (`fields` of a source).

A path is a dotted way into a row: names step into objects, whole numbers into lists (``-1`` is the
last), and ``{lang}`` or ``{LANG}`` stands for the language. A column whose name itself holds dots
is found by its whole name first.
"""

from __future__ import annotations

from typing import Any

from ..config.sources import FieldMap
from ..records import Message
from .rows import ROLES, BadRow, alternating, text_of

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


def row_id(row: Any, fields: FieldMap, lang: str) -> Any:
    """The row's own id, or None where the map names none.

    Raises BadRow where it names one that the row lacks: a number in its place would pair rows of
    two languages that are no translations of each other.
    """
    if fields.id is None:
        return None
    path = in_language(fields.id, lang)
    value = at(row, path)
    if value is MISSING or value is None or value == "":
        raise BadRow(f"{path} is missing")
    return value


def read_fields(row: dict[str, Any], lang: str, fields: FieldMap) -> list[Message]:
    """A row by its map -> messages; raises BadRow with the path that failed."""
    for path, wanted in fields.where.items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        found = at(row, in_language(path, lang))
        if not any(_same(found, w, lang) for w in allowed):
            raise BadRow(f"{path} is not as `where` asks")
    messages = _turns(row, lang, fields) if fields.turns else _pair(row, lang, fields)
    if fields.system:
        system = at(row, in_language(fields.system, lang))
        # A row without a system prompt is no bad row: not every dialogue has one.
        given = "" if system is None or system is MISSING else text_of(system, "system", empty=True)
        if given.strip() and messages[0].role != "system":
            messages.insert(0, Message("system", given))
    return messages


def _same(found: Any, wanted: Any, lang: str) -> bool:
    if isinstance(wanted, str):
        wanted = in_language(wanted, lang)
        # Columns of CSV files are text: `true` and `3` are compared as they are written.
        return isinstance(found, str) and found == wanted
    if isinstance(found, str):
        return found.strip().lower() == str(wanted).lower()
    # Parquet and JSON may hold whole numbers with a fraction (`4.0`); True is no number here.
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _pair(row: dict[str, Any], lang: str, fields: FieldMap) -> list[Message]:
    first, *others = fields.prompt
    parts = [_text(row, first, lang)]
    for path in others:
        value = at(row, in_language(path, lang))
        given = "" if value is None or value is MISSING else text_of(value, path, empty=True)
        if given.strip():
            parts.append(given)
    messages = [Message("user", "\n\n".join(parts))]
    if fields.answer:
        messages.append(Message("assistant", _text(row, fields.answer, lang)))
    return messages


def _text(row: Any, path: str, lang: str) -> str:
    value = at(row, in_language(path, lang))
    return text_of(None if value is MISSING else value, in_language(path, lang))


def _turns(row: dict[str, Any], lang: str, fields: FieldMap) -> list[Message]:
    path = fields.turns or ""
    turns = at(row, in_language(path, lang))
    if not isinstance(turns, list) or not turns:
        raise BadRow(f"{path} is not a list of turns")
    if all(isinstance(turn, str) for turn in turns):
        return alternating(turns)
    messages = []
    for n, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise BadRow(f"{path} is not a list of turns")
        role = _role(at(turn, in_language(fields.role, lang)), fields)
        if role is None or (role == "system" and n):
            raise BadRow(f"{fields.role} is neither of user and assistant (or system, first)")
        messages.append(Message(role, _text(turn, fields.content, lang)))
    return messages


def _role(value: Any, fields: FieldMap) -> str | None:
    """The role that the map, or common use, gives a speaker's name."""
    if value is MISSING or value is None:
        return None
    return fields.roles.get(str(value)) or ROLES.get(str(value).lower())
