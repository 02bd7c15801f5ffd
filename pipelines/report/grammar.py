"""The grammar of the charts: axes, colours, marks and panels, so that a chart's own code is what it shows.

A panel is Altair's, as a plain specification. A mark reads a named table, which the chart holds; levels have one colour and
one mark everywhere; estimates are dots on their intervals; curves are drawn in a panel for each shape.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt

from pipelines.report import law_tables
from pipelines.report.chart import Spec
from pipelines.report.facts import Facts
from pipelines.report.frames import JsonObject, Rows, apart, log_ticks
from pipelines.report.palette import SHAPES, level_colour
from scaling_fit.result import Result

CHOSEN = "datum.eval_set == eval_set"
"""The rows of the evaluation set that the page's selector is on."""
COUNT_LABEL = "replace(replace(format(datum.value, '.3~s'), 'G', 'B'), 'k', 'K')"
"""Axis labels of token and parameter counts: 100K, 10M, 2B (d3 says k and G)."""
LABEL = 12.0
"""Pixels from one line's name to the next."""

View = alt.Chart | alt.LayerChart | alt.FacetChart


def panel(view: View, height: int = 240, **properties: Any) -> Spec:
    """The plain specification of one view; the page gives it a width and the shared configuration."""
    with alt.data_transformers.enable("default", consolidate_datasets=False):  # inline guides stay where they are drawn
        spec = view.properties(height=height, **properties).to_dict()
    spec.pop("config", None)
    spec.pop("$schema", None)
    return spec


def by_shape(result: Result, draw: Callable[[str], View], height: int) -> list[Spec]:
    """A panel for each shape, smallest first. `draw` is given the filter for the shape's rows on the chosen evaluation set."""
    return [panel(draw(f"{CHOSEN} && datum.shape == {shape.name!r}"), height, title=shape.title) for shape in result.shapes]


def table(name: str, rows: str = "") -> alt.Chart:
    """A view of a named table, or of those of its rows that the filter leaves."""
    view = alt.Chart(alt.NamedData(name=name))
    return view.transform_filter(rows) if rows else view


def selector(result: Result) -> Spec:
    """The page's evaluation-set selector as a parameter of a chart."""
    return {"name": "eval_set", "value": law_tables.eval_sets(result)[0]}


def level_names(facts: Facts) -> list[str]:
    return [level["name"] for level in facts.levels]


def level_colours(names: list[str]) -> alt.Color:
    """Each level's colour, fixed by its place in the study."""
    colours = [level_colour(place) for place in range(len(names))]
    return alt.Color("level:N", scale=alt.Scale(domain=names, range=colours), legend=None)


def level_marks(names: list[str]) -> alt.Shape:
    """Each level's mark, fixed by its place in the study."""
    marks = [SHAPES[place % len(SHAPES)] for place in range(len(names))]
    return alt.Shape("level:N", scale=alt.Scale(domain=names, range=marks), legend=None)


def tips(*fields: str) -> list[alt.Tooltip]:
    """What a mark says when pointed at: `field`, `field|format` or `field|format|title`. A field with a format is a number."""
    out = []
    for text in fields:
        name, form, title = (*text.split("|"), "", "")[:3]
        said = {key: value for key, value in (("format", form), ("title", title)) if value}
        out.append(alt.Tooltip(name if ":" in name else f"{name}:{'Q' if form else 'N'}", **said))  # pyright: ignore[reportArgumentType]
    return out


def scale(domain: Any, log: bool = False) -> alt.Scale:
    """An axis over just this range: numbers, or expressions that follow the page's evaluation set."""
    return alt.Scale(type="log", domain=domain, nice=False) if log else alt.Scale(domain=domain, nice=False, zero=False)


def log_scale() -> alt.Scale:
    """A log scale with room for the marks at its ends."""
    return alt.Scale(type="log", nice=False, padding=10)


def count_axis(title: str, **options: Any) -> alt.Axis:
    return alt.Axis(title=title, labelExpr=COUNT_LABEL, **options)


def signed_axis(title: str, digits: int = 2, **options: Any) -> alt.Axis:
    """Labels of a difference: +0.5, 0, -1."""
    label = f"datum.value == 0 ? '0' : format(datum.value, '+.{digits}~f')"
    return alt.Axis(title=title, labelExpr=label, **{"tickCount": 5, **options})


def tokens_axis(rows: Rows) -> alt.X:
    """Training tokens D on a log scale over those of `rows`."""
    tokens = [row["D"] for row in rows] or [1.0, 10.0]
    ends = [min(tokens) / 1.12, max(tokens) * 1.12]
    return alt.X("D:Q", scale=scale(ends, log=True), axis=count_axis("training tokens D", values=log_ticks(tokens)))


def share(field: str, title: str) -> alt.Y:
    """A share of something, in percent, upwards."""
    return alt.Y(f"{field}:Q", title=title, axis=alt.Axis(format="%", tickCount=4))


def names(field: str, order: list[str], padding: float | None = None, **axis: Any) -> alt.Y:
    """One row per name, in this order."""
    spaced = alt.Scale(paddingInner=padding) if padding else alt.Undefined
    return alt.Y(f"{field}:N", sort=order, title=None, axis=alt.Axis(grid=False, **axis), scale=spaced)


def guide(value: float | None, along: alt.X | alt.Y) -> alt.Chart:
    """A dashed line across the view where an axis has this value."""
    line = alt.Chart(alt.InlineData(values=[{_spec(along)["field"]: value}])).mark_rule(style="guide", clip=True)
    return line.encode(x=along) if isinstance(along, alt.X) else line.encode(y=along)


def _spec(channel: alt.X | alt.Y) -> Spec:
    spec = channel.to_dict()
    assert isinstance(spec, dict)
    return spec


def dots(rows: alt.Chart, told: list[alt.Tooltip], size: int = 50, opacity: float = 1.0, **channels: Any) -> alt.Chart:
    """Filled marks, cut at the frame."""
    return rows.mark_point(filled=True, size=size, opacity=opacity, clip=True).encode(tooltip=told, **channels)


def interval_dots(
    rows: alt.Chart, value: alt.X | alt.Y, told: list[alt.Tooltip], open_to: tuple[str, str] = ("", ""), **channels: Any
) -> View:
    """An estimate on its interval, the fields `low` and `high`. An end that the data do not bound is drawn to `open_to`."""
    side, own = ("x", alt.X) if isinstance(value, alt.X) else ("y", alt.Y)
    title = _spec(value).get("title", alt.Undefined)
    ends = rows
    if open_to[0]:
        ends = rows.transform_calculate(
            low=f"isValid(datum.low) ? datum.low : {open_to[0]}", high=f"isValid(datum.high) ? datum.high : {open_to[1]}"
        )
    bars = ends.mark_rule(strokeWidth=2, opacity=0.75, clip=True)
    drawn = bars.encode(**{side: own("low:Q", title=title), f"{side}2": "high:Q"}, **channels)
    return drawn + dots(rows, told, **{side: value}, **channels)


def line_ends(rows: Rows, value: str, ranges: Mapping[str, Sequence[float]], height: int, log: bool = False) -> Rows:
    """Where the names of lines stand: beside their last points in each shape and evaluation set, apart where lines coincide.
    ranges: the frame of every set."""
    ends: dict[tuple[str, str], dict[str, JsonObject]] = {}
    for row in sorted((row for row in rows if row[value] is not None), key=lambda row: row["D"]):
        ends.setdefault((row["eval_set"], row["shape"]), {})[row["level"]] = row
    out: Rows = []
    for (eval_set, shape), of_level in ends.items():
        to, back = (math.log, math.exp) if log else (float, float)
        low, high = (to(end) for end in ranges[eval_set])
        places = apart([to(row[value]) for row in of_level.values()], LABEL * (high - low) / height, low, high)
        out += [
            {"eval_set": eval_set, "shape": shape, "level": level, value: back(place)}
            for level, place in zip(of_level, places, strict=True)
        ]
    return out


def named_ends(rows: alt.Chart, value: alt.Y, colour: alt.Color) -> alt.Chart:
    """The names of lines right of the frame, at the places of `line_ends`."""
    told = rows.mark_text(align="left", baseline="middle", dx=6, fontSize=10.5)
    return told.encode(x=alt.value("width"), y=value, text="level:N", color=colour)


def band(rows: alt.Chart, x: alt.X, title: str, colour: alt.Color, opacity: float = 0.16) -> alt.Chart:
    """The interval of a curve, the fields `low` and `high`."""
    return rows.mark_area(clip=True, opacity=opacity).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour)


def line(rows: alt.Chart, width: float = 2, **channels: Any) -> alt.Chart:
    """A curve, cut at the frame."""
    return rows.mark_line(strokeWidth=width, clip=True).encode(**channels)


def beyond(rows: alt.Chart, **channels: Any) -> alt.Chart:
    """A curve where nothing was tested: thin and dashed."""
    return rows.mark_line(strokeDash=[3, 4], strokeWidth=1.5, opacity=0.55, clip=True).encode(**channels)


def bars(rows: alt.Chart, told: list[alt.Tooltip], x: alt.X, y: alt.Y, **mark: Any) -> alt.Chart:
    """Bars of one colour."""
    return rows.mark_bar(color="var(--accent)", opacity=0.75, **mark).encode(x=x, y=y, tooltip=told)
