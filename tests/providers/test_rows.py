"""The table's rows as tests: a part of them in `make test`, all in `make test-providers`."""

from __future__ import annotations

from collections import Counter

import pytest

from .__main__ import load_rows
from .table import ROWS, Row, play

load_rows()


def marks(row: Row) -> list[pytest.MarkDecorator]:
    """A long row is not in `make test`; one that is known to be open may fail."""
    found = [] if row.quick else [pytest.mark.providers]
    return [*found, pytest.mark.xfail(reason=row.still_open)] if row.still_open else found


@pytest.mark.parametrize(
    "row",
    [pytest.param(r, marks=marks(r), id=f"{r.point}: {r.name}"[:110]) for r in ROWS],
)
def test_row(row: Row) -> None:
    result = play(row)
    assert result.passed, "\n".join(result.problems)


def test_each_point_has_a_quick_row_and_no_name_stands_twice() -> None:
    points = {row.point for row in ROWS if row.quick}
    assert points == {*map(str, range(1, 19)), "kept"}
    assert not [name for name, n in Counter(row.name for row in ROWS).items() if n > 1]
