"""Rolling origins: what is hidden stays hidden, planted laws come back, forms suit the design, odd runs do not rule."""

import numpy as np
import pytest

from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.rolling import LAWS, Form, forms_for, origins_of, roll
from scaling_fit.observations import observations

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 1e10, 6)), row=0.001)


@pytest.fixture(scope="module")
def table():
    return table_of(GRID, {"a": TRUTH}, np.random.default_rng(0))


def rolled_over(table, forms):
    log_C = np.log(6 * table.N * table.D)
    origins_K = origins_of(table, log_C, forms)
    return log_C, origins_K, roll(table, log_C, origins_K, forms)


def test_runs_past_an_origin_change_nothing_before_it(table) -> None:
    forms = forms_for(table, by_shape=False)
    log_C, origins_K, before = rolled_over(table, forms)
    k = 4
    changed = table.where(np.arange(len(table)))
    changed.loss[log_C > origins_K[k]] *= 1.1
    after = roll(changed, log_C, origins_K, forms)
    for one, other, form in zip(before, after, forms, strict=True):
        if one.usable_K[k]:
            found = [r.at(table.shape, table.N, table.D)[0][k] for r in (one, other)]
            np.testing.assert_allclose(*found, atol=2e-4, err_msg=form.name)


def test_the_last_origin_is_the_planted_law(table) -> None:
    _, _, rolled = rolled_over(table, (Form(LAWS["additive"]),))
    log_loss, sd = rolled[0].at(np.full(1, ""), np.array([1e9]), np.array([1e11]))
    truth = TRUTH["E"] + TRUTH["A"] * 1e9 ** -TRUTH["alpha"] + TRUTH["B"] * 1e11 ** -TRUTH["beta"]
    assert abs(log_loss[-1, 0] - np.log(truth)) < 3 * sd[-1, 0]
    assert sd[-1, 0] < 0.02


def test_one_odd_run_moves_a_forecast_little(table) -> None:
    forms = (Form(LAWS["tied"]),)
    odd = table.where(np.arange(len(table)))
    odd.loss[3] *= 1.5
    ask = (np.full(1, ""), np.array([1e9]), np.array([4e10]))
    calm, hit = (rolled_over(t, forms)[2][0].at(*ask)[0][-1, 0] for t in (table, odd))
    assert abs(hit - calm) < 0.004


def test_old_runs_count_less() -> None:
    """The exponent falls from 0.3 to 0.1 halfway, so that runs of equal weight have 0.2: the fit is nearer to the last ones."""
    D = np.geomspace(1e8, 1e12, 24)
    loss = 2.0 * np.where(D < 1e10, (D / 1e10) ** -0.3, (D / 1e10) ** -0.1)
    table = observations({"N": np.full(24, 1e8), "D": D, "loss": loss})
    _, _, rolled = rolled_over(table, (Form(forms_for(table, False)[1].law),))
    slope = -rolled[0].theta_KP[-1, 1]
    assert -0.16 < slope < -0.1


@pytest.mark.parametrize(
    ("N", "D", "needs"),
    [
        (np.geomspace(1e7, 1e9, 8), 20 * np.geomspace(1e7, 1e9, 8), {"N", "D"}),
        (np.full(8, 1e8), np.geomspace(1e8, 1e10, 8), {"D"}),
        (np.geomspace(1e7, 1e9, 8), np.full(8, 1e9), {"N"}),
        (np.geomspace(1e7, 1e9, 8), np.geomspace(1e8, 1e10, 8)[[3, 1, 2, 0, 5, 4, 7, 6]], {"ND"}),
    ],
)
def test_forms_suit_the_design(N, D, needs) -> None:
    table = observations({"N": N, "D": D, "loss": 2 + 50 / N**0.3 + 50 / D**0.3})
    assert {form.law.needs for form in forms_for(table, by_shape=False)} == needs
