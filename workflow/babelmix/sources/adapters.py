"""Raw rows as published -> conversations: one reader per shape, every row kept or counted.

A row that cannot be used raises ``BadRow`` inside its reader; here it is counted under its reason.
Nothing is repaired: text is kept character for character.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..config.sources import Source
from ..errors import BabelmixError, unknown_name
from ..records import Conversation, Message
from . import shapes
from .fields import MISSING, at, in_language, optional_paths, read_fields, row_id
from .ids import IdPolicy
from .languages import LanguageColumn
from .oasst import Thread, read_threads, refuse_double_messages
from .rows import (
    EXAMPLES,
    BadRow,
    Parsed,
    check_turns,
    id_of,
    missing,
    refuse_duplicates,
    trim_ends,
)
from .suggest import suggest
from .turns import ROW_TRAINS, refuse_untrained

__all__ = ["EXAMPLES", "Parsed", "conversations", "refuse_duplicates"]

Reader = Callable[[dict[str, Any], str, Source, Counter[str]], list[Message]]

_READERS: dict[str, Reader] = {
    "lima": shapes.read_lima,
    "alpaca": shapes.read_alpaca,
    "messages": shapes.read_dialogue,
    "sharegpt": shapes.read_dialogue,
    "guanaco": shapes.read_guanaco,
    "parallel": shapes.read_parallel,
    "alpaca_eval": shapes.read_alpaca_eval,
}
_PAIR = ("instruction", "input", "output", "context", "response")
_SYSTEM = ("system", "system_prompt")
_LISTS = ("messages", "conversations", "conversation", "items")
_DIALOGUE = (*_LISTS, "prompt", "completion", "chosen", *_SYSTEM, "tools")
_PROMPTED = (("completion", "prompt"), ("chosen", "prompt"), ("prompt",))
#: Sets of columns that are remembered; a file whose every row has others takes no more memory.
_SHAPES = 1000
#: Columns of which a row's first group that is there is read, and no other.
_EITHER: dict[str, tuple[tuple[str, ...], ...]] = {
    "alpaca": (("output", "input"), ("response", "context")),
    "lima": (("conversations",), ("output", "input", "instruction"), ("response", "context")),
    "messages": (*((name,) for name in _LISTS[:3]), *_PROMPTED),
    "sharegpt": (*((name,) for name in _LISTS[1:]), *_PROMPTED),
}
#: Columns that a reader looks at; of the others (OpenAssistant's) all are read.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "lima": (*_PAIR, *_DIALOGUE, "history"),
    "alpaca": (*_PAIR, *_SYSTEM, "history"),
    "messages": _DIALOGUE,
    "sharegpt": _DIALOGUE,
    "guanaco": ("text",),
    "parallel": ("turns",),
    "alpaca_eval": ("instruction", "dataset"),
}


def columns_of(source: Source, lang: str) -> set[str] | None:
    """The columns that a source's rows are read from, in one language; None for all."""
    if source.fields is not None:
        fields = source.fields
        given = [fields.id, *fields.prompt, fields.answer, *fields.turn_paths(), fields.system]
        paths = [in_language(p, lang) for p in (*given, *fields.where, "tools") if p]
    elif source.adapter in _COLUMNS:
        paths = [*_COLUMNS[source.adapter], "id", *_row_trains(source)]
    else:
        return None
    paths += [source.language_column] if source.language_column else []
    # A column whose name holds dots is found by its whole name.
    return {*paths, *(path.partition(".")[0] for path in paths)}


def _row_trains(source: Source) -> tuple[str, ...]:
    """Columns that say whether a whole row is trained on; a map of fields says all it reads."""
    read = source.fields is None and not source.prompts_only and source.adapter in _COLUMNS
    return ROW_TRAINS if read else ()


def conversations(
    raw: Iterable[Any], source: Source, source_name: str, lang: str, dataset: str, place: str
) -> Parsed:
    """Raw rows of one source -> conversations in ``lang``, all in memory.

    ``place`` names the file in errors. Raises BabelmixError for duplicate ids, for an adapter
    that reads no conversations, for an unknown subset, and when no row at all is usable.
    """
    rows = list(raw)
    parsed = Parsed()
    parsed.rows = list(stream(rows, source, source_name, lang, dataset, place, parsed))
    refuse_duplicates((row.id for row in parsed.rows), place)
    if not parsed.rows:
        raise no_usable_row(parsed, source, lang, place, rows[:1])
    return parsed


def stream(
    raw: Iterable[Any],
    source: Source,
    source_name: str,
    lang: str,
    dataset: str,
    place: str,
    parsed: Parsed,
) -> Iterator[Conversation]:
    """The same one by one; ``parsed`` counts what is left out and is complete at the end."""
    if source.holds_questions:
        raise BabelmixError(
            f"source '{source_name}': `{source.adapter}` holds questions, not conversations. "
            "Use it in `benchmarks`, not in `datasets`."
        )
    if source.adapter == "oasst":
        messages = list(raw)  # trees are put together from all of them
        refuse_double_messages(messages, place)
        raw, parsed.raw = read_threads(messages, source.threads, lang)
    one = _RowReader(source, lang, parsed)
    ids = IdPolicy(source.duplicate_ids, place, parsed)
    for number, row in enumerate(raw):
        parsed.read += 1
        own_id: str | None = None
        try:
            own_id, messages = one.read(row, number)
        except BadRow as bad:
            parsed.leave_out(number, str(bad), one.last_id)
            continue
        kept_id = ids.admit(own_id)
        if kept_id is None:
            parsed.leave_out(number, "id occurs again (keep_first)")
            continue
        yield Conversation(kept_id, lang, dataset, source_name, messages)
    one.finish(source_name)
    ids.finish()


class _RowReader:
    """Reads the rows of one source in one language."""

    def __init__(self, source: Source, lang: str, parsed: Parsed) -> None:
        self.source, self.lang, self.parsed = source, lang, parsed
        self.column = LanguageColumn(source) if source.language_column else None
        self.last_id: str | None = None
        self._subsets: set[str] = set()
        self._met: dict[str, Counter[str]] = {}
        self._nowhere = optional_paths(source.fields, lang) if source.fields else set()
        self._columns = columns_of(source, lang)
        self._several: dict[tuple[Any, ...], bool] = {}
        self._either = _EITHER.get(source.adapter, ())
        self._row_trains = _row_trains(source)

    def read(self, row: Any, number: int) -> tuple[str, list[Message]]:
        """The id and the messages of a row; raises BadRow with the reason."""
        self.last_id = None
        source = self.source
        if not isinstance(row, dict | Thread):
            raise BadRow("row is not an object")
        if self._columns is not None and isinstance(row, dict):
            self._note_columns(row, self._columns)
        if self._nowhere:
            self._nowhere = {path for path in self._nowhere if at(row, path) is MISSING}
        if self.column is not None and isinstance(row, dict):
            self.column.check(row, self.lang)
        own = self._own_id(row)
        self.last_id = found = id_of(own, source.id_prefix, number)
        self.parsed.numbered += missing(own) or own == ""
        changes: Counter[str] = Counter()
        if self._row_trains and ("weight" in row or "train" in row):
            refuse_untrained(row)
        messages = self._messages(row, changes)
        if source.odd_ends == "trim" and not source.prompts_only:
            messages, said = trim_ends(messages)
            changes.update(said)
        check_turns(messages, source.prompts_only, source.single_turn_only)
        self.parsed.changed += changes
        return found, messages

    def _note_columns(self, row: dict[str, Any], read: set[str]) -> None:
        """Remember the columns that nothing reads."""
        unread, columns = self.parsed.unread, tuple(row)
        several = self._several.get(columns)
        if several is None:  # most rows of a file have the same columns
            unread.update(dict.fromkeys(str(name) for name in columns if name not in read))
            several = sum(group[0] in row for group in self._either) > 1
            if len(self._several) < _SHAPES:
                self._several[columns] = several
        if several:
            there = [group for group in self._either if not missing(row.get(group[0]))]
            others = (name for group in there[1:] for name in group if name not in there[0])
            unread.update(dict.fromkeys(name for name in others if not missing(row.get(name))))

    def _own_id(self, row: Any) -> Any:
        if isinstance(row, Thread):
            return row.thread_id
        fields = self.source.fields
        return row_id(row, fields, self.lang) if fields else row.get("id")

    def _messages(self, row: Any, changes: Counter[str]) -> list[Message]:
        source, lang = self.source, self.lang
        if isinstance(row, Thread):
            return row.messages()
        if source.fields is not None:
            try:
                return read_fields(row, lang, source.fields, source, changes)
            except BadRow:
                self._note_values(row)
                raise
        if source.exclude_subsets:
            self._subsets.add(str(row.get("dataset")))
        return _READERS[source.adapter](row, lang, source, changes)

    def _note_values(self, row: dict[str, Any]) -> None:
        """Remember what stands where `where` looks, for the error of a file that fits nowhere."""
        fields = self.source.fields
        for path in fields.where if fields else ():
            met = self._met.setdefault(path, Counter())
            value = at(row, in_language(path, self.lang))
            shown = "nothing" if value is MISSING else repr(value)[:30]
            if shown in met or len(met) < EXAMPLES:
                met[shown] += 1

    def finish(self, source_name: str) -> None:
        """Check what only the whole file shows."""
        parsed, source = self.parsed, self.source
        if self._nowhere and parsed.usable:
            paths = ", ".join(sorted(self._nowhere))
            raise BabelmixError(
                f"sources.{source_name}.fields: no row of its file in '{self.lang}' has {paths}. "
                "Correct the path, or take it out (files with and without it are two sources)."
            )
        if self.column is not None:
            parsed.raw |= {f"language {name}": n for name, n in self.column.met.most_common(60)}
        for subset in source.exclude_subsets:
            if subset not in self._subsets:
                where = f"sources.{source_name}.exclude_subsets"
                raise unknown_name("subset", subset, self._subsets, where)
        if parsed.usable == 0 and self.column is not None and parsed.read:
            held = self.column.text() or "nothing: no row has it"
            parsed.notes.append(f"`language_column: {source.language_column}` holds {held}")
        for path, met in self._met.items() if parsed.usable == 0 else ():
            values = ", ".join(f"{value} ({n})" for value, n in met.most_common(5))
            parsed.notes.append(f"{path} holds {values}")
        odd = ("odd number of turns", "roles do not alternate between user and assistant")
        lost = sum(parsed.left_out[reason] for reason in odd)
        if source.odd_ends == "leave_out" and lost:
            parsed.notes.append(
                f"source '{source_name}': {lost} dialogues open with an answer, close with a "
                "question or do not alternate; `odd_ends: trim` keeps those that need no more"
            )


def no_usable_row(
    parsed: Parsed, source: Source, lang: str, place: str, first: list[Any]
) -> BabelmixError:
    """The error of a file that gives nothing, with what was met in its place."""
    reasons = "; ".join(f"{r}: {n}" for r, n in parsed.left_out.most_common(3))
    row = first[0] if first and isinstance(first[0], dict) else {}
    held = f" Its first row has: {', '.join(map(str, list(row)[:20]))}." if row else ""
    notes = "".join(f" {note}." for note in parsed.notes)
    fitting = suggest(row)
    if fitting and f"`adapter: {source.adapter}`" not in fitting:
        notes += f" Rows like that are read by {fitting}."
    return BabelmixError(
        f"{place}: no usable row for adapter `{source.adapter}` in '{lang}' "
        f"({reasons or 'the file is empty'}). Does the adapter fit the file?{held}{notes}"
    )
