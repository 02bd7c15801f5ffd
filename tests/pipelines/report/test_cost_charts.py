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
