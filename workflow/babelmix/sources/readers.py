"""Read rows from JSON, JSONL, CSV, TSV, parquet and Arrow; what is broken is named by its line.

Rows come one after the other: at most a batch of them is in memory.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import BabelmixError
from .tables import read_arrow, read_parquet

#: Separators of the table formats, by the end of the file's name.
_TABLES = (".csv", ".tsv")
#: How files open that are told by their content, whatever their name.
_GZIP, _PARQUET, _ARROW_FILE, _ARROW_STREAM = b"\x1f\x8b", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
#: And those that are not read.
_FOREIGN = {
    b"PK\x03\x04": "a zip archive or workbook",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself (`git lfs pull`)",
}
#: Members of a JSON object in which a whole file's rows lie.
_WRAPPERS = ("data", "rows", "examples", "instances", "records", "dataset", "train")
_CHARS = 1 << 20


def read_all_rows(paths: Sequence[Path | str]) -> list[Any]:
    """The rows of several files of one source (the parts of a split), one after the other."""
    return list(iter_all_rows(paths))


def iter_all_rows(
    paths: Sequence[Path | str],
    columns: Iterable[str] | None = None,
    notes: list[str] | None = None,
    unread: dict[str, None] | None = None,
) -> Iterator[Any]:
    """The same, one row at a time."""
    for path in paths:
        yield from iter_rows(path, columns, notes, unread)


def read_rows(path: Path | str) -> list[Any]:
    """All rows of a file, in file order; see ``iter_rows``."""
    return list(iter_rows(path))


def iter_rows(
    path: Path | str,
    columns: Iterable[str] | None = None,
    notes: list[str] | None = None,
    unread: dict[str, None] | None = None,
) -> Iterator[Any]:
    """Rows of a file, one at a time, in file order.

    Parquet, Arrow (what ``datasets`` saves) and gzip are told by the content. A text named ``.csv``
    or ``.tsv`` has its column names in the first line and gives objects of texts; any other is
    JSON: one that opens with ``[`` is one list, one object around a list of rows (``{"data":
    […]}``) is that list, otherwise each line is a value (blank lines are passed over).

    ``columns``: the only ones that are read of parquet and Arrow; the others are added to
    ``unread``. What a person should know of how
    the file was understood is added to ``notes``. Raises BabelmixError, with the line, when the
    file is missing, of a kind that is not read, not UTF-8 or broken.
    """
    name = str(path).lower().removesuffix(".gz")
    head = _head(path)
    if head.startswith(_PARQUET) or name.endswith(".parquet"):
        yield from read_parquet(path, columns, unread)
        return
    if head.startswith((_ARROW_FILE, _ARROW_STREAM)) or name.endswith(".arrow"):
        file_format = head.startswith(_ARROW_FILE)
        yield from read_arrow(path, columns, file_format, unread)
        return
    for opening, what in _FOREIGN.items():
        if head.startswith(opening):
            raise BabelmixError(
                f"{path}: is {what}. Give it as JSON, JSONL, CSV, TSV (each also gzipped), parquet "
                "or Arrow."
            )
    packed = head.startswith(_GZIP) or str(path).lower().endswith(".gz")
    with _readable(path), gzip.open(path) if packed else Path(path).open("rb") as handle:
        text = _Text(path, _as_utf8(path, handle))
        first = text.first_sign()
        if name.endswith(_TABLES) and first not in ("[", "{"):
            yield from _table_rows(path, text, "\t" if name.endswith(".tsv") else ",", notes)
        elif first == "[":
            yield from _list_items(path, text)
        else:
            yield from _lines(path, text, notes)


class _readable:
    """Say what a broken gzip file is."""

    def __init__(self, path: Path | str) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, gzip.BadGzipFile | EOFError | zlib.error):
            raise BabelmixError(
                f"{self.path}: not a whole gzip file ({error}). Fetch it again, or name it without "
                ".gz."
            ) from None


class _Text:
    """A file's bytes as text in UTF-8, by lines; a byte that is none is named by its line."""

    def __init__(self, path: Path | str, handle: Iterable[bytes]) -> None:
        self.path = path
        self._handle = iter(handle)
        self._before: list[bytes] = []
        self.line = 0

    def first_sign(self) -> str:
        """The first sign of the file that is no space."""
        for raw in self._handle:
            self._before.append(raw)
            if found := self._decode(raw, len(self._before)).lstrip("\ufeff \t\r\n\f\v"):
                return found[0]
        return ""

    def __iter__(self) -> Iterator[str]:
        """Lines with their ends; `\\n` alone ends one, as JSON texts may hold U+2028."""
        for raw in (*self._before, *()):
            yield self._next(raw)
        for raw in self._handle:
            yield self._next(raw)

    def _next(self, raw: bytes) -> str:
        self.line += 1
        return self._decode(raw, self.line)

    def _decode(self, raw: bytes, line: int) -> str:
        try:
            return raw.decode("utf-8-sig" if line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BabelmixError(
                f"{self.path}: line {line} is not UTF-8 (byte {raw[error.start]:#04x}). "
                "Convert the file to UTF-8, e.g. with `iconv -f windows-1252 -t utf-8`."
            ) from None


def read_text(path: Path | str) -> str:
    """The text of a file, also gzipped: UTF-8, or UTF-16 with a byte order mark."""
    packed = _head(path).startswith(_GZIP) or str(path).lower().endswith(".gz")
    with _readable(path), gzip.open(path) if packed else Path(path).open("rb") as handle:
        return "".join(_Text(path, _as_utf8(path, handle)))


def _as_utf8(path: Path | str, handle: BinaryIO | gzip.GzipFile) -> Iterable[bytes]:
    """A file's lines in UTF-8; one in UTF-16 (Excel's "Unicode text") opens with its mark."""
    if not handle.peek(2).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # type: ignore[union-attr]
        return handle
    return _from_utf16(path, handle)


def _from_utf16(path: Path | str, handle: Any) -> Iterator[bytes]:
    try:
        for line in io.TextIOWrapper(handle, encoding="utf-16", newline="\n"):
            yield line.encode("utf-8")
    except UnicodeDecodeError as error:
        raise BabelmixError(f"{path}: opens as UTF-16 and is not ({error.reason}).") from None


def _head(path: Path | str) -> bytes:
    """The first bytes of a file."""
    try:
        with Path(path).open("rb") as handle:
            return handle.read(32)
    except OSError as error:
        raise BabelmixError(f"{path}: cannot be read ({error.strerror}).") from None


def _lines(path: Path | str, text: _Text, notes: list[str] | None) -> Iterator[Any]:
    """A value per line; or one object of many lines (or alone) around a list of rows."""
    lines = iter(text)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    number = text.line
    try:
        value = json.loads(first)
    except (ValueError, RecursionError) as error:
        if not first.lstrip().startswith("{"):
            raise _bad_line(path, number, error) from None
        yield from _unwrapped(path, _whole_object(path, number, first, lines, error), notes)
        return
    second = next((line for line in lines if line.strip()), None)
    if second is None:
        yield from _unwrapped(path, value, notes, or_row=True)
        return
    yield value
    yield _value(path, text.line, second)
    for line in lines:
        if line.strip():
            yield _value(path, text.line, line)


def _value(path: Path | str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise _bad_line(path, number, error) from None


def _bad_line(path: Path | str, number: int, error: Exception) -> BabelmixError:
    return BabelmixError(
        f"{path}: line {number} is not valid JSON ({error}). A file is either one JSON list, "
        "or has one JSON object a line."
    )


def _whole_object(
    path: Path | str, number: int, first: str, lines: Iterator[str], error: Exception
) -> Any:
    """One object that goes over several lines; the first line's error where it is none."""
    from itertools import chain

    second = next(lines, "")
    if first.strip() != "{" and second.lstrip()[:1] == "{":  # JSONL with a broken first line
        raise _bad_line(path, number, error) from None
    try:
        return json.loads("".join(chain((first, second), lines)))
    except (ValueError, RecursionError):
        raise _bad_line(path, number, error) from None


def _unwrapped(
    path: Path | str, value: Any, notes: list[str] | None, or_row: bool = False
) -> Iterator[Any]:
    """The rows in an object around a list of them; the object itself where it may be a row."""
    lists = value if isinstance(value, dict) else {}
    held = [k for k in lists if k in _WRAPPERS and isinstance(lists[k], list)]
    if len(held) == 1 and all(isinstance(row, dict) for row in lists[held[0]]):
        others = {k: len(v) for k, v in lists.items() if k != held[0] and v and isinstance(v, list)}
        if others and notes is not None:
            named = ", ".join(f"`{key}` ({size} items)" for key, size in others.items())
            notes.append(f"{path}: its rows are read from `{held[0]}`; not read: {named}")
        yield from lists[held[0]]
    elif or_row:
        yield value
    else:
        keys = ", ".join(map(str, list(lists)[:10]))
        raise BabelmixError(
            f"{path}: is one JSON object with {keys}, and no list of rows under one of "
            f"{', '.join(_WRAPPERS)}. Give a JSON list of rows, or one JSON object per line."
        )


def _list_items(path: Path | str, text: _Text) -> Iterator[Any]:
    """Items of one JSON list, decoded as they come."""
    decoder = json.JSONDecoder()
    buffer, at, wanted, opened, closed = "", 0, _CHARS, False, False
    comma: bool | None = False  # None: one must follow
    lines = iter(text)
    ended = False

    def broken(error: object) -> BabelmixError:
        line = text.line - buffer.count("\n", at) if ended or opened else 1
        return BabelmixError(f"{path}: line {max(line, 1)} is not valid JSON ({error}).")

    while not closed:
        more = []
        size = 0
        for line in lines:
            more.append(line)
            size += len(line)
            if size >= wanted:
                break
        else:
            ended = True
        buffer, at = buffer[at:] + "".join(more), 0
        if not opened:
            at = _skip(buffer, at) + 1
            opened = True
        progress = False
        while True:
            at = _skip(buffer, at)
            sign = buffer[at : at + 1]
            if sign == "]" and not comma:
                closed = True
                break
            if sign == "," and comma is None:
                at, comma = at + 1, True
                continue
            if not sign:
                break
            if comma is None:
                raise broken("a comma or `]` is missing")
            try:
                value, end = decoder.raw_decode(buffer, at)
            except (ValueError, RecursionError) as error:
                if ended:
                    place = text.line - buffer.count("\n", getattr(error, "pos", at))
                    raise BabelmixError(
                        f"{path}: line {max(place, 1)} is not valid JSON ({error})."
                    ) from None
                break
            if not ended and end >= len(buffer) - 1:
                break  # a number may go on
            yield value
            at, comma, progress = end, None, True
        wanted = _CHARS if progress else wanted * 2
        if ended and not closed:
            raise broken("the list is not closed")
    rest = buffer[_skip(buffer, at + 1) :] + "".join(lines)
    if rest.strip():
        raise BabelmixError(f"{path}: line {text.line} is not valid JSON (more after the list).")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n\ufeff":
        at += 1
    return at


def _table_rows(
    path: Path | str, text: _Text, separator: str, notes: list[str] | None
) -> Iterator[Any]:
    """Lines with a header -> objects; a line with other columns than the header is an error."""
    csv.field_size_limit(sys.maxsize)
    lines = iter(text)
    head = next(lines, "")
    met = _separator(head, separator)
    if met != separator and notes is not None:
        notes.append(f"{path}: its columns are separated by {met!r}")
    from itertools import chain

    reader = csv.reader(chain([head], lines), delimiter=met, strict=True)
    try:
        names = next(reader, [])
        index = bool(len(names) > 1 and not names[0].strip())
        if index and notes is not None:
            notes.append(f"{path}: its first column has no name and is passed over, as an index")
        own = names[index:]
        if len(set(own)) < len(own) or not all(name.strip() for name in own):
            raise BabelmixError(
                f"{path}: line 1 must name the columns, each once and none blank; it has {names}."
            )
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                raise BabelmixError(
                    f"{path}: the row that ends in line {reader.line_num} has {len(cells)} "
                    f"columns, line 1 names {len(names)} (separated by {met!r}). Texts that hold "
                    'the separator, quotes or line breaks must stand in double quotes ("…").'
                )
            yield dict(zip(own, cells[index:], strict=True))
    except csv.Error as error:
        raise BabelmixError(f"{path}: line {reader.line_num} is broken ({error}).") from None


def _separator(head: str, usual: str) -> str:
    """The separator of a header line: the usual one, or another where that gives one column."""
    if len(next(csv.reader([head], delimiter=usual), [])) > 1:
        return usual
    others = [(len(next(csv.reader([head], delimiter=s), [])), s) for s in (";", "\t", ",", "|")]
    most, found = max(others)
    return found if most > 1 else usual
