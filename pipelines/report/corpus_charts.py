"""Charts of what the levels are made of: domains, lengths, copies, and the scores of the classifiers that chose them."""

from collections import defaultdict

import altair as alt

from pipelines.report.chart import Chart, level_colours, level_scales, panel, table
from pipelines.report.facts import Facts


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
        x=alt.X("share:Q", title="share of training tokens", axis=alt.Axis(format="%", tickCount=6, grid=True)),
        y=y,
        color=level_colours(names),
        shape=alt.Shape("level:N", scale=shape, legend=None),
        tooltip=["level:N", "domain:N", alt.Tooltip("share:Q", format=".2%"), alt.Tooltip("tokens:Q", format=",")],
    )
    says = (
        "What the levels are made of, one row per domain. Where all marks of a row fall together the levels have "
        "the same mixture, "
        "so a difference in loss cannot come from a difference in topics."
    )
    spread = max((abs(row["share"] - first.get(row["domain"], 0.0)) for row in rows), default=0.0)
    alt_text = f"Domain shares per level; the largest difference from {facts.baseline} is {spread:.1%} of the tokens."
    return [
        Chart("domains", "Domains", says, alt_text, [panel(span + dots, 26 * len(order) + 10)], {"domains": rows}, legend=True)
    ]


def lengths(facts: Facts) -> list[Chart]:
    total: dict[str, int] = defaultdict(int)
    for row in facts.lengths:
        total[row["level"]] += row["documents"]
    rows = [{**row, "low": max(row["low"], 1), "share": row["documents"] / (total[row["level"]] or 1)} for row in facts.lengths]
    seen = [row["low"] for row in rows if row["share"] >= 0.001]
    rows = [row for row in rows if min(seen, default=0) / 2 <= row["low"] <= max(seen, default=0) * 2]
    names = [level["name"] for level in facts.levels]
    line = (
        table("lengths")
        .mark_line(interpolate="monotone", point=alt.OverlayMarkDef(size=22))
        .encode(
            x=alt.X(
                "low:Q",
                scale=alt.Scale(type="log", base=2),
                axis=alt.Axis(title="tokens in the document", tickCount=5, format=","),
            ),
            y=alt.Y("share:Q", title="share of documents", axis=alt.Axis(format="%", tickCount=4)),
            color=level_colours(names),
            tooltip=[
                "level:N",
                alt.Tooltip("low:Q", title="from tokens", format=","),
                alt.Tooltip("high:Q", title="below", format=","),
                alt.Tooltip("share:Q", format=".2%"),
                alt.Tooltip("documents:Q", format=","),
            ],
        )
    )
    says = (
        "How long the documents of each level are; each mark is twice the length of the one before it. Rules "
        "that look at words and "
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
        {
            **row,
            "copies": f"{row['low']:g}" if row["high"] - row["low"] == 1 else f"{row['low']:g} to {row['high'] - 1:g}",
            "share": row["documents"] / total,
        }
        for row in facts.clusters
    ]
    x = alt.X("copies:N", sort=[row["copies"] for row in rows], title="copies in the cluster", axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", title="share of documents", axis=alt.Axis(format="%", tickCount=4))
    base = table("clusters")
    bars = base.mark_bar(color="var(--accent)", opacity=0.75).encode(
        x=x, y=y, tooltip=["copies:N", alt.Tooltip("documents:Q", format=","), alt.Tooltip("share:Q", format=".2%")]
    )
    text = (
        base.transform_filter("datum.documents > 0").mark_text(dy=-7).encode(x=x, y=y, text=alt.Text("share:Q", format=".1%"))
    )
    alone = rows[0]["share"] if rows and rows[0]["high"] <= 2 else 0.0
    says = (
        "How many near or exact copies a document has in the pool, itself included. Everything right of the "
        "first bar is text that the "
        "raw pool shows to a model more than once, and that deduplication reduces to one copy."
    )
    alt_text = f"{alone:.1%} of the documents have no copy in the pool."
    return [Chart("clusters", "Duplicate clusters", says, alt_text, [panel(bars + text, 200)], {"clusters": rows})]


def near(facts: Facts) -> list[Chart]:
    """The S-curve of the MinHash bands, and the similarity from which a pair counts as copies."""
    found = facts.near
    rows = [{"similarity": s, "probability": p} for s, p in found["curve"]]
    if not rows:
        return []
    x = alt.X(
        "similarity:Q",
        scale=alt.Scale(domain=[rows[0]["similarity"], 1], nice=False),
        axis=alt.Axis(title="similarity of two documents (Jaccard of their shingles)", format="%", tickCount=8),
    )
    y = alt.Y("probability:Q", title="probability that the pair is compared", axis=alt.Axis(format="%", tickCount=4))
    tip = [alt.Tooltip("similarity:Q", format=".0%"), alt.Tooltip("probability:Q", format=".2%")]
    line = table("near").mark_line(color="var(--accent)", point=alt.OverlayMarkDef(color="var(--accent)", size=30))
    drawn = line.encode(x=x, y=y, tooltip=tip)
    checked = found["verify"] != "off"
    if checked:
        at = alt.Chart(alt.InlineData(values=[{"similarity": found["threshold"], "label": "counts as a copy"}]))
        label = at.mark_text(align="left", baseline="bottom", dx=4, style="note").encode(x=x, y=alt.value(196), text="label:N")
        drawn = at.mark_rule(style="guide").encode(x=x) + drawn + label
    meant = (
        "Right of the dashed line a pair counts as copies: what the curve misses there stays in the pool."
        if checked
        else "Every pair that is found counts as copies: what the curve finds far left is text that is merely alike."
    )
    says = (
        f"With {found['bands']} bands of {found['rows']} hashes, how likely it is that two documents of a given similarity are "
        f"found. {meant}"
    )
    counts = f"{found['candidates']:,} of {found['documents']:,} documents share a band"
    alt_text = f"{counts}; {found['tested']:,} pairs were compared and {found['joined']:,} of them joined two groups of copies."
    return [Chart("near", "How near duplicates are found", says, alt_text, [panel(drawn, 200)], {"near": rows})]


def _calibration(bins: list[dict[str, float]]) -> list[dict[str, float]]:
    """The bins with a 90 % interval for the share that is positive (Wilson 1927: it holds for few examples too)."""
    z, rows = 1.645, []
    for bin_ in bins:
        n, p = max(bin_["examples"], 1), bin_["positive_share"]
        middle, half = (
            (p + z * z / (2 * n)) / (1 + z * z / n),
            z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5,
        )
        rows.append(
            {"score": (bin_["low"] + bin_["high"]) / 2, **bin_, "from": max(middle - half, 0), "to": min(middle + half, 1)}
        )
    return rows


def classifiers(facts: Facts) -> list[Chart]:
    made = []
    for item in facts.classifiers:
        name = f"classifier-{item['name']}"
        dots = _calibration(item["calibration"])
        total = sum(bin_["documents"] for bin_ in item["scores"]) or 1
        scores = [{**bin_, "share": bin_["documents"] / total} for bin_ in item["scores"]]
        last = max(
            [bin_["high"] for bin_ in item["calibration"]] + [bin_["high"] for bin_ in scores if bin_["share"] >= 0.002],
            default=1.0,
        )
        scale = alt.Scale(domain=[0, last], nice=False)
        x = alt.X("score:Q", scale=scale, axis=alt.Axis(title="score", tickCount=5))
        top = max([last, *(bin_["positive_share"] for bin_ in item["calibration"])])
        y = alt.Y(
            "positive_share:Q",
            title="share that is positive",
            scale=alt.Scale(domain=[0, top]),
            axis=alt.Axis(format="%", tickCount=4),
        )
        diagonal = (
            alt.Chart(alt.InlineData(values=[{"score": 0, "positive_share": 0}, {"score": last, "positive_share": last}]))
            .mark_line(style="guide", color="var(--soft)")
            .encode(x=x, y=y)
        )
        line = (
            table(name)
            .mark_line(color="var(--accent)", point=alt.OverlayMarkDef(color="var(--accent)", size=40))
            .encode(
                x=x,
                y=y,
                tooltip=[
                    alt.Tooltip("score:Q", format=".2f"),
                    alt.Tooltip("positive_share:Q", format=".1%"),
                    alt.Tooltip("examples:Q", format=","),
                    alt.Tooltip("from:Q", format=".1%", title="at least (90%)"),
                    alt.Tooltip("to:Q", format=".1%", title="at most"),
                ],
            )
        )
        luck = table(name).mark_rule(color="var(--accent)", opacity=0.5, clip=True).encode(x=x, y=alt.Y("from:Q"), y2="to:Q")
        panels = [panel(diagonal + luck + line, 220, title="calibration on held-out examples")] if dots else []
        if scores:
            bars = (
                table(f"{name}-scores")
                .mark_bar(color="var(--accent)", opacity=0.75, binSpacing=1, clip=True)
                .encode(
                    x=alt.X("low:Q", bin=alt.BinParams(binned=True), scale=scale, axis=alt.Axis(title="score", tickCount=5)),
                    x2="high:Q",
                    y=alt.Y("share:Q", title="share of the pool", axis=alt.Axis(format="%", tickCount=4)),
                    tooltip=[alt.Tooltip("low:Q"), alt.Tooltip("high:Q"), alt.Tooltip("documents:Q", format=",")],
                )
            )
            panels.append(panel(bars, 220, title="scores of the whole pool"))
        low, high = item["auc_low"], item["auc_high"]
        ends = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
        says = (
            "Given one good and one ordinary document it was not trained on, the classifier ranks the good one higher "
            f"{item['auc']:.1%} of the time (AUC {item['auc']:.3f}{ends}; there were {item['positives']:,} good and "
            f"{item['negatives']:,} ordinary examples in all). Where the line follows the dashed diagonal a score can be read "
            "as a probability; elsewhere only the order of scores means something."
        )
        alt_text = f"Calibration and score distribution of the classifier {item['name']}; AUC {item['auc']:.3f}."
        if panels:
            made.append(
                Chart(name, f"Classifier: {item['name']}", says, alt_text, panels, {name: dots, f"{name}-scores": scores})
            )
    return made
