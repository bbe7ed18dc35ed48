"""Read rows from JSON, JSONL, CSV, TSV, parquet and Arrow; what is broken is named by its line."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BabelmixError

#: Separators of the table formats, by the end of the file's name.
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
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


def read_all_rows(paths: Sequence[Path | str]) -> list[Any]:
    """The rows of several files of one source (the parts of a split), one after the other."""
    return [row for path in paths for row in read_rows(path)]


def read_rows(path: Path | str) -> list[Any]:
    """All rows of a file, in file order.

    Parquet, Arrow (what ``datasets`` saves) and gzip are told by the content. A text named ``.csv``
    or ``.tsv`` has its column names in the first line and gives objects of texts; any other is
    JSON: one that opens with ``[`` is one list, otherwise each line is a value (blank lines are
    passed over). Raises BabelmixError, with the line, when the file is missing, of a kind that is
    not read, not UTF-8 or broken.
    """
    name = str(path).lower().removesuffix(".gz")
    head = _head(path)
    if head.startswith(_PARQUET) or name.endswith(".parquet"):
        return _read_parquet(path)
    if head.startswith((_ARROW_FILE, _ARROW_STREAM)) or name.endswith(".arrow"):
        return _read_arrow(path, head)
    for opening, what in _FOREIGN.items():
        if head.startswith(opening):
            raise BabelmixError(
                f"{path}: is {what}. Give it as JSON, JSONL, CSV, TSV (each also gzipped), parquet "
                "or Arrow."
            )
    text = read_text(path)
    separator = _SEPARATORS.get(Path(name).suffix)
    if separator is not None and text.lstrip()[:1] not in ("[", "{"):
        return _parse_table(path, text, separator)
    if text.lstrip()[:1] == "[":
        return _parse_list(path, text)
    return [_parse_line(path, n, line) for n, line in _lines(text) if line.strip()]


def read_text(path: Path | str) -> str:
    """The text of a file, also gzipped: UTF-8, or UTF-16 with a byte order mark."""
    return _decode(path, _read_bytes(path, _head(path)))


def _head(path: Path | str) -> bytes:
    """The first bytes of a file."""
    try:
        with Path(path).open("rb") as handle:
            return handle.read(32)
    except OSError as error:
        raise BabelmixError(f"{path}: cannot be read ({error.strerror}).") from None


def _read_arrow(path: Path | str, head: bytes) -> list[Any]:
    import pyarrow as pa

    opened = pa.ipc.open_file if head.startswith(_ARROW_FILE) else pa.ipc.open_stream
    try:
        with pa.OSFile(str(path)) as source:
            return list(opened(source).read_all().to_pylist())
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BabelmixError(f"{path}: cannot be read as Arrow ({str(error)[:200]}).") from None


def _read_parquet(path: Path | str) -> list[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_table(path).to_pylist())
    except UnicodeDecodeError as error:
        raise BabelmixError(
            f"{path}: a text in it is not UTF-8 ({error.object[error.start : error.end]!r}). Write "
            "the file anew from texts in UTF-8."
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
        raise BabelmixError(f"{path}: cannot be read as parquet ({reason}).") from None


def _read_bytes(path: Path | str, head: bytes) -> bytes:
    data = Path(path).read_bytes()
    if not (head.startswith(_GZIP) or str(path).lower().endswith(".gz")):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise BabelmixError(
            f"{path}: not a whole gzip file ({error}). Fetch it again, or name it without .gz."
        ) from None


def _decode(path: Path | str, data: bytes) -> str:
    # Excel's "Unicode text" is UTF-16 with a byte order mark.
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if wide:
            raise BabelmixError(f"{path}: opens as UTF-16 and is not ({error.reason}).") from None
        raise BabelmixError(
            f"{path}: line {line} is not UTF-8 (byte {data[error.start]:#04x}). "
            "Convert the file to UTF-8, e.g. with `iconv -f windows-1252 -t utf-8`."
        ) from None


def _lines(text: str) -> list[tuple[int, str]]:
    # Not splitlines(): it also breaks at U+2028 and form feeds, which JSON strings may hold.
    return list(enumerate(text.split("\n"), start=1))


def _parse_table(path: Path | str, text: str, separator: str) -> list[Any]:
    """Lines with a header -> objects; a line with other columns than the header is an error."""
    csv.field_size_limit(sys.maxsize)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[Any] = []
    try:
        names = next(lines, [])
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise BabelmixError(
                f"{path}: line 1 must name the columns, each once and none blank; it has {names}."
            )
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(names):
                raise BabelmixError(
                    f"{path}: the row that ends in line {lines.line_num} has {len(cells)} columns, "
                    f"line 1 names {len(names)}. Texts that hold the separator, quotes or line "
                    'breaks must stand in double quotes ("…").'
                )
            rows.append(dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise BabelmixError(f"{path}: line {lines.line_num} is broken ({error}).") from None
    return rows


def _parse_list(path: Path | str, text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        line = getattr(error, "lineno", 1)
        raise BabelmixError(f"{path}: line {line} is not valid JSON ({error}).") from None
    return list(value)


def _parse_line(path: Path | str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BabelmixError(
            f"{path}: line {number} is not valid JSON ({error}). A file is either one JSON list, "
            "or has one JSON object a line."
        ) from None
