"""Resampling: what is drawn together stays together, and its spread is the sampling spread."""

import numpy as np
import pytest

from scaling_fit.law.bootstrap import bootstrap, resample_rows, resample_trunks, trunk_strata, wild_targets
from scaling_fit.law.fit import fit
from scaling_fit.law.objectives import LEAST_SQUARES
from scaling_fit.levels.compare import lay_out
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.settings import FitSettings


@pytest.fixture(scope="module")
def laid(levels):
    return lay_out(levels, "raw")[0]


def test_rows_are_drawn_within_their_group(laid) -> None:
    weight = resample_rows(laid.problem, 50, np.random.default_rng(0))
    for block in laid.problem.blocks:
        np.testing.assert_array_equal(weight[:, block.rows].sum(1), block.rows.stop - block.rows.start)


def test_trunks_are_drawn_whole(laid, levels) -> None:
    trunk = levels.trunk[laid.rows]
    weight = resample_trunks(trunk_strata(laid.problem, trunk), 50, np.random.default_rng(0))
    for name in set(trunk.tolist()):
        assert (np.ptp(weight[:, trunk == name], axis=1) == 0).all()
    for block in laid.problem.blocks:
        np.testing.assert_array_equal(weight[:, block.rows].sum(1), block.rows.stop - block.rows.start)


def test_a_trunk_read_in_two_groups_is_drawn_for_both(laid, levels) -> None:
    shared = np.array([name.split("/")[1] for name in levels.trunk[laid.rows]], dtype=object)
    weight = resample_trunks(trunk_strata(laid.problem, shared), 30, np.random.default_rng(1))
    for name in set(shared.tolist()):
        assert (np.ptp(weight[:, shared == name], axis=1) == 0).all()


def test_wild_signs_are_per_trunk_and_centred_on_the_fit(laid) -> None:
    theta = laid.start()
    y = wild_targets(laid.problem, theta, 400, np.random.default_rng(0))
    fitted = laid.problem.predict(theta[None])[0]
    residual = np.log(laid.problem.loss_N) - fitted
    sign = np.sign((y - fitted) / residual)
    index = laid.problem.trunks.index_N
    for trunk in range(index.max() + 1):
        assert (np.ptp(sign[:, index == trunk], axis=1) == 0).all()
    assert abs((y - fitted).mean()) < 2e-4


def test_trunk_bootstrap_has_the_spread_of_repeated_experiments() -> None:
    """With 24 trunks its standard error of beta agrees with that over fresh tables."""
    grid = Grid((2e7, 5e7, 1e8, 3e8), tuple(np.geomspace(2e8, 2e10, 5)), seeds=6, row=0.002, trunk=0.004)
    rng = np.random.default_rng(5)
    estimates, errors = [], []
    for _ in range(30):
        found = fit(
            table_of(grid, {"all": TRUTH}, rng), FitSettings(objective="least-squares", intervals="trunk", replicates=80)
        )
        estimates.append(found.values()["beta"])
        errors.append(found.spread.errors["all"]["beta"])
    assert np.median(errors) == pytest.approx(np.std(estimates), rel=0.3)


def test_too_few_trunks_and_unknown_methods_are_refused(laid, levels) -> None:
    one = np.full(len(levels), "t", dtype=object)
    with pytest.raises(ValueError, match="at most 1 trunks per group"):
        bootstrap(laid.problem, laid.start(), LEAST_SQUARES, "trunk", 5, one)
    with pytest.raises(ValueError, match="'jackknife' is not known; use row, trunk, wild"):
        bootstrap(laid.problem, laid.start(), LEAST_SQUARES, "jackknife", 5, one)


def test_batches_draw_what_one_batch_draws(laid, levels, monkeypatch) -> None:
    one = fit(levels.where(levels.level == "raw"), FitSettings(replicates=7, intervals="row", seed=3))
    monkeypatch.setattr("scaling_fit.law.bootstrap.BATCH_CELLS", 2 * len(one.grouped.problem.loss_N))
    again = fit(levels.where(levels.level == "raw"), FitSettings(replicates=7, intervals="row", seed=3))
    np.testing.assert_allclose(again.spread.theta_RP, one.spread.theta_RP, rtol=1e-12)
