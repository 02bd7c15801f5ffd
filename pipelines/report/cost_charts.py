"""The chart of what the study took."""

from collections import defaultdict

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts
from pipelines.report.wording import duration

AFTER_CURATION = {"checks", "runs", "train", "observations", "fit"}


def seconds(facts: Facts) -> list[Chart]:
    """Seconds by kind of step, in the order of the pipeline."""
    total: dict[str, float] = defaultdict(float)
    for step in facts.steps:
        total[step["name"].split("/")[0]] += step["seconds"]
    if not total:
        return []
    megabytes = sum(row["bytes"] for row in facts.funnel if row["level"] == facts.baseline) / 1e6
    rows = [
        {"step": name, "seconds": value, "label": duration(value) + _speed(name, megabytes / max(value, 1e-9))}
        for name, value in total.items()
    ]
    y = draw.names("step", list(total))
    x = alt.X("seconds:Q", axis=None, scale=alt.Scale(domain=[0, max(total.values()) * 1.3]))
    text = draw.table("seconds").mark_text(align="left", dx=5).encode(x=x, y=y, text="label:N")
    longest = max(total, key=lambda name: total[name])
    return [
        Chart(
            id="seconds",
            title="Where the time went",
            says="How long each kind of step took when it was last made, and at how many MB of the pool's text per second. "
            "Signals are computed once and training runs once per level, so a changed threshold repeats only the training of "
            "its own level.",
            alt=f"The longest is {longest}, {duration(total[longest])} of {duration(sum(total.values()))}.",
            panels=[
                draw.panel(draw.bars(draw.table("seconds"), draw.tips("step", "label"), x, y, height=14) + text, 24 * len(rows))
            ],
            tables={"seconds": rows},
        )
    ]


def _speed(step: str, megabytes_per_second: float) -> str:
    return "" if step in AFTER_CURATION else f", {megabytes_per_second:,.{0 if megabytes_per_second >= 100 else 1}f} MB/s"
