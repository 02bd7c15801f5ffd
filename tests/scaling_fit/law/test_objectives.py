"""Objectives against their definitions."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import huber as scipy_huber

from scaling_fit.law.objectives import LAD, LEAST_SQUARES, huber, huber_log_normaliser, objective_named

R = np.linspace(-0.01, 0.01, 41)


def test_huber_is_scipys() -> None:
    np.testing.assert_allclose(huber(1e-3).rho(R), scipy_huber(1e-3, R), rtol=1e-13)


@pytest.mark.parametrize("objective", [huber(1e-3), huber(5e-3), LEAST_SQUARES])
def test_slope_is_the_derivative(objective) -> None:
    x = R + 1.7e-5  # off the corners
    np.testing.assert_allclose(objective.slope(x), (objective.rho(x + 1e-9) - objective.rho(x - 1e-9)) / 2e-9, atol=1e-9)


def test_lad_is_the_absolute_value_to_its_corner() -> None:
    np.testing.assert_allclose(LAD.rho(R) / LAD.delta, np.abs(R), atol=LAD.delta)


def test_free_scale_density_integrates_to_one() -> None:
    objective, delta = huber(0.5), 0.5
    inside = quad(lambda x: np.exp(-objective.rho(np.array(x))), -60, 60, points=[-delta, delta], limit=200)[0]
    assert np.log(inside) == pytest.approx(huber_log_normaliser(delta), abs=1e-8)


def test_names() -> None:
    assert objective_named("huber:0.01").delta == 0.01
    assert objective_named("linear").space == "linear"
    with pytest.raises(ValueError, match="not known; use huber"):
        objective_named("l1")
    with pytest.raises(ValueError, match="must be positive"):
        objective_named("huber:0")
