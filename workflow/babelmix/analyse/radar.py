"""Study 1's radar: mean grade by category, a trace a turn, for each mixture and language.

Vega-Lite has no polar axes: rings, spokes and traces are lines between points computed here. The
rings carry their grades, so that a radius can be read off and not only a shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .charts import NEUTRAL, Rows, base, colours, filtered, legend, tooltips

if TYPE_CHECKING:
    import altair as alt

#: Grades of the rings; the outermost is the best grade.
RINGS = (2, 4, 6, 8, 10)
#: Half the width of the square that holds the rings and the names around them.
_EDGE = 14.5


def point(radius: float, at: int, of: int) -> dict[str, float]:
    """Where the ``at``-th of ``of`` categories has this grade; the first is at the top."""
    angle = 2 * math.pi * at / of
    return {"x": round(radius * math.sin(angle), 4), "y": round(radius * math.cos(angle), 4)}


def traces(rows: Rows, categories: Sequence[str]) -> Rows:
    """Rows (label, language, turn, category, value) as closed traces with ``x``, ``y``, ``rank``.

    A trace that misses a category is left open there.
    """
    rank = {category: i for i, category in enumerate(categories)}
    found = []
    for row in rows:
        at = rank[row["category"]]
        placed = row | point(row["value"], at, len(categories)) | {"rank": at}
        found.append(placed)
        if at == 0:
            # The trace ends where it began.
            found.append(placed | {"rank": len(categories)})
    return found


def radar(
    rows: Rows, *, categories: Sequence[str], turns: Sequence[str], selectors: dict[str, list[str]]
) -> alt.LayerChart:
    """The radar with a drop-down for each selector; ``rows`` as for ``traces``."""
    import altair as alt

    n = len(categories)
    rings = [
        point(grade, at, n) | {"ring": grade, "rank": at} for grade in RINGS for at in range(n + 1)
    ]
    spokes = [
        p | {"spoke": i, "rank": end}
        for i in range(n)
        for end, p in enumerate((point(0, i, n), point(RINGS[-1], i, n)))
    ]
    names = [point(11.6, i, n) | {"category": name} for i, name in enumerate(categories)]
    grades = [{"x": 0.0, "y": float(grade), "grade": str(grade)} for grade in RINGS]
    # One unit is as long sideways as upwards, on a wide and on a narrow screen.
    ends = {
        name: {
            "domainMin": alt.expr(f"-{_EDGE} * max(1, {ratio})"),
            "domainMax": alt.expr(f"{_EDGE} * max(1, {ratio})"),
        }
        for name, ratio in (("x", "width / height"), ("y", "height / width"))
    }
    x = alt.X("x:Q", axis=None, scale=alt.Scale(**ends["x"], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(**ends["y"], nice=False))

    def lines(of: Rows, detail: str) -> alt.Chart:
        chart = base(of, height=380).mark_line(color=NEUTRAL, opacity=0.45, strokeWidth=1)
        return chart.encode(x=x, y=y, detail=f"{detail}:N", order="rank:Q")

    hue = alt.Color(
        "turn:N", scale=alt.Scale(**colours(turns)), sort=list(turns), legend=legend(turns)
    )
    chart = base(traces(rows, categories), height=380)
    for name, values in selectors.items():
        chart = filtered(chart, name, values)
    shown = chart.encode(x=x, y=y, color=hue)
    trace = shown.mark_line(strokeWidth=2).encode(order="rank:Q", detail="turn:N")
    dots = shown.mark_point(filled=True, size=45, opacity=1).encode(
        shape=alt.Shape("turn:N", sort=list(turns), legend=None),
        tooltip=tooltips(rows, ["label", "language", "turn", "category", "value", "interval"]),
    )
    labels = base(names, height=380).mark_text(fontSize=12).encode(x=x, y=y, text="category:N")
    marks = base(grades, height=380).mark_text(fontSize=10, dx=9, color=NEUTRAL)
    return alt.LayerChart(
        layer=[
            lines(rings, "ring"),
            lines(spokes, "spoke"),
            marks.encode(x=x, y=y, text="grade:N"),
            trace,
            dots,
            labels,
        ]
    )
