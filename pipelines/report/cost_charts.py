"""Charts of what the study took, and of the check that one learning rate was fair to every level."""

from collections import defaultdict

import altair as alt

from pipelines.report.chart import Chart, level_colours, log_scale, panel, table
from pipelines.report.facts import Facts
from pipelines.report.wording import duration


def seconds(facts: Facts) -> list[Chart]:
    """Seconds by kind of step, in the order of the pipeline."""
    total: dict[str, float] = defaultdict(float)
    for step in facts.steps:
        total[step["name"].split("/")[0]] += step["seconds"]
    if not total:
        return []
    rows = [{"step": name, "seconds": value, "label": duration(value)} for name, value in total.items()]
    y = alt.Y("step:N", sort=list(total), title=None, axis=alt.Axis(grid=False))
    x = alt.X("seconds:Q", axis=None, scale=alt.Scale(domain=[0, max(total.values()) * 1.12]))
    base = table("seconds")
    bars = base.mark_bar(color="var(--accent)", opacity=0.75, height=14).encode(x=x, y=y, tooltip=["step:N", "label:N"])
    text = base.mark_text(align="left", dx=5).encode(x=x, y=y, text="label:N")
    longest = max(total, key=lambda name: total[name])
    says = (
        "How long each kind of step took when it was last made; steps that were already there cost nothing now. "
        "Signals are computed "
        "once and training runs once per level, so a changed threshold repeats only the training of its own level."
    )
    alt_text = f"The longest is {longest}, {duration(total[longest])} of {duration(sum(total.values()))}."
    return [Chart("seconds", "Where the time went", says, alt_text, [panel(bars + text, 24 * len(rows))], {"seconds": rows})]


def learning_rates(facts: Facts) -> list[Chart]:
    """Loss over learning rates at one cell of the ladder, for the levels that were checked."""
    if not facts.lr_check:
        return []
    names = [level["name"] for level in facts.levels]
    best: dict[str, float] = {}
    for row in facts.lr_check:
        best[row["level"]] = min(best.get(row["level"], float("inf")), row["loss"])
    rows = [{**row, "excess": row["loss"] - best[row["level"]]} for row in facts.lr_check]
    lines = (
        table("lr_check")
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X(
                "lr:Q",
                scale=log_scale(),
                axis=alt.Axis(title="peak learning rate", format=".2~g", values=sorted({r["lr"] for r in rows})),
            ),
            y=alt.Y("excess:Q", title="loss above the level's best (nats/token)", axis=alt.Axis(tickCount=4)),
            color=level_colours(names),
            tooltip=["level:N", "lr:Q", alt.Tooltip("loss:Q", format=".4f"), "shape:N", "tokens:Q"],
        )
    )
    says = (
        "Every level was trained with the same learning rate, which is fair only if the best rate is the same for all of them. "
        "The lines show the loss at other rates: their lowest points should stand above one another."
    )
    optimum = {level: min((r for r in rows if r["level"] == level), key=lambda r: r["loss"])["lr"] for level in best}
    alt_text = "Best learning rate per level: " + ", ".join(f"{level} {lr:g}" for level, lr in optimum.items()) + "."
    return [Chart("lr_check", "Learning-rate check", says, alt_text, [panel(lines, 220)], {"lr_check": rows}, legend=True)]
