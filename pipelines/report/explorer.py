"""What the explorer needs: the fitted parameters as they are, prices, and an empty chart that the page's script fills.

The script (static/explorer.js) evaluates L = E + A N^-alpha + B N^kappa D'^-beta with D' the worth of D tokens drawn from U
unique ones; a test holds it to scaling_fit's own predictions.
"""

from typing import Literal

import altair as alt

from pipelines.report.chart import Spec
from pipelines.report.facts import Facts
from pipelines.report.frames import log_ticks
from pipelines.report.grammar import count_axis, level_colours, level_names, panel, table
from scaling_fit.encoding import Json, encode

LAWS = {"data", "additive", "cross"}
"""Laws whose formula the script knows."""
ANCHORS: dict[str, Literal["left", "right"]] = {"right": "left", "left": "right"}
"""Which side of its line a label stands on, and which of its own ends is there."""
REACH = 100.0
"""How far past the largest tested D the sliders go."""


def data(facts: Facts) -> dict[str, Json] | None:
    """The explorer's own data, or None where no set has a law that the script knows."""
    fits = {name: fit for name, fit in facts.fit.fits.items() if fit.law.name in LAWS}
    if not fits:
        return None
    name, first = next(iter(fits.items()))
    tested = [D for level in first.levels.values() for D in level.D]
    levels, answer = facts.fit.levels, facts.fit.sets[name].answer
    return {
        "sets": {
            name: {
                "parameters": {
                    level: {p: one.value for p, one in of_level.parameters.items()} for level, of_level in fit.levels.items()
                },
                "observed": {level: list(of_level.D) for level, of_level in fit.levels.items()},
            }
            for name, fit in fits.items()
        },
        "by_shape": first.law.floor_per_shape,
        "shapes": encode(facts.fit.shapes),
        "levels": list(levels),
        "baseline": facts.fit.baseline,
        "first": answer.recommended or (answer.tied or levels[1:] or levels)[0],
        "between": {
            set_name: {level: {other: order.between(level, other) for other in order.levels} for level in order.levels}
            for set_name in fits
            if (order := facts.fit.sets[set_name].answer.order) is not None
        },
        "cost": encode(first.budget.price),
        "unique": encode(first.budget.unique_tokens),
        "r_star": first.budget.r_star,
        "D": [min(tested), max(tested)],
        "C": first.budget.observed[1],
        "reach": REACH,
        "confidence": facts.fit.settings.confidence,
        "chart": chart(facts, [min(tested) / 2, max(tested) * REACH]),
    }


def chart(facts: Facts, reach: list[float]) -> Spec:
    """Predicted loss over D, from tables that the script sets: lines, band, run (the chosen one), best, frame, twenty."""
    colour, ink = level_colours(level_names(facts)), "var(--ink)"
    x = alt.X("D:Q", scale=alt.Scale(type="log", nice=False), axis=count_axis("training tokens D", values=log_ticks(reach)))
    axis = alt.Axis(title="predicted loss (nats/token)", tickCount=6, format=".3~g")
    y = alt.Y("loss:Q", scale=alt.Scale(zero=False), axis=axis)
    tested = table("frame").mark_rect(color="var(--wash)", opacity=1).encode(x=alt.X("low:Q"), x2="high:Q")
    twenty = table("twenty").mark_rule(style="guide").encode(x=alt.X("D:Q"), opacity=_opacity("seen"))
    labels = [
        table("twenty")
        .mark_text(style="note", align=align, baseline="top", dx=4 if align == "left" else -4, text="20 tokens per parameter")
        .encode(x=alt.X("D:Q"), y=alt.value(2), opacity=_opacity(side))
        for side, align in ANCHORS.items()
    ]
    band = table("band").mark_area(opacity=0.2, clip=True).encode(x=alt.X("D:Q"), y=alt.Y("low:Q"), y2="high:Q", color=colour)
    segments = table("lines").mark_rule(strokeCap="round").encode(x=x, x2="D2:Q", y=y, y2="loss2:Q", color=colour)
    lines = segments.encode(opacity=_opacity("opacity"), strokeWidth=alt.StrokeWidth("width:Q", scale=None, legend=None))
    best = table("best").mark_point(shape="cross", angle=45, size=110, filled=True, opacity=1, color=ink).encode(x=x, y=y)
    chosen = table("run").mark_point(size=120, filled=True, opacity=1, stroke="var(--page)", strokeWidth=1.5)
    run = chosen.encode(x=x, y=y, color=colour)
    return panel(tested + twenty + labels[0] + labels[1] + band + lines + best + run, 360)


def _opacity(field: str) -> alt.Opacity:
    """The script says how visible a mark is."""
    return alt.Opacity(f"{field}:Q", scale=None, legend=None)
