"""Two studies in one figure: their levels over the quality that both measured, each with its line."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import quality_tables
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts
from pipelines.report.frames import limits
from scaling_fit.levels.trends import Kind

KINDS: tuple[Kind, ...] = ("exponent", "multiplier", "floor")
COLOURS = ["var(--level-1)", "var(--level-2)"]


def over_quality(first: Facts, second: Facts) -> list[Chart]:
    """A panel each for exponent, worth of a token and floor on the first study's primary set. None where the two have no axis
    or not that evaluation set in common."""
    both = {f"A: {first.title}": first.fit, f"B: {second.title}": second.fit}
    eval_set = first.fit.primary
    drawn = [one.fits[eval_set].quality for one in both.values() if eval_set in one.fits]
    axis = next((axis for axis in first.fit.axes if axis in second.fit.axes), None)
    if axis is None or len(drawn) < 2 or None in drawn:
        return []
    named = [
        {**row, "study": study, "kind": row["response"].split()[0]}
        for study, one in both.items()
        for row in quality_tables.levels(one)
        if (row["eval_set"], row["axis"]) == (eval_set, axis)
    ]
    lines = [
        {**row, "study": study, "kind": row["response"].split()[0]}
        for study, one in both.items()
        for row in quality_tables.lines(one)
        if (row["eval_set"], row["axis"]) == (eval_set, axis)
    ]
    x = alt.X("quality:Q", title=axis, scale=draw.scale(limits(row["quality"] for row in named)))
    legend = alt.Legend(title=None, labelLimit=400)
    colour = alt.Color("study:N", scale=alt.Scale(domain=list(both), range=COLOURS), legend=legend)
    panels = []
    for kind in KINDS:
        own = [row for row in named if row["kind"] == kind]
        shown = limits((row["value"] for row in own), [row[end] for row in own for end in ("low", "high")], reach=1.2)
        title = quality_tables.title(first.fit, kind)
        y = alt.Y("value:Q", title=title, scale=draw.scale(shown), axis=alt.Axis(tickCount=5, format="~g"))
        marks, line = draw.table("levels", f"datum.kind == {kind!r}"), draw.table("lines", f"datum.kind == {kind!r}")
        told = draw.tips("study", "level", "value|.4g", "low|.4g", "high|.4g")
        points = draw.interval_dots(marks, y, told, (str(shown[0]), str(shown[1])), x=x, color=colour)
        names = marks.mark_text(align="left", dx=7, dy=-8, fontSize=10).encode(x=x, y=y, color=colour, text="label:N")
        through = draw.band(line, x, title, colour, 0.1) + draw.line(line, x=x, y=y, color=colour)
        panels.append(draw.panel(through + points + names))
    return [
        Chart(
            id="over_quality",
            title=f"Two studies over {axis}",
            says="Each mark is a level of one of the two studies, each line is fitted through its own. What the two share is "
            "the axis and the evaluation set; their runs may differ in all else.",
            alt="; ".join(
                f"{study}: {words.answer}" for study, one in both.items() if (words := one.over_quality(axis)) is not None
            ),
            panels=panels,
            tables={"levels": named, "lines": lines},
        )
    ]
