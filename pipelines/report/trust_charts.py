"""Charts of what was checked beside the fit: how large luck is, and whether one learning rate was fair to every level."""

import math

import altair as alt
from scipy.special import gammaincinv

from pipelines.report import law_tables
from pipelines.report.chart import Chart, Rows, level_colours, log_scale, panel, table
from pipelines.report.facts import Facts
from pipelines.report.law_charts import CHOSEN, selector
from pipelines.report.wording import count

SOURCES = {
    "unpaired": "another seed",
    "paired": "same seed, another level",
    "sampling": "other evaluation documents",
}
"""Spreads of training.noise, and what a reader should imagine to be drawn again."""


def luck_rows(facts: Facts) -> Rows:
    """One row per cell, evaluation set and source of luck: a standard deviation in percent of the loss, with its interval."""
    alpha = 1 - facts.fit["settings"]["confidence"]
    rows: Rows = []
    for spread in facts.spreads:
        for source, label in SOURCES.items():
            value, df = spread[source], spread.get(f"{source}_df")
            if value is None or spread["eval_set"] not in law_tables.eval_sets(facts):
                continue
            low, high = (math.sqrt(df / (2 * gammaincinv(df / 2, q))) if df else 1.0 for q in (1 - alpha / 2, alpha / 2))
            percent = 100 * value / spread["loss"]
            rows.append(
                {
                    "eval_set": spread["eval_set"], "cell": f"{spread['shape']}, {count(spread['tokens'])} tokens",
                    "source": label, "percent": percent, "low": percent * low, "high": percent * high, "df": df or None,
                }
            )  # fmt: skip
    return rows


def luck(facts: Facts) -> list[Chart]:
    """How far losses scatter for no reason of interest, by what is drawn again."""
    rows = luck_rows(facts) if law_tables.eval_sets(facts) else []
    if not rows:
        return []
    cells, labels = list(dict.fromkeys(row["cell"] for row in rows)), list(SOURCES.values())
    y = alt.Y("cell:N", sort=cells, title=None, axis=alt.Axis(grid=False), scale=alt.Scale(paddingInner=0.3))
    offset = alt.YOffset("source:N", sort=labels)
    scale = alt.Scale(domain=labels, range=["var(--accent)", "var(--good)", "var(--soft)"])
    colour = alt.Color("source:N", scale=scale, legend=alt.Legend(title=None))
    axis = alt.Axis(title="standard deviation (% of loss)", tickCount=6, grid=True)
    base = table("luck").transform_filter(CHOSEN)
    bars = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x=alt.X("low:Q"), x2="high:Q", y=y, yOffset=offset, color=colour)
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=alt.X("percent:Q", axis=axis, scale=alt.Scale(zero=True)),
        y=y,
        yOffset=offset,
        color=colour,
        tooltip=[
            "cell:N",
            alt.Tooltip("source:N", title="drawn again"),
            alt.Tooltip("percent:Q", format=".3f"),
            alt.Tooltip("df:Q", title="degrees of freedom"),
        ],
    )  # fmt: skip
    says = (
        "How much two results differ when nothing of interest does: another seed, the same seed on another level, other "
        "evaluation documents. Levels are compared at the same seed, so the second is what limits this study; where it is no "
        "smaller than the first, sharing the seed did not help."
    )
    first = law_tables.eval_sets(facts)[0]
    told = [f"{r['cell']}, {r['source']}: {r['percent']:.2f}%" for r in rows if r["eval_set"] == first]
    height = len(cells) * 58
    return [
        Chart(
            "luck",
            "How large luck is",
            says,
            "; ".join(told) + ".",
            [panel(bars + dots, height)],
            {"luck": rows},
            [selector(facts)],
        )
    ]


def learning_rates(facts: Facts) -> list[Chart]:
    """Loss over learning rates at one cell of the ladder, for the levels that were checked."""
    if not facts.optima:
        return []
    names = [level["name"] for level in facts.levels]
    rows = [
        {"level": one["level"], "lr": lr, "loss": loss, "excess": loss - min(one["losses"])}
        for one in facts.optima
        for lr, loss in zip(one["lrs"], one["losses"], strict=True)
    ]
    rates = alt.Axis(title="peak learning rate", format=".2~g", values=sorted({row["lr"] for row in rows}))
    x = alt.X("lr:Q", scale=log_scale(), axis=rates)
    lines = (
        table("lr_check")
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            x=x,
            y=alt.Y("excess:Q", title="loss above the level's best (nats/token)", axis=alt.Axis(tickCount=4)),
            color=level_colours(names),
            tooltip=["level:N", "lr:Q", alt.Tooltip("loss:Q", format=".4f")],
        )
    )
    optima = [{"level": one["level"], "lr": one["lr"]} for one in facts.optima if one["inside"]]
    best = table("lr_optima").mark_rule(strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, color=level_colours(names))
    says = (
        "Every level was trained with the same learning rate, which is fair only if the best rate is the same for all of them. "
        "The lines show the loss at other rates, the dashed uprights where each level's parabola is lowest: they should fall "
        "together."
    )
    told = [
        f"{one['level']} {one['lr']:.2g}{'' if one['inside'] else ' (at the edge of the rates tried)'}" for one in facts.optima
    ]
    tables = {"lr_check": rows, "lr_optima": optima}
    drawn = panel(best + lines if optima else lines, 220)
    return [
        Chart(
            "lr_check",
            "Learning-rate check",
            says,
            "Best learning rate per level: " + ", ".join(told) + ".",
            [drawn],
            tables,
            legend=True,
        )
    ]
