"""Huber's estimate by pseudo-observations, so that tests, intervals and noise of least squares hold under it as they stand.

Shape suffixes: N points, P parameters.

At the Huber estimate sum psi(r) df/dtheta = 0, so it is the least-squares fit to y* = f + psi(r) / m, with psi the clipped
residual and m the share of residuals that are not clipped (Huber 1981, section 7.6: with that scaling the covariances of least
squares are right too). A table without a wild run has y* = y, and its fit is least squares.
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.law.objectives import huber
from scaling_fit.law.search import minimise
from scaling_fit.law.solve import Problem

Array = np.ndarray
WIDTH = 4.0  # half-width in robust standard deviations: of normal residuals 1 in 16,000 lies beyond
WILD = 6.0  # robust standard deviations beyond which a run is named
LEAST_LEFT, FEWEST = 0.2, 8  # a row is judged where the fit leaves this share of its variance; so many rows make a median
DIGITS = 1e-6  # losses are not reported to more


@dataclass(frozen=True)
class Robust:
    """`log_loss_N`: the pseudo-observations; `wild_N`: which rows lie more than `WILD` robust standard deviations off;
    `theta_P`: the fit that they were made around."""

    log_loss_N: Array
    wild_N: Array
    theta_P: Array


def pseudo_observations(problem: Problem, start_P: Array, delta: float | None = None, rounds: int = 30) -> Robust:
    """Pseudo-observations of the Huber fit whose half-width is `delta`, in log loss (None: `WIDTH` robust standard deviations,
    from the median absolute residual of rows that do not decide the fit alone). Too few such rows: the table's own losses."""
    y_N = np.log(problem.loss_N)
    theta_RP, _ = minimise(problem, start_P[None], huber(1e-3), tolerance=1e-10)
    J_NP = problem.jacobian(theta_RP[0])
    U_NK, s_K, _ = np.linalg.svd(J_NP / np.maximum(np.linalg.norm(J_NP, axis=0), 1e-12), full_matrices=False)
    left_N = 1.0 - (U_NK[:, s_K > 1e-6 * s_K[0]] ** 2).sum(1)  # one minus leverage
    judged_N = left_N > LEAST_LEFT
    if judged_N.sum() < FEWEST:
        return Robust(y_N, np.zeros(len(y_N), bool), theta_RP[0])
    residual_N, scale, width = y_N - problem.predict(theta_RP)[0], 0.0, 0.0
    for _ in range(rounds):
        before = scale
        scale = max(1.4826 * float(np.median(np.abs(residual_N[judged_N]) / np.sqrt(left_N[judged_N]))), DIGITS)
        width = delta or WIDTH * scale
        theta_RP, _ = minimise(problem, theta_RP, huber(width), tolerance=1e-10)
        residual_N = y_N - problem.predict(theta_RP)[0]
        if abs(scale - before) < 1e-4 * scale:
            break
    inside_N, wild_N = np.abs(residual_N) <= width, np.abs(residual_N) > WILD * scale
    if inside_N.all():
        return Robust(y_N, wild_N, theta_RP[0])
    return Robust(y_N - residual_N + np.clip(residual_N, -width, width) / inside_N.mean(), wild_N, theta_RP[0])
