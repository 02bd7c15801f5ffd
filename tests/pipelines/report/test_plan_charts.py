from collections.abc import Callable

from pipelines.report import plan_charts
from pipelines.report.facts import Facts


def test_the_planner_tells_where_the_best_level_changes(facts: Facts, edit: Callable[..., Facts]):
    budgets = facts.fit.fits["heldout"].budget.plan.budgets
    half = len(budgets) // 2
    winner = ["top"] * half + ["raw"] * (len(budgets) - half)
    tied = [[]] * (len(budgets) - 1) + [["deduplicated"]]
    changed = edit(facts, lambda body: body["sets"]["heldout"]["fit"]["budget"]["finite"].update(winner=winner, tied=tied))
    chart = plan_charts.planner(changed.fit, list(facts.fit.levels))
    assert chart.alt.startswith("Best level by budget: top from ")
    assert f"then raw from {budgets[half]:.1e} FLOPs" in chart.alt
    of_plan = [r for r in chart.tables["budget"] if r["eval_set"] == "heldout" and r["pool"] == "finite"]
    best = [row for row in of_plan if row["place"] == "best"]
    assert [row["level"] for row in sorted(best, key=lambda row: row["flops"])] == winner
    assert {row["level"] for row in of_plan if row["place"] == "tie" and row["flops"] == budgets[-1]} == {"deduplicated"}
    assert set(chart.choices["pool"][1]) == {"finite", "endless"}


def test_a_planner_without_a_tie_has_an_axis_all_the_same(facts: Facts) -> None:
    """Vega takes an extent from every layer, and warns of the one that has no marks."""
    chart = plan_charts.planner(facts.fit, list(facts.fit.levels))
    budgets = [row["flops"] for row in chart.tables["budget"]]
    for layer in chart.panels[1]["layer"]:
        low, high = layer["encoding"]["x"]["scale"]["domain"]
        assert low < min(budgets) < max(budgets) < high


def test_what_to_train_on_is_pale_where_nothing_was_tested_and_ends_at_ten_times_that(facts: Facts) -> None:
    chart = plan_charts.planner(facts.fit, list(facts.fit.levels))
    most = facts.fit.fits["heldout"].budget.observed[1]
    for layer in chart.panels[1]["layer"]:
        assert layer["encoding"]["opacity"]["condition"] == {"test": "datum.beyond", "value": 0.4}
        assert any(f"datum.flops <= {10 * most}" in str(one.get("filter")) for one in layer["transform"])
