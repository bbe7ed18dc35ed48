"""Sheets of text as CSV and XLSX, so that what people see is what comes back."""

from __future__ import annotations

import csv
import datetime
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import BabelmixError
from ..io import atomic_path, write_text

#: Longest text that a cell of a workbook holds.
_CELL = 32_767
#: Signs that a workbook cannot hold.
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: Openings that make a spreadsheet program run a CSV cell as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Widths of the columns that hold long texts.
_WIDTH = 60


def write_sheet(path: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """Write rows as ``.csv`` or ``.xlsx``, by the name's ending.

    In CSV a cell that a spreadsheet program would run as a formula opens with an apostrophe, which
    ``read_sheet`` takes off. Raises BabelmixError for another ending, and for a text that is too
    long for a workbook's cell or holds control characters.
    """
    if path.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_guarded(row[name]) for name in columns] for row in rows)
        # The mark at the beginning makes spreadsheet programs read UTF-8.
        write_text(path, "\ufeff" + text.getvalue())
    elif path.suffix.lower() == ".xlsx":
        _write_workbook(path, columns, rows)
    else:
        raise BabelmixError(f"{path}: a sheet's name ends in .csv or .xlsx.")


def read_sheet(path: Path) -> list[dict[str, str]]:
    """Rows of a sheet as text; an empty cell is an empty text.

    Raises BabelmixError when the file cannot be read as what its ending says.
    """
    if not path.is_file():
        raise BabelmixError(f"{path}: no such sheet.")
    if path.suffix.lower() == ".xlsx":
        return _read_workbook(path)
    if path.suffix.lower() != ".csv":
        raise BabelmixError(f"{path}: a sheet's name ends in .csv or .xlsx.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BabelmixError(f"{path}: not UTF-8 ({error}). Save it as CSV in UTF-8.") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)  # some programs save with the locale's own
    csv.field_size_limit(sys.maxsize)
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(lines)
    except csv.Error as error:
        raise BabelmixError(f"{path}: line {lines.reader.line_num} is broken ({error}).") from None
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise BabelmixError(
                f"{path}: row {number} has more cells than the first line has columns. Texts that "
                f"hold '{delimiter}', quotes or line breaks must stand in double quotes."
            )
    return [{name: _unguarded(value or "") for name, value in row.items() if name} for row in rows]


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA, "'")) else text


def _write_workbook(path: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font

    book = Workbook()
    page = book.active
    assert page is not None
    page.title = "review"
    page.append(list(columns))
    for number, row in enumerate(rows, start=2):
        for place, name in enumerate(columns, start=1):
            text = row[name]
            if len(text) > _CELL or _ILLEGAL.search(text):
                raise BabelmixError(
                    f"{path}: {row.get('id', number)}: a text is too long for a workbook's cell, "
                    "or holds control characters. Write the sheet as .csv."
                )
            cell = page.cell(number, place, text)
            cell.data_type = "s"  # never a formula
            cell.number_format = "@"  # what people write stays text: 1/2 is no date, 3.10 no number
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for place, name in enumerate(columns, start=1):
        page.cell(1, place).font = Font(bold=True)
        letter = page.cell(1, place).column_letter
        page.column_dimensions[letter].width = (
            _WIDTH if name in ("source", "translation", "text") else 14
        )
    page.freeze_panes = "A2"
    with atomic_path(path) as temporary:
        book.save(temporary)


def _read_workbook(path: Path) -> list[dict[str, str]]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        page = load_workbook(path, read_only=True, data_only=True).worksheets[0]
    except (BadZipFile, InvalidFileException, KeyError, OSError) as error:
        raise BabelmixError(f"{path}: cannot be read as a workbook ({error}).") from None
    lines = page.iter_rows(values_only=True)
    names = [str(name) for name in next(lines, ()) if name is not None]
    found = []
    for number, line in enumerate(lines, start=2):
        if any(value is not None for value in line):
            for name, value in zip(names, line, strict=False):
                if isinstance(value, bool | datetime.date | datetime.time | datetime.timedelta):
                    raise BabelmixError(
                        f"{path}: line {number}: `{name}` holds {value!r}, not the text that was "
                        "written. Format the cell as text and write it again."
                    )
            texts = ["" if value is None else str(value) for value in line[: len(names)]]
            found.append(dict(zip(names, texts, strict=False)))
    return found
