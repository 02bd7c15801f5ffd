"""One Newton step against the full refit of the same resamples, and against the asymptotic error."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.law.bootstrap import bootstrap, resample_rows
from scaling_fit.law.laws import LAWS, Inputs
from scaling_fit.law.objectives import LAD, LEAST_SQUARES, LINEAR, Objective, huber
from scaling_fit.law.one_step import LEAST_ROWS, one_step, suits
from scaling_fit.law.search import minimise
from scaling_fit.law.solve import Block, Problem
from scaling_fit.levels.design import TRUTH

NOISE = 0.01


@pytest.fixture(scope="module")
def large() -> tuple[Problem, np.ndarray]:
    rng = np.random.default_rng(0)
    N, D = np.exp(rng.uniform(*np.log([[1e7], [1e10]]), LEAST_ROWS)), np.exp(rng.uniform(*np.log([[1e8], [1e12]]), LEAST_ROWS))
    law, inputs = LAWS["additive"], Inputs(N, D, np.full(LEAST_ROWS, np.inf))
    design, truth_P = law.design(inputs, inputs.pivot()), law.solver(TRUTH, inputs.pivot())
    loss = np.exp(design.predict(truth_P[None])[0] + NOISE * rng.standard_normal(LEAST_ROWS))
    problem = Problem((Block(slice(0, LEAST_ROWS), design, np.eye(5)),), loss)
    return problem, minimise(problem, truth_P[None], LEAST_SQUARES)[0][0]


@pytest.mark.parametrize("objective", [LEAST_SQUARES, LINEAR, huber(1e-2)])
def test_it_ends_where_the_refit_ends(large, objective: Objective) -> None:
    problem, theta_P = large
    theta_P = minimise(problem, theta_P[None], objective)[0][0]
    weight_RN = resample_rows(problem, 6, np.random.default_rng(1))
    refit_RP = minimise(problem, np.repeat(theta_P[None], 6, 0), objective, weight_RN=weight_RN)[0]
    step_RP = one_step(problem, theta_P, objective, weight_RN)
    error_P = np.sqrt(np.mean((refit_RP - theta_P) ** 2, 0))
    assert (np.abs(step_RP - refit_RP) < 0.05 * error_P).all()


def test_least_absolute_deviations_have_their_asymptotic_error(large) -> None:
    """pi / 2 of the variance of least squares, under normal noise."""
    problem, theta_P = large
    theta_RP = bootstrap(problem, theta_P, LAD, "row", 400, np.array([]))
    J = problem.jacobian(theta_P)
    expected_P = np.sqrt(np.pi / 2 * np.diag(np.linalg.inv(J.T @ J))) * NOISE
    np.testing.assert_allclose(theta_RP.std(0), expected_P, rtol=0.15)


def test_it_suits_large_tables_whose_terms_all_count(large) -> None:
    problem, theta_P = large
    assert suits(problem, theta_P)
    assert not suits(problem, theta_P - 20.0 * (np.arange(5) == 0))
    assert not suits(replace(problem, loss_N=problem.loss_N[:-1]), theta_P)
