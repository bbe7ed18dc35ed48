"""Charts of several plots side by side, and of one mixture among all, as Altair objects.

Vega-Lite fits a single plot to its container; these say in ``usermeta`` what the page must know to
fit them itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .charts import (
    BEHIND,
    INTERVAL,
    LABEL_LIMIT,
    NEUTRAL,
    PALE,
    PALETTE,
    Rows,
    base,
    filtered,
    label_axis,
    legend,
    longest,
    tooltips,
)

if TYPE_CHECKING:
    import altair as alt

#: Width of one of several plots side by side, in pixels; the page fits it to its own width.
PANEL = 300


def panel_room(names: Sequence[str], least: int) -> dict[str, Any]:
    """What the page must know to fit plots side by side: room for names, least width of a plot."""
    return {"panels": {"names": min(LABEL_LIMIT, 12 + 7 * longest(names)), "least": least}}


def panels(
    rows: Rows,
    *,
    panel_order: list[str],
    y_order: list[str],
    hues: dict[str, str],
    zero_in: Sequence[str] = (),
) -> alt.FacetChart:
    """Dots with intervals, one line per label, in a plot for each ``panel`` with its own axis.

    ``hues``: colour of each ``state``, in the order of the legend. ``zero_in``: panels with a line
    at 0.
    """
    import altair as alt

    present = {row["state"] for row in rows}
    states = [state for state in hues if state in present]
    chart = alt.Chart().encode(
        y=alt.Y("label:N", sort=y_order, axis=label_axis(grid=True)),
        color=alt.Color(
            "state:N",
            sort=states,
            scale=alt.Scale(domain=states, range=[hues[state] for state in states]),
            legend=legend(states),
        ),
        tooltip=tooltips(
            rows,
            ["label", "value", "interval", "state", "questions", "answered turns", "seeds"],
        ),
    )
    x = alt.X("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    layers = [
        chart.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=INTERVAL)
        .encode(x=alt.X("low:Q", title=None, scale=alt.Scale(zero=False)), x2="high:Q"),
        chart.mark_point(filled=True, size=60, opacity=1).encode(x=x),
    ]
    if zero_in:
        zero = (
            alt.Chart()
            .transform_filter(alt.FieldOneOfPredicate("panel", list(zero_in)))
            .mark_rule(strokeDash=[4, 3], color=NEUTRAL)
            .encode(x=alt.datum(0))
        )
        layers.insert(0, zero)
    plot = alt.layer(*layers).properties(width=PANEL, height=27 * len(y_order))
    return (
        plot.facet(
            facet=alt.Facet(
                "panel:N",
                sort=panel_order,
                title=None,
                header=alt.Header(labelAnchor="start", labelFontSize=12),
            ),
            columns=2,
            data=alt.Data(values=rows),
        )
        .resolve_scale(x="independent")
        .properties(usermeta=panel_room(y_order, 280))
    )


def losses(rows: Rows, *, label_order: list[str]) -> alt.FacetChart:
    """Training loss against steps, a small plot per mixture on the same axes.

    The loss on held-out rows is an open point.
    """
    import altair as alt

    y = alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    chart = alt.Chart().encode(
        x=alt.X("step:Q", title=None, axis=alt.Axis(tickCount=4)),
        y=y,
        detail="run:N",
        tooltip=tooltips(rows, ["run", "kind", "step", "loss"]),
    )
    lines = chart.transform_filter("datum.kind == 'train'").mark_line(strokeWidth=1.2)
    points = chart.transform_filter("datum.kind == 'dev'").mark_point(filled=False, size=50)
    plot = alt.layer(
        lines.encode(color=alt.value(PALETTE[0])), points.encode(color=alt.value(PALETTE[1]))
    )
    return (
        plot.properties(width=150, height=100)
        .facet(
            facet=alt.Facet(
                "label:N",
                sort=label_order,
                title=None,
                header=alt.Header(labelAnchor="start", labelFontSize=12),
            ),
            columns=4,
            data=alt.Data(values=rows),
        )
        .properties(usermeta={"panels": {"names": 50, "least": 140}})
    )


def among(
    rows: Rows, *, y: str, y_order: list[str], selectors: dict[str, list[str]], title: str
) -> alt.LayerChart:
    """One mixture's ``value`` with its interval per ``y``, among thin strokes for all the others.

    ``selectors``: columns to choose from; ``label`` chooses the mixture that stands out.
    """
    import altair as alt

    chart = base(rows, height=24 * len(y_order))
    for name, values in selectors.items():
        if name != "label":
            chart = filtered(chart, name, values)
    chart = chart.encode(
        y=alt.Y(f"{y}:N", sort=y_order, axis=label_axis(grid=True)),
        x=alt.X("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6)),
        tooltip=tooltips(rows, ["label", y, "value", *BEHIND]),
    )
    others = chart.mark_tick(color=PALE, thickness=1.5, size=14)
    one = filtered(chart, "label", selectors["label"])
    ends = one.transform_filter("isValid(datum.low)").mark_rule(
        strokeWidth=INTERVAL, color=PALETTE[0]
    )
    ends = ends.encode(x=alt.X("low:Q", title=title), x2="high:Q")
    dots = one.mark_point(filled=True, size=65, opacity=1, color=PALETTE[0])
    return alt.LayerChart(layer=[others, ends, dots])
