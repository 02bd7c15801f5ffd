from pipelines.report import shift_charts
from pipelines.report.facts import Facts


def test_each_quantity_has_a_frame_of_its_own_for_every_set(facts: Facts):
    chart = shift_charts.shifts(facts.fit, [level["name"] for level in facts.levels])
    frames = {p["name"]: p["value"] for p in chart.params if p["name"].startswith("frame_")}
    assert set(frames) == {f"frame_{quantity}" for quantity in shift_charts.QUANTITIES}
    for row in chart.tables["shifts"]:
        low, high = frames[f"frame_{row['quantity']}"][row["eval_set"]]
        assert low < row["value"] < high
        assert low < row["null"] < high, "the line of no difference is always in sight"


def test_hidden_runs_are_shown_at_how_far_they_were(facts: Facts):
    (chart,) = shift_charts.extrapolation(facts.fit, list(facts.fit.levels))
    for row in chart.tables["extrapolation"]:
        assert 1 < row["factor"] <= 8_000_000 / min(one["tokens"] for one in facts.observations) * 1.01
