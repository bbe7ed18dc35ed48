"""Conditions of `where`: equal values, lists of them, comparisons and ranges."""

from __future__ import annotations

import re
from typing import Any

from ..config.where import COMPARISON, Range, Wanted, as_number

_COMPARE = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def fits(found: Any, wanted: Wanted, lang: str) -> bool:
    """Whether a row's value is as a condition asks; a value that is not there never is."""
    if isinstance(wanted, Range):
        bounds = [(">=", wanted.min), ("<=", wanted.max)]
        return all(_compare(found, sign, b) for sign, b in bounds if b is not None)
    if isinstance(wanted, list):
        return any(_same(found, one, lang) for one in wanted)
    if isinstance(wanted, str) and (comparison := re.fullmatch(COMPARISON, wanted)):
        sign, operand = comparison[1], comparison[2]
        if sign == "!=":
            return _is_there(found) and not _same(found, _value(operand), lang)
        return _compare(found, sign, operand)
    return _same(found, wanted, lang)


def compares_numbers(wanted: Wanted) -> bool:
    """Whether a condition is a comparison with a number, or a range."""
    if isinstance(wanted, Range):
        return True
    found = re.fullmatch(COMPARISON, wanted) if isinstance(wanted, str) else None
    return found is not None and found[1] != "!=" and as_number(found[2]) is not None


def _is_there(found: Any) -> bool:
    return isinstance(found, str | int | float) and found == found


def _value(operand: str) -> str | float:
    number = as_number(operand)
    return operand if number is None else number


def _compare(found: Any, sign: str, bound: Any) -> bool:
    """A comparison of numbers (also where a table writes them as text), or of dates as text."""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return False
    number, limit = as_number(found), as_number(bound)
    if limit is not None:
        return number is not None and bool(_COMPARE[sign](number, limit))
    return isinstance(found, str) and bool(_COMPARE[sign](found, str(bound)))


def _same(found: Any, wanted: Any, lang: str) -> bool:
    if isinstance(wanted, str):
        wanted = wanted.replace("{lang}", lang).replace("{LANG}", lang.upper())
        if isinstance(found, int | float) and not isinstance(found, bool):
            return as_number(wanted) == found  # `"4"` in quotes means the number all the same
        return isinstance(found, str) and found == wanted
    if isinstance(found, str):
        # Columns of CSV files are text: `true` and `3` are compared as they are written.
        number = None if isinstance(wanted, bool) else as_number(found)
        same_text = found.strip().lower() == str(wanted).lower()
        return same_text or (number is not None and number == wanted)
    # Parquet and JSON may hold whole numbers with a fraction (`4.0`); True is no number here.
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)
