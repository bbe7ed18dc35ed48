"""Raw rows as published -> conversations: one reader a shape, every row kept or counted.

A row that cannot be used raises ``BadRow`` inside its reader; here it is counted under its reason.
Nothing is repaired: text is kept character for character.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..config.sources import QUESTION_ADAPTERS, Source
from ..errors import BabelmixError, unknown_name
from ..records import Conversation, Message
from . import shapes
from .fields import read_fields, row_id
from .oasst import Thread, read_threads, refuse_double_messages
from .rows import EXAMPLES, BadRow, Parsed, check_turns, id_of, refuse_duplicates

__all__ = ["EXAMPLES", "Parsed", "conversations", "refuse_duplicates"]

Reader = Callable[[dict[str, Any], str, Source], list[Message]]

_READERS: dict[str, Reader] = {
    "lima": shapes.read_lima,
    "alpaca": shapes.read_alpaca,
    "messages": shapes.read_messages,
    "sharegpt": shapes.read_sharegpt,
    "parallel": shapes.read_parallel,
    "alpaca_eval": shapes.read_alpaca_eval,
}


def conversations(
    raw: list[Any], source: Source, source_name: str, lang: str, dataset: str, place: str
) -> Parsed:
    """Raw rows of one source -> conversations in ``lang``.

    ``place`` names the file in errors. Raises BabelmixError for duplicate ids, for an adapter
    that reads no conversations, for an unknown subset, and when no row at all is usable.
    """
    if source.adapter in QUESTION_ADAPTERS:
        raise BabelmixError(
            f"source '{source_name}': `{source.adapter}` holds questions, not conversations. "
            "Use it in `benchmarks`, not in `datasets`."
        )
    _check_subsets(raw, source, source_name)
    counts: dict[str, int] = {}
    rows: list[Any] = raw
    if source.adapter == "oasst":
        refuse_double_messages(raw, place)
        rows, counts = read_threads(raw, source.threads, lang)
    parsed = Parsed(read=len(rows), raw=counts)
    for number, row in enumerate(rows):
        own_id: str | None = None
        try:
            own_id = _row_id(row, source, lang, number)
            messages = _read(row, lang, source)
            check_turns(messages, source.prompts_only, source.single_turn_only)
        except BadRow as bad:
            parsed.leave_out(number, str(bad), own_id)
            continue
        parsed.rows.append(Conversation(own_id, lang, dataset, source_name, messages))
    refuse_duplicates((c.id for c in parsed.rows), place)
    if not parsed.rows:
        reasons = "; ".join(f"{r}: {n}" for r, n in parsed.left_out.most_common(3))
        first = raw[0] if raw and isinstance(raw[0], dict) else {}
        held = f" Its first row has: {', '.join(map(str, list(first)[:20]))}." if first else ""
        raise BabelmixError(
            f"{place}: no usable row for adapter `{source.adapter}` in '{lang}' "
            f"({reasons or 'the file is empty'}). Does the adapter fit the file?{held}"
        )
    return parsed


def _row_id(row: Any, source: Source, lang: str, number: int) -> str:
    if isinstance(row, Thread):
        return id_of(row.thread_id, source.id_prefix, number)
    if not isinstance(row, dict):
        raise BadRow("row is not an object")
    value = row_id(row, source.fields, lang) if source.fields else row.get("id")
    return id_of(value, source.id_prefix, number)


def _read(row: Any, lang: str, source: Source) -> list[Message]:
    if isinstance(row, Thread):
        return row.messages()
    if source.fields is not None:
        return read_fields(row, lang, source.fields)
    return _READERS[source.adapter](row, lang, source)


def _check_subsets(raw: list[Any], source: Source, source_name: str) -> None:
    present = {str(r.get("dataset")) for r in raw if isinstance(r, dict)}
    for subset in source.exclude_subsets:
        if subset not in present:
            where = f"sources.{source_name}.exclude_subsets"
            raise unknown_name("subset", subset, present, where)
