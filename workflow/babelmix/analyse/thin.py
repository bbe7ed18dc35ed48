"""Values that few answers stand behind: which they are, and what a mean makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: A value of fewer answered turns than this is thin.
MIN_VALUES = 10
#: So is one of fewer than this share of what the same language has elsewhere.
_MIN_SHARE = 0.5

THIN_WORDS = (
    f"Marked: few answers (under {MIN_VALUES}, or under half as many as other mixtures have). In a "
    "mean over languages each language weighs the same, one of few answers too: read little into "
    "either."
)


def most_values(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return the most answered turns that any mixture has, by language."""
    most: dict[str, float] = {}
    for row in rows:
        if row.get("values") is not None:
            most[row["language"]] = max(most.get(row["language"], 0.0), row["values"])
    return most


def thin(row: dict[str, Any], most: dict[str, float]) -> bool:
    """Whether few answers stand behind a row's value; ``most`` is that of ``most_values``."""
    values = row.get("values")
    if not values:
        # A value of no answers is one by definition (a baseline's parity with itself).
        return False
    return bool(values < MIN_VALUES or values < _MIN_SHARE * most.get(row["language"], 0.0))
