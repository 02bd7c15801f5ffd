"""Charts of what the rules removed: the funnel of every level, and which rules find the same documents."""

from collections import defaultdict

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report.chart import Chart
from pipelines.report.facts import Facts, FunnelRow, Overlap
from pipelines.report.frames import Rows
from pipelines.report.palette import level_colour
from pipelines.report.summaries import UNITS, since_parent

MOST_NUMBERS = 20
POOL, DROPPED = "(pool)", "(dropped)"  # no level can have these names


def funnel_rows(facts: Facts) -> Rows:
    """Per level: the whole pool, what each rule took from what was left, and what was kept; shares of the pool."""
    by_level: dict[str, list[FunnelRow]] = defaultdict(list)
    for row in facts.funnel:
        by_level[row["level"]].append(row)
    rows: Rows = []
    for level in facts.levels:
        name = level["name"]
        parts = sorted(by_level[name], key=lambda row: row["reason"] is None)
        if level["extends"]:
            parts = since_parent(level["extends"], parts, by_level[level["extends"]])
        for unit in UNITS:
            total = left = sum(part[unit] for part in parts)
            spans = [("whole pool", POOL, 0, total)]
            for part in parts:
                kept, amount = part["reason"] is None, part[unit]
                spans.append((part["reason"] or "kept", name if kept else DROPPED, 0 if kept else left - amount, amount))
                left -= amount
            rows += [
                {
                    "level": name, "unit": unit, "place": place, "step": step, "kind": kind,
                    "low": low / (total or 1), "high": (low + amount) / (total or 1), "amount": amount,
                }
                for place, (step, kind, low, amount) in enumerate(spans)
            ]  # fmt: skip
    return rows


def funnel(facts: Facts) -> list[Chart]:
    """A waterfall of rules for each level."""
    rows, levels = funnel_rows(facts), draw.level_names(facts)
    colours = ["var(--line)", "var(--drop)", *(level_colour(place) for place in range(len(levels)))]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=[POOL, DROPPED, *levels], range=colours), legend=None)
    x = alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), axis=None)
    y = alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0.6, paddingOuter=0.4))
    label = f"{draw.COUNT_LABEL.replace('datum.value', 'datum.amount')} + '  ' + format(datum.share, '.1%')"
    said = draw.tips("step||rule", "amount|,|amount", "share|.2%|of the pool")
    panels = []
    for level in levels:
        num_rows = len({row["place"] for row in rows if row["level"] == level})
        if not num_rows:
            continue
        base = draw.table("funnel", f"datum.unit == unit && datum.level == {level!r}")
        base = base.transform_calculate(share="datum.high - datum.low").transform_calculate(label=label)
        bars = base.mark_bar(cornerRadius=1).encode(x=x, x2="high:Q", y=y, color=colour, tooltip=said)
        rules = base.mark_text(align="left", dy=-15, limit=250).encode(x=alt.value(0), y=y, text="step:N")
        amount = base.mark_text(align="right", dy=-15, style="note").encode(x=alt.value("width"), y=y, text="label:N")
        panels.append(draw.panel(bars + rules + amount, 36 * num_rows, title=level))
    return [
        Chart(
            id="funnel",
            title="What each rule removed",
            says="Each row is one rule in the order it is applied; the bar is the part of the pool that rule removed from what "
            "was left. What remains at the bottom is what the level trains on, and the rows always add up to the whole pool.",
            alt=_funnel_words(facts),
            panels=panels,
            tables={"funnel": rows},
            params=[{"name": "unit", "value": "tokens"}],
            choices={"unit": ("Count", {unit: unit for unit in reversed(UNITS)})},
            min_width=400,
        )
    ]


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
    """Which rules find the same documents: a matrix for each level whose list of rules no other level repeats, with the rows
    that no matrix before it has."""
    kept = [(matrix, _related(matrix)) for matrix in facts.overlap]
    sets = [{matrix["reasons"][i] for i in places} for matrix, places in kept]
    panels, rows, told = [], [], set()
    for at, (matrix, places) in enumerate(kept):
        # A level that extends another repeats its rules: only the longest list of them is shown.
        if len(places) < 2 or any(
            sets[at] <= other for k, other in enumerate(sets) if k != at and (sets[at] != other or k < at)
        ):
            continue
        order = [f"{place}  {matrix['reasons'][i]}" for place, i in enumerate(places, start=1)]
        cells = [row for row in _cells(matrix, places, order) if row["rule"].split("  ", 1)[1] not in told]
        named = list(dict.fromkeys(row["rule"] for row in cells))
        if not named:
            continue
        rows, told = rows + cells, told | sets[at]
        base = draw.table("overlap", f"datum.level == {matrix['level']!r}")
        x = alt.X("column:O", title="also fails rule", axis=alt.Axis(orient="top", labelAngle=0, grid=False))
        y = alt.Y("rule:N", sort=named, title=None, axis=alt.Axis(labelLimit=270, labelPadding=6))
        shade = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.75]), legend=None)
        said = draw.tips("rule||of documents that fail", "also||also fail", "share|.1%", "documents|,")
        drawn = base.mark_rect(color="var(--accent)").encode(x=x, y=y, opacity=shade, tooltip=said)
        if len(order) <= MOST_NUMBERS:  # the shares of narrower cells would run into each other
            written = base.transform_filter("datum.share >= 0.005").mark_text(fontSize=10)
            drawn += written.encode(x=x, y=y, text=alt.Text("share:Q", format=".0%"))
        panels.append(draw.panel(drawn, 24 * len(named), title=matrix["level"]))
    if not panels:
        return []
    return [
        Chart(
            id="overlap",
            title="Which rules agree",
            folded=True,
            says="Of the documents that fail the rule of the row, the share that also fails the rule of the column. Dark cells "
            "are rules that mostly repeat each other; a row that is pale outside its diagonal is a rule that finds what no "
            "other rule finds.",
            alt="Matrix of rules: share of documents failing one rule that also fail another. The numbers are in the table "
            "below.",
            panels=panels,
            tables={"overlap": rows},
            min_width=680,
            wide=True,
        )
    ]


def _cells(matrix: Overlap, places: list[int], order: list[str]) -> Rows:
    """One row per pair of rules: of the documents that fail the first, how many fail the second."""
    rows = []
    for rule, i in zip(order, places, strict=True):
        alone = matrix["documents"][i][i]
        for column, j in enumerate(places, start=1):
            both = matrix["documents"][i][j]
            also = matrix["reasons"][j]
            share = both / alone if alone else 0.0
            rows.append(
                {"level": matrix["level"], "rule": rule, "column": column, "also": also, "documents": both, "share": share}
            )
    return rows
