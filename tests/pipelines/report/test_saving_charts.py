import math

import pytest

from pipelines.report import saving_charts
from pipelines.report.facts import Facts


def test_the_arrow_ends_at_the_same_loss_on_the_level(facts: Facts):
    """By the fit's own predictions, at the largest shape."""
    rows = [row for row in saving_charts.rows(facts.fit) if row["eval_set"] == "heldout"]
    assert {row["level"] for row in rows} == {"deduplicated", "filtered", "top"}
    for row in rows:
        assert row["low"] < row["level_D"] < row["high"] < row["D"]
        assert math.isclose(float(facts.fit.predict(row["level"], "m", row["level_D"])[0]), row["loss"], rel_tol=1e-4)
        assert row["label"] == facts.fit.answer.words[row["level"]].saving
        assert row["label"].startswith("Reaches raw's loss at 8M tokens with ")


def test_the_recommended_level_is_drawn_first(facts: Facts):
    (chart,) = saving_charts.saved(facts.fit, list(facts.fit.levels))
    assert next(iter(chart.choices["saver"][1])) == facts.fit.answer.recommended == "top"
    truth = 1 / 1.9
    share = next(row["level_D"] / row["D"] for row in chart.tables["savings"] if row["level"] == "top")
    assert share == pytest.approx(truth, rel=0.1)
