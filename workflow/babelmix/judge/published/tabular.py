"""Rows of CSV files, and fields under other names."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import BabelmixError


def read_tabular(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file with a header; empty cells are None. Tabs and semicolons are told."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BabelmixError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise BabelmixError(f"{path}: not UTF-8 (byte {error.start}).") from None
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    csv.field_size_limit(64 << 20)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [_cells(row, path, rows.line_num) for row in rows]
    except csv.Error as error:
        raise BabelmixError(f"{path}: line {rows.line_num} is not CSV ({error}).") from None


def _cells(row: dict[Any, Any], path: Path, line: int) -> dict[str, Any]:
    if None in row:
        raise BabelmixError(f"{path}: line {line} has more cells than the header.")
    return {name.strip(): value or None for name, value in row.items()}


def rename_fields(rows: list[Any], renamed: Mapping[str, str]) -> list[Any]:
    """Rows with our names beside theirs; a name that no row has is an error."""
    for theirs in renamed.values():
        if not any(isinstance(row, dict) and theirs in row for row in rows):
            raise BabelmixError(f"--map: no row has a field `{theirs}`.")
    if not renamed:
        return rows
    return [
        row | {ours: row[theirs] for ours, theirs in renamed.items() if theirs in row}
        if isinstance(row, dict)
        else row
        for row in rows
    ]
