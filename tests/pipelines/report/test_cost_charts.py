import pytest

from pipelines.report import cost_charts
from pipelines.report.facts import Facts


def test_seconds_are_summed_by_kind_of_step_in_the_order_of_the_pipeline(facts: Facts):
    (chart,) = cost_charts.seconds(facts)
    rows = {row["step"]: row["seconds"] for row in chart.tables["seconds"]}
    assert list(rows) == ["pool", "signals", "levels", "tokens", "train", "fit"]
    assert rows["train"] == pytest.approx(300.6)
    assert sum(rows.values()) == pytest.approx(sum(step["seconds"] for step in facts.steps))
    assert chart.alt.startswith("The longest is train")


def test_the_learning_rate_check_compares_each_level_with_its_own_best(facts: Facts):
    (chart,) = cost_charts.learning_rates(facts)
    rows = chart.tables["lr_check"]
    assert {row["lr"] for row in rows if row["excess"] == 0} == {0.008}
    assert min(row["excess"] for row in rows) == 0
    assert "raw 0.008" in chart.alt
