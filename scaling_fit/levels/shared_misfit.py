"""What the law misses of all levels alike.

Levels are trained at the same shapes and token counts by one recipe, so what bends their curves off the law (a first rung too
near the warm-up, a shape that fills up, one rate for all D) bends them together. Such a miss is no luck of a difference
between levels: as with the blocks of a matched design (Fisher 1935, "The Design of Experiments"), it is estimated once for
every (shape, D) that all levels have, and taken out of the runs before levels are told apart; only where it is shown. What each
level misses for itself stays in the error. A miss that the baseline's parameters could make is left to them, so no exponent is
taken away.

Shape suffixes: R replicates, N points, P parameters, K common cells (shape, D), L levels.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from scaling_fit.law.adequacy import FAILS
from scaling_fit.law.groups import Grouped
from scaling_fit.law.noise import Noise
from scaling_fit.law.solve import Problem, solve
from scaling_fit.observations import Observations

Array = np.ndarray
LEAST_DF = 10  # degrees of freedom that must be left to judge differences by
STILL = 1e-8  # of log loss: a change of the miss that ends the search
MOST_ROUNDS = 30


@dataclass(frozen=True)
class SharedMisfit:
    """`miss_N`: of log loss, at the cell of each row; `cell_N`: its number, -1 where not all levels have it; `df`: directions
    in which a miss can be told from the law's own parameters; `mean_square`: of the miss per direction; `runs`: of a cell
    that luck averages over."""

    miss_N: Array
    cell_N: Array
    df: int
    mean_square: float
    runs: float

    def sd(self, noise: Noise) -> float:
        """Of a cell's miss, log loss, beyond what the luck of its runs explains."""
        luck = (noise.row**2 + noise.trunk**2) / self.runs
        return float(np.sqrt(max(self.mean_square - luck, 0.0)))

    def simulate(self, rng: np.random.Generator, n_replicates: int, noise: Noise) -> Array:
        """Misses of other tables [R, N], common to the levels: what a level's own curve could owe to the law's wrong form."""
        cells_RK = rng.standard_normal((n_replicates, self.cell_N.max() + 1)) * self.sd(noise)
        return np.where(self.cell_N >= 0, cells_RK[:, self.cell_N], 0.0)


def shared_misfit(laid: Grouped, ordered: Observations, theta_P: Array, baseline: str) -> SharedMisfit | None:
    """The miss that levels share, by least squares with the laws of all levels free: the mean residual over levels at every
    common cell, as far as the baseline's parameters cannot make it, and the laws fitted anew without it, in turn until still.

    `ordered` is in problem order. None where the levels have too few cells in common, where too few runs are left to tell a
    miss from luck, or where none is shown (F at 1 %).
    """
    problem, levels = laid.problem, ordered.levels
    _, cell_N = np.unique(np.stack([ordered.N, ordered.D], 1), axis=0, return_inverse=True)
    level_N = np.array([levels.index(level) for level in ordered.level])
    runs_LK = np.zeros((len(levels), cell_N.max() + 1))
    np.add.at(runs_LK, (level_N, cell_N), 1.0)
    common_K = (runs_LK > 0).all(0)
    number_K = np.where(common_K, np.cumsum(common_K) - 1, -1)
    cell_N, runs_LK = number_K[cell_N], runs_LK[:, common_K]
    if len(levels) < 2 or not common_K.any():
        return None
    mine = np.flatnonzero((ordered.level == baseline) & (cell_N >= 0))
    first_K = mine[np.unique(cell_N[mine], return_index=True)[1]]
    U_KP, s_P, _ = np.linalg.svd(problem.jacobian(theta_P)[first_K], full_matrices=False)
    U_KP = U_KP[:, s_P > 1e-9 * s_P[0]]
    df = len(first_K) - U_KP.shape[1]
    if df < 1 or len(ordered) - problem.n_parameters - df < LEAST_DF:
        return None
    log_loss_N, inside_N = np.log(problem.loss_N), cell_N >= 0
    miss_K, miss_N = np.zeros(len(first_K)), np.zeros(len(ordered))
    before = _squares(problem, theta_P, log_loss_N)
    for _ in range(MOST_ROUNDS):
        residual_N = log_loss_N - problem.predict(theta_P[None])[0]
        sum_LK = np.zeros_like(runs_LK)
        np.add.at(sum_LK, (level_N[inside_N], cell_N[inside_N]), residual_N[inside_N])
        mean_K = (sum_LK / runs_LK).mean(0)
        found_K = mean_K - U_KP @ (U_KP.T @ mean_K)
        change, miss_K = float(np.abs(found_K - miss_K).max()), found_K
        miss_N = np.where(inside_N, miss_K[cell_N], 0.0)
        if change < STILL:
            break
        theta_P = solve(problem, theta_P[None], target_RN=(log_loss_N - miss_N)[None], tolerance=1e-12).theta_RP[0]
    after, left = _squares(problem, theta_P, log_loss_N - miss_N), len(ordered) - problem.n_parameters - df
    if fdtrc(df, left, max(before - after, 0.0) / df / (after / left)) >= FAILS:
        return None
    runs = len(levels) ** 2 / float((1 / runs_LK).mean(1).sum())
    return SharedMisfit(miss_N, cell_N, df, float(miss_K @ miss_K) / df, runs)


def _squares(problem: Problem, theta_P: Array, log_loss_N: Array) -> float:
    residual_N = log_loss_N - problem.predict(theta_P[None])[0]
    return float(residual_N @ residual_N)
