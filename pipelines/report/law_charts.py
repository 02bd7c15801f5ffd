"""Charts of losses against tokens: the curves, what is left over, how many tokens a token is worth, and paired differences."""

import altair as alt

from pipelines.report import law_tables
from pipelines.report.chart import (
    Chart,
    Rows,
    count_axis,
    frame,
    level_colours,
    level_scales,
    limits,
    log_ticks,
    panel,
    signed_axis,
    table,
)
from pipelines.report.facts import Facts
from pipelines.report.palette import level_colour
from pipelines.report.wording import count, interval

CHOSEN = "datum.eval_set == eval_set"


def selector(facts: Facts) -> dict[str, str]:
    """The page's evaluation-set selector as a parameter of a chart."""
    return {"name": "eval_set", "value": law_tables.eval_sets(facts)[0]}


def level_names(facts: Facts) -> list[str]:
    return [level["name"] for level in facts.levels]


def tokens_axis(rows: Rows) -> alt.X:
    tokens = [row["D"] for row in rows] or [1.0, 10.0]
    scale = alt.Scale(type="log", nice=False, domain=[min(tokens) / 1.12, max(tokens) * 1.12])
    return alt.X("D:Q", scale=scale, axis=count_axis("training tokens D", values=log_ticks(tokens)))


def by_set(
    facts: Facts,
    rows: Rows,
    value: str,
    ends: tuple[str, ...] = (),
    extra: tuple[float, ...] = (),
    reach: float = 0.5,
    log: bool = False,
    sane: tuple[float, float] | None = None,
) -> dict[str, list[float]]:
    """The frame of an axis per evaluation set; `extra` values (the line of no difference) are always in it."""
    out = {}
    for name in law_tables.eval_sets(facts):
        own = [row for row in rows if row["eval_set"] == name]
        values = [*(row.get(value) for row in own), *extra]
        out[name] = limits(values, (row.get(end) for row in own for end in ends), reach, log, sane)
    return out


def shape_title(facts: Facts, name: str) -> str:
    size = next(shape["N"] for shape in facts.fit["shapes"] if shape["name"] == name)
    return f"{name}: {count(size)} parameters"


def guide(field: str, value: float, y: alt.Y) -> alt.Chart:
    """A dashed line at a value of the y axis."""
    return alt.Chart(alt.InlineData(values=[{field: value}])).mark_rule(style="guide", clip=True).encode(y=y)


def curves(facts: Facts) -> Chart:
    rows, seen = law_tables.curves(facts), law_tables.points(facts)
    names, x = level_names(facts), tokens_axis(rows)
    colour, mark = level_colours(names), alt.Shape("level:N", scale=level_scales(names)[1], legend=None)
    shown, domain = frame("frame_loss", by_set(facts, seen + rows, "loss", ("low", "high")))
    y = alt.Y(
        "loss:Q",
        title="loss (nats/token)",
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=alt.Axis(tickCount=5, format=".3~g"),
    )
    panels = []
    for shape in law_tables.shapes(facts):
        lines = table("curves").transform_filter(f"{CHOSEN} && datum.shape == {shape!r}")
        inside = lines.transform_filter("!datum.beyond")
        band = inside.mark_area(clip=True).encode(x=x, y=alt.Y("low:Q", title="loss (nats/token)"), y2="high:Q", color=colour)
        line = inside.mark_line(clip=True).encode(x=x, y=y, color=colour)
        ahead = lines.mark_line(strokeDash=[3, 4], strokeWidth=1.5, opacity=0.55, clip=True).encode(x=x, y=y, color=colour)
        dots = (
            table("points")
            .transform_filter(f"{CHOSEN} && datum.shape == {shape!r}")
            .mark_point(size=34, strokeWidth=1.2, filled=True, clip=True)
            .encode(
                x=x,
                y=y,
                color=colour,
                shape=mark,
                fillOpacity=alt.condition("datum.used", alt.value(0.9), alt.value(0)),
                tooltip=[
                    "level:N",
                    alt.Tooltip("D:Q", format=",.0f"),
                    "seed:N",
                    alt.Tooltip("loss:Q", format=".4f"),
                    alt.Tooltip("predicted:Q", format=".4f"),
                    alt.Tooltip("residual_percent:Q", format="+.2f", title="residual, %"),
                ],
            )
        )
        panels.append(panel(band + ahead + line + dots, 300, title=shape_title(facts, shape)))
    says = (
        "Each mark is one trained model: how badly it predicts unseen text (lower is better) after reading so "
        "many tokens. The lines are the "
        "fitted laws with their bands, dashed beyond the tested range; hollow marks read some text twice and are "
        "left out of the fit."
    )
    alt_text = _curve_words(facts, rows)
    return Chart(
        "curves",
        "Loss against training tokens",
        says,
        alt_text,
        panels,
        {"points": seen, "curves": rows},
        [selector(facts), shown],
        min_width=330,
        legend=True,
    )


def _curve_words(facts: Facts, rows: Rows) -> str:
    first, shape = law_tables.eval_sets(facts)[0], law_tables.shapes(facts)[-1]
    ends = {r["level"]: r for r in rows if r["eval_set"] == first and r["shape"] == shape and not r["beyond"]}
    told = ", ".join(f"{level} {row['loss']:.3f}" for level, row in ends.items())
    return f"Loss falls with tokens on every level. At the largest tested D of shape {shape}, on {first}: {told}."


def residuals(facts: Facts) -> Chart:
    names = level_names(facts)
    seen = law_tables.points(facts)
    used = [row for row in seen if row["used"]]
    x = tokens_axis(used)
    shown, domain = frame("frame_residual", by_set(facts, used, "residual_percent", extra=(0.0,)))
    y = alt.Y(
        "residual_percent:Q",
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=signed_axis("observed minus fitted (%)"),
    )
    panels = []
    for place, level in enumerate(names):
        own = table("points").transform_filter(f"{CHOSEN} && datum.used && datum.level == {level!r}")
        dots = own.mark_point(size=30, filled=True, opacity=0.85, clip=True, color=level_colour(place))
        marks = dots.encode(
            x=x,
            y=y,
            shape=alt.Shape("shape:N", legend=None),
            tooltip=[
                "shape:N",
                alt.Tooltip("D:Q", format=",.0f"),
                "seed:N",
                alt.Tooltip("residual_percent:Q", format="+.3f"),
                alt.Tooltip("z:Q", format="+.2f", title="in standard deviations"),
            ],
        )
        panels.append(panel(guide("residual_percent", 0, y) + marks, 170, title=level))
    worst = max((abs(row["z"]) for row in used), default=0.0)
    says = (
        "What the law leaves over, for every run. If the marks scatter around the line with no bend or drift, "
        "the law fits; a smile or a "
        "frown would mean that its exponent only holds locally."
    )
    return Chart(
        "residuals",
        "Residuals",
        says,
        f"Residuals by level; the largest is {worst:.1f} standard deviations.",
        panels,
        {"points": seen},
        [selector(facts), shown],
        min_width=210,
    )


def multipliers(facts: Facts) -> Chart:
    names = level_names(facts)
    colour = level_colours(names)
    title = f"{facts.baseline} tokens that one token is worth"
    tables = {
        "multiplier_points": law_tables.multiplier_points(facts),
        "multiplier_curves": law_tables.multiplier_curves(facts),
    }
    x = tokens_axis(tables["multiplier_points"] + tables["multiplier_curves"])
    axis = alt.Axis(tickCount=5, labelExpr="format(datum.value, '.2~g') + '×'")
    ranges = by_set(
        facts,
        tables["multiplier_points"] + tables["multiplier_curves"],
        "multiplier",
        ("low", "high"),
        (1.0,),
        log=True,
        sane=(1 / 30, 30.0),
    )
    shown, domain = frame("frame_multiplier", ranges)
    y = alt.Y("multiplier:Q", title=title, scale=alt.Scale(type="log", nice=False, domain=domain), axis=axis)
    panels = []
    for shape in law_tables.shapes(facts):
        own = f"{CHOSEN} && datum.shape == {shape!r}"
        fitted = table("multiplier_curves").transform_filter(own)
        band = (
            fitted.transform_filter("datum.low > 0 && datum.high > 0")
            .mark_area(opacity=0.12, clip=True)
            .encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour)
        )
        line = fitted.mark_line(strokeWidth=1.6, clip=True).encode(x=x, y=y, color=colour)
        seen = table("multiplier_points").transform_filter(own)
        bars = seen.mark_rule(clip=True).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour)
        dots = seen.mark_point(filled=True, size=44, opacity=1, clip=True).encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                "level:N",
                alt.Tooltip("D:Q", format=",.0f"),
                alt.Tooltip("multiplier:Q", format=".3f"),
                alt.Tooltip("low:Q", format=".3f"),
                alt.Tooltip("high:Q", format=".3f"),
            ],
        )
        panels.append(panel(guide("multiplier", 1, y) + band + line + bars + dots, 260, title=shape_title(facts, shape)))
    says = (
        f"How many tokens of {facts.baseline} one token of a level is worth: at 1.5× the level reaches the same "
        f"loss with a third fewer tokens. "
        "A flat line is a constant discount (a prefactor); a line that rises or falls means that the exponent or "
        "the floor moved."
    )
    alt_text = _multiplier_words(facts)
    return Chart(
        "multipliers",
        "What a token is worth",
        says,
        alt_text,
        panels,
        tables,
        [selector(facts), shown],
        min_width=330,
        legend=True,
    )


def _multiplier_words(facts: Facts) -> str:
    fit = facts.fit["sets"][law_tables.eval_sets(facts)[0]]
    slopes = {level: both["matched_loss"]["slope"] for level, both in fit["multiplier"].items()}
    told = [f"{level} {interval(s, '%+.3f')}" for level, s in slopes.items() if s]
    return "Slope of the log multiplier per log token, by level: " + ("; ".join(told) or "not measured") + "."
