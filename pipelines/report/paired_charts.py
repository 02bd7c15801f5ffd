"""Charts of like against like: the same seed on two levels, the same document under two models."""

import altair as alt

from pipelines.report import law_tables
from pipelines.report.chart import Chart, frame, level_colours, level_scales, panel, signed_axis, table
from pipelines.report.facts import Facts
from pipelines.report.law_charts import CHOSEN, by_set, guide, level_names, selector, shape_title, tokens_axis
from pipelines.report.wording import count


def seed_differences(facts: Facts) -> Chart:
    names = level_names(facts)
    colour = level_colours(names)
    tables = {"seeds": law_tables.seeds(facts), "curves": law_tables.curves(facts)}
    x = tokens_axis(tables["seeds"])
    shown, domain = frame("frame_percent", by_set(facts, tables["seeds"], "percent", extra=(0.0,)))
    y = alt.Y(
        "percent:Q",
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=signed_axis(f"loss against {facts.baseline} (%)", tickCount=6),
    )
    panels = []
    for shape in law_tables.shapes(facts):
        own = f"{CHOSEN} && datum.shape == {shape!r}"
        line = (
            table("curves")
            .transform_filter(f"{own} && !datum.beyond && datum.level != {facts.baseline!r}")
            .mark_line(strokeWidth=1.6, clip=True)
        )
        dots = (
            table("seeds")
            .transform_filter(own)
            .mark_point(filled=True, size=40, opacity=0.9, clip=True)
            .encode(
                x=x,
                y=y,
                color=colour,
                shape=alt.Shape("level:N", scale=level_scales(names)[1], legend=None),
                tooltip=[
                    "level:N",
                    alt.Tooltip("D:Q", format=",.0f"),
                    "seed:N",
                    alt.Tooltip("percent:Q", format="+.3f"),
                    alt.Tooltip("difference:Q", format="+.4f", title="nats/token"),
                ],
            )
        )
        drawn = guide("percent", 0, y) + line.encode(x=x, y=y, color=colour) + dots
        panels.append(panel(drawn, 260, title=shape_title(facts, shape)))
    says = (
        f"Every run is set against the run of {facts.baseline} that began from the same random weights and read "
        f"as many tokens, so most of the "
        "luck cancels. Below the dashed line the level is better; the solid lines are the same comparison from the fitted laws."
    )
    fit = facts.fit["sets"][law_tables.eval_sets(facts)[0]]
    told = [
        f"{level} {both['summary']['mean_percent']:+.2f}% ({both['summary']['wins']} of "
        f"{both['summary']['pairs']} pairs better)"
        for level, both in fit["seeds"].items()
        if both["summary"]
    ]
    return Chart(
        "seeds",
        "The same seed on two levels",
        says,
        "Mean difference: " + "; ".join(told) + ".",
        panels,
        tables,
        [selector(facts), shown],
        min_width=330,
        legend=True,
    )


def document_differences(facts: Facts) -> list[Chart]:
    rows = law_tables.documents(facts)
    if not rows:
        return []
    names = level_names(facts)
    colour = level_colours(names)
    y = alt.Y("level:N", sort=names, title=None, axis=alt.Axis(grid=False))
    ranges, domain = frame("frame_documents", by_set(facts, rows, "p25", ("p5", "p95"), (0.0,), 4.0))
    x = alt.X(
        "p5:Q",
        scale=alt.Scale(domain=domain, nice=False, zero=False),
        axis=signed_axis(f"loss minus {facts.baseline}'s (nats/token)", grid=True),
    )
    panels = []
    shown = [shape for shape in law_tables.shapes(facts) if any(row["shape"] == shape for row in rows)]
    for shape in shown:
        base = table("documents").transform_filter(f"{CHOSEN} && datum.shape == {shape!r}")
        whisker = base.mark_rule(strokeWidth=1.5, clip=True).encode(x=x, x2="p95:Q", y=y, color=colour)
        box = base.mark_bar(height=12, opacity=0.85, clip=True).encode(
            x=alt.X("p25:Q"),
            x2="p75:Q",
            y=y,
            color=colour,
            tooltip=[
                "level:N",
                alt.Tooltip("documents:Q", format=","),
                alt.Tooltip("better:Q", format=".1%", title="documents with lower loss"),
                alt.Tooltip("difference:Q", format="+.4f", title="over the whole set"),
                alt.Tooltip("se:Q", format=".4f"),
                alt.Tooltip("p50:Q", format="+.4f", title="median"),
            ],
        )
        middle = base.mark_tick(color="var(--page)", thickness=2, height=12).encode(x=alt.X("p50:Q"), y=y)
        share = (
            base.transform_calculate(label="format(datum.better, '.0%') + ' better'")
            .mark_text(align="right", style="note", dy=-13)
            .encode(x=alt.value("width"), y=y, text="label:N")
        )
        zero = alt.Chart(alt.InlineData(values=[{"p5": 0}])).mark_rule(style="guide").encode(x=x)
        size = next(row["D"] for row in rows if row["shape"] == shape)
        drawn = zero + whisker + box + middle + share
        panels.append(panel(drawn, 46 * (len(names) - 1) + 10, title=f"{shape}, {count(size)} tokens"))
    says = (
        "The same two models, document by document: the box holds the middle half of the documents, the line "
        "nine in ten. A small average "
        "difference can be a little on every document, or a lot on a few; this tells them apart."
    )
    first = law_tables.eval_sets(facts)[0]
    told = [f"{r['level']} is better on {r['better']:.0%} ({r['shape']})" for r in rows if r["eval_set"] == first]
    return [
        Chart(
            "documents",
            "Document by document",
            says,
            "; ".join(told) + ".",
            panels,
            {"documents": rows},
            [selector(facts), ranges],
            min_width=330,
        )
    ]
