"""Charts of what the rules removed: the funnel of every level, and which rules find the same documents."""

from collections import defaultdict

import altair as alt

from pipelines.report.chart import COUNT_LABEL, Chart, Rows, panel, table
from pipelines.report.facts import Facts, Overlap
from pipelines.report.palette import level_colour
from pipelines.report.summaries import UNITS, since_parent

MOST_NUMBERS = 20
POOL, DROPPED = "(pool)", "(dropped)"  # no level can have these names


def funnel_rows(facts: Facts) -> Rows:
    """Per level: the whole pool, what each rule took from what was left, and what was kept; shares of the pool."""
    by_level: dict[str, list] = defaultdict(list)
    for row in facts.funnel:
        by_level[row["level"]].append(row)
    rows: Rows = []
    for level in facts.levels:
        parts = sorted(by_level[level["name"]], key=lambda row: row["reason"] is None)
        if level["extends"]:
            parts = since_parent(level["extends"], parts, by_level[level["extends"]])
        for unit in UNITS:
            total = left = sum(part[unit] for part in parts)
            rows.append(
                {
                    "level": level["name"],
                    "unit": unit,
                    "place": 0,
                    "step": "whole pool",
                    "kind": POOL,
                    "low": 0.0,
                    "high": 1.0,
                    "amount": total,
                }
            )
            for place, part in enumerate(parts, start=1):
                amount, kept = part[unit], part["reason"] is None
                low, high = (0, amount) if kept else (left - amount, left)
                left -= amount
                rows.append(
                    {
                        "level": level["name"],
                        "unit": unit,
                        "place": place,
                        "step": part["reason"] or "kept",
                        "kind": level["name"] if kept else DROPPED,
                        "low": low / (total or 1),
                        "high": high / (total or 1),
                        "amount": amount,
                    }
                )
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
        bars = (
            base.mark_bar(cornerRadius=1)
            .encode(
                x=x,
                x2="high:Q",
                y=y,
                color=alt.Color("kind:N", scale=kinds, legend=None),
                tooltip=[
                    alt.Tooltip("step:N", title="rule"),
                    alt.Tooltip("amount:Q", format=",", title="amount"),
                    alt.Tooltip("share:Q", format=".2%", title="of the pool"),
                ],
            )
            .transform_calculate(share="datum.high - datum.low")
        )
        rules = base.mark_text(align="left", dy=-15, limit=250).encode(x=alt.value(0), y=y, text="step:N")
        amount = (
            base.transform_calculate(
                label=f"{COUNT_LABEL.replace('datum.value', 'datum.amount')} + '  ' + format(datum.high - datum.low, '.1%')"
            )
            .mark_text(align="right", dy=-15, style="note")
            .encode(x=alt.value("width"), y=y, text="label:N")
        )
        num_rows = len({row["place"] for row in rows if row["level"] == level["name"]})
        panels.append(panel(bars + rules + amount, 36 * num_rows, title=level["name"]))
    units = {"name": "unit", "value": "tokens"}
    says = (
        "Each row is one rule in the order it is applied; the bar is the part of the pool that rule removed from "
        "what was left. "
        "What remains at the bottom is what the level trains on, and the rows always add up to the whole pool."
    )
    return [
        Chart(
            "funnel",
            "What each rule removed",
            says,
            _funnel_words(facts),
            panels,
            {"funnel": rows},
            [units],
            {"unit": ("Count", {unit: unit for unit in reversed(UNITS)})},
            400,
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
    kept = [(matrix, _related(matrix)) for matrix in facts.overlap]
    names = [{matrix["reasons"][i] for i in places} for matrix, places in kept]
    panels, rows = [], []
    for at, (matrix, places) in enumerate(kept):
        # A level that extends another repeats its rules: only the longest list of them is shown.
        if len(places) < 2 or any(
            names[at] <= other for k, other in enumerate(names) if k != at and (names[at] != other or k < at)
        ):
            continue
        order = [f"{place}  {matrix['reasons'][i]}" for place, i in enumerate(places, start=1)]
        for row, i in enumerate(places):
            for column, j in enumerate(places):
                both, alone = matrix["documents"][i][j], matrix["documents"][i][i]
                rows.append(
                    {
                        "level": matrix["level"],
                        "rule": order[row],
                        "column": column + 1,
                        "also": matrix["reasons"][j],
                        "documents": both,
                        "share": both / alone if alone else 0.0,
                    }
                )
        base = table("overlap").transform_filter(f"datum.level == {matrix['level']!r}")
        y = alt.Y("rule:N", sort=order, title=None, axis=alt.Axis(labelLimit=270, labelPadding=6))
        x = alt.X("column:O", title="also fails rule", axis=alt.Axis(orient="top", labelAngle=0, grid=False))
        cells = base.mark_rect(color="var(--accent)").encode(
            x=x,
            y=y,
            opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.75]), legend=None),
            tooltip=[
                alt.Tooltip("rule:N", title="of documents that fail"),
                alt.Tooltip("also:N", title="also fail"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("documents:Q", format=","),
            ],
        )
        text = (
            base.transform_filter("datum.share >= 0.005")
            .mark_text(fontSize=10)
            .encode(x=x, y=y, text=alt.Text("share:Q", format=".0%"))
        )
        crowded = len(order) > MOST_NUMBERS  # the shares of narrower cells would run into each other
        panels.append(panel(cells if crowded else cells + text, 24 * len(order), title=matrix["level"]))
    if not panels:
        return []
    says = (
        "Of the documents that fail the rule of the row, the share that also fails the rule of the column. Dark "
        "cells are rules that "
        "mostly repeat each other; a row that is pale outside its diagonal is a rule that finds what no other rule finds."
    )
    alt_text = (
        "Matrix of rules: share of documents failing one rule that also fail another. The numbers are in the table below."
    )
    return [Chart("overlap", "Which rules agree", says, alt_text, panels, {"overlap": rows}, min_width=680, wide=True)]
