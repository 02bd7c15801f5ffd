"""Profiles against a dense scan of the constrained minimum by scipy."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.special import stdtrit

from scaling_fit.law.estimate import Estimate
from scaling_fit.law.laws import LAWS, Inputs
from scaling_fit.law.profile import profile
from scaling_fit.law.solve import Block, Problem, solve


def problem(noise: float) -> Problem:
    D = np.geomspace(1e8, 3e9, 12)
    inputs = Inputs(np.ones(12), D, np.full(12, np.inf))
    design = LAWS["data"].design(inputs, inputs.pivot())
    loss = (2.0 + 300 * D**-0.3) * np.exp(noise * np.random.default_rng(0).standard_normal(12))
    return Problem((Block(slice(0, 12), design, np.eye(3)),), loss)


def test_ends_are_where_the_constrained_fit_crosses() -> None:
    one = problem(0.002)
    design, y = one.blocks[0].design, np.log(one.loss_N)
    best = solve(one, np.array([[0.5, 0.0, 0.3]]), tolerance=1e-14)
    theta, df = best.theta_RP[0], 9.0
    sigma2 = 2 * best.objective_R[0] / df
    (span,) = profile(Estimate(one, theta, np.ones(3, bool), sigma2, df), 2, (0.95,))
    cut = stdtrit(df, 0.975) ** 2
    for end in (span.low, span.high):
        peer = least_squares(lambda p, end=end: design.predict(np.array([[p[0], p[1], end]]))[0] - y, theta[:2], xtol=1e-14)
        assert (2 * peer.cost - 2 * best.objective_R[0]) / sigma2 == pytest.approx(cut, rel=0.03)


def test_an_unbounded_profile_is_open() -> None:
    one = problem(0.2)
    best = solve(one, np.array([[0.5, 0.0, 0.3]]), tolerance=1e-12)
    (span,) = profile(Estimate(one, best.theta_RP[0], np.ones(3, bool), 2 * best.objective_R[0] / 9, 9.0), 2, (0.95,))
    assert not span.bounded
