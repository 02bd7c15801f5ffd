"""A least-squares fit with the noise it is judged by: the covariance of what was fitted.

Shape suffixes: N points, P global parameters.
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.law.solve import Problem

Array = np.ndarray
WEAK = 1e-6  # of the largest singular value: a direction of the scaled Jacobian that is not identified


@dataclass(frozen=True)
class Estimate:
    """Where least squares ended (`theta_P`), which of it was free, the variance of a row and its degrees of freedom."""

    problem: Problem
    theta_P: Array
    free_P: Array
    sigma2: float
    df: float

    def jacobian(self) -> Array:
        """d log loss / d theta, whitened by the trunks, shape [N, P]."""
        J_NP = self.problem.jacobian(self.theta_P)
        return J_NP if self.problem.trunks is None else self.problem.trunks.whiten(J_NP.T).T

    def covariance(self) -> tuple[Array, bool]:
        """Covariance of theta [P, P] (zero where held), and whether every direction of it is identified."""
        J_NP = self.jacobian()[:, self.free_P]
        scale_P = np.maximum(np.sqrt((J_NP**2).sum(0)), 1e-12)
        _, s, Vt = np.linalg.svd(J_NP / scale_P, full_matrices=False)
        inverse = (Vt.T / np.maximum(s, 1e-9 * s[0]) ** 2) @ Vt / scale_P[:, None] / scale_P
        out_PP = np.zeros((len(self.free_P), len(self.free_P)))
        out_PP[np.ix_(self.free_P, self.free_P)] = self.sigma2 * inverse
        return out_PP, bool(s[-1] >= WEAK * s[0])

    def errors(self) -> Array:
        """Standard errors of theta [P]; infinite where some direction of what was fitted is not identified."""
        covariance_PP, identified = self.covariance()
        return np.sqrt(np.diag(covariance_PP)) if identified else np.full(len(covariance_PP), np.inf)
