"""Forecasts: nothing added inside the data, widening beyond it, and covering what was held out."""

import numpy as np
import pytest

from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.forecast import calibrate, forecast, loss_at


@pytest.fixture(scope="module")
def whole(levels):
    return compare(levels, "raw", replicates=200)


@pytest.fixture(scope="module")
def calibration(whole):
    return calibrate(whole)


def test_rolling_origin_only_forecasts_what_lay_ahead(calibration) -> None:
    assert calibration.points
    assert all(p["D"] > p["cut"] for p in calibration.points)
    assert calibration.weight_F.sum() == pytest.approx(1)
    assert set(calibration.forms) <= {"additive", "tied", "cross", "kaplan"}
    assert calibration.to_dict()["points"][0]["error"] == pytest.approx(100 * calibration.points[0]["error"])


def test_inside_the_data_the_forecast_is_the_joint_fit(whole, calibration) -> None:
    shape = next(iter(whole.shapes))
    D = np.geomspace(2e8, 2e10, 7)
    found = forecast(whole, calibration, "worth", shape, D)
    np.testing.assert_allclose(found["loss"], np.exp(whole.log_loss("worth", shape, whole.shapes[shape], D)[0]))
    assert found["observed"] == pytest.approx([2e8, 2e10])


def test_intervals_widen_with_distance(whole, calibration) -> None:
    shape = next(iter(whole.shapes))
    found = forecast(whole, calibration, "raw", shape, np.array([2e10, 6e10, 2e11, 2e12]))
    width = np.log(found["high"]) - np.log(found["low"])
    assert (np.diff(width) > 0).all()


def test_one_point_is_the_curve(whole, calibration) -> None:
    shape, N = next(iter(whole.shapes.items()))
    curve = forecast(whole, calibration, "raw", shape, np.array([1e11]))
    point = loss_at(whole, calibration, "raw", N, 1e11)
    assert point.value == pytest.approx(curve["loss"][0], rel=1e-3)
    assert point.high - point.low == pytest.approx(curve["high"][0] - curve["low"][0], rel=0.05)


def test_held_out_runs_are_covered() -> None:
    """95 % intervals at 4 and 16 times the last tokens cover the truth in at least 80 % of 24 tables."""
    grid = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 1e10, 6)), seeds=1, row=0.003)
    rng, hits = np.random.default_rng(0), []
    for k in range(12):
        whole = compare(table_of(grid, {"a": TRUTH}, rng), "a", replicates=60, seed=k)
        calibration = calibrate(whole)
        for D in (4e10, 1.6e11):
            span = loss_at(whole, calibration, "a", 8e7, D)
            hits.append(
                span.low <= TRUTH["E"] + TRUTH["A"] * 8e7 ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"] <= span.high
            )
    assert np.mean(hits) >= 0.8


def test_too_few_token_counts_give_no_interval_beyond() -> None:
    grid = Grid((2e7, 8e7, 3.2e8), (2e8, 1e9, 5e9, 2e10), seeds=2, row=0.002)
    whole = compare(table_of(grid, {"a": TRUTH}, np.random.default_rng(0)), "a", replicates=30)
    calibration = calibrate(whole)
    assert not np.isfinite(calibration.rate)
    found = forecast(whole, calibration, "a", next(iter(whole.shapes)), np.array([1e10, 1e11]))
    assert found["low"][0] is not None
    assert found["low"][1] is None
    assert not loss_at(whole, calibration, "a", 8e7, 1e11).bounded


def test_an_untested_size_is_refused_where_floors_are_per_shape() -> None:
    grid = Grid((2e7, 8e7), tuple(np.geomspace(2e8, 1e10, 6)), seeds=1, row=0.003)
    whole = compare(table_of(grid, {"a": TRUTH}, np.random.default_rng(0)), "a", replicates=20)
    with pytest.raises(ValueError, match="N = 1e\\+09 was not tested and 2 sizes fix no law in N"):
        loss_at(whole, calibrate(whole), "a", 1e9, 1e10)
