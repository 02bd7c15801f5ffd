"""Charts of what moved and what follows: exponents, differences from the baseline, budgets, forecasts of unseen runs."""

import altair as alt
import numpy as np

from pipelines.report import law_tables
from pipelines.report.chart import Chart, Rows, frame, level_colours, limits, log_scale, log_ticks, panel, signed_axis, table
from pipelines.report.facts import Facts
from pipelines.report.law_charts import CHOSEN, level_names, selector
from pipelines.report.wording import eval_words, interval

QUANTITIES = {
    "delta_beta": ("exponent, floors free", "difference in β"),
    "delta_beta_floor_shared": ("exponent, floors equal", "difference in β"),
    "multiplier": ("tokens, exponents equal", "baseline tokens per token (×)"),
    "floor": ("floor", "difference in E (nats/token)"),
    "loss": ("loss over the tested range", "difference (%)"),
}

MOST_REACH = 10.0
"""How many times the spread of the estimates a frame of intervals may be wide, to either side."""


def exponents(facts: Facts) -> Chart:
    names = level_names(facts)
    rows = [{**row, "set": eval_words(row["eval_set"])} for row in law_tables.exponents(facts)]
    order = [eval_words(name) for name in law_tables.eval_sets(facts)]
    y = alt.Y("set:N", sort=order, title=None, axis=alt.Axis(grid=False, labelLimit=170), scale=alt.Scale(paddingInner=0.28))
    ends = (row[end] for row in rows for end in ("low", "high"))
    shown = limits((row["value"] for row in rows), ends, sane=(-0.5, 3.0))
    x = alt.X(
        "value:Q",
        scale=alt.Scale(domain=shown, nice=False, zero=False),
        axis=alt.Axis(title="data exponent β", tickCount=6, grid=True),
    )
    offset = alt.YOffset("level:N", sort=names)
    base = table("exponents")
    colour = level_colours(names)
    open_ended = _to_the_frame(base, str(shown[0]), str(shown[1]))
    bars = open_ended.mark_rule(strokeWidth=2, opacity=0.75, clip=True).encode(
        x=alt.X("low:Q"), x2="high:Q", y=y, yOffset=offset, color=colour
    )
    dots = base.mark_point(filled=True, size=50, opacity=1, clip=True).encode(
        x=x,
        y=y,
        yOffset=offset,
        color=colour,
        tooltip=[
            "level:N",
            alt.Tooltip("set:N", title="on"),
            alt.Tooltip("value:Q", format=".4f"),
            alt.Tooltip("low:Q", format=".4f"),
            alt.Tooltip("high:Q", format=".4f"),
        ],
    )
    confidence = facts.fit["settings"]["confidence"]
    says = (
        f"The exponent β says how fast loss falls with more data; each bar holds it with {confidence:.0%} "
        f"confidence. Levels whose bars overlap "
        "cannot be told apart by their own fits: the direct comparison is in the next chart."
    )
    first = law_tables.eval_sets(facts)[0]
    told = [f"{r['level']} {interval(r, '%.3f')}" for r in rows if r["eval_set"] == first]
    height = len(order) * (len(names) * 13 + 14)
    return Chart(
        "exponents",
        "Exponents",
        says,
        f"Data exponent on {first}: " + "; ".join(told) + ".",
        [panel(bars + dots, height)],
        {"exponents": rows},
        legend=True,
    )


def _to_the_frame(base: alt.Chart, low: str, high: str) -> alt.Chart:
    """Interval ends that the data do not bound run to the frame."""
    return base.transform_calculate(
        low=f"isValid(datum.low) ? datum.low : {low}", high=f"isValid(datum.high) ? datum.high : {high}"
    )


def shifts(facts: Facts) -> Chart:
    names = [name for name in level_names(facts) if name != facts.baseline]
    rows = law_tables.forest(facts)
    colour = level_colours(level_names(facts))
    panels, params = [], [selector(facts)]
    for quantity, (title, axis) in QUANTITIES.items():
        own = [row for row in rows if row["quantity"] == quantity]
        if not own:
            continue
        base = table("shifts").transform_filter(f"{CHOSEN} && datum.quantity == {quantity!r}")
        y = alt.Y("level:N", sort=names, title=None, axis=alt.Axis(grid=False))
        log = quantity == "multiplier"
        shown, domain = frame(
            f"frame_{quantity}",
            {name: _range([r for r in own if r["eval_set"] == name], log) for name in law_tables.eval_sets(facts)},
        )
        params.append(shown)
        drawn = (
            alt.Axis(title=axis, tickCount=4, format=".2~g", grid=True) if log else signed_axis(axis, 3, tickCount=4, grid=True)
        )
        x = alt.X(
            "value:Q",
            scale=alt.Scale(type="log", domain=domain, nice=False) if log else alt.Scale(domain=domain, nice=False, zero=False),
            axis=drawn,
        )
        null = alt.Chart(alt.InlineData(values=[{"value": own[0]["null"]}])).mark_rule(style="guide").encode(x=x)
        bars = (
            _to_the_frame(base, domain[0]["expr"], domain[1]["expr"])
            .mark_rule(strokeWidth=2, opacity=0.75, clip=True)
            .encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour)
        )
        dots = base.mark_point(filled=True, size=55, opacity=1, clip=True).encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                "level:N",
                "label:N",
                alt.Tooltip("value:Q", format=".4f"),
                alt.Tooltip("low:Q", format=".4f"),
                alt.Tooltip("high:Q", format=".4f"),
            ],
        )
        panels.append(panel(null + bars + dots, 30 * len(names) + 6, title=title))
    says = (
        f"Each level against {facts.baseline}, for each thing that could have moved: a bar that does not touch "
        f"the dashed line is a difference "
        "beyond luck. The exponent is judged with the floors left free, because over a short range a lower floor "
        "looks like a higher exponent."
    )
    first = law_tables.eval_sets(facts)[0]
    told = [f"{r['level']} {interval(r, '%+.3f')}" for r in rows if r["eval_set"] == first and r["quantity"] == "delta_beta"]
    return Chart(
        "shifts",
        f"Differences from {facts.baseline}",
        says,
        f"Difference in exponent on {first}: " + ", ".join(told) + ".",
        panels,
        {"shifts": rows},
        params,
        min_width=260,
    )


def _range(rows: Rows, log: bool) -> list[float]:
    """Estimates, the line of no difference, and intervals: half of the bounded ones in full, or the frame would hide how
    little is known; but not so far that the estimates become one mark."""
    values = [*(row["value"] for row in rows), *(row["null"] for row in rows[:1])]
    known = np.array(
        [[row["low"], row["value"], row["high"]] for row in rows if None not in (row["low"], row["value"], row["high"])], float
    )
    shown = np.array([value for value in values if value is not None], float)
    if log:
        known, shown = np.log(known[(known > 0).all(1)]) if len(known) else known, np.log(shown[shown > 0])
    span = np.ptp(shown) if len(shown) else 0.0
    reach = float(np.clip(1.1 * np.median(np.ptp(known, axis=1)) / span, 1.5, MOST_REACH)) if len(known) and span else 1.5
    return limits(values, (row[end] for row in rows for end in ("low", "high")), reach, log=log)


def planner(facts: Facts) -> Chart:
    names = level_names(facts)
    colour = level_colours(names)
    rows = law_tables.budget(facts)
    pools = {row["pool"] for row in rows}
    pool = "finite" if "finite" in pools else "endless"
    base = table("budget").transform_filter(f"{CHOSEN} && datum.pool == pool")
    x = alt.X(
        "flops:Q",
        scale=log_scale(),
        axis=alt.Axis(title="training budget (FLOPs)", format=".0e", values=log_ticks(row["flops"] for row in rows)),
    )
    y = alt.Y("percent:Q", axis=signed_axis(f"best loss against {facts.baseline}'s best (%)", tickCount=6))
    observed = facts.fit["sets"][law_tables.eval_sets(facts)[0]]["budget"]["observed_budget"]
    tested = (
        alt.Chart(alt.InlineData(values=[{"from": observed[0], "to": observed[1]}]))
        .mark_rect(color="var(--wash)", opacity=1)
        .encode(x=alt.X("from:Q"), x2="to:Q")
    )
    tip = [
        "level:N",
        alt.Tooltip("flops:Q", format=".2e"),
        alt.Tooltip("percent:Q", format="+.3f"),
        alt.Tooltip("loss:Q", format=".4f"),
        alt.Tooltip("N:Q", format=".3s"),
        alt.Tooltip("D:Q", format=".3s"),
    ]
    near = base.transform_filter("!datum.beyond").mark_line().encode(x=x, y=y, color=colour, tooltip=tip)
    far = base.mark_line(strokeDash=[3, 4], strokeWidth=1.5, opacity=0.6).encode(x=x, y=y, color=colour)
    lines = panel(tested + far + near, 260, title="loss")
    ratio = (observed[1] / observed[0]) ** (1 / 80)
    strip = (
        base.transform_filter("datum.best")
        .transform_calculate(
            left=f"datum.flops / {ratio}", right=f"datum.flops * {ratio}", sure_label="format(datum.sure, '.0%')"
        )
        .mark_point(shape="square", filled=True, size=110)
        .encode(
            x=x,
            y=alt.Y("level:N", sort=names, title=None, axis=alt.Axis(grid=False), scale=alt.Scale(domain=names)),
            color=colour,
            opacity=alt.Opacity("sure:Q", scale=alt.Scale(domain=[0.25, 1], range=[0.12, 1]), legend=None),
            tooltip=[
                "level:N",
                alt.Tooltip("flops:Q", format=".2e"),
                alt.Tooltip("sure:Q", format=".0%", title="of resamples agree"),
            ],
        )
    )
    who = panel(strip, 34 * len(names), title="best level at each budget (paler: less sure)")
    says = (
        "The best loss each level can buy with a training budget; the shaded part was tested, and kinks are "
        "where a larger model takes over. "
        "The finite pool counts that a smaller level runs out of fresh text and has to repeat it, which is worth "
        "less each time."
    )
    params = [selector(facts), {"name": "pool", "value": pool}]
    words = {"finite": "the tokens there are", "endless": "endless text of each level"}
    choices = {"pool": ("Pool", {key: words[key] for key in words if key in pools})} if len(pools) > 1 else {}
    return Chart(
        "planner",
        "Which level at which budget",
        says,
        _planner_words(facts, pool),
        [lines, who],
        {"budget": rows},
        params,
        choices,
        400,
        legend=True,
    )


def _planner_words(facts: Facts, pool: str) -> str:
    plan = facts.fit["sets"][law_tables.eval_sets(facts)[0]]["budget"][pool]
    runs: list[tuple[str, float]] = []
    for level, C in zip(plan["winner"], plan["budgets"], strict=True):
        if not runs or runs[-1][0] != level:
            runs.append((level, C))
    return "Best level by budget: " + ", then ".join(f"{level} from {C:.1e} FLOPs" for level, C in runs) + "."


def extrapolation(facts: Facts) -> list[Chart]:
    rows = law_tables.extrapolation(facts)
    if not rows:
        return []
    x = alt.X(
        "factor:Q",
        scale=log_scale(),
        axis=alt.Axis(
            title="predicted D, in multiples of the largest D fitted",
            format=".2~f",
            tickCount=4,
            labelExpr="format(datum.value, '.2~f') + '×'",
        ),
    )
    y = alt.Y("error:Q", axis=signed_axis("prediction error (% of loss)"))
    zero = alt.Chart(alt.InlineData(values=[{"error": 0}])).mark_rule(style="guide").encode(y="error:Q")
    dots = (
        table("extrapolation")
        .transform_filter(CHOSEN)
        .mark_point(filled=True, size=45, opacity=0.85)
        .encode(
            x=x,
            y=y,
            color=level_colours(level_names(facts)),
            tooltip=[
                "level:N",
                "shape:N",
                alt.Tooltip("cut:Q", format=",.0f", title="fitted up to"),
                alt.Tooltip("D:Q", format=",.0f", title="predicted"),
                alt.Tooltip("error:Q", format="+.3f"),
            ],
        )
    )
    first = facts.fit["sets"][law_tables.eval_sets(facts)[0]]["extrapolation"]
    rate = first["rate_percent_per_e_fold"]
    says = (
        "The law was fitted again with the largest runs hidden, and then asked to predict them; each mark is how "
        "wrong it was. This is the only "
        "honest guide to how far the dashed parts of the other charts can be believed."
    )
    told = "Error beyond the fitted range: " + (
        f"about {rate:.2f}% of loss for every factor e in D." if rate is not None else "not measured."
    )
    return [
        Chart(
            "extrapolation",
            "Predicting runs it had not seen",
            says,
            told,
            [panel(zero + dots, 240)],
            {"extrapolation": rows},
            [selector(facts)],
            legend=True,
        )
    ]


def agreement_words(kinds: dict[str, str]) -> str:
    """How many evaluation sets say the same."""
    counts: dict[str, int] = {}
    for kind in kinds.values():
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{kind} on {n}" for kind, n in sorted(counts.items(), key=lambda item: -item[1]))
