"""`where` of a map of fields: which rows are kept."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, model_validator

from .base import Section

#: A comparison as text: `>= 4`, `< 0.5`, `!= spam`, `>= 2024-01-31`.
COMPARISON = r"\s*(>=|<=|!=|>|<)\s*(.*\S)\s*"
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}([T ].*)?)?")
#: Forms that look like a condition and are none.
_OTHER = re.compile(
    r"\s*(==|=\s|=\d|≥|≤|=~|in\s*[\[(]|not\s|between\s|[\[(]\s*-?\d[\d.]*\s*,"
    r"|-?\d[\d.]*\s*(\.\.|to)\s*-?\d)"
)


class Range(Section):
    """A range of numbers, both ends included."""

    min: float | None = Field(default=None, description="Least value that stays.")
    max: float | None = Field(default=None, description="Greatest value that stays.")

    @model_validator(mode="after")
    def _bound(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("give `min` or `max`, or both")
        return self


Value = str | bool | int | float
Wanted = Value | list[Value] | Range


def as_number(value: Any) -> float | None:
    """A number, also one written as text; None for anything else."""
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number else None


def check_condition(path: str, wanted: Wanted) -> None:
    """Raise ValueError for a condition that no value can meet."""
    for text in wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(text, str):
            continue
        found = re.fullmatch(COMPARISON, text)
        if found and isinstance(wanted, list):
            raise ValueError(
                f"where.{path}: a list holds values, any of which may be there; '{text}' is a "
                "comparison. Give it alone, or a range such as {min: 2, max: 4}"
            )
        if found and found[1] != "!=" and as_number(found[2]) is None:
            if not _DATE.fullmatch(found[2]):
                raise ValueError(
                    f"where.{path}: '{text}' compares with neither a number nor a date (2024-01-31)"
                )
        elif not found and _OTHER.match(text):
            raise ValueError(
                f"where.{path}: '{text}' would be looked for as a text. Give a value, a list of "
                "values, a comparison ('>= 4', '< 0.5', '!= spam') or a range ({min: 2, max: 4})"
            )
