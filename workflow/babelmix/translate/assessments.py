"""Quality estimates of translated rows, made by a job of their own and read by the audit."""

from __future__ import annotations

from ..io import read_table
from ..records import Check

#: Checks (``quality``, ``round_trip``) by row id.
Assessments = dict[str, list[Check]]


def read_assessments(path: str) -> Assessments:
    """Read what the verb ``assess`` wrote: id, name, ok, value, detail."""
    found: Assessments = {}
    for row in read_table(path).to_pylist():
        check = Check(row["name"], row["ok"], row["value"], row["detail"])
        found.setdefault(row["id"], []).append(check)
    return found
