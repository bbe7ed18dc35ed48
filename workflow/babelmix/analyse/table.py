"""A table of the results: its rows, what its columns mean, and its CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..io import read_json, write_table, write_text
from .statistics import Estimate
from .study import StudySet, Variant

#: Decimals of every float in a table: enough to compute with, few enough to be stable.
DECIMALS = 4

#: Columns that name a variant, with their docs.
VARIANT_COLUMNS = {
    "variant": "Model, mixture and recipe; its seeds are averaged question by question.",
    "label": "Short name, as in the figures.",
    "model": "Base model.",
    "mixture": "Language mixture; empty for an untuned model.",
}
#: Columns of an interval, with their docs.
ESTIMATE_COLUMNS = {
    "low": "Lower end of the interval (over questions; see docs/statistics.md).",
    "high": "Upper end of the interval.",
    "se": "Standard error of the value, over questions.",
    "questions": "Questions (clusters) behind the value: what the interval counts.",
    "values": "Measured values behind the value.",
    "interval_note": "Why there is no value or no interval, or which other interval it is (t, "
    "exact, binomial) and why; empty where it is the usual one.",
}
#: Columns of a tested difference, with their docs.
TEST_COLUMNS = {
    "detectable": "True difference that such a comparison finds with 80 % probability.",
    "p": "Two-sided p of the permutation test that flips the signs of whole questions.",
    "p_holm": "The same after Holm's correction for `tests` comparisons; only for `all`.",
    "tests": "Comparisons that are corrected for one another (same study and evaluation).",
}


@dataclass
class Table:
    """Rows with documented columns; sorted by ``keys`` when written."""

    name: str
    title: str
    about: str
    columns: Mapping[str, str]
    keys: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def csv(self) -> str:
        """The table as CSV: fixed order, fixed rounding, the same bytes for the same rows."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        cells = [[cell(row.get(name)) for name in self.columns] for row in self._sorted()]
        writer.writerows(cells)
        return text.getvalue()

    def _sorted(self) -> list[dict[str, Any]]:
        return sorted(self.rows, key=lambda row: tuple(_sortable(row.get(k)) for k in self.keys))

    def entry(self) -> dict[str, Any]:
        """What the index says of the table."""
        return {
            "name": self.name,
            "file": f"{self.name}.csv",
            "parquet": f"{self.name}.parquet",
            "title": self.title,
            "about": self.about,
            "rows": len(self.rows),
            "columns": [
                {"name": name, "about": about, "type": self._type(name)}
                for name, about in self.columns.items()
            ],
        }

    def _type(self, column: str) -> str:
        """``number`` where every filled cell is one, else ``text``."""
        filled = [row[column] for row in self.rows if row.get(column) is not None]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in filled)
        return "number" if filled and numbers else "text"

    def arrow(self) -> pa.Table:
        """The table as Arrow, rounded as the CSV; each field carries what its column means."""
        arrays, fields = [], []
        rows = self._sorted()
        for name, about in self.columns.items():
            texts = [cell(row.get(name)) for row in rows]
            if self._type(name) == "number":
                arrays.append(pa.array([float(t) if t else None for t in texts], pa.float64()))
            else:
                arrays.append(pa.array([t or None for t in texts], pa.string()))
            fields.append(pa.field(name, arrays[-1].type, metadata={"about": about}))
        about_table = {"title": self.title, "about": self.about}
        return pa.table(arrays, schema=pa.schema(fields, metadata=about_table))

    def write(self, folder: Path) -> None:
        """Write ``{folder}/{name}.csv`` and ``.parquet``."""
        write_text(folder / f"{self.name}.csv", self.csv())
        write_table(folder / f"{self.name}.parquet", self.arrow())


@dataclass(frozen=True)
class ReadTable:
    """A table as read back: its index entry and its rows (numbers as floats, empty as None)."""

    entry: dict[str, Any]
    rows: list[dict[str, Any]]


def read_tables(index: Path) -> dict[str, ReadTable]:
    """The tables that an index lists, by name. The CSV files lie beside the index."""
    found = {}
    for entry in read_json(index)["tables"]:
        types = {column["name"]: column["type"] for column in entry["columns"]}
        with (index.parent / entry["file"]).open(encoding="utf-8", newline="") as handle:
            rows = [
                {name: _parsed(text, types[name]) for name, text in row.items()}
                for row in csv.DictReader(handle)
            ]
        found[entry["name"]] = ReadTable(entry, rows)
    return found


def _parsed(text: str, kind: str) -> Any:
    if text == "":
        return None
    return float(text) if kind == "number" else text


def cell(value: Any) -> str:
    """One cell: floats with four decimals, nothing for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        text = f"{value:.{DECIMALS}f}"
        return text.removeprefix("-") if float(text) == 0 else text
    return str(value)


def _sortable(value: Any) -> tuple[int, float, str]:
    """Numbers before texts, so that mixed columns sort."""
    if isinstance(value, bool | int | float):
        return 0, float(value), ""
    return 1, 0.0, "" if value is None else str(value)


def variant_cells(variant: Variant) -> dict[str, Any]:
    """Cells of ``VARIANT_COLUMNS``."""
    return {
        "variant": variant.name,
        "label": variant.label,
        "model": variant.model,
        "mixture": variant.mixture,
    }


def estimate_cells(estimate: Estimate, value: str = "value") -> dict[str, Any]:
    """Cells of an estimate; its value under the name ``value``."""
    return {
        value: estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "se": estimate.se,
        "questions": estimate.clusters,
        "values": estimate.values,
        "interval_note": estimate.note,
    }


def joined_notes(estimates: Mapping[str, Estimate]) -> str:
    """Return the notes of several intervals of one row as one text: ``[column] note | …``.

    One note that all of them have is said once, without a column. ``wording.note_of`` reads it.
    """
    notes = {name: estimate.note for name, estimate in estimates.items()}
    if len(set(notes.values())) == 1:
        return next(iter(notes.values()))
    return " | ".join(f"[{name}] {note}" for name, note in notes.items() if note)


def evaluation_cells(study: StudySet, evaluation: str) -> dict[str, Any]:
    """Cells that name an evaluation."""
    spec = study.evaluations[evaluation]
    return {"evaluation": evaluation, "benchmark": spec["benchmark"], "judge": spec["judge"]}


EVALUATION_COLUMNS = {
    "evaluation": "Benchmark, judge and protocol.",
    "benchmark": "Benchmark.",
    "judge": "Judge.",
}
