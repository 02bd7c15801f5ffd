"""How noisy runs are: one variance per row and one per trunk (branches of a trunk share its luck), by restricted
maximum likelihood, with the uncertainty of both carried into every simulated table.

Shape suffixes: R replicates, N points, P parameters, C trunks.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.law.solve import Problem, Trunks, solve

Array = np.ndarray
ASSUMED_TRUNK = 0.003  # seed noise of log loss expected of 1-30M models (0.1-0.3 %), where no table row measures it
RATIOS = np.concatenate([[0.0], np.geomspace(0.02, 200.0, 40)])


@dataclass(frozen=True)
class Noise:
    """Standard deviations of log loss: `row`, `trunk`; their degrees of freedom; `trunk_replicates`: whether two trunks share
    a cell anywhere; `assumed`: the trunks' is not measured by this table but `ASSUMED_TRUNK`, or the measured one given."""

    row: float
    trunk: float
    row_df: float
    trunk_df: float
    n_trunks: int
    rows_per_trunk: float
    trunk_replicates: bool
    assumed: bool = False

    @property
    def ratio(self) -> float:
        return (self.trunk / self.row) ** 2 if self.row > 0 else 0.0

    def simulate(self, rng: np.random.Generator, n_replicates: int, trunks: Trunks, certain: bool = False) -> Array:
        """Noise of log losses, shape [R, N]. Unless `certain`, each replicate draws its own variances from their
        sampling distribution (mean squares over chi-squares), which is what gives intervals their t-like width."""
        C, N = len(trunks.starts_C), len(trunks.index_N)
        within, between = np.full(n_replicates, self.row**2), np.full(n_replicates, self.row**2)
        between = between + self.rows_per_trunk * self.trunk**2
        if not certain:
            within = within * self.row_df / rng.chisquare(self.row_df, n_replicates)
            between = between * self.trunk_df / rng.chisquare(self.trunk_df, n_replicates)
        out_RN = rng.standard_normal((n_replicates, N)) * np.sqrt(within)[:, None]
        if self.rows_per_trunk > 1:
            trunk_R = np.sqrt(np.maximum(between - within, 0.0) / self.rows_per_trunk)
            out_RN += (rng.standard_normal((n_replicates, C)) * trunk_R[:, None])[:, trunks.index_N]
        return out_RN


def estimate_noise(
    problem: Problem,
    theta_P: Array,
    cells_N: Sequence[Hashable],
    n_levels: int = 1,
    floor_per_cell: bool = False,
    measured: tuple[float, float] | None = None,
    spent: int = 0,
) -> tuple[Noise, Array]:
    """REML on the law linearised at its fit, then a refit at the ratio found: the noise and the new theta.

    cells_N: a label per row of (level, shape); two trunks in one cell make the trunk variance estimable without the law.
    n_levels: levels fitted, each of which spends up to three parameters on its trunks' means; floor_per_cell: every mean.
    With one trunk a cell and no trunk means left over, seed luck cannot be told from a shift, so it is assumed, not zero:
    `measured` is then the trunks' standard deviation of log loss and its degrees of freedom, from repeated runs elsewhere.
    spent: degrees of freedom that went before, into what was taken out of the losses.
    """
    assert problem.trunks is not None
    trunks = problem.trunks
    C, n = len(trunks.starts_C), len(problem.loss_N)
    cells, branched = len(set(cells_N)), n > C
    left = C - cells if cells < C else 0 if floor_per_cell else C - 3 * n_levels
    assumed = branched and left < 1
    assumed_sd, assumed_df = measured or (ASSUMED_TRUNK, 1e6)
    ratio, rss, rank = 0.0, 0.0, 0
    for _ in range(2 if branched else 1):
        r_N = np.log(problem.loss_N) - problem.predict(theta_P[None])[0]
        J_NP = problem.jacobian(theta_P)
        J_NP = J_NP / np.maximum(np.abs(J_NP).max(0), 1e-12)
        tried = RATIOS if branched and not assumed else np.array([ratio])
        fits = reml(r_N, J_NP, trunks, tried, spent)
        best = int(np.argmin([fit[0] for fit in fits]))
        ratio, (_, rss, rank) = float(tried[best]), fits[best]
        if assumed:
            ratio = float(min(assumed_sd**2 / max(rss / max(n - rank - spent, 1), 1e-12), RATIOS[-1]))
        whitened = replace(problem, trunks=replace(trunks, ratio=ratio))
        fit = solve(whitened, theta_P[None], tolerance=1e-12)
        theta_P, rss = fit.theta_RP[0], 2.0 * float(fit.objective_R[0])
    df = max(n - rank - spent, 1)
    row = float(np.sqrt(rss / df))
    trunk_df = assumed_df if assumed else max(float(left), 1.0) if branched else float(df)
    row_df = max(float(df - left), 1.0) if branched and not assumed else float(df)
    return Noise(row, row * float(np.sqrt(ratio)), row_df, trunk_df, C, n / C, cells < C, assumed), theta_P


def reml(r_N: Array, J_NP: Array, trunks: Trunks, ratios: Array, spent: int = 0) -> list[tuple[float, float, int]]:
    """For every ratio of trunk to row variance: -2 restricted log likelihood (scale profiled), the residual sum of squares,
    and the rank of J. V^(-1) = I - k 11' within a trunk, so each ratio costs only [P, P] algebra."""
    sum_C, sum_CP = np.add.reduceat(r_N, trunks.starts_C), np.add.reduceat(J_NP, trunks.starts_C, axis=0)
    rr, Jr_P, G_PP = r_N @ r_N, J_NP.T @ r_N, J_NP.T @ J_NP
    out = []
    for ratio in ratios:
        k_C = ratio / (1.0 + trunks.sizes_C * ratio)
        weights, U = np.linalg.eigh(G_PP - (sum_CP.T * k_C) @ sum_CP)
        keep = weights > 1e-12 * weights[-1]
        along = U[:, keep].T @ (Jr_P - sum_CP.T @ (k_C * sum_C))
        rss = float(rr - k_C @ sum_C**2 - (along**2 / weights[keep]).sum())
        rank = int(keep.sum())
        df = max(len(r_N) - rank - spent, 1)
        log_det = float(np.log1p(trunks.sizes_C * ratio).sum() + np.log(weights[keep]).sum())
        out.append((log_det + df * float(np.log(max(rss, 1e-300))), rss, rank))
    return out
