"""Read rows from JSON, JSONL and their gzipped forms; what is broken is named by file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from ..errors import BabelmixError


def read_rows(path: Path | str) -> list[Any]:
    """All rows of a ``.json`` (a list) or ``.jsonl`` file, plain or ``.gz``, in file order.

    The shape is told from the content: a file that opens with ``[`` is one JSON list, anything
    else has one JSON value a line (blank lines are passed over). Raises BabelmixError, with the
    line, when the file is missing, not UTF-8 or not JSON.
    """
    text = _decode(path, _read_bytes(path))
    if text.lstrip()[:1] == "[":
        return _parse_list(path, text)
    return [_parse_line(path, n, line) for n, line in _lines(text) if line.strip()]


def _read_bytes(path: Path | str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BabelmixError(f"{path}: cannot be read ({error.strerror}).") from None
    if not str(path).endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise BabelmixError(
            f"{path}: not a whole gzip file ({error}). Fetch it again, or name it without .gz."
        ) from None


def _decode(path: Path | str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BabelmixError(
            f"{path}: line {line} is not UTF-8 (byte {data[error.start]:#04x}). "
            "Convert the file to UTF-8, e.g. with `iconv -t utf-8`."
        ) from None


def _lines(text: str) -> list[tuple[int, str]]:
    # Not splitlines(): it also breaks at U+2028 and form feeds, which JSON strings may hold.
    return list(enumerate(text.split("\n"), start=1))


def _parse_list(path: Path | str, text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise BabelmixError(f"{path}: line {line} is not valid JSON ({error}).") from None
    return list(value)


def _parse_line(path: Path | str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise BabelmixError(
            f"{path}: line {number} is not valid JSON ({error}). A file is either one JSON list, "
            "or has one JSON object a line."
        ) from None
