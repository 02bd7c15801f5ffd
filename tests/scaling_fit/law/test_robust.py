"""Pseudo-observations: least squares on them is Huber's estimate, and a clean table is left as it is."""

import numpy as np
import pytest

from scaling_fit import Settings, analyse, fit, summary
from scaling_fit.law.objectives import huber
from scaling_fit.law.robust import pseudo_observations
from scaling_fit.law.search import minimise
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import compare, lay_out
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.observations import Observations, observations
from scaling_fit.settings import FitSettings

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 5)), seeds=1, row=0.002)
WORTH = TRUTH | {"B": TRUTH["B"] * 1.5 ** -TRUTH["beta"]}


def table(wild: dict[int, float], seed: int = 0) -> Observations:
    """Two levels, one whose tokens are worth 1.5; the losses at `wild` are that many times too high."""
    runs = table_of(GRID, {"raw": TRUTH, "worth": WORTH}, np.random.default_rng(seed))
    for row, factor in wild.items():
        runs.loss[row] *= factor
    return runs


def test_least_squares_on_pseudo_observations_is_hubers_estimate() -> None:
    laid, _, _ = lay_out(table({3: 1.4, 20: 0.9}), "raw")
    problem, delta = laid.problem, 0.006
    robust = pseudo_observations(problem, laid.start(), delta)
    direct, _ = minimise(problem, laid.start()[None], huber(delta), tolerance=1e-14)
    through = solve(problem, direct, target_RN=robust.log_loss_N[None], tolerance=1e-14).theta_RP
    np.testing.assert_allclose(problem.predict(through), problem.predict(direct), atol=2e-6)
    assert sorted(laid.rows[robust.wild_N].tolist()) == [3, 20]


def test_a_table_without_wild_runs_is_left_as_it_is() -> None:
    laid, _, _ = lay_out(table({}), "raw")
    robust = pseudo_observations(laid.problem, laid.start())
    np.testing.assert_array_equal(robust.log_loss_N, np.log(laid.problem.loss_N))
    assert not robust.wild_N.any()


@pytest.mark.parametrize("factor", [1.7, 0.6])
def test_one_diverged_run_moves_little_and_is_named(factor: float) -> None:
    clean, wild = (compare(table(rows), "raw", replicates=100) for rows in ({}, {7: factor}))
    squares = compare(table({7: factor}), "raw", replicates=2, objective="least-squares")
    assert wild.wild.tolist() == [table({}).row[7]]
    for level in ("raw", "worth"):
        betas, huber_beta, squares_beta = (
            one.parameters(level, theta_RP)["beta"]
            for one, theta_RP in ((clean, clean.theta_RP), (wild, wild.theta_P[None]), (squares, squares.theta_P[None]))
        )
        at = clean.parameters(level, clean.theta_P[None])["beta"][0]
        assert abs(huber_beta[0] - at) < 4 * betas.std(), "as one run four standard deviations off would move it"
        if level == "raw":  # the wild run's own level
            assert abs(squares_beta[0] - at) > 5 * abs(huber_beta[0] - at)
    assert squares.noise.row > 5 * wild.noise.row


def test_the_answer_says_what_it_owes_to_a_wild_run() -> None:
    found = analyse(table({7: 1.5}), Settings(replicates=60, test_replicates=0))
    named = next(warning for warning in found.answer.warnings if warning.startswith(f"Row {table({}).row[7]} lies over 6"))
    assert "left out, " in named
    assert named in summary(found)
    assert found.sets["loss"].points[7].residual_percent > 30, "the page shows the run where it was measured"
    for level in found.fits["loss"].levels.values():
        assert all(one.bounded and one.low <= one.value <= one.high for one in level.parameters.values())
    with pytest.raises(ValueError, match="objective 'lad': levels are compared by huber, huber:DELTA or least-squares"):
        analyse(table({}), Settings(objective="lad"))


@pytest.mark.parametrize("seed", range(3))
def test_no_value_lies_outside_its_interval_and_hubers_search_is_not_led_away(seed: int) -> None:
    """The start of least squares alone ended at beta 0.12, and no interval held it."""
    rng = np.random.default_rng(seed)
    runs = table_of(GRID, {"all": TRUTH}, rng)
    row = int(rng.integers(len(runs)))
    runs.loss[row] *= float(rng.choice([0.5, 1.8, 2.5]))
    found = fit(observations({name: getattr(runs, name) for name in ("N", "D", "loss")}), FitSettings(replicates=60))
    for one in found.intervals["all"].values():
        assert one.low <= one.value <= one.high
    assert found.values()["beta"] == pytest.approx(TRUTH["beta"], abs=0.05)
    assert any(f"rows {runs.row[row]} lie" in flag for flag in found.flags)
