import numpy as np
import pytest

from scaling_fit.levels.regression import regress

TRIALS = np.array([
    (4, 119, 11, 128, 44), (6, 300, 29, 274, 55), (3, 228, 11, 209, 42), (62, 13536, 248, 12619, 52), (33, 5036, 47, 5761, 13),
    (180, 1361, 372, 1079, 44), (8, 2537, 10, 619, 19), (505, 87886, 499, 87892, 13), (29, 7470, 45, 7232, 27),
    (17, 1699, 65, 1600, 42), (186, 50448, 141, 27197, 18), (5, 2493, 3, 2338, 33), (27, 16886, 29, 17825, 33),
], float)  # fmt: skip
"""BCG vaccine trials (Colditz et al. 1994): tuberculosis and none among the vaccinated, the same of controls, latitude."""


def line(levels: int) -> np.ndarray:
    return np.stack([np.ones(levels), np.linspace(0, 1, levels)], 1)


def test_a_published_meta_regression_is_reproduced():
    """metafor's example (Viechtbauer 2010, section 3.5, by REML): -0.0291 per degree of latitude, tau^2 0.0764."""
    ill, well, ill_control, well_control, latitude = TRIALS.T
    y_L = np.log(ill / (ill + well)) - np.log(ill_control / (ill_control + well_control))
    v_L = 1 / ill - 1 / (ill + well) + 1 / ill_control - 1 / (ill_control + well_control)
    found = regress(y_L[None], np.diag(v_L), np.stack([np.ones(13), latitude], 1), 1e6)
    assert found.b_RK[0] == pytest.approx([0.2515, -0.0291], rel=0.02)
    assert found.tau2_R[0] == pytest.approx(0.0764, rel=0.15), "from a grid"
    interval = found.interval(np.array([0.0, 1.0]), 0.95)
    assert interval.low < -0.029 < interval.high < 0


def test_equal_variances_and_many_runs_give_ordinary_least_squares():
    rng, X_LK = np.random.default_rng(1), line(6)
    y_L = rng.standard_normal(6) * 3
    found = regress(y_L[None], np.eye(6) * 0.01, X_LK, 1e6)
    b, rss, *_ = np.linalg.lstsq(X_LK, y_L, rcond=None)
    se = np.sqrt(rss[0] / 4 * np.linalg.inv(X_LK.T @ X_LK)[1, 1])
    assert found.b_RK[0] == pytest.approx(b)
    interval = found.interval(np.array([0.0, 1.0]), 0.95)
    assert interval.high - interval.value == pytest.approx(2.7764 * se, rel=1e-4)  # t of four degrees of freedom


def test_two_levels_are_their_difference():
    found = regress(np.array([[1.0, 3.0]]), np.diag([0.5, 0.5]), line(2), 1e6)
    interval = found.interval(np.array([0.0, 1.0]), 0.95)
    assert (interval.value, interval.high) == pytest.approx((2.0, 2.0 + 1.96), rel=1e-3)


@pytest.mark.parametrize(("levels", "between"), [(3, 0.0), (4, 2.0), (5, 0.0), (5, 2.0), (8, 1.0)])
def test_no_slope_is_found_where_none_is(levels: int, between: float):
    """Also where levels scatter by more than their runs explain, which the test of these very levels takes for a slope."""
    rng = np.random.default_rng(levels)
    sd_L = rng.permutation(np.geomspace(1, 2, levels))
    y_RL = rng.standard_normal((3000, levels)) * np.sqrt(sd_L**2 + between**2)
    found = regress(y_RL, np.diag(sd_L**2), line(levels), 40.0)
    assert (found.p(1) < 0.05).mean() < 0.065
    if between == 2.0:
        assert (found.p(1, at_large=False) < 0.05).mean() > 0.2


def test_a_slope_is_found_where_there_is_one():
    rng, X_LK = np.random.default_rng(0), line(5)
    y_RL = rng.standard_normal((1000, 5)) + 8 * X_LK[:, 1]
    found = regress(y_RL, np.eye(5), X_LK, 40.0)
    assert (found.p(1) < 0.05).mean() > 0.9
    intervals = [regress(y_L[None], np.eye(5), X_LK, 40.0).interval(np.array([0.0, 1.0]), 0.95) for y_L in y_RL[:300]]
    assert np.mean([one.low < 8 < one.high for one in intervals]) > 0.93
