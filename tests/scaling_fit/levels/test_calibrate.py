"""Calibration: weights go to forms that forecast, the rate follows the table's own errors, a bias only where it is stable."""

import numpy as np
import pytest

from scaling_fit.levels.calibrate import RATES, calibrate
from scaling_fit.levels.calibrate import _slope as slope
from scaling_fit.levels.calibrate import _stable as stable
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.observations import observations

ISOFLOP = [(np.sqrt(C / 120) * m, np.sqrt(C * 120) / 6 / m) for C in np.geomspace(1e18, 1e20, 6) for m in (0.25, 0.5, 1, 2, 4)]


def isoflop(log_loss, sd=0.002):
    N, D = np.array(ISOFLOP).T
    loss = np.exp(log_loss(N, D) + sd * np.random.default_rng(0).standard_normal(len(N)))
    return compare(observations({"N": N, "D": D, "loss": loss}), "all", replicates=20)


def test_the_planted_form_has_the_weight() -> None:
    floorless = calibrate(isoflop(lambda N, D: np.log(60 / N**0.2 + 40 / D**0.15)))
    weights = dict(zip(floorless.forms, floorless.weight_F, strict=True))
    assert weights["floorless"] + weights["floorless cross"] > 0.5
    assert weights["tied"] < 0.1
    assert sum(weights.values()) == pytest.approx(1)


def test_an_isoflop_table_has_a_rate_that_follows_its_errors() -> None:
    """Pairs at nearly equal D once gave a rate of 0 whatever the errors were."""
    smooth = calibrate(isoflop(lambda N, D: np.log(1.8 + 480 / N**0.35 + 2000 / D**0.37)))
    bent = calibrate(isoflop(lambda N, D: np.log(1.8 + 480 / N**0.35 + 2000 / D**0.37) + 0.02 * np.sin(2 * np.log(N * D))))
    assert 0 < smooth.rate < 0.005
    assert bent.rate > 4 * smooth.rate
    assert smooth.chance_G @ np.ones(len(RATES)) == pytest.approx(1)


def test_a_bias_is_corrected_only_where_every_late_origin_had_it() -> None:
    assert stable(np.array([0.01, 0.02, 0.015, 0.012, 0.03])) == pytest.approx(0.01)
    assert stable(np.array([-0.01, -0.02, -0.015, -0.012, -0.03])) == pytest.approx(-0.01)
    assert stable(np.array([0.01, 0.02, -0.001, 0.012, 0.03])) == 0.0
    assert stable(np.array([0.01, 0.02, 0.03])) == 0.0, "three origins share most of their runs"


def test_a_slope_is_a_weighted_median() -> None:
    assert slope(np.array([0.02, 0.04, 9.0]), np.array([1.0, 2.0, 0.5])) == pytest.approx(0.02)
    assert np.isnan(slope(np.zeros(2), np.zeros(2)))


def test_rolling_errors_are_of_runs_that_lay_ahead(levels) -> None:
    found = calibrate(compare(levels, "raw", replicates=20))
    assert {row["level"] for row in found.errors} == {"raw", "worth", "steeper"}
    assert all(row["distance"] > 0 and 6 * row["N"] * row["D"] > row["cut"] for row in found.errors)
    assert len(found.to_dict()["points"]) <= 1200


def test_too_few_origins_calibrate_nothing() -> None:
    table = table_of(Grid((2e7, 8e7, 3.2e8), (2e8, 2e10), seeds=2, row=0.002), {"a": TRUTH}, np.random.default_rng(0))
    found = calibrate(compare(table, "a", replicates=10))
    assert found.levels is None
    assert found.to_dict()["rate_percent_per_e_fold"] is None
