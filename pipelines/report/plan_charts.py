"""The chart of what follows: the best loss that a training budget buys on each level, and which level is best."""

import altair as alt

from pipelines.report import grammar as draw
from pipelines.report import law_tables
from pipelines.report.chart import Chart
from pipelines.report.frames import log_ticks
from scaling_fit.levels.planned import FAR
from scaling_fit.result import Result

POOLS = {"finite": "the tokens there are", "endless": "endless text of each level"}


def planner(result: Result, levels: list[str]) -> Chart:
    """Best loss by budget against the baseline's, and the best level at each budget."""
    rows = law_tables.budget(result)
    offered = {name: words for name, words in POOLS.items() if any(row["pool"] == name for row in rows)}
    pool = next(iter(offered))
    base, colour = draw.table("budget", f"{draw.CHOSEN} && datum.pool == pool"), draw.level_colours(levels)
    ticks = log_ticks(row["flops"] for row in rows)
    spent = [row["flops"] for row in rows]
    ends = draw.scale([min(spent) / 1.2, max(spent) * 1.2], log=True)  # a layer without a tie has no extent of its own
    x = alt.X("flops:Q", scale=ends, axis=alt.Axis(title="training budget (FLOPs)", format=".0e", values=ticks))
    y = alt.Y("percent:Q", axis=draw.signed_axis(f"best loss against {result.baseline}'s best (%)", tickCount=6))
    low, high = result.fits[law_tables.eval_sets(result)[0]].budget.observed
    observed = alt.Chart(alt.InlineData(values=[{"from": low, "to": high}])).mark_rect(color="var(--wash)", opacity=1)
    tested = observed.encode(x=alt.X("from:Q"), x2="to:Q")
    said = draw.tips(
        "level", "flops|.2e", "percent|+.3f", "loss|.4f", "low|.4f", "high|.4f", "N|.3s", "D|.3s", "past||beyond the data"
    )
    near = base.transform_filter("!datum.beyond").mark_line().encode(x=x, y=y, color=colour, tooltip=said)
    placed = [level for level in levels if any(row["level"] == level and row["place"] for row in rows)]
    rungs = alt.Y("level:N", sort=placed, title=None, axis=alt.Axis(grid=False), scale=alt.Scale(domain=placed))
    named = {"x": x, "y": rungs, "color": colour, "tooltip": draw.tips("level", "flops|.2e", "place")}
    pale = alt.condition("datum.beyond", alt.value(0.4), alt.value(1.0))
    marks = [
        base.transform_filter(f"datum.place === {place!r} && datum.flops <= {FAR * high}")
        .mark_point(shape="square", filled=place == "best", size=70, strokeWidth=1.5)
        .encode(**named, opacity=pale)
        for place in ("best", "tie")
    ]
    return Chart(
        id="planner",
        title="Which level at which budget",
        says="The best loss that a training budget buys on each level, where a smaller level runs out of fresh text sooner; "
        f"the shaded part was tested. Below stands what to train on: another level than {result.baseline} only where it is "
        "shown to be better, and hollow what ties with it; pale where nothing was tested, and "
        f"left out past {FAR:.0f} times the largest tested budget.",
        alt=_planner_words(result, pool),
        panels=[
            draw.panel(tested + draw.beyond(base, x=x, y=y, color=colour) + near, 260, title="loss"),
            draw.panel(alt.layer(*marks), 34 * len(placed), title="what to train on at each budget (hollow: a tie)"),
        ],
        tables={"budget": rows},
        params=[draw.selector(result), {"name": "pool", "value": pool}],
        choices={"pool": ("Pool", offered)} if len(offered) > 1 else {},
        min_width=400,
        legend=True,
    )


def _planner_words(result: Result, pool: str) -> str:
    plan = result.fits[law_tables.eval_sets(result)[0]].budget.plans[pool]
    ahead: list[tuple[str, float]] = []
    for level, C in zip(plan.winner, plan.budgets, strict=True):
        if not ahead or ahead[-1][0] != level:
            ahead.append((level, C))
    return "Best level by budget: " + ", then ".join(f"{level} from {C:.1e} FLOPs" for level, C in ahead) + "."
