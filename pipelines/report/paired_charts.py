"""Charts of like against like: the same seed on two levels, the same document under two models."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts
from pipelines.report.frames import by_set, frame
from scaling_fit.wording import count

WHISKERS = 30.0
"""Nine documents in ten are shown, however far they lie beside the middle half."""


def seed_differences(facts: Facts) -> Chart:
    """Every run against the baseline's run of the same seed, a panel for each shape."""
    rows, levels = law_tables.seeds(facts.fit), draw.level_names(facts)
    ranges, laws = by_set(law_tables.eval_sets(facts.fit), rows, "percent", null=0.0), law_tables.curves(facts.fit)
    shown, domain = frame("frame_percent", ranges)
    against = [row for row in laws if not row["beyond"] and row["level"] != facts.baseline]
    y = alt.Y("percent:Q", scale=draw.scale(domain), axis=draw.signed_axis(f"loss against {facts.baseline} (%)", tickCount=6))
    at = {"x": draw.tokens_axis(rows), "y": y, "color": draw.level_colours(levels)}
    said = draw.tips("level", "D|,.0f", "seed", "percent|+.3f", "difference|+.4f|nats/token")

    def of_shape(own: str) -> draw.View:
        lines = draw.table("curves", f"{own} && !datum.beyond && datum.level != {facts.baseline!r}")
        pairs = draw.dots(draw.table("seeds", own), said, 40, 0.9, **at, shape=draw.level_marks(levels))
        names = draw.named_ends(draw.table("seed_ends", own), y, at["color"])
        return draw.guide(0, y) + draw.line(lines, 1.6, **at) + pairs + names

    parts = [
        f"{level} {one.seed_summary.percent.value:+.2f}% ({one.seed_summary.wins} of {one.seed_summary.pairs} pairs better)"
        for level, one in facts.fit.fits[law_tables.eval_sets(facts.fit)[0]].against.items()
        if one.seed_summary
    ]
    alike = (
        f"Every run is set against the run of {facts.baseline} that began from the same random weights and read as many "
        "tokens, so most of the luck cancels"
        if facts.made_from == "study"
        else f"Every run is set against the run of {facts.baseline} with the same size, seed and tokens in the table"
    )
    return Chart(
        id="seeds",
        title="The same seed on two levels",
        says=f"{alike}. Below the dashed line the level is better; the solid lines are the same "
        "comparison from the fitted laws.",
        alt="Mean difference: " + "; ".join(parts) + ".",
        panels=draw.by_shape(facts.fit, of_shape, 260),
        tables={"seeds": rows, "curves": laws, "seed_ends": draw.line_ends(against, "percent", ranges, 260)},
        params=[draw.selector(facts.fit), shown],
        min_width=330,
        legend=True,
    )


def document_differences(facts: Facts) -> list[Chart]:
    """Quantiles over documents of a level's loss minus the baseline's, a panel for each shape."""
    rows, levels = law_tables.documents(facts.paired), draw.level_names(facts)
    if not rows:
        return []
    at = {"y": draw.names("level", levels), "color": draw.level_colours(levels)}
    ranges = by_set(law_tables.eval_sets(facts.fit), rows, "p25", ("p5", "p95"), null=0.0, reach=WHISKERS)
    shown, domain = frame("frame_documents", ranges)
    axis = draw.signed_axis(f"loss minus {facts.baseline}'s (nats/token)", grid=True)
    x = alt.X("p5:Q", scale=draw.scale(domain), axis=axis)
    better, whole = "better|.1%|documents with lower loss", "difference|+.4f|over the whole set"
    said = draw.tips("level", "documents|,", better, whole, "se|.4f", "p50|+.4f|median")
    panels = []
    for shape in law_tables.shapes(facts.fit):
        D = next((row["D"] for row in rows if row["shape"] == shape), None)
        if D is None:
            continue
        own = draw.table("documents", f"{draw.CHOSEN} && datum.shape == {shape!r}")
        whisker = own.mark_rule(strokeWidth=1.5, clip=True).encode(x=x, x2="p95:Q", **at)
        box = own.mark_bar(height=12, opacity=0.85, clip=True).encode(x=alt.X("p25:Q"), x2="p75:Q", tooltip=said, **at)
        middle = own.mark_tick(color="var(--page)", thickness=2, height=12).encode(x=alt.X("p50:Q"), y=at["y"])
        labelled = own.transform_calculate(label="format(datum.better, '.0%') + ' better'")
        share = labelled.mark_text(align="right", style="note", dy=-13).encode(x=alt.value("width"), y=at["y"], text="label:N")
        drawn = draw.guide(0, x) + whisker + box + middle + share
        panels.append(draw.panel(drawn, 46 * (len(levels) - 1) + 10, title=f"{shape}, {count(D)} tokens"))
    first = law_tables.eval_sets(facts.fit)[0]
    parts = [f"{r['level']} is better on {r['better']:.0%} ({r['shape']})" for r in rows if r["eval_set"] == first]
    return [
        Chart(
            id="documents",
            title="Document by document",
            says="The same two models, document by document: the box holds the middle half of the documents, the line nine in "
            "ten. A small average difference can be a little on every document, or a lot on a few; this tells them apart.",
            alt="; ".join(parts) + ".",
            panels=panels,
            tables={"documents": rows},
            params=[draw.selector(facts.fit), shown],
            min_width=330,
        )
    ]
