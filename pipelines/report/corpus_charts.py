"""Charts of what the levels are made of: domains, lengths, copies, and the scores of the classifiers that chose them."""

from collections import Counter

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report.chart import Chart
from pipelines.report.facts import Classifier, Facts
from pipelines.report.frames import Rows


def domains(facts: Facts) -> list[Chart]:
    """Shares of the training tokens by domain, one row of marks for each domain."""
    total: Counter[str] = Counter()
    for row in facts.domains:
        total[row["level"]] += row["tokens"]
    rows: Rows = [{**row, "share": row["tokens"] / (total[row["level"]] or 1)} for row in facts.domains]
    levels = draw.level_names(facts)
    first = {row["domain"]: row["share"] for row in rows if row["level"] == facts.baseline}
    order = sorted({row["domain"] for row in rows}, key=lambda name: -first.get(name, 0.0))
    base, y = draw.table("domains"), draw.names("domain", order, labelLimit=170)
    span = base.mark_rule(color="var(--line)").encode(y=y, x=alt.X("min(share):Q"), x2="max(share):Q")
    x = alt.X("share:Q", title="share of training tokens", axis=alt.Axis(format="%", tickCount=6, grid=True))
    said = draw.tips("level", "domain", "share|.2%", "tokens|,")
    marks = base.mark_point(filled=True, size=64, opacity=0.9)
    dots = marks.encode(x=x, y=y, color=draw.level_colours(levels), shape=draw.level_marks(levels), tooltip=said)
    spread = max((abs(row["share"] - first.get(row["domain"], 0.0)) for row in rows), default=0.0)
    return [
        Chart(
            id="domains",
            title="Domains",
            says="What the levels are made of, one row per domain. Where all marks of a row fall together the levels have the "
            "same mixture, so a difference in loss cannot come from a difference in topics.",
            alt=f"Domain shares per level; the largest difference from {facts.baseline} is {spread:.1%} of the tokens.",
            panels=[draw.panel(span + dots, 26 * len(order) + 10)],
            tables={"domains": rows},
            legend=True,
        )
    ]


def lengths(facts: Facts) -> list[Chart]:
    """Documents by length, one line for each level."""
    total: Counter[str] = Counter()
    for row in facts.lengths:
        total[row["level"]] += row["documents"]
    rows: Rows = [
        {**row, "low": max(row["low"], 1), "share": row["documents"] / (total[row["level"]] or 1)} for row in facts.lengths
    ]
    seen = [row["low"] for row in rows if row["share"] >= 0.001]
    rows = [row for row in rows if min(seen, default=0) / 2 <= row["low"] <= max(seen, default=0) * 2]
    axis = alt.Axis(title="tokens in the document", tickCount=5, format=",")
    line = draw.table("lengths").mark_line(interpolate="monotone", point=alt.OverlayMarkDef(size=22))
    drawn = line.encode(
        x=alt.X("low:Q", scale=alt.Scale(type="log", base=2), axis=axis),
        y=draw.share("share", "share of documents"),
        color=draw.level_colours(draw.level_names(facts)),
        tooltip=draw.tips("level", "low|,|from tokens", "high|,|below", "share|.2%", "documents|,"),
    )
    medians = [f"{name} {_median_bin(facts, name)}" for name in draw.level_names(facts) if total[name]]
    return [
        Chart(
            id="lengths",
            title="Document lengths",
            says="How long the documents of each level are; each mark is twice the length of the one before it. Rules that "
            "look at words and lines mostly remove short documents, which shows here as a line that starts lower on the left.",
            alt="Length distribution per level; half of the documents are shorter than: " + ", ".join(medians) + " tokens.",
            panels=[draw.panel(drawn)],
            tables={"lengths": rows},
            legend=True,
        )
    ]


def _median_bin(facts: Facts, level: str) -> str:
    bins = [row for row in facts.lengths if row["level"] == level]
    half, seen = sum(row["documents"] for row in bins) / 2, 0
    for row in bins:
        seen += row["documents"]
        if seen >= half:
            return f"{row['high']:,.0f}"
    return "unknown"


def clusters(facts: Facts) -> list[Chart]:
    """Documents by the number of their copies."""
    total = sum(row["documents"] for row in facts.clusters) or 1
    rows: Rows = [
        {
            **row,
            "copies": f"{row['low']:g}" if row["high"] - row["low"] == 1 else f"{row['low']:g}-{row['high'] - 1:g}",
            "share": row["documents"] / total,
        }
        for row in facts.clusters
    ]
    sizes = [row["copies"] for row in rows]
    x = alt.X("copies:N", sort=sizes, title="copies in the cluster", axis=alt.Axis(labelAngle=0))
    y = draw.share("share", "share of documents")
    drawn = draw.bars(draw.table("clusters"), draw.tips("copies", "documents|,", "share|.2%"), x, y)
    labels = (
        draw.table("clusters", "datum.documents > 0").mark_text(dy=-7).encode(x=x, y=y, text=alt.Text("share:Q", format=".1%"))
    )
    alone = rows[0]["share"] if rows and rows[0]["high"] <= 2 else 0.0
    return [
        Chart(
            id="clusters",
            title="Duplicate clusters",
            says="How many near or exact copies a document has in the pool, itself included. Everything right of the first bar "
            "is text that the raw pool shows to a model more than once, and that deduplication reduces to one copy.",
            alt=f"{alone:.1%} of the documents have no copy in the pool.",
            panels=[draw.panel(drawn + labels, 200)],
            tables={"clusters": rows},
        )
    ]


def near(facts: Facts) -> list[Chart]:
    """The S-curve of the MinHash bands, and the similarity from which a pair counts as copies."""
    search = facts.near
    rows: Rows = [{"similarity": s, "probability": p} for s, p in search["curve"]]
    if not rows:
        return []
    title = "similarity of two documents (Jaccard of their shingles)"
    scale = alt.Scale(domain=[rows[0]["similarity"], 1], nice=False)
    x = alt.X("similarity:Q", scale=scale, axis=alt.Axis(title=title, format="%", tickCount=8))
    y = draw.share("probability", "probability that the pair is compared")
    line = draw.table("near").mark_line(color="var(--accent)", point=alt.OverlayMarkDef(color="var(--accent)", size=30))
    drawn = line.encode(x=x, y=y, tooltip=draw.tips("similarity|.0%", "probability|.2%"))
    meant = "Every pair that is found counts as copies: what the curve finds far left is text that is merely alike."
    if search["verify"] != "off":
        at = alt.Chart(alt.InlineData(values=[{"similarity": search["threshold"], "label": "counts as a copy"}]))
        label = at.mark_text(align="left", baseline="bottom", dx=4, style="note").encode(x=x, y=alt.value(196), text="label:N")
        drawn = at.mark_rule(style="guide").encode(x=x) + drawn + label
        meant = "Right of the dashed line a pair counts as copies: what the curve misses there stays in the pool."
    return [
        Chart(
            id="near",
            title="How near duplicates are found",
            folded=True,
            says=f"With {search['bands']} bands of {search['rows']} hashes, how likely it is that two documents of a given "
            f"similarity are found. {meant}",
            alt=f"{search['candidates']:,} of {search['documents']:,} documents share a band; {search['tested']:,} pairs were "
            f"compared and {search['joined']:,} of them joined two groups of copies.",
            panels=[draw.panel(drawn, 200)],
            tables={"near": rows},
        )
    ]


def _calibration(bins: list[dict[str, float]]) -> Rows:
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
    """Every classifier that has something to draw."""
    return [_classifier(item) for item in facts.classifiers if item["calibration"] or item["scores"]]


def _classifier(item: Classifier) -> Chart:
    """Calibration on held-out examples, and the scores of the whole pool on the same axis."""
    name, dots = f"classifier-{item['name']}", _calibration(item["calibration"])
    total = sum(bin_["documents"] for bin_ in item["scores"]) or 1
    scores: Rows = [{**bin_, "share": bin_["documents"] / total} for bin_ in item["scores"]]
    last = max([row["high"] for row in dots] + [row["high"] for row in scores if row["share"] >= 0.002], default=1.0)
    scale, axis, panels = alt.Scale(domain=[0, last], nice=False), alt.Axis(title="score", tickCount=5), []
    if dots:
        x = alt.X("score:Q", scale=scale, axis=axis)
        y = draw.share("positive_share", "share that is positive")
        y = y.scale(alt.Scale(domain=[0, max([last, *(row["positive_share"] for row in dots)])]))
        corners = [{"score": end, "positive_share": end} for end in (0, last)]
        diagonal = alt.Chart(alt.InlineData(values=corners)).mark_line(style="guide", color="var(--soft)").encode(x=x, y=y)
        line = draw.table(name).mark_line(color="var(--accent)", point=alt.OverlayMarkDef(color="var(--accent)", size=40))
        said = draw.tips("score|.2f", "positive_share|.1%", "examples|,", "from|.1%|at least (90%)", "to|.1%|at most")
        luck = (
            draw.table(name).mark_rule(color="var(--accent)", opacity=0.5, clip=True).encode(x=x, y=alt.Y("from:Q"), y2="to:Q")
        )
        drawn = diagonal + luck + line.encode(x=x, y=y, tooltip=said)
        panels.append(draw.panel(drawn, 220, title="calibration on held-out examples"))
    if scores:
        low = alt.X("low:Q", bin=alt.BinParams(binned=True), scale=scale, axis=axis)
        said = draw.tips("low:Q", "high:Q", "documents|,")
        drawn = draw.bars(
            draw.table(f"{name}-scores"), said, low, draw.share("share", "share of the pool"), binSpacing=1, clip=True
        )
        panels.append(draw.panel(drawn.encode(x2="high:Q"), 220, title="scores of the whole pool"))
    low, high = item["auc_low"], item["auc_high"]
    ends = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return Chart(
        id=name,
        title=f"Classifier: {item['name']}",
        says="Given one good and one ordinary document it was not trained on, the classifier ranks the good one higher "
        f"{item['auc']:.1%} of the time (AUC {item['auc']:.3f}{ends}; there were {item['positives']:,} good and "
        f"{item['negatives']:,} ordinary examples in all). Where the line follows the dashed diagonal a score can be read as a "
        "probability; elsewhere only the order of scores means something.",
        alt=f"Calibration and score distribution of the classifier {item['name']}; AUC {item['auc']:.3f}.",
        panels=panels,
        tables={name: dots, f"{name}-scores": scores},
    )
