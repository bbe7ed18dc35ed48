"""One source of a pool in one language, read as often as it is needed, a row at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import BabelmixError
from ..io import file_digest
from ..records import Conversation
from ..specs import NormaliseSpec
from .adapters import columns_of, no_usable_row, stream
from .readers import iter_all_rows
from .rows import Parsed


class Reading:
    """Rows of one source in one language; ``parsed`` holds the counts of the first pass."""

    def __init__(self, make: Callable[[Parsed], Iterator[Conversation]]) -> None:
        self._make = make
        self.parsed = Parsed()

    @classmethod
    def of(cls, parsed: Parsed) -> Reading:
        """Rows that are in memory."""
        reading = cls(lambda _: iter(parsed.rows))
        reading.parsed = parsed
        return reading

    def first(self) -> Iterator[Conversation]:
        """The rows, counted."""
        return self._make(self.parsed)

    def again(self) -> Iterator[Conversation]:
        """The same rows once more, not counted."""
        return self._make(_uncounted())

    def texts(self) -> Iterator[str]:
        """The text of every row that has its place in the file, also of unusable ones (empty)."""
        parsed = _uncounted()
        done = 0
        for row in self._make(parsed):
            number = parsed.read - 1
            yield from itertools.repeat("", number - done)
            yield "\n".join(message.content for message in row.messages)
            done = number + 1
        yield from itertools.repeat("", parsed.read - done)


def _uncounted() -> Parsed:
    """Counts that nobody asks for; ids of bad rows would be as many as the file has."""
    return Parsed(wanted=frozenset())


def open_source(
    spec: NormaliseSpec, name: str, paths: Sequence[str], lang: str | None = None
) -> Reading:
    """A source of a pool, whose rows come from ``paths``; an error where none is usable."""
    source = spec.sources[name]
    lang = lang or spec.lang
    place = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")

    def rows(parsed: Parsed) -> Iterator[Conversation]:
        raw = iter_all_rows(paths, columns_of(source, lang), parsed.notes, parsed.unread)
        raw = itertools.islice(raw, source.take)
        for row in stream(raw, source, name, lang, spec.dataset, place, parsed):
            if not spec.parallel:
                row.id = f"{lang}:{row.id}"
            yield row
        if not parsed.usable:
            first = list(itertools.islice(iter_all_rows(paths), 1))
            raise no_usable_row(parsed, source, lang, place, first)

    return Reading(rows)


def files_of(record: dict[str, Any], lang: str) -> list[str]:
    """Paths of a record's files for a language; BabelmixError when the source lacks it."""
    files = record["files"]
    if lang not in files and "*" not in files:
        raise BabelmixError(
            f"source '{record['source']}' holds {sorted(files)}, not '{lang}'. List the language "
            "in its `languages`, or give the dataset a `translator`."
        )
    return [verified(part) for part in files.get(lang, files.get("*"))]


def verified(part: dict[str, Any]) -> str:
    """The path of a recorded file, whose bytes must still be those that were fetched."""
    path = str(part["path"])
    if not Path(path).is_file() or file_digest(path) != part["sha256"]:
        raise BabelmixError(
            f"{path}: no longer the file that was fetched (missing, damaged, or changed since). "
            "Delete the source's record in raw/ and run again, so that it is fetched again."
        )
    return path
