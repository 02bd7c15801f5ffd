import copy
from dataclasses import replace

from pipelines.report import plan_charts
from pipelines.report.facts import Facts


def test_the_planner_tells_where_the_best_level_changes(facts: Facts):
    fit = copy.deepcopy(facts.fit)
    plan = fit["sets"]["heldout"]["budget"]["finite"]
    half = len(plan["budgets"]) // 2
    plan["winner"] = ["top"] * half + ["raw"] * (len(plan["budgets"]) - half)
    chart = plan_charts.planner(replace(facts, fit=fit))
    assert chart.alt.startswith("Best level by budget: top from ")
    assert f"then raw from {plan['budgets'][half]:.1e} FLOPs" in chart.alt
    best = [r for r in chart.tables["budget"] if r["best"] and r["eval_set"] == "heldout" and r["pool"] == "finite"]
    assert [row["level"] for row in sorted(best, key=lambda row: row["flops"])] == plan["winner"]
    assert set(chart.choices["pool"][1]) == {"finite", "endless"}
