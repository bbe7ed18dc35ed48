"""Sentences about a difference: what is shown, what is not, and what could have been."""

from __future__ import annotations

import re

from .statistics import Estimate

#: Narrow, and no line break.
NARROW = "\u202f"


def percent(value: float | None, decimals: int) -> str:
    """``12.3 %`` with a narrow space; a dash for nothing."""
    # Halves go up, as in the figures.
    return "–" if value is None else f"{value + 1e-9:.{decimals}f}{NARROW}%"


def note_of(note: str | None, column: str) -> str:
    """Return what a row's note says of one column (``table.joined_notes`` joins several)."""
    parts = re.findall(r"(?:^|\| )\[(\w+)\] ([^|]*)", note or "")
    return (note or "") if not parts else dict(parts).get(column, "").strip()


def short_note(note: str | None) -> str:
    """Return the first part of a note: what kind of interval it is, or why there is none."""
    return (note or "").partition(";")[0]


def interval(
    confidence: float, low: float | None, high: float | None, form: str, note: str | None = ""
) -> str:
    """``95 %: 1.2 … 3.4``, or that there is none and why (``note``)."""
    if low is None or high is None:
        return short_note(note) or "no interval"
    level = f"{100 * confidence:.3g}{NARROW}%"
    return f"{level}: {low:{form}}\u00a0…\u00a0{high:{form}}"


def detectable_words(size: float | None, unit: str, form: str = ".2f") -> str:
    """What the comparison would have found, so that no gain is as easy to see as a gain."""
    if size is None:
        return ""
    return f"A true difference of {size:{form}} {unit} would be found in 4 of 5 such studies."


def difference_sentence(
    left: str,
    right: str,
    difference: Estimate,
    unit: str,
    confidence: float,
    detectable: float | None = None,
    form: str = ".2f",
    corrected: float | None = None,
    p: float | None = None,
) -> str:
    """What a paired difference (left − right) shows, with its interval; no claim without one.

    Where 0 lies in the interval it says so, and which effect could have been detected. The same
    where the p value ``corrected`` for other comparisons, or this one's own ``p``, says that it may
    be chance.
    """
    if difference.value is None and difference.values:
        return f"The difference of {left} and {right} is unknown ({short_note(difference.note)})."
    if difference.value is None:
        return f"{left} and {right} have no question in common that was scored."
    size = interval(confidence, difference.low, difference.high, f"+{form}", difference.note)
    by = f"{difference.value:+{form}} {unit} ({size})"
    shown = all(one is None or one < 1 - confidence for one in (corrected, p))
    if difference.excludes(0) and shown:
        better, worse = (left, right) if difference.value > 0 else (right, left)
        low, high = sorted((abs(difference.low or 0.0), abs(difference.high or 0.0)))
        ends = interval(confidence, low, high, form)
        return f"{better} beats {worse} by {abs(difference.value):{form}} {unit} ({ends})."
    words = detectable_words(detectable, unit, form)
    allowed = ""
    if difference.excludes(0):
        allowed = ", once the other comparisons are allowed for,"
        if p is not None and p >= 1 - confidence:
            allowed = f", by the permutation test (p = {p:.2g}),"
    nothing = f"No difference can be shown at this size{allowed} between {left} and {right}"
    return f"{nothing}: {by}. {words}".strip()
