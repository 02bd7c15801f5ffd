"""Charts of what was checked beside the fit: how large luck is, and whether one learning rate was fair to every level."""

import math

import altair as alt
from scipy.special import gammaincinv

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts
from pipelines.report.frames import Rows
from scaling_fit.levels.summary import noise_budget as noise_budget_of
from scaling_fit.wording import count, eval_words

SOURCES = {
    "unpaired": "another seed",
    "paired": "same seed, another level",
    "sampling": "other evaluation documents",
}
"""Spreads of scaling_fit.instrument, and what a reader should imagine to be drawn again."""


def luck_rows(facts: Facts) -> Rows:
    """One row per cell, evaluation set and source of luck: a standard deviation in percent of the loss, with its interval."""
    alpha = 1 - facts.fit.settings.confidence
    rows: Rows = []
    for spread in facts.spreads:
        for source, label in SOURCES.items():
            value, df = getattr(spread, source), getattr(spread, f"{source}_df", 0)
            if value is None or spread.eval_set not in facts.fit.fits:
                continue
            low, high = (math.sqrt(df / (2 * gammaincinv(df / 2, q))) if df else 1.0 for q in (1 - alpha / 2, alpha / 2))
            percent = 100 * value / spread.loss
            rows.append(
                {
                    "eval_set": spread.eval_set, "cell": f"{spread.shape}, {count(spread.tokens)} tokens",
                    "source": label, "percent": percent, "low": percent * low, "high": percent * high, "df": df or None,
                }
            )  # fmt: skip
    return rows


def luck(facts: Facts) -> list[Chart]:
    """How far losses scatter for no reason of interest, by what is drawn again."""
    rows = luck_rows(facts) if law_tables.eval_sets(facts.fit) else []
    if not rows:
        return []
    cells, labels = list(dict.fromkeys(row["cell"] for row in rows)), list(SOURCES.values())
    palette = alt.Scale(domain=labels, range=["var(--accent)", "var(--good)", "var(--soft)"])
    colour = alt.Color("source:N", scale=palette, legend=alt.Legend(title=None, columns=1, labelLimit=400))
    axis = alt.Axis(title="standard deviation (% of loss)", tickCount=6, grid=True)
    x = alt.X("percent:Q", axis=axis, scale=alt.Scale(zero=True))
    said = draw.tips("cell", "source||drawn again", "percent|.3f", "df:Q||degrees of freedom")
    at = {"y": draw.names("cell", cells, 0.3), "yOffset": alt.YOffset("source:N", sort=labels), "color": colour}
    first = law_tables.eval_sets(facts.fit)[0]
    parts = [f"{r['cell']}, {r['source']}: {r['percent']:.2f}%" for r in rows if r["eval_set"] == first]
    return [
        Chart(
            id="luck",
            title="How large luck is",
            says="How much two results differ when nothing of interest does: another seed, the same seed on another level, "
            "other evaluation documents. Levels are compared at the same seed, so the second is what limits this study; where "
            "it is no smaller than the first, sharing the seed did not help.",
            alt="; ".join(parts) + ".",
            panels=[draw.panel(draw.interval_dots(draw.table("luck", draw.CHOSEN), x, said, **at), len(cells) * 58)],
            tables={"luck": rows},
            params=[draw.selector(facts.fit)],
        )
    ]


DECIDES = 3.0
"""A set whose signal is less than so many times its noise decides nothing (Heineman et al. 2025 rank sets by this ratio)."""


def noise_budget(facts: Facts) -> list[Chart]:
    """Where the noise of this study comes from on the chosen set, and what every set can tell."""
    sets = law_tables.eval_sets(facts.fit)
    rows: Rows = [
        {"eval_set": name, "source": source, "percent": percent}
        for name in sets
        for source, percent in noise_budget_of(facts.fit, name)
    ]
    told: Rows = [
        {"eval_set": name, "set": eval_words(name), "signal": one.signal, "noise": one.noise, "ratio": one.ratio}
        for name in sets
        if (one := facts.fit.sets[name].resolution) is not None
    ]
    if not told:
        return []
    sources = list(dict.fromkeys(row["source"] for row in rows))
    axis = alt.Axis(title="standard deviation (% of loss)", tickCount=6, grid=True)
    bars = draw.bars(
        draw.table("noise_budget", draw.CHOSEN), draw.tips("source", "percent|.3f"),
        x=alt.X("percent:Q", axis=axis, scale=alt.Scale(zero=True)), y=draw.names("source", sources, labelLimit=230),
    )  # fmt: skip
    order = [row["set"] for row in sorted(told, key=lambda row: -row["ratio"])]
    x = alt.X("ratio:Q", axis=alt.Axis(title="signal to noise", tickCount=6, grid=True), scale=alt.Scale(zero=True))
    said = draw.tips("set", "signal|.2f|from best to worst, %", "noise|.2f|of a difference, %", "ratio|.1f")
    sets_bars = draw.bars(draw.table("signal_to_noise"), said, x=x, y=draw.names("set", order, labelLimit=230))
    limit = alt.Chart(alt.InlineData(values=[{"ratio": DECIDES}])).mark_rule(style="guide").encode(x=alt.X("ratio:Q"))
    first = "; ".join(f"{row['source']} {row['percent']:.2f}%" for row in rows if row["eval_set"] == sets[0])
    ratios = "; ".join(f"{row['set']} {row['ratio']:.1f}" for row in told)
    return [
        Chart(
            id="noise_budget",
            title="Where the noise comes from",
            says="How far a loss moves when one thing is drawn again and all else stays. Beside it, how far levels lie apart "
            "on each evaluation set, over the noise of telling two apart: left of the dashed line, at "
            f"{DECIDES:.0f}, a set decides nothing.",
            alt=f"Noise: {first}. Signal to noise: {ratios}.",
            panels=[
                draw.panel(bars, 26 * len(sources), title="noise of a loss"),
                draw.panel(sets_bars + limit, max(20 * len(order), 60), title="what each set can tell"),
            ],
            tables={"noise_budget": rows, "signal_to_noise": told},
            params=[draw.selector(facts.fit)],
            min_width=380,
        )
    ]


def learning_rates(facts: Facts) -> list[Chart]:
    """Loss over learning rates at one cell of the ladder, for the levels that were checked."""
    if not facts.optima:
        return []
    rows = [
        {"level": one.level, "lr": lr, "loss": loss, "excess": loss - min(one.losses)}
        for one in facts.optima
        for lr, loss in zip(one.lrs, one.losses, strict=True)
    ]
    rates = alt.Axis(title="peak learning rate", format=".2~g", values=sorted({row["lr"] for row in rows}))
    x, colour = alt.X("lr:Q", scale=draw.log_scale(), axis=rates), draw.level_colours(draw.level_names(facts))
    y = alt.Y("excess:Q", title="loss above the level's best (nats/token)", axis=alt.Axis(tickCount=4))
    lines = draw.table("lr_check").mark_line(point=alt.OverlayMarkDef(size=45))
    drawn = lines.encode(x=x, y=y, color=colour, tooltip=draw.tips("level", "lr:Q", "loss|.4f"))
    optima: Rows = [{"level": one.level, "lr": one.lr} for one in facts.optima if one.inside]
    if optima:
        drawn = draw.table("lr_optima").mark_rule(strokeDash=[4, 3], strokeWidth=1.5).encode(x=x, color=colour) + drawn
    best = [f"{one.level} {one.lr:.2g}{'' if one.inside else ' (at the edge of the rates tried)'}" for one in facts.optima]
    return [
        Chart(
            id="lr_check",
            title="Learning-rate check",
            says="Every level was trained with the same learning rate, which is fair only if the best rate is the same for all "
            "of them. The lines show the loss at other rates, the dashed uprights where each level's parabola is lowest: they "
            "should fall together.",
            alt="Best learning rate per level: " + ", ".join(best) + ".",
            panels=[draw.panel(drawn, 220)],
            tables={"lr_check": rows, "lr_optima": optima},
            legend=True,
        )
    ]
