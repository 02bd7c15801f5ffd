"""Estimates of several levels regressed on covariates of the levels, where the levels themselves scatter too.

Shape suffixes: R replicates, L levels, K coefficients.

An estimate is y = X b + u + e: e has the covariance V of the fit, u a variance tau^2 between levels that no covariate explains
(a meta-regression, Berkey et al. 1995). tau^2 is by restricted maximum likelihood. The interval of b is the wider of two:
with the levels as clusters, scaled by their own scatter with t of L - K degrees of freedom (Knapp and Hartung 2003), and of
these very levels, tau = 0. The first alone can be narrower than the noise of the runs where few levels happen to lie on a line.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from scaling_fit.intervals import Interval

Array = np.ndarray
TAUS = np.concatenate([[0.0], np.geomspace(1e-2, 1e3, 40)])
"""tau^2 tried, in units of the median variance of an estimate."""


@dataclass(frozen=True)
class Regression:
    """Generalised least squares of one or many sets of estimates. `*_clusters`: with tau^2; `*_given`: of these very levels.
    `df_clusters` is 0 where the levels are no more than the coefficients; `df_given` is that of the runs' variance."""

    b_RK: Array
    tau2_R: Array
    covariance_clusters_RKK: Array
    b_given_RK: Array
    covariance_given_KK: Array
    df_clusters: int
    df_given: float

    def interval(self, x_K: Array, confidence: float, at_large: bool = True) -> Interval:
        """Of the value at covariates `x_K`, or of a coefficient where they are a unit vector: the wider of the two. Not
        `at_large`, or with no levels to spare: of these very levels."""
        value, half = self._half(self.b_given_RK[0], self.covariance_given_KK, x_K, self.df_given, confidence)
        given = Interval(value, value - half, value + half)
        if not at_large or self.df_clusters < 1:
            return given
        value, half = self._half(self.b_RK[0], self.covariance_clusters_RKK[0], x_K, self.df_clusters, confidence)
        return Interval(value, min(value - half, given.low), max(value + half, given.high))

    def p(self, k: int, at_large: bool = True) -> Array:
        """Two-sided p of coefficient k being zero, shape [R]: the larger of the two."""
        se = np.sqrt(self.covariance_given_KK[k, k])
        p_R = 2 * stdtr(self.df_given, -np.abs(self.b_given_RK[:, k]) / se)
        if not at_large or self.df_clusters < 1:
            return p_R
        se_R = np.sqrt(np.maximum(self.covariance_clusters_RKK[:, k, k], 1e-300))
        return np.maximum(p_R, 2 * stdtr(self.df_clusters, -np.abs(self.b_RK[:, k]) / se_R))

    @staticmethod
    def _half(b_K: Array, covariance_KK: Array, x_K: Array, df: float, confidence: float) -> tuple[float, float]:
        se = float(np.sqrt(max(x_K @ covariance_KK @ x_K, 0.0)))
        return float(x_K @ b_K), float(stdtrit(df, 0.5 + confidence / 2)) * se


def regress(y_RL: Array, V_LL: Array, X_LK: Array, df: float) -> Regression:
    """Regress each row of `y_RL` on `X_LK`. V_LL: the estimates' covariance, whose variance has `df` degrees of freedom."""
    R, (L, K) = len(y_RL), X_LK.shape
    best_R, tau2_R = np.full(R, np.inf), np.zeros(R)
    b_RK, scatter_R, inverse_RKK = np.zeros((R, K)), np.zeros(R), np.zeros((R, K, K))
    b_given_RK, given_KK = b_RK, np.zeros((K, K))
    unit = float(np.median(np.diag(V_LL)))
    for tau2 in TAUS * unit if L > K else TAUS[:1]:
        S_LL = V_LL + tau2 * np.eye(L)
        W_LL = np.linalg.inv(S_LL)
        information_KK = X_LK.T @ W_LL @ X_LK
        inverse_KK = np.linalg.inv(information_KK)
        fitted_RK = y_RL @ W_LL @ X_LK @ inverse_KK
        residual_RL = y_RL - fitted_RK @ X_LK.T
        scatter = np.einsum("rl,lm,rm->r", residual_RL, W_LL, residual_RL)
        deviance_R = scatter + np.linalg.slogdet(S_LL)[1] + np.linalg.slogdet(information_KK)[1]
        if tau2 == 0:
            b_given_RK, given_KK = fitted_RK, inverse_KK
        better = deviance_R < best_R
        best_R[better], tau2_R[better] = deviance_R[better], tau2
        b_RK[better], scatter_R[better], inverse_RKK[better] = fitted_RK[better], scatter[better], inverse_KK
    clusters_RKK = inverse_RKK * (scatter_R / max(L - K, 1))[:, None, None]
    return Regression(b_RK, tau2_R, clusters_RKK, b_given_RK, given_KK, L - K, df)
