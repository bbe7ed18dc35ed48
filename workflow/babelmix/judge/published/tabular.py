"""Rows of published files: CSV, JSON objects, fields under other names, names in a file's path."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import BabelmixError
from ...files.readers import read_rows, read_text

#: Where a JSON object keeps its rows.
_CONTAINERS = ("data", "rows", "samples", "results", "annotations", "examples", "items", "records")
#: Files that are no text.
_BINARY = frozenset({".parquet", ".arrow"})
#: Fields that a row has and an object around rows has not.
_OF_ROWS = {"question_id", "id", "idx", "pair_id", "uid", "instruction", "input", "doc_id"}
_MISSING: Any = object()
_PLACEHOLDER = re.compile(r"\{(run|judge|baseline|lang|benchmark)(\*?)\}|(\*\*|\*)")


def read_published(path: Path) -> list[Any]:
    """The rows of a CSV, JSON, JSON-lines, parquet or Arrow file, also of one JSON object.

    Of an object around rows (``{"data": [...]}``) each row has the rest of it as ``file``; an
    object by ids gives rows with ``key`` and its fields, or ``values``, or ``value``.
    """
    if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        return read_tabular(path)
    # One object around the rows first: what stands beside them says whose judgements they are.
    whole = None if path.suffix.lower() in _BINARY else _whole_object(path)
    return read_rows(path) if whole is None else rows_of_object(whole)


def _whole_object(path: Path) -> dict[str, Any] | None:
    """The JSON object that a file is, None where it is none."""
    try:
        value = json.loads(read_text(path))
    except (BabelmixError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def rows_of_object(value: dict[str, Any]) -> list[Any]:
    """The rows of one JSON object: those that it holds, those that its keys name, or itself."""
    if _OF_ROWS & value.keys():
        return [value]
    for name in _CONTAINERS:
        rows = value.get(name)
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            rest = {key: held for key, held in value.items() if key != name}
            return [{"file": rest} | row for row in rows]
    if value and all(isinstance(held, dict) for held in value.values()):
        return [{"key": key, "question_id": key} | held for key, held in value.items()]
    if value and all(isinstance(held, list) for held in value.values()):
        return [{"key": key, "question_id": key, "values": held} for key, held in value.items()]
    if value and all(isinstance(held, str | int | float | None) for held in value.values()):
        return [{"key": key, "question_id": key, "value": held} for key, held in value.items()]
    return [value]


def read_tabular(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file with a header; empty cells are None. Tabs and semicolons are told."""
    text = read_text(path)
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    csv.field_size_limit(64 << 20)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval=_MISSING)
    try:
        names = [name.strip() for name in rows.fieldnames or []]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BabelmixError(f"{path}: names the column '{twice[0]}' twice. Rename one of them.")
        return [_cells(row, path, rows.line_num) for row in rows]
    except csv.Error as error:
        raise BabelmixError(f"{path}: line {rows.line_num} is not CSV ({error}).") from None


def _cells(row: dict[Any, Any], path: Path, line: int) -> dict[str, Any]:
    if None in row:
        raise BabelmixError(f"{path}: line {line} has more cells than the header.")
    if any(value is _MISSING for value in row.values()):
        raise BabelmixError(f"{path}: line {line} has fewer cells than the header. Is it cut off?")
    return {name.strip(): value or None for name, value in row.items()}


def parse_renamed(pairs: Sequence[str], known: str) -> dict[str, str]:
    """``--map``: their field by our name, which must be one of ``known`` (a pattern)."""
    renamed = dict(pair.partition("=")[::2] for pair in pairs)
    wrong = [pair for pair in pairs if not all(pair.partition("=")[::2])]
    if wrong:
        raise BabelmixError(f"--map: write OURS=THEIRS, as `--map run=model_name`; found {wrong}.")
    for ours in renamed:
        if not re.fullmatch(known, ours):
            raise BabelmixError(
                f"--map: '{ours}' is no name of ours that is read. Names are, with those of the "
                "known formats: question_id, run, judge, lang, category, turn, sample, and "
                "docs/importing.md lists the others."
            )
    return renamed


def parse_wanted(pairs: Sequence[str]) -> dict[str, str]:
    """``--rows``: the value that a field must have, by field."""
    wanted = dict(pair.partition("=")[::2] for pair in pairs)
    if not all("=" in pair for pair in pairs) or "" in wanted:
        raise BabelmixError(f"--rows: write FIELD=VALUE, as `--rows type=metrics`; found {pairs}.")
    return wanted


def rename_fields(rows: list[Any], renamed: Mapping[str, str]) -> list[Any]:
    """Rows with our names beside theirs; a name that no row has is an error.

    Theirs may be a path into a row: ``result.scores.0`` is the first of the list ``scores`` in the
    object ``result``. A field of that very name goes first.
    """
    for theirs in renamed.values():
        if not any(field_at(row, theirs) is not _MISSING for row in rows):
            known = sorted(map(str, rows[0])) if rows and isinstance(rows[0], dict) else []
            raise BabelmixError(
                f"--map: no row has a field `{theirs}`. The first row has {', '.join(known)}."
            )
    if not renamed:
        return rows
    return [
        row | {ours: field_at(row, theirs, None) for ours, theirs in renamed.items()}
        if isinstance(row, dict)
        else row
        for row in rows
    ]


def field_at(row: Any, place: str, missing: Any = _MISSING) -> Any:
    """The value of a field, or of a path of fields and list places."""
    if isinstance(row, dict) and place in row:
        return row[place]
    value = row
    parts = place.split(".")
    while parts:
        if isinstance(value, list) and re.fullmatch(r"-?\d+", parts[0]):
            number = int(parts.pop(0))
            if not -len(value) <= number < len(value):
                return missing
            value = value[number]
            continue
        if not isinstance(value, dict):
            return missing
        # A name may hold dots itself: the longest one that fits.
        fits = (n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in value)
        taken = next(fits, None)
        if taken is None:
            return missing
        value = value[".".join(parts[:taken])]
        parts = parts[taken:]
    return value


def names_in_path(path: Path, pattern: str) -> dict[str, str]:
    """What a pattern finds in a file's path: ``evaluated/{run}/*_{lang}.jsonl``.

    ``{run}`` stands for a part without ``/``, ``{run*}`` for one with any; ``*`` and ``**`` for
    parts without a name. The pattern may begin anywhere at a folder and ends at the path's end.
    """
    written, at = "", 0
    seen: set[str] = set()
    for match in _PLACEHOLDER.finditer(pattern):
        written += re.escape(pattern[at : match.start()])
        at = match.end()
        name, wide = match[1], match[2] or match[3] == "**"
        if name in seen:
            raise BabelmixError(f"--from-path: '{pattern}' names {{{name}}} twice.")
        seen |= {name} if name else set()
        kind = ".+?" if wide else "[^/]*" if match[3] else "[^/]+?"
        written += f"(?P<{name}>{kind})" if name else kind
    written += re.escape(pattern[at:])
    if not seen:
        raise BabelmixError(
            f"--from-path: '{pattern}' names nothing. Allowed: {{run}}, {{judge}}, {{baseline}}, "
            "{lang}, {benchmark}."
        )
    # As late as it fits: the folders above are none of the pattern's.
    found = re.fullmatch(rf"(?:.*/)?{written}", path.resolve().as_posix())
    if found is None:
        raise BabelmixError(f"--from-path: {path} does not fit '{pattern}'.")
    return found.groupdict()


def find_published(places: Sequence[Path], name: str) -> list[Path]:
    """The files among the places, and those below the folders that fit a format's file name."""
    found: list[Path] = []
    endings = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        below = sorted(
            path
            for path in place.rglob(name or "*")
            if path.name.removesuffix(".gz").endswith(endings)
            and path.is_file()
            and path.name != "import.json"
        )
        if not below:
            raise BabelmixError(f"{place}: no file {name or 'of judgements or answers'} below it.")
        found += below
    return found
