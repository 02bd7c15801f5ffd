"""The chart that says what a better level saves: an arrow from the baseline's run to the same loss on the level's curve."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.frames import Rows, by_set, frame
from scaling_fit.levels.gap import BEYOND
from scaling_fit.result import Result
from scaling_fit.wording import count


def rows(result: Result) -> Rows:
    """One row per level and evaluation set with a bounded saving: from the baseline's D to the level's, at the same loss."""
    return [
        {
            "eval_set": name, "level": level, "shape": one.saving.shape, "loss": one.saving.loss, "D": one.saving.D,
            "of": f"{result.baseline}, {count(one.saving.D)}", "level_D": one.saving.D * one.saving.share.value,
            "low": one.saving.D * one.saving.share.low, "high": one.saving.D * one.saving.share.high,
            "to": f"{level}, {count(one.saving.D * one.saving.share.value)}", "label": answer.words[level].saving,
        }
        for name, answer in ((name, result.sets[name].answer) for name in result.fits)
        for level, one in answer.verdicts.items()
        if one.saving and one.saving.share.bounded and answer.words[level].saving
    ]  # fmt: skip


def saved(result: Result, levels: list[str]) -> list[Chart]:
    """The baseline's curve, the chosen level's, and the arrow between them."""
    found = rows(result)
    first = result.primary
    offered = [level for level in levels if any(row["level"] == level and row["eval_set"] == first for row in found)]
    if not offered:
        return []
    recommended = result.sets[first].answer.recommended
    chosen = sorted(offered, key=lambda level: level != recommended)
    curves, seen = law_tables.curves(result), law_tables.points(result)
    shape = next(row["shape"] for row in found if row["eval_set"] == first and row["level"] == chosen[0])
    of_shape = [row for row in seen if row["shape"] == shape]
    shown, domain = frame("frame_saved", by_set(law_tables.eval_sets(result), of_shape, "loss"))
    far = max(row["D"] for row in of_shape) * BEYOND
    ends = [{"D": min(row["level_D"], far)} for row in found if row["shape"] == shape]
    x = draw.tokens_axis([*of_shape, *ends])
    y = alt.Y("loss:Q", title="loss (nats/token)", scale=draw.scale(domain), axis=alt.Axis(tickCount=5, format=".3~g"))
    pair = f"(datum.level == saver || datum.level == {result.baseline!r})"
    at = {"x": x, "y": y, "color": draw.level_colours(levels)}
    arrows = f"{draw.CHOSEN} && datum.level == saver"
    ink = {"color": alt.value("var(--ink)")}

    pairs = f"{draw.CHOSEN} && {pair} && datum.shape == {shape!r}"
    tested = draw.line(draw.table("curves", f"{pairs} && !datum.beyond"), **at)
    lines = draw.beyond(draw.table("curves", pairs), **at) + tested
    runs = draw.table("points", pairs).mark_point(size=34, filled=True, clip=True, opacity=0.6).encode(**at)
    arrow = draw.table("savings", f"{arrows} && datum.shape == {shape!r}")
    bar = arrow.mark_rule(strokeWidth=7, opacity=0.18, clip=True).encode(x=alt.X("low:Q"), x2="high:Q", y=y, **ink)
    shaft = arrow.mark_rule(strokeWidth=2, clip=True).encode(x=alt.X("level_D:Q"), x2="D:Q", y=y, **ink)
    heads = [
        arrow.transform_filter(f"datum.level_D {sign} datum.D")
        .mark_point(shape=f"triangle-{side}", size=90, filled=True, opacity=1, clip=True)
        .encode(x=alt.X("level_D:Q"), y=y, **ink)
        for side, sign in (("left", "<"), ("right", ">="))
    ]
    start = arrow.mark_text(align="right", dy=-12, fontWeight=600).encode(x=alt.X("D:Q"), y=y, text="of:N", **ink)
    end = arrow.mark_text(align="right", dy=18, fontWeight=600).encode(x=alt.X("level_D:Q"), y=y, text="to:N", **ink)
    view = alt.layer(lines, runs, bar, shaft, *heads, start, end)
    spoken = {row["level"]: row["label"] for row in found if row["eval_set"] == first}
    return [
        Chart(
            id="saved",
            title="The same loss with other amounts of text",
            says=f"The arrow starts at {result.baseline}'s longest run and ends where the level makes the same loss; the grey "
            "bar at its head is the interval. Its length is what the choice of level saves or costs in tokens.",
            alt=" ".join(f"{level}: {told}" for level, told in spoken.items()),
            panels=[draw.panel(view, 300, title=shape)],
            tables={"savings": found, "curves": curves, "points": seen},
            params=[draw.selector(result), shown, {"name": "saver", "value": chosen[0]}],
            choices={"saver": ("Level", {level: level for level in chosen})} if len(chosen) > 1 else {},
            min_width=400,
            legend=True,
        )
    ]
