"""Measures of a pool's translations made before the audit, in a file a measure and language.

``collect`` turns each into a check of that name. The file has ``check``, ``values`` (row id -> the
row's worst message; null where there is nothing to measure) and what else is known (``facts``).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BabelmixError
from ..io import read_json
from ..records import ABSENT_CHECKS, Check, Conversation
from .audit import turn_check


@dataclass(frozen=True)
class Measure:
    """Values of one check by row id."""

    path: str
    check: str
    values: Mapping[str, float | None]
    facts: Mapping[str, Any]

    def of(self, row_id: str, below: float | None) -> Check:
        """The row's check; BabelmixError when the file does not know the row."""
        if row_id not in self.values:
            raise BabelmixError(f"{self.path}: no value of row '{row_id}'. Delete it, run again.")
        value = self.values[row_id]
        if value is None:
            return Check(self.check, True, None, "not measured: no text to measure")
        ok = below is None or value >= below
        return Check(self.check, ok, value, "" if ok else f"{value:.4g}, at least {below:g} wanted")

    def summary(self, below: float | None) -> dict[str, Any]:
        """Plain JSON for the audit."""
        known = [value for value in self.values.values() if value is not None]
        median = statistics.median(known) if known else None
        return {"measured": len(known), "median": median, "below": below} | dict(self.facts)


def read_measures(paths: Iterable[str]) -> list[Measure]:
    """Files as ``measure_json`` makes them."""
    found = [(path, read_json(path)) for path in paths]
    return [Measure(path, m["check"], m["values"], m["facts"]) for path, m in found]


def measure_json(
    check: str, values: Mapping[str, float | None], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What is written of a measure."""
    return {"check": check, "values": dict(values), "facts": dict(facts)}


def comparable(source: Conversation, row: Conversation) -> bool:
    """Whether the row is there, with the pivot's turns."""
    absent = any(c.name in ABSENT_CHECKS and not c.ok for c in row.checks)
    return not absent and turn_check(source.messages, row.messages).ok


def worst(values: Sequence[float | None]) -> float | None:
    """The least of the values that could be measured, to six digits after the point."""
    known = [value for value in values if value is not None]
    return round(min(known), 6) if known else None


def finite(value: object, where: str) -> float:
    """A score as a float; BabelmixError for what is no finite number."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise BabelmixError(f"{where}: gave {value!r}, which is not a finite number.")
    return number
