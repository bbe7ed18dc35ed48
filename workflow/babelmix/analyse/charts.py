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
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
#: For what is not a category: mean lines, bands, rules.
NEUTRAL = "#7d8897"
#: For the middle of three outcomes, and what does not take part.
PALE = "#b4bac2"
_LABEL_LIMIT = 210
_LEGEND_LIMIT = 240
_INTERVAL = 1.6


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


def _label_axis(**extra: Any) -> alt.Axis:
    import altair as alt

    return alt.Axis(
        title=None, labelLimit=_LABEL_LIMIT, labelPadding=6, ticks=False, domain=False, **extra
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
    """Cells of ``value`` at (``x``, ``label``), with the number in each.

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
            axis=_label_axis(orient="top", labelAngle=-40 if _longest(x_order) > 5 else 0),
        ),
        y=alt.Y("label:N", sort=y_order, axis=_label_axis()),
        tooltip=tooltips(rows, [x, "label", "value", "interval", "questions"]),
    )
    fills = cells.mark_rect().encode(color=alt.Color("value:Q", scale=scale, legend=None))
    numbers = cells.mark_text(fontSize=10 if small else 12).encode(
        text=alt.Text("value:Q", format=text),
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
        y=alt.Y("label:N", sort=y_order, axis=_label_axis(grid=several)),
        tooltip=tooltips(rows, ["label", colour, "value", "interval", "questions"]),
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
    intervals = chart.mark_rule(strokeWidth=_INTERVAL).encode(
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


#: Width of one of several plots side by side, in pixels; the page fits it to its own width.
PANEL = 300


def panel_room(names: Sequence[str], least: int) -> dict[str, Any]:
    """What the page must know to fit plots side by side: room for names, least width of a plot."""
    return {"panels": {"names": min(_LABEL_LIMIT, 12 + 7 * _longest(names)), "least": least}}


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
        y=alt.Y("label:N", sort=y_order, axis=_label_axis(grid=True)),
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
        chart.mark_rule(strokeWidth=_INTERVAL).encode(x=x, x2="high:Q").encode(x="low:Q"),
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
    plot = alt.layer(*layers).properties(width=PANEL, height=24 * len(y_order))
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
    """Mean lines with a band of their interval, and a dot for each language.

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
    tooltip = tooltips(lines, ["line", "label", "x", "value", "interval", "questions"])
    mean = alt.Y("mean(value):Q", title=y_title, scale=scale, axis=alt.Axis(format=form))
    line = chart.mark_line(color=NEUTRAL, strokeWidth=2.2).encode(y=mean, strokeDash=dash)
    marks = chart.mark_point(color=NEUTRAL, filled=True, size=45).encode(y=y, tooltip=tooltip)
    layers = [line, marks]
    if not several_per_x:
        band = chart.mark_area(color=NEUTRAL, opacity=0.18).encode(
            y=alt.Y("low:Q", title=y_title, scale=scale), y2="high:Q", detail="line:N"
        )
        layers.insert(0, band)
    if points:
        layers.append(_language_dots(points, x, y, point_order))
    return alt.LayerChart(layer=layers)


def is_bent(xs: Sequence[float]) -> bool:
    """Whether an axis is stretched near 0: it holds small positive values beside large ones."""
    return min((x for x in xs if x > 0), default=1.0) < 5 and max(xs) > 20


def _language_dots(points: Rows, x: alt.X, y: alt.Y, order: list[str]) -> alt.Chart:
    import altair as alt

    return (
        base(points, height=300)
        .mark_point(filled=True, size=48, opacity=0.8)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "language:N", scale=alt.Scale(**colours(order)), sort=order, legend=legend(order)
            ),
            shape=alt.Shape("language:N", scale=alt.Scale(**_shapes(order)), sort=order),
            tooltip=tooltips(points, ["language", "label", "x", "value", "interval"]),
        )
    )


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
            y=alt.Y("label:N", sort=y_order, axis=_label_axis()),
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


def losses(rows: Rows, *, label_order: list[str]) -> alt.LayerChart:
    """Training loss against steps, one line a run; dev loss as open points."""
    import altair as alt

    few = len(label_order) <= len(PALETTE)
    hue = alt.Color("label:N", scale=alt.Scale(**colours(label_order)), sort=label_order)
    hue = (
        hue.legend(legend(label_order, symbolType="stroke", symbolSize=500, symbolStrokeWidth=3))
        if few or len(label_order) <= 20
        else hue.legend(None)
    )
    chart = base(rows, height=300).encode(
        x=alt.X("step:Q", title="optimizer step", axis=alt.Axis(tickCount=8)),
        y=alt.Y("loss:Q", title="loss (nats a token)", scale=alt.Scale(zero=False)),
        color=hue,
        detail="run:N",
        tooltip=tooltips(rows, ["run", "kind", "step", "loss"]),
    )
    lines = chart.transform_filter("datum.kind == 'train'").mark_line(strokeWidth=1.4)
    points = chart.transform_filter("datum.kind == 'dev'").mark_point(filled=False, size=50)
    return lines + points


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
        columns=2 if _longest(names) > 14 else 4,
        labelLimit=_LEGEND_LIMIT,
        symbolLimit=40,
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


def _longest(names: Sequence[str]) -> int:
    return max(map(len, names), default=0)
