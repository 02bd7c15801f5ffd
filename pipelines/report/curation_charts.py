"""Charts of what curation did to the text: where documents went, and what the levels are made of."""

from collections import defaultdict

import altair as alt

from pipelines.report.chart import COUNT_LABEL, Chart, Rows, count_axis, level_colours, level_scales, panel, table
from pipelines.report.facts import Facts, Overlap
from pipelines.report.palette import level_colour

UNITS = ("documents", "bytes", "tokens")
POOL, DROPPED = "(pool)", "(dropped)"  # no level can have these names


def charts(facts: Facts) -> list[Chart]:
    """The charts that the facts have numbers for, in the order of the page."""
    makers = ((facts.funnel, funnel), (facts.overlap, overlap), (facts.domains, domains), (facts.lengths, lengths),
              (facts.clusters, clusters), (facts.classifiers, classifiers))  # fmt: skip
    return [chart for rows, maker in makers if rows for chart in maker(facts)]


def funnel_rows(facts: Facts) -> Rows:
    """Per level: the whole pool, what each rule took from what was left, and what was kept; shares of the pool."""
    by_level: dict[str, list] = defaultdict(list)
    for row in facts.funnel:
        by_level[row["level"]].append(row)
    rows: Rows = []
    for level in facts.levels:
        parts = sorted(by_level[level["name"]], key=lambda row: row["reason"] is None)
        for unit in UNITS:
            total = left = sum(part[unit] for part in parts)
            rows.append({"level": level["name"], "unit": unit, "place": 0, "step": "whole pool", "kind": POOL,
                         "low": 0.0, "high": 1.0, "amount": total})  # fmt: skip
            for place, part in enumerate(parts, start=1):
                amount, kept = part[unit], part["reason"] is None
                low, high = (0, amount) if kept else (left - amount, left)
                left -= amount
                rows.append({"level": level["name"], "unit": unit, "place": place, "step": part["reason"] or "kept",
                             "kind": level["name"] if kept else DROPPED, "low": low / (total or 1), "high": high / (total or 1),
                             "amount": amount})  # fmt: skip
    return rows


def funnel(facts: Facts) -> list[Chart]:
    rows = funnel_rows(facts)
    names = [level["name"] for level in facts.levels]
    colours = ["var(--line)", "var(--drop)", *(level_colour(i) for i in range(len(names)))]
    kinds = alt.Scale(domain=[POOL, DROPPED, *names], range=colours)
    panels = []
    for level in facts.levels:
        if not any(row["level"] == level["name"] for row in rows):
            continue
        base = table("funnel").transform_filter(f"datum.unit == unit && datum.level == {level['name']!r}")
        y = alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0.6, paddingOuter=0.4))
        x = alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), axis=None)
        bars = base.mark_bar(cornerRadius=1).encode(
            x=x, x2="high:Q", y=y, color=alt.Color("kind:N", scale=kinds, legend=None),
            tooltip=[alt.Tooltip("step:N", title="rule"), alt.Tooltip("amount:Q", format=",", title="amount"),
                     alt.Tooltip("share:Q", format=".2%", title="of the pool")],
        ).transform_calculate(share="datum.high - datum.low")  # fmt: skip
        rules = base.mark_text(align="left", dy=-15, limit=250).encode(x=alt.value(0), y=y, text="step:N")
        amount = (
            base.transform_calculate(
                label=f"{COUNT_LABEL.replace('datum.value', 'datum.amount')}"
                " + '  ' + format(datum.high - datum.low, '.1%')"
            )
            .mark_text(align="right", dy=-15, style="note")
            .encode(x=alt.value("width"), y=y, text="label:N")
        )
        num_rows = len({row["place"] for row in rows if row["level"] == level["name"]})
        panels.append(panel(bars + rules + amount, 36 * num_rows, title=level["name"]))
    units = {"name": "unit", "value": "tokens"}
    says = (
        "Each row is one rule in the order it is applied; the bar is the part of the pool that rule removed from what was left. "
        "What remains at the bottom is what the level trains on, and the rows always add up to the whole pool."
    )
    return [Chart("funnel", "What each rule removed", says, _funnel_words(facts), panels, {"funnel": rows}, [units],
                  {"unit": ("Count", {unit: unit for unit in reversed(UNITS)})}, 400)]  # fmt: skip


def _funnel_words(facts: Facts) -> str:
    total: dict[str, int] = defaultdict(int)
    kept: dict[str, int] = defaultdict(int)
    for row in facts.funnel:
        total[row["level"]] += row["tokens"]
        kept[row["level"]] += row["tokens"] if row["reason"] is None else 0
    parts = [f"{level} keeps {kept[level] / (total[level] or 1):.1%} of the tokens" for level in total]
    return "Waterfall of dropped tokens per level: " + "; ".join(parts) + "."


def _related(matrix: Overlap) -> list[int]:
    """Places of the rules that share a document with another rule (a mixture's budget, applied last, shares none)."""
    num = len(matrix["reasons"])
    shared = [any(matrix["documents"][i][j] for j in range(num) if j != i) for i in range(num)]
    return [i for i in range(num) if shared[i]]


def overlap(facts: Facts) -> list[Chart]:
    kept = [(matrix, _related(matrix)) for matrix in facts.overlap]
    names = [{matrix["reasons"][i] for i in places} for matrix, places in kept]
    panels, rows = [], []
    for at, (matrix, places) in enumerate(kept):
        # A level that extends another repeats its rules: only the longest list of them is shown.
        if len(places) < 2 or any(names[at] <= other for k, other in enumerate(names) if k != at and (names[at] != other or k < at)):
            continue
        order = [f"{place}  {matrix['reasons'][i]}" for place, i in enumerate(places, start=1)]
        for row, i in enumerate(places):
            for column, j in enumerate(places):
                both, alone = matrix["documents"][i][j], matrix["documents"][i][i]
                rows.append({"level": matrix["level"], "rule": order[row], "column": column + 1, "also": matrix["reasons"][j],
                             "documents": both, "share": both / alone if alone else 0.0})  # fmt: skip
        base = table("overlap").transform_filter(f"datum.level == {matrix['level']!r}")
        y = alt.Y("rule:N", sort=order, title=None, axis=alt.Axis(labelLimit=270, labelPadding=6))
        x = alt.X("column:O", title="also fails rule", axis=alt.Axis(orient="top", labelAngle=0, grid=False))
        cells = base.mark_rect(color="var(--accent)").encode(
            x=x, y=y,
            opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.75]), legend=None),
            tooltip=[alt.Tooltip("rule:N", title="of documents that fail"), alt.Tooltip("also:N", title="also fail"),
                     alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("documents:Q", format=",")],
        )  # fmt: skip
        text = base.transform_filter("datum.share >= 0.005").mark_text(fontSize=10).encode(
            x=x, y=y, text=alt.Text("share:Q", format=".0%")
        )  # fmt: skip
        panels.append(panel(cells + text, 24 * len(order), title=matrix["level"]))
    if not panels:
        return []
    says = (
        "Of the documents that fail the rule of the row, the share that also fails the rule of the column. Dark cells are rules that "
        "mostly repeat each other; a row that is pale outside its diagonal is a rule that finds what no other rule finds."
    )
    alt_text = "Matrix of rules: share of documents failing one rule that also fail another. The numbers are in the table below."
    return [Chart("overlap", "Which rules agree", says, alt_text, panels, {"overlap": rows}, min_width=680, wide=True)]


def domains(facts: Facts) -> list[Chart]:
    total: dict[str, int] = defaultdict(int)
    for row in facts.domains:
        total[row["level"]] += row["tokens"]
    rows = [{**row, "share": row["tokens"] / (total[row["level"]] or 1)} for row in facts.domains]
    names = [level["name"] for level in facts.levels]
    first = {row["domain"]: row["share"] for row in rows if row["level"] == facts.baseline}
    order = sorted({row["domain"] for row in rows}, key=lambda name: -first.get(name, 0.0))
    shape = level_scales(names)[1]
    base = table("domains")
    y = alt.Y("domain:N", sort=order, title=None, axis=alt.Axis(labelLimit=170, grid=False))
    span = base.mark_rule(color="var(--line)").encode(y=y, x=alt.X("min(share):Q"), x2="max(share):Q")
    dots = base.mark_point(filled=True, size=64, opacity=0.9).encode(
        x=alt.X("share:Q", title="share of training tokens", axis=alt.Axis(format="%", tickCount=6, grid=True)), y=y,
        color=level_colours(names), shape=alt.Shape("level:N", scale=shape, legend=None),
        tooltip=["level:N", "domain:N", alt.Tooltip("share:Q", format=".2%"), alt.Tooltip("tokens:Q", format=",")],
    )  # fmt: skip
    says = (
        "What the levels are made of, one row per domain. Where all marks of a row fall together the levels have the same mixture, "
        "so a difference in loss cannot come from a difference in topics."
    )
    spread = max((abs(row["share"] - first.get(row["domain"], 0.0)) for row in rows), default=0.0)
    alt_text = f"Domain shares per level; the largest difference from {facts.baseline} is {spread:.1%} of the tokens."
    return [Chart("domains", "Domains", says, alt_text, [panel(span + dots, 26 * len(order) + 10)], {"domains": rows}, legend=True)]


def lengths(facts: Facts) -> list[Chart]:
    total: dict[str, int] = defaultdict(int)
    for row in facts.lengths:
        total[row["level"]] += row["documents"]
    rows = [{**row, "low": max(row["low"], 1), "share": row["documents"] / (total[row["level"]] or 1)} for row in facts.lengths]
    seen = [row["low"] for row in rows if row["share"] >= 0.001]
    rows = [row for row in rows if min(seen, default=0) / 2 <= row["low"] <= max(seen, default=0) * 2]
    names = [level["name"] for level in facts.levels]
    line = table("lengths").mark_line(interpolate="monotone", point=alt.OverlayMarkDef(size=22)).encode(
        x=alt.X("low:Q", scale=alt.Scale(type="log", base=2), axis=count_axis("tokens in the document", tickCount=5)),
        y=alt.Y("share:Q", title="share of documents", axis=alt.Axis(format="%", tickCount=4)),
        color=level_colours(names),
        tooltip=["level:N", alt.Tooltip("low:Q", title="from tokens", format=","), alt.Tooltip("high:Q", title="below", format=","),
                 alt.Tooltip("share:Q", format=".2%"), alt.Tooltip("documents:Q", format=",")],
    )  # fmt: skip
    says = (
        "How long the documents of each level are; each mark is twice the length of the one before it. Rules that look at words and "
        "lines mostly remove short documents, which shows here as a line that starts lower on the left."
    )
    medians = [f"{name} {_median_bin(facts, name)}" for name in names if total[name]]
    alt_text = "Length distribution per level; half of the documents are shorter than: " + ", ".join(medians) + " tokens."
    return [Chart("lengths", "Document lengths", says, alt_text, [panel(line)], {"lengths": rows}, legend=True)]


def _median_bin(facts: Facts, level: str) -> str:
    bins = [row for row in facts.lengths if row["level"] == level]
    half, seen = sum(row["documents"] for row in bins) / 2, 0
    for row in bins:
        seen += row["documents"]
        if seen >= half:
            return f"{row['high']:,.0f}"
    return "unknown"


def clusters(facts: Facts) -> list[Chart]:
    total = sum(row["documents"] for row in facts.clusters) or 1
    rows = [
        {**row, "copies": f"{row['low']:g}" if row["high"] - row["low"] == 1 else f"{row['low']:g} to {row['high'] - 1:g}",
         "share": row["documents"] / total}
        for row in facts.clusters
    ]  # fmt: skip
    x = alt.X("copies:N", sort=[row["copies"] for row in rows], title="copies in the cluster", axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", title="share of documents", axis=alt.Axis(format="%", tickCount=4))
    base = table("clusters")
    bars = base.mark_bar(color="var(--accent)", opacity=0.75).encode(
        x=x, y=y, tooltip=["copies:N", alt.Tooltip("documents:Q", format=","), alt.Tooltip("share:Q", format=".2%")]
    )
    text = base.mark_text(dy=-7).encode(x=x, y=y, text=alt.Text("share:Q", format=".1%"))
    alone = rows[0]["share"] if rows and rows[0]["high"] <= 2 else 0.0
    says = (
        "How many near or exact copies a document has in the pool, itself included. Everything right of the first bar is text that the "
        "raw pool shows to a model more than once, and that deduplication reduces to one copy."
    )
    alt_text = f"{alone:.1%} of the documents have no copy in the pool."
    return [Chart("clusters", "Duplicate clusters", says, alt_text, [panel(bars + text, 200)], {"clusters": rows})]


def classifiers(facts: Facts) -> list[Chart]:
    made = []
    for item in facts.classifiers:
        name = f"classifier-{item['name']}"
        dots = [{"score": (bin_["low"] + bin_["high"]) / 2, **bin_} for bin_ in item["calibration"]]
        total = sum(bin_["documents"] for bin_ in item["scores"]) or 1
        scores = [{**bin_, "share": bin_["documents"] / total} for bin_ in item["scores"]]
        last = max([bin_["high"] for bin_ in item["calibration"]] + [bin_["high"] for bin_ in scores if bin_["share"] >= 0.002], default=1.0)
        scale = alt.Scale(domain=[0, last], nice=False)
        x = alt.X("score:Q", scale=scale, axis=alt.Axis(title="score", tickCount=5))
        top = max([last, *(bin_["positive_share"] for bin_ in item["calibration"])])
        y = alt.Y("positive_share:Q", title="share that is positive", scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format="%", tickCount=4))
        diagonal = (
            alt.Chart(alt.InlineData(values=[{"score": 0, "positive_share": 0}, {"score": last, "positive_share": last}]))
            .mark_line(style="guide").encode(x=x, y=y)
        )  # fmt: skip
        line = table(name).mark_line(color="var(--accent)", point=alt.OverlayMarkDef(color="var(--accent)", size=40)).encode(
            x=x, y=y,
            tooltip=[alt.Tooltip("score:Q", format=".2f"), alt.Tooltip("positive_share:Q", format=".1%"),
                     alt.Tooltip("examples:Q", format=",")],
        )  # fmt: skip
        panels = [panel(diagonal + line, 220, title="calibration on held-out examples")] if dots else []
        if scores:
            bars = table(f"{name}-scores").mark_bar(color="var(--accent)", opacity=0.75, binSpacing=1, clip=True).encode(
                x=alt.X("low:Q", bin=alt.BinParams(binned=True), scale=scale, axis=alt.Axis(title="score", tickCount=5)),
                x2="high:Q", y=alt.Y("share:Q", title="share of the pool", axis=alt.Axis(format="%", tickCount=4)),
                tooltip=[alt.Tooltip("low:Q"), alt.Tooltip("high:Q"), alt.Tooltip("documents:Q", format=",")],
            )  # fmt: skip
            panels.append(panel(bars, 220, title="scores of the whole pool"))
        interval = f" [{item['auc_low']:.3f}, {item['auc_high']:.3f}]" if item["auc_low"] is not None else ""  # type: ignore[str-format]
        says = (
            f"Given one good and one ordinary held-out document, the classifier ranks the good one higher {item['auc']:.1%} of the time "
            f"(AUC {item['auc']:.3f}{interval}, {item['positives']:,} against {item['negatives']:,} examples). Where the line follows the "
            "dashed diagonal a score can be read as a probability; elsewhere only the order of scores means something."
        )
        alt_text = f"Calibration and score distribution of the classifier {item['name']}; AUC {item['auc']:.3f}."
        if panels:
            made.append(Chart(name, f"Classifier: {item['name']}", says, alt_text, panels, {name: dots, f"{name}-scores": scores}))
    return made
