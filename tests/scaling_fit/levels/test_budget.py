"""Budgets: the closed-form optimum, the table's own price, finite pools, planted crossings."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.levels.budget import R_STAR, budget_report, crossing, plan, worth
from scaling_fit.levels.calibrate import Calibration, calibrate
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.forecast import runs_at
from scaling_fit.levels.price import price

QUIET = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=1, row=1e-5)


def compared(truths: dict, **changes):
    table = table_of(QUIET, truths, np.random.default_rng(0))
    flops = 6 * table.N * table.D
    return compare(replace(table, flops=flops, **{k: f(table) for k, f in changes.items()}), "raw", replicates=60)


def bare(whole) -> Calibration:
    """No rolling forecasts: the joint law alone."""
    return Calibration(price(whole))


def test_the_optimum_is_hoffmanns_closed_form() -> None:
    whole = compared({"raw": TRUTH})
    budgets = np.geomspace(1e18, 1e20, 4)
    made = plan(whole, bare(whole), budgets)
    v = {k: x[0] for k, x in whole.parameters("raw", whole.theta_P[None]).items()}
    G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / (v["alpha"] + v["beta"]))
    best = G * (budgets / 6) ** (v["beta"] / (v["alpha"] + v["beta"]))
    np.testing.assert_allclose(made.size["raw"][0], best, rtol=0.06)  # the grid of sizes steps by 5 %
    np.testing.assert_allclose(made.size["raw"][0] * made.tokens["raw"][0] * 6, budgets, rtol=1e-6)
    exact = v["E"] + v["A"] * best ** -v["alpha"] + v["B"] * (budgets / 6 / best) ** -v["beta"]
    np.testing.assert_allclose(np.exp(made.loss["raw"][0]), exact, rtol=1e-4)


def test_the_price_is_the_tables_flops() -> None:
    whole = compared({"raw": TRUTH})
    dear = replace(whole, table=replace(whole.table, flops=9 * whole.table.N**1.05 * whole.table.D))
    assert price(dear).slope == pytest.approx(1.05)
    assert price(dear).per_token(np.array([1e8]))[0] == pytest.approx(9 * 1e8**1.05)
    bare = replace(whole, table=replace(whole.table, flops=np.full(len(whole.table), np.nan)))
    assert price(bare).per_token(np.array([1e8]))[0] == pytest.approx(6e8)


def test_repeats_are_worth_less_and_less() -> None:
    D = np.array([5e8, 1e9, 5e9, 1e12])
    value = worth(D, 1e9)
    np.testing.assert_array_equal(value[:2], D[:2])
    assert 4.4e9 < value[2] < 5e9  # four repeats are nearly fresh (Muennighoff et al. 2023)
    assert value[3] == pytest.approx(1e9 * (1 + R_STAR), rel=1e-3)
    assert worth(D, 1e9, r_star=2.0)[3] == pytest.approx(3e9), "a measured R* takes its place"


def test_a_planted_crossing_is_found() -> None:
    """The level is worse at few tokens and better past 4e9: curves of equal N cross there."""
    at = 4e9
    steeper = TRUTH | {"beta": TRUTH["beta"] + 0.05, "B": TRUTH["B"] * at**0.05}
    whole = compared({"raw": TRUTH, "steeper": steeper})
    grid = np.geomspace(1e9, 2e10, 60)
    theta = np.concatenate([whole.theta_P[None], whole.theta_RP])
    shape = next(iter(whole.shapes))
    gap = whole.log_loss("steeper", shape, 8e7, grid, theta) - whole.log_loss("raw", shape, 8e7, grid, theta)
    found = crossing(gap, np.log(grid))
    assert found["at"] == pytest.approx(at, rel=0.1)
    assert found["after"] == "level"
    assert found["low"] < at < found["high"]
    assert found["share"] == 1.0


def test_curves_that_rarely_cross_have_no_crossing() -> None:
    x = np.linspace(0, 1, 20)
    gap = np.concatenate([[x - 0.9], np.tile(x + 1, (50, 1))])
    assert crossing(gap, x)["at"] is None


def test_a_small_pool_turns_the_tables() -> None:
    """A level worth 1.5 tokens each wins while it lasts; with a fiftieth of the pool it loses at large budgets."""
    better = TRUTH | {"B": TRUTH["B"] * 1.5 ** -TRUTH["beta"]}
    pool = {"raw": 1e12, "better": 2.5e10}
    whole = compared({"raw": TRUTH, "better": better}, unique=lambda t: np.array([pool[x] for x in t.level]))
    found = budget_report(whole, bare(whole))
    assert set(found["endless"]["winner"]) == {"better"}
    assert found["finite"]["winner"][0] == "better"
    rich = plan(whole, bare(whole), np.geomspace(1e19, 1e24, 40), unique=pool)
    winner = rich.loss["better"][0] < rich.loss["raw"][0]
    assert winner[0]
    assert not winner[-1]
    assert found["exponents"]["raw"]["a"]["value"] == pytest.approx(TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"]), abs=0.01)


def test_only_contenders_win_a_budget() -> None:
    best, good = (TRUTH | {"B": TRUTH["B"] * worth ** -TRUTH["beta"]} for worth in (2.0, 1.5))
    whole = compared({"raw": TRUTH, "control": best, "good": good})
    assert set(budget_report(whole, bare(whole))["endless"]["winner"]) == {"control"}
    found = budget_report(whole, bare(whole), contenders=["good"])["endless"]
    assert set(found["winner"]) == {"good"}
    assert "control" in found["frontier"], "compared all the same"
    assert set(budget_report(whole, bare(whole), contenders=[])["endless"]["winner"]) == {"raw"}


def test_two_sizes_choose_between_tested_shapes() -> None:
    grid = Grid((2e7, 8e7), tuple(np.geomspace(2e8, 2e10, 6)), seeds=1, row=1e-4)
    whole = compare(table_of(grid, {"raw": TRUTH, "b": TRUTH}, np.random.default_rng(0)), "raw", replicates=30)
    calibration = calibrate(whole)
    found = budget_report(whole, calibration)
    assert found["sizes"] == "tested shapes"
    assert found["exponents"] is None
    assert set(found["endless"]["frontier"]["b"]["N"]) <= {2e7, 8e7}
    row = found["endless"]["frontier"]["b"]
    run = runs_at(whole, calibration, "b", np.array(row["N"][-1:]), np.array(row["D"][-1:])).to_dict()
    assert row["beyond"][-1].compute == pytest.approx(100)
    assert run == {name: row[name][-1:] for name in run}, "a budget's row is the forecast of its run"
