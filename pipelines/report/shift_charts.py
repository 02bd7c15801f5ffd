"""Charts of what moved and how far that holds: exponents, differences from the baseline, forecasts of unseen runs."""

from dataclasses import replace

import altair as alt
import numpy as np

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.frames import Rows, frame, limits
from scaling_fit.result import Result
from scaling_fit.wording import eval_words, interval

QUANTITIES = {
    "delta_beta": ("exponent, floors free", "difference in β"),
    "delta_beta_floor_shared": ("exponent, floors equal", "difference in β"),
    "multiplier": ("tokens, exponents equal", "baseline tokens per token (×)"),
    "floor": ("floor", "difference in E (nats/token)"),
    "loss": ("loss over the tested range", "difference (%)"),
}
MOST_REACH = 10.0
"""How many times the spread of the estimates a frame of intervals may be wide, to either side."""


STRIPS = 4
"""From more evaluation sets than these, each is one strip of marks, and every interval stands behind a fold."""


def exponents(result: Result, levels: list[str]) -> list[Chart]:
    """The data exponent of every level on every evaluation set."""
    sets = [eval_words(name) for name in law_tables.eval_sets(result)]
    rows = [{**row, "set": eval_words(row["eval_set"])} for row in law_tables.exponents(result)]
    shown = limits((row["value"] for row in rows), (row[end] for row in rows for end in ("low", "high")), sane=(-0.5, 3.0))
    x = alt.X("value:Q", scale=draw.scale(shown), axis=alt.Axis(title="data exponent β", tickCount=6, grid=True))
    at = {"y": draw.names("set", sets, 0.28, labelLimit=170), "yOffset": alt.YOffset("level:N", sort=levels)}
    said = draw.tips("level", "set||on", "value|.4f", "low|.4f", "high|.4f")
    ends = (str(shown[0]), str(shown[1]))
    drawn = draw.interval_dots(draw.table("exponents"), x, said, ends, **at, color=draw.level_colours(levels))
    first = law_tables.eval_sets(result)[0]
    betas = {level: one.parameters.get("beta") for level, one in result.fits[first].levels.items()}
    parts = [f"{level} {interval(beta, '%.3f')}" for level, beta in betas.items() if beta]
    many = len(sets) > STRIPS
    whole = Chart(
        id="exponents",
        title="Exponents" if not many else "Exponents with their intervals",
        says="The exponent β says how fast loss falls with more data; each bar holds it with "
        f"{result.settings.confidence:.0%} confidence. Levels whose bars overlap cannot be told apart by their own "
        "fits: the direct comparison is in the next chart.",
        alt=f"Data exponent on {first}: " + "; ".join(parts) + ".",
        panels=[draw.panel(drawn, len(sets) * (len(levels) * 13 + 14))],
        tables={"exponents": rows},
        legend=True,
        folded=many,
    )
    if not many:
        return [whole]
    y = draw.names("set", sets, labelLimit=170)
    marks = draw.dots(draw.table("exponents"), said, 60, 0.9, x=x, y=y, color=draw.level_colours(levels),
                      shape=draw.level_marks(levels))  # fmt: skip
    strips = replace(
        whole, id="exponent_strips", title="Exponents", panels=[draw.panel(marks, 22 * len(sets))], folded=False,
        says="The exponent β says how fast loss falls with more data: a mark is a level on one evaluation set. What is closer "
        "together than the intervals, which stand behind the fold below, is not told apart.",
    )  # fmt: skip
    return [strips, whole]


def shifts(result: Result, levels: list[str]) -> Chart:
    """Each level minus the baseline, a panel for each thing that could have moved."""
    rows = law_tables.forest(result)
    at = {"y": draw.names("level", [name for name in levels if name != result.baseline]), "color": draw.level_colours(levels)}
    said = draw.tips("level", "label", "value|.4f", "low|.4f", "high|.4f")
    panels, params = [], [draw.selector(result)]
    for quantity, (title, label) in QUANTITIES.items():
        own = [row for row in rows if row["quantity"] == quantity]
        if not own:
            continue
        log = quantity == "multiplier"
        sets = law_tables.eval_sets(result)
        ranges = {name: _range([row for row in own if row["eval_set"] == name], log) for name in sets}
        shown, domain = frame(f"frame_{quantity}", ranges)
        axis = draw.signed_axis(label, 3, tickCount=4, grid=True)
        if log:
            axis = alt.Axis(title=label, format=".2~g", tickCount=4, grid=True)
        x = alt.X("value:Q", scale=draw.scale(domain, log), axis=axis)
        of_quantity = draw.table("shifts", f"{draw.CHOSEN} && datum.quantity == {quantity!r}")
        ends = domain[0]["expr"], domain[1]["expr"]
        drawn = draw.guide(own[0]["null"], x) + draw.interval_dots(of_quantity, x, said, ends, **at)
        panels.append(draw.panel(drawn, 30 * (len(levels) - 1) + 6, title=title))
        params.append(shown)
    first = law_tables.eval_sets(result)[0]
    betas = {level: interval(test.delta_beta, "%+.3f") for level, test in result.fits[first].tests.items()}
    return Chart(
        id="shifts",
        title=f"Differences from {result.baseline}",
        says=f"Each level against {result.baseline}, for each thing that could have moved: a bar clear of the dashed line is a "
        "difference beyond luck, taken alone; the verdict asks how many there are, and whether the tests tell one part "
        "of the law from another. The exponent is judged with the floors left free, because over a short range a lower floor "
        "looks like a higher exponent.",
        alt=f"Difference in exponent on {first}: " + ", ".join(f"{level} {beta}" for level, beta in betas.items()) + ".",
        panels=panels,
        tables={"shifts": rows},
        params=params,
        min_width=260,
    )


def _range(rows: Rows, log: bool) -> list[float]:
    """Estimates, the line of no difference, and intervals: half of the bounded ones in full, or the frame would hide how
    little is known; but not so far that the estimates become one mark."""
    values = [*(row["value"] for row in rows), *(row["null"] for row in rows[:1])]
    triples = [(row["low"], row["value"], row["high"]) for row in rows]
    bounded = np.array([triple for triple in triples if None not in triple], float)
    drawn = np.array([value for value in values if value is not None], float)
    if log:
        bounded, drawn = np.log(bounded[(bounded > 0).all(1)]) if len(bounded) else bounded, np.log(drawn[drawn > 0])
    span = np.ptp(drawn) if len(drawn) else 0.0
    reach = float(np.clip(1.1 * np.median(np.ptp(bounded, axis=1)) / span, 1.5, MOST_REACH)) if len(bounded) and span else 1.5
    return limits(values, (row[end] for row in rows for end in ("low", "high")), reach, log=log)


def extrapolation(result: Result, levels: list[str]) -> list[Chart]:
    """How wrong the law was about runs that were hidden from it."""
    rows = law_tables.extrapolation(result)
    if not rows:
        return []
    axis = alt.Axis(
        title="how far beyond the runs fitted, as a factor in compute",
        format=".2~f",
        tickCount=4,
        labelExpr="format(datum.value, '.2~f') + '×'",
    )
    y = alt.Y("error:Q", axis=draw.signed_axis("prediction error (% of loss)"))
    at = {
        "x": alt.X("factor:Q", scale=draw.log_scale(), axis=axis),
        "y": y,
        "color": draw.level_colours(levels),
    }
    said = draw.tips("level", "shape", "cut|.1e|fitted up to FLOPs", "D|,.0f|predicted", "error|+.3f")
    drawn = draw.guide(0, alt.Y("error:Q")) + draw.dots(draw.table("extrapolation", draw.CHOSEN), said, 45, 0.85, **at)
    rate = result.fits[law_tables.eval_sets(result)[0]].extrapolation.rate_percent_per_e_fold
    size = "not measured." if rate is None else f"about {rate:.2f}% of loss for every factor e in compute."
    return [
        Chart(
            id="extrapolation",
            title="Predicting runs it had not seen",
            says="The law was fitted again with the largest runs hidden, and then asked to predict them; each mark is how "
            "wrong it was. This is the only honest guide to how far the dashed parts of the other charts can be believed.",
            alt="Error beyond the fitted range: " + size,
            panels=[draw.panel(drawn, 240)],
            tables={"extrapolation": rows},
            params=[draw.selector(result)],
            legend=True,
        )
    ]
