"""The figure that the page opens with: what the law does over measured quality, and what to keep of a finite pool."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import law_tables, quality_tables
from pipelines.report.chart import Chart
from pipelines.report.frames import JsonObject, Rows, apart, limits, log_ticks
from scaling_fit.result import Result

CHOSEN = f"{draw.CHOSEN} && datum.axis == axis && datum.response == response"


def over_quality(result: Result, names: list[str]) -> list[Chart]:
    """Each level's exponent (or worth, data term, floor, loss) over its quality, and the line through them.
    None without a level that can be drawn."""
    if not result.axes or not result.fits:
        return []
    levels, lines = quality_tables.levels(result), quality_tables.lines(result)
    if not levels:
        return []
    axes, responses = quality_tables.axes(result), quality_tables.responses(result)
    x_frame, x_domain = _frame("frame_quality_x", "axis", _x_ranges(levels, axes))
    y_frame, y_domain = _frame("frame_quality_y", "eval_set + '|' + response", _y_ranges(levels))
    _labels_apart(levels, x_frame["value"], y_frame["value"])
    x = alt.X("quality:Q", scale=draw.scale(x_domain), axis=alt.Axis(title=None, tickCount=6, format="~g"))
    y = alt.Y("value:Q", scale=draw.scale(y_domain), axis=alt.Axis(title=None, tickCount=5, format="~g"))
    line = draw.table("quality_lines", CHOSEN)
    accent = {"color": alt.value("var(--accent)")}
    band = line.mark_area(opacity=0.14, clip=True, color="var(--accent)").encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q")
    through = line.transform_filter("datum.shown").mark_line(strokeWidth=2.5, clip=True).encode(x=x, y=y, **accent)
    unsure = line.transform_filter("!datum.shown").mark_line(strokeWidth=2, strokeDash=[6, 4], clip=True)
    marks = draw.table("quality_levels", CHOSEN)
    said = draw.tips("level", "role", "quality:Q||quality", "value|.4g", "low|.4g", "high|.4g", "fitted||in the line")
    told = {"x": x, "color": draw.level_colours(names), "y": y}
    ends = y_domain[0]["expr"], y_domain[1]["expr"]
    closed = marks.transform_calculate(
        low=f"isValid(datum.low) ? datum.low : {ends[0]}", high=f"isValid(datum.high) ? datum.high : {ends[1]}"
    )
    bars = closed.mark_rule(strokeWidth=2, opacity=0.75, clip=True).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q",
                                                                          color=told["color"])  # fmt: skip
    dots = [
        marks.transform_filter(f"datum.role == {role!r}")
        .mark_point(size=130, strokeWidth=2.2, opacity=1, clip=True, **look)
        .encode(tooltip=said, **told)
        for role, look in MARKS.items()
    ]
    right = f"2 * datum.quality > {x_domain[0]['expr']} + {x_domain[1]['expr']}"  # there a name stands left of its mark
    label_y = alt.Y("label_at:Q", title=None, scale=draw.scale(y_domain))
    named = [
        marks.transform_filter(right)
        .mark_text(align="right", dx=-9, dy=-10, fontWeight=600)
        .encode(x=x, y=label_y, color=told["color"], text="label:N"),
        marks.transform_filter(f"!({right})")
        .mark_text(align="left", dx=9, dy=-10, fontWeight=600)
        .encode(x=x, y=label_y, color=told["color"], text="label:N"),
    ]
    words = draw.table("quality_titles", "datum.axis == axis && datum.response == response")
    y_title = words.mark_text(style="note", align="left", baseline="bottom", fontSize=12)
    x_title = words.mark_text(style="note", align="right", baseline="top", fontSize=12)
    titles = [
        y_title.encode(x=alt.value(0), y=alt.value(-8), text="y_title:N"),
        x_title.encode(x=alt.value("width"), y=alt.value(HEIGHT + 24), text="x_title:N"),
    ]
    view = alt.layer(band, through, unsure.encode(x=x, y=y, **accent), bars, *dots, *named, *titles)
    first = result.fits[law_tables.eval_sets(result)[0]].quality
    assert first is not None
    return [
        Chart(
            id="quality",
            title="The levels over their quality",
            says="Each mark is a level: its text by one measure of quality, and how its law comes out on unseen text. The line "
            "through the levels has its interval and is solid where it is shown to slope; hollow marks are controls, diamonds "
            "other mixtures of domains: neither is fitted.",
            alt=" ".join(one.answer for one in first.words.values()),
            panels=[draw.panel(view, HEIGHT, padding={"top": 8, "bottom": 8})],
            tables={
                "quality_levels": levels,
                "quality_lines": lines,
                "quality_titles": quality_tables.titles(result),
            },
            params=[draw.selector(result), x_frame, y_frame, {"name": "axis", "value": next(iter(axes))},
                    {"name": "response", "value": next(iter(responses))}],
            choices={"response": ("Show", responses), "axis": ("over", axes)},
            legend=len(names) > NAMED,
        )
    ]  # fmt: skip


def pool(result: Result) -> list[Chart]:
    """The share of the baseline's tokens that is best to keep, by the tokens to be trained."""
    rows = quality_tables.pool(result)
    if not rows:
        return []
    sets = list(dict.fromkeys(row["eval_set"] for row in rows))
    axis = draw.count_axis("tokens to train", values=log_ticks(row["D"] for row in rows))
    x = alt.X("D:Q", scale=draw.log_scale(), axis=axis)
    title = f"share of {result.baseline}'s tokens to keep"
    y = alt.Y("kept:Q", title=title, axis=alt.Axis(format="%", tickCount=5), scale=alt.Scale(domain=[0, 1]))
    table, accent = draw.table("pool", draw.CHOSEN), {"color": alt.value("var(--accent)")}
    band = table.mark_area(opacity=0.1, color="var(--accent)").encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q")
    said = draw.tips(
        "D|,.0f", "kept|.0%", "low|.0%", "high|.0%", "gain|.2f|worth of its own", "level||best level", "sure|.0%|of replicates"
    )
    tested = max(point.D for point in result.sets[sets[0]].points)
    inside = table.transform_filter(f"datum.D <= {tested * 1.001}")
    curve = inside.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=30)).encode(x=x, y=y, tooltip=said, **accent)
    beyond = draw.beyond(table, x=x, y=y, tooltip=said, **accent)
    found = result.fits[sets[0]].quality
    assert found is not None
    return [
        Chart(
            id="pool",
            title="How strictly to curate this pool",
            says="Strict levels have better tokens and fewer of them, which have to be repeated sooner, and a repeat is worth "
            "less each time. The curve says what share is best to keep, with its interval, for every amount of training; past "
            "the most tokens tested it is dashed, and rests on the published law of repeats alone.",
            alt=found.pool,
            panels=[draw.panel(band + beyond + curve, 240)],
            tables={"pool": rows},
            params=[draw.selector(result)],
            min_width=400,
        )
    ]


HEIGHT = 330
NEAR = 0.15
"""Names of levels that lie nearer than this part of the frame's width may lie on each other."""
REACH = 6.0
"""Intervals are shown whole up to so many times the spread of the levels: exponents that agree have long ones."""
NAMED = 5
"""From more levels than these their names may lie on each other, so that the legend has them too."""
MARKS: dict[str, JsonObject] = {
    "level": {"filled": True},
    "control": {"filled": False, "fill": "var(--page)"},
    "arm": {"filled": True, "shape": "diamond"},
}


def _frame(name: str, key: str, ranges: dict[str, list[float]]) -> tuple[JsonObject, list[dict[str, str]]]:
    """As `frames.frame`, for ranges that follow more than the evaluation set: `key` is the expression of theirs."""
    return {"name": name, "value": ranges}, [{"expr": f"{name}[{key}][{end}]"} for end in (0, 1)]


def _x_ranges(levels: Rows, axes: dict[str, str]) -> dict[str, list[float]]:
    return {axis: limits(row["quality"] for row in levels if row["axis"] == axis) for axis in axes}


def _labels_apart(levels: Rows, x_ranges: dict[str, list[float]], y_ranges: dict[str, list[float]]) -> None:
    """Give each level the place of its name, `label_at`: its value, or as near as neighbours let it."""
    for key in dict.fromkeys((row["eval_set"], row["response"], row["axis"]) for row in levels):
        own = sorted(
            (row for row in levels if (row["eval_set"], row["response"], row["axis"]) == key and row["value"] is not None),
            key=lambda row: row["quality"],
        )
        (left, right), (low, high) = x_ranges[key[2]], y_ranges["|".join(key[:2])]
        groups: list[Rows] = []
        for row in own:
            if not groups or row["quality"] - groups[-1][-1]["quality"] > NEAR * (right - left):
                groups.append([])
            groups[-1].append(row)
        for group in groups:
            gap = draw.LABEL * 1.2 * (high - low) / HEIGHT
            places = apart([row["value"] for row in group], gap, low, high)
            for row, place in zip(group, places, strict=True):
                row["label_at"] = place


def _y_ranges(levels: Rows) -> dict[str, list[float]]:
    """Of every set and response: all levels, and their intervals as far as they let the levels be seen."""
    out = {}
    for key in dict.fromkeys((row["eval_set"], row["response"]) for row in levels):
        own = [row for row in levels if (row["eval_set"], row["response"]) == key]
        ends = [row[end] for row in own for end in ("low", "high")]
        out["|".join(key)] = limits((row["value"] for row in own), ends, reach=REACH)
    return out
