"""Charts of the study, as Altair objects: rows of a table in, a chart out.

Shared by all: as wide as its container (a phone's 390 px included), colours that colour-blind
readers tell apart and that hold on a light and on a dark page, no colour for texts and axes (the
page sets those), intervals drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

Rows = list[dict[str, Any]]

#: After Okabe and Ito, each of middle lightness, so that it shows on white and on near-black.
PALETTE = [
    "#2f7fc1",
    "#d9730d",
    "#1a9a6c",
    "#b35fc4",
    "#c9a100",
    "#d1495b",
    "#3fa9c9",
    "#8a8f98",
]
#: Stands behind a number of few answers.
FEW_MARK = "*"
#: What hovering over a value tells besides it.
BEHIND = ["interval", "questions", "answered turns"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
#: For what is not a category: mean lines, bands, rules.
NEUTRAL = "#7d8897"
#: For the middle of three outcomes, and what does not take part.
PALE = "#b4bac2"
LABEL_LIMIT = 210
_LEGEND_LIMIT = 240
INTERVAL = 1.6


def colours(names: Sequence[str]) -> dict[str, Any]:
    """Scale of a colour channel: the palette, or 20 colours where it is too short."""
    if len(names) <= len(PALETTE):
        return {"domain": list(names), "range": PALETTE[: len(names)]}
    return {"domain": list(names), "scheme": "tableau20"}


def _shapes(names: Sequence[str]) -> dict[str, Any]:
    return {"domain": list(names), "range": [SHAPES[i % len(SHAPES)] for i in range(len(names))]}


def base(rows: Rows, **size: Any) -> alt.Chart:
    """A chart of these rows, as wide as its container."""
    import altair as alt

    return alt.Chart(alt.Data(values=rows)).properties(width="container", **size)


def label_axis(**extra: Any) -> alt.Axis:
    """An axis of names, without a line."""
    import altair as alt

    return alt.Axis(
        title=None, labelLimit=LABEL_LIMIT, labelPadding=6, ticks=False, domain=False, **extra
    )


def heatmap(
    rows: Rows,
    *,
    x: str,
    x_order: list[str],
    y_order: list[str],
    text: str,
    domain: tuple[float, float],
    middle: float | None = None,
    selectors: dict[str, list[str]] | None = None,
) -> alt.LayerChart:
    """Cells of ``value`` at (``x``, ``label``), with the number in each, and a star at few answers.

    ``middle`` makes the colours diverge around it. ``selectors``: columns to filter by, with their
    values; the first is chosen at first.
    """
    import altair as alt

    low, high = domain
    if middle is None:
        scale = alt.Scale(scheme="blues", domain=[low, high], clamp=True)
        on_dark = f"datum.value > {low + 0.6 * (high - low)}"
    else:
        scale = alt.Scale(
            scheme="blueorange", reverse=True, domain=[low, high], domainMid=middle, clamp=True
        )
        spread = max(high - middle, middle - low)
        on_dark = f"abs(datum.value - {middle}) > {0.65 * spread}"
    chart = base(rows, height=30 * len(y_order))
    for name, values in (selectors or {}).items():
        chart = filtered(chart, name, values)
    small = len(x_order) > 7
    cells = chart.encode(
        x=alt.X(
            f"{x}:N",
            sort=x_order,
            scale=alt.Scale(domain=x_order),
            axis=label_axis(orient="top", labelAngle=-40 if longest(x_order) > 5 else 0),
        ),
        y=alt.Y("label:N", sort=y_order, axis=label_axis()),
        tooltip=tooltips(rows, [x, "label", "value", *BEHIND]),
    )
    fills = cells.mark_rect().encode(color=alt.Color("value:Q", scale=scale, legend=None))
    shown = f"format(datum.value, '{text}') + (datum.few ? '{FEW_MARK}' : '')"
    numbers = cells.transform_calculate(shown=shown).mark_text(fontSize=10 if small else 12)
    numbers = numbers.encode(
        text=alt.Text("shown:N"),
        color=alt.condition(on_dark, alt.value("#ffffff"), alt.value("#111111")),
    )
    return fills + numbers


#: What a drop-down calls a column.
_SPOKEN = {"label": "mixture"}


def filtered(chart: alt.Chart, column: str, values: list[str]) -> alt.Chart:
    """Add a drop-down that keeps the rows of one value of a column."""
    import altair as alt

    chosen = alt.param(
        name=f"chosen_{column}",
        value=values[0],
        bind=alt.binding_select(options=values, name=f"{_SPOKEN.get(column, column)}: "),
    )
    return chart.add_params(chosen).transform_filter(f"datum.{column} == chosen_{column}")


def dots(
    rows: Rows,
    *,
    y_order: list[str],
    colour: str,
    colour_order: list[str],
    title: str,
    rule: float | None = None,
) -> alt.LayerChart:
    """One line a label: ``value`` with its interval, side by side for each ``colour``."""
    import altair as alt

    several = len(colour_order) > 1
    step = max(26, 12 * len(colour_order) + 8)
    chart = base(rows, height=step * len(y_order)).encode(
        y=alt.Y("label:N", sort=y_order, axis=label_axis(grid=several)),
        tooltip=tooltips(rows, ["label", colour, "value", *BEHIND]),
    )
    if several:
        chart = chart.encode(yOffset=alt.YOffset(f"{colour}:N", sort=colour_order))
    hue = alt.Color(
        f"{colour}:N",
        scale=alt.Scale(**colours(colour_order)),
        sort=colour_order,
        legend=legend(colour_order) if several else None,
    )
    axis = alt.X("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8))
    intervals = chart.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=INTERVAL)
    intervals = intervals.encode(
        x=alt.X("low:Q", title=title, scale=alt.Scale(zero=False)), x2="high:Q", color=hue
    )
    points = chart.mark_point(filled=True, size=55, opacity=1).encode(x=axis, color=hue)
    if several:
        shape = alt.Shape(
            f"{colour}:N", scale=alt.Scale(**_shapes(colour_order)), sort=colour_order
        )
        points = points.encode(shape=shape)
    layers = [intervals, points]
    if rule is not None:
        zero = base([{"at": rule}]).mark_rule(strokeDash=[4, 3], color=NEUTRAL)
        layers.insert(0, zero.encode(x="at:Q"))
    return alt.LayerChart(layer=layers)


def curve(
    lines: Rows,
    points: Rows,
    *,
    line_order: list[str],
    point_order: list[str],
    x_title: str,
    y_title: str,
    percent: bool,
    several_per_x: bool,
) -> alt.LayerChart:
    """Mean lines with their interval, and a dot with its interval for each language.

    The first line has a band, the others the dashed edges of one, so that none hides another.

    ``several_per_x``: several variants stand at one x; the line joins their means, without a band.
    """
    import altair as alt

    xs = sorted({row["x"] for row in lines})
    smallest = min((x for x in xs if x > 0), default=1.0)
    bent = is_bent(xs)
    x = alt.X(
        "x:Q",
        title=x_title,
        scale=alt.Scale(type="symlog", constant=smallest) if bent else alt.Scale(zero=False),
        axis=alt.Axis(values=xs, format=".3~r", labelOverlap=True, grid=False),
    )
    form = ".0%" if percent else "~g"
    scale = alt.Scale(domain=[0, 1]) if percent else alt.Scale(zero=False)
    y = alt.Y("value:Q", title=y_title, scale=scale, axis=alt.Axis(format=form))
    dashes = [[1, 0], [6, 4], [2, 3], [8, 3, 2, 3]]
    dash = alt.StrokeDash(
        "line:N",
        scale=alt.Scale(domain=line_order, range=dashes[: len(line_order)]),
        legend=legend(line_order, symbolType="stroke", symbolSize=500, symbolStrokeWidth=2.2),
    )
    chart = base(lines, height=300).encode(x=x)
    tooltip = tooltips(lines, ["line", "label", "x", "value", *BEHIND])
    mean = alt.Y("mean(value):Q", title=y_title, scale=scale, axis=alt.Axis(format=form))
    line = chart.mark_line(color=NEUTRAL, strokeWidth=2.2).encode(y=mean, strokeDash=dash)
    marks = chart.mark_point(color=NEUTRAL, filled=True, size=45).encode(y=y, tooltip=tooltip)
    layers = [line, marks]
    if not several_per_x:
        first = alt.FieldEqualPredicate(field="line", equal=line_order[0])
        band = chart.transform_filter(first).mark_area(color=NEUTRAL, opacity=0.2)
        low = alt.Y("low:Q", title=y_title, scale=scale)
        layers.insert(0, band.encode(y=low, y2="high:Q", detail="line:N"))
        edges = chart.transform_filter(~first).mark_line(
            color=NEUTRAL, strokeDash=[2, 3], strokeWidth=1, opacity=0.9
        )
        for end in ("low:Q", "high:Q"):
            y_end = alt.Y(end, title=y_title, scale=scale)
            layers.insert(1, edges.encode(y=y_end, detail="line:N"))
    if points:
        layers += _language_dots(points, x, y, point_order)
    return alt.LayerChart(layer=layers)


def is_bent(xs: Sequence[float]) -> bool:
    """Whether an axis is stretched near 0: it holds small positive values beside large ones."""
    return min((x for x in xs if x > 0), default=1.0) < 5 and max(xs) > 20


def _language_dots(points: Rows, x: alt.X, y: alt.Y, order: list[str]) -> list[alt.Chart]:
    """A dot per language with a thin line for its interval."""
    import altair as alt

    hue = alt.Color(
        "language:N", scale=alt.Scale(**colours(order)), sort=order, legend=legend(order)
    )
    chart = base(points, height=300).encode(x=x, color=hue)
    dots = chart.mark_point(filled=True, size=48, opacity=0.8).encode(
        y=y,
        shape=alt.Shape("language:N", scale=alt.Scale(**_shapes(order)), sort=order),
        tooltip=tooltips(points, ["language", "label", "x", "value", *BEHIND]),
    )
    ends = chart.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1, opacity=0.35)
    # The same title and scale as the dots': layers share an axis.
    low = alt.Y("low:Q", title=y["title"], scale=y["scale"])
    return [ends.encode(y=low, y2="high:Q"), dots]


def outcome_bars(
    rows: Rows,
    *,
    y_order: list[str],
    order: Sequence[str] = ("win", "tie", "loss"),
    of: str = "pairs",
) -> alt.Chart:
    """Stacked shares of ``outcome`` (good, middling, bad) for each label."""
    import altair as alt

    return (
        base(rows, height=26 * len(y_order))
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=y_order, axis=label_axis()),
            x=alt.X(
                "count:Q", stack="normalize", title=f"share of {of}", axis=alt.Axis(format=".0%")
            ),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=list(order), range=[PALETTE[0], PALE, PALETTE[1]]),
                legend=legend(order),
            ),
            order=alt.Order("rank:Q"),
            tooltip=tooltips(rows, ["label", "outcome", "count"]),
        )
    )


def scatter(rows: Rows, *, x_title: str, y_title: str) -> alt.LayerChart:
    """Labelled points and their least-squares line."""
    import altair as alt

    chart = base(rows, height=300).encode(
        x=alt.X("x:Q", title=x_title, axis=alt.Axis(format=".0%")),
        y=alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False)),
    )
    points = chart.mark_point(filled=True, size=60, color=PALETTE[0]).encode(
        tooltip=tooltips(rows, ["label", "x", "value"])
    )
    names = chart.mark_text(dx=8, align="left").encode(text="label:N")
    line = chart.transform_regression("x", "value").mark_line(color=NEUTRAL, strokeDash=[4, 3])
    return line + points + names


def legend(names: Sequence[str], **extra: Any) -> alt.Legend:
    """Below the plot; the page halves the columns on a narrow screen."""
    import altair as alt

    return alt.Legend(
        orient="bottom",
        title=None,
        columns=2 if longest(names) > 14 else 4,
        labelLimit=_LEGEND_LIMIT,
        symbolLimit=40,
        symbolOpacity=1,
        **extra,
    )


def tooltips(rows: Rows, columns: list[str]) -> list[alt.Tooltip]:
    """Tooltips of those columns that some row fills."""
    import altair as alt

    found = []
    for name in dict.fromkeys(columns):
        values = [row[name] for row in rows if row.get(name) is not None]
        if values:
            number = isinstance(values[0], int | float)
            found.append(
                alt.Tooltip(f"{name}:Q", format=".4~g") if number else alt.Tooltip(f"{name}:N")
            )
    return found


def longest(names: Sequence[str]) -> int:
    """Characters of the longest name."""
    return max(map(len, names), default=0)
