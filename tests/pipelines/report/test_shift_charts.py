from dataclasses import replace

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


def test_a_level_whose_floor_is_held_has_no_exponent_with_floors_free(facts: Facts):
    name, one = next(iter(facts.fit.sets.items()))
    level, test = next(iter(one.fit.tests.items()))
    fit = replace(one.fit, tests=one.fit.tests | {level: replace(test, floors="equal")})
    result, held = replace(facts.fit, sets=facts.fit.sets | {name: replace(one, fit=fit)}), {(name, level)}
    rows = shift_charts.shifts(result, [level["name"] for level in facts.levels]).tables["shifts"]
    free, shared = (
        {(row["eval_set"], row["level"]) for row in rows if row["quantity"] == quantity}
        for quantity in ("delta_beta", "delta_beta_floor_shared")
    )
    assert free
    assert not free & held
    assert held <= shared


def test_hidden_runs_are_shown_at_how_far_they_were(facts: Facts):
    (chart,) = shift_charts.extrapolation(facts.fit, list(facts.fit.levels))
    for row in chart.tables["extrapolation"]:
        assert 1 < row["factor"] <= 8_000_000 / min(one["tokens"] for one in facts.observations) * 1.01
