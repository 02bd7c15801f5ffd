"""Charts of losses against tokens: the curves, what the law leaves over, and how many tokens a token is worth."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.frames import Rows, by_set, frame
from pipelines.report.palette import level_colour
from scaling_fit.result import Result
from scaling_fit.wording import interval

WORTHS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)
"""Ticks of what a token is worth: the line of no difference among them."""


def curves(result: Result, levels: list[str]) -> Chart:
    """The fitted laws through the runs, a panel for each shape."""
    rows, seen = law_tables.curves(result), law_tables.points(result)
    x, title = draw.tokens_axis(rows), "loss (nats/token)"
    ranges = by_set(law_tables.eval_sets(result), seen + rows, "loss", ("low", "high"))
    shown, domain = frame("frame_loss", ranges)
    axis = alt.Axis(tickCount=5, format=".3~g")
    at = {"x": x, "y": alt.Y("loss:Q", title=title, scale=draw.scale(domain), axis=axis), "color": draw.level_colours(levels)}
    used = alt.condition("datum.used", alt.value(0.9), alt.value(0))
    forecast = draw.tips("level", "D|,.0f", "loss|.4f", "low|.4f", "high|.4f", "past||beyond the data")
    said = draw.tips("level", "D|,.0f", "seed", "loss|.4f", "predicted|.4f", "residual_percent|+.2f|residual, %")

    def of_shape(own: str) -> draw.View:
        lines = draw.table("curves", own)
        tested = lines.transform_filter("!datum.beyond")
        runs = draw.table("points", own).mark_point(size=34, strokeWidth=1.2, filled=True, clip=True)
        marks = runs.encode(**at, shape=draw.level_marks(levels), fillOpacity=used, tooltip=said)
        bounded = lines.transform_filter("datum.low !== null")
        ahead = draw.beyond(lines, **at, tooltip=forecast)
        names = draw.named_ends(draw.table("curve_ends", own), at["y"], at["color"])
        return draw.band(bounded, x, title, at["color"]) + ahead + draw.line(tested, **at) + marks + names

    return Chart(
        id="curves",
        title="Loss against training tokens",
        says="Each mark is one trained model: how badly it predicts unseen text (lower is better) after reading so many "
        "tokens; hollow marks read some text twice and are not fitted. The lines are the fitted laws, dashed beyond the tested "
        "range, and a band is where one more run is expected to lie.",
        alt=_curve_words(result, rows),
        panels=draw.by_shape(result, of_shape, 300),
        tables={"points": seen, "curves": rows, "curve_ends": draw.line_ends(rows, "loss", ranges, 300)},
        params=[draw.selector(result), shown],
        min_width=330,
        legend=True,
    )


def _curve_words(result: Result, rows: Rows) -> str:
    first, shape = law_tables.eval_sets(result)[0], law_tables.shapes(result)[-1]
    ends = {r["level"]: r for r in rows if r["eval_set"] == first and r["shape"] == shape and not r["beyond"]}
    losses = ", ".join(f"{level} {row['loss']:.3f}" for level, row in ends.items())
    return f"Loss falls with tokens on every level. At the largest tested D of shape {shape}, on {first}: {losses}."


def residuals(result: Result, levels: list[str]) -> Chart:
    """What the law leaves over, a panel for each level."""
    seen = law_tables.points(result)
    used = [row for row in seen if row["used"]]
    shown, domain = frame("frame_residual", by_set(law_tables.eval_sets(result), used, "residual_percent", null=0.0))
    y = alt.Y("residual_percent:Q", scale=draw.scale(domain), axis=draw.signed_axis("observed minus fitted (%)"))
    said = draw.tips("shape", "D|,.0f", "seed", "residual_percent|+.3f", "z|+.2f|in standard deviations")
    panels = []
    for place, level in enumerate(levels):
        own = draw.table("points", f"{draw.CHOSEN} && datum.used && datum.level == {level!r}")
        runs = own.mark_point(size=30, filled=True, opacity=0.85, clip=True, color=level_colour(place))
        marks = runs.encode(x=draw.tokens_axis(used), y=y, shape=alt.Shape("shape:N", legend=None), tooltip=said)
        panels.append(draw.panel(draw.guide(0, y) + marks, 170, title=level))
    worst = max((abs(row["z"]) for row in used), default=0.0)
    return Chart(
        id="residuals",
        title="Residuals",
        folded=True,
        says="What the law leaves over, for every run. If the marks scatter around the line with no bend or drift, the law "
        "fits; a smile or a frown would mean that its exponent only holds locally.",
        alt=f"Residuals by level; the largest is {worst:.1f} standard deviations.",
        panels=panels,
        tables={"points": seen},
        params=[draw.selector(result), shown],
        min_width=210,
    )


def multipliers(result: Result, levels: list[str]) -> Chart:
    """Baseline tokens per token of a level, measured and by the laws, a panel for each shape."""
    points, fitted = law_tables.multiplier_points(result), law_tables.multiplier_curves(result)
    x, title = draw.tokens_axis(points + fitted), f"{result.baseline} tokens that one token is worth"
    sets, ends, sane = law_tables.eval_sets(result), ("low", "high"), (1 / 30, 30.0)
    ranges = by_set(sets, points + fitted, "multiplier", ends, null=1.0, log=True, sane=sane)
    shown, domain = frame("frame_multiplier", ranges)
    axis = alt.Axis(values=WORTHS, labelExpr="format(datum.value, '.2~g') + '×'")
    y = alt.Y("multiplier:Q", title=title, scale=draw.scale(domain, log=True), axis=axis)
    colour = draw.level_colours(levels)
    said = draw.tips("level", "D|,.0f", "multiplier|.3f", "low|.3f", "high|.3f")

    def of_shape(own: str) -> draw.View:
        laws = draw.table("multiplier_curves", own)
        bounded = laws.transform_filter("datum.low > 0 && datum.high > 0")
        measured = draw.interval_dots(draw.table("multiplier_points", own), y, said, x=x, color=colour)
        lines = draw.band(bounded, x, title, colour, 0.12) + draw.line(laws, 1.6, x=x, y=y, color=colour)
        return draw.guide(1, y) + lines + measured + draw.named_ends(draw.table("multiplier_ends", own), y, colour)

    return Chart(
        id="multipliers",
        title="What a token is worth",
        says=f"How many tokens of {result.baseline} one token of a level is worth: at 1.5× the level reaches the same "
        "loss with a third fewer tokens. A flat line is a constant discount (a prefactor); a line that rises or falls "
        "means that the exponent or the floor moved.",
        alt=_multiplier_words(result),
        panels=draw.by_shape(result, of_shape, 260),
        tables={
            "multiplier_points": points,
            "multiplier_curves": fitted,
            "multiplier_ends": draw.line_ends(fitted, "multiplier", ranges, 260, log=True),
        },
        params=[draw.selector(result), shown],
        min_width=330,
        legend=True,
    )


def _multiplier_words(result: Result) -> str:
    against = result.fits[law_tables.eval_sets(result)[0]].against
    parts = [f"{level} {interval(one.slope.slope, '%+.3f')}" for level, one in against.items() if one.slope]
    return "Slope of the log multiplier per log token, by level: " + ("; ".join(parts) or "not measured") + "."
