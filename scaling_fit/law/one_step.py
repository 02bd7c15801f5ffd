"""Refits of a large resampled table by one Newton step from the fit (Davison and Hinkley 1997, section 2.7.3).

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law.

Gradient and curvature of a replicate are sums over rows times how often each was drawn, so those of all replicates are two
matrix products. What the step leaves out is, relative to a standard error, of the order of 1/sqrt(rows): below what a
thousand replicates can tell once a table has tens of thousands of rows.
"""

from dataclasses import replace

import numpy as np

from scaling_fit.law.objectives import Objective
from scaling_fit.law.solve import LEAST_SHARE, Block, Problem, solve_each

Array = np.ndarray
LEAST_ROWS = 20_000
SMOOTH = 0.2  # standard deviations: the least half-width of a Huber corner whose curvature a table can show


def suits(problem: Problem, theta_P: Array) -> bool:
    """Whether one step is enough: many rows, and no term that has vanished (its log has no bound)."""
    if len(problem.loss_N) < LEAST_ROWS:
        return False
    shares = [w.max() for b in problem.blocks for w in b.design.evaluate((b.M_QP @ theta_P)[None])[2]]
    return min(shares) > LEAST_SHARE


def one_step(problem: Problem, theta_P: Array, objective: Objective, weight_RN: Array) -> Array:
    """Where every replicate ends, theta_RP; rows are independent. Objectives with a corner are smoothed to `SMOOTH`."""
    if objective.exact_curvature:
        residual_N = np.log(problem.loss_N) - problem.predict(theta_P[None])[0]
        objective = replace(objective, delta=max(objective.delta, SMOOTH * 1.4826 * float(np.median(np.abs(residual_N)))))
    R, P = len(weight_RN), len(theta_P)
    g_RP, H_RPP = np.zeros((R, P)), np.zeros((R, P, P))
    for block in problem.blocks:
        slope_QN, curvature_NQQ = _per_row(block, theta_P, problem.loss_N[block.rows], objective)
        w_RN, Q = weight_RN[:, block.rows], len(slope_QN)
        g_RP += (w_RN @ slope_QN.T - slope_QN.sum(1)) @ block.M_QP  # at the fit the whole table's gradient is none
        H_RPP += block.M_QP.T @ (w_RN @ curvature_NQQ.reshape(-1, Q * Q)).reshape(R, Q, Q) @ block.M_QP
    free = np.flatnonzero(np.ones(P, bool) if problem.free_P is None else problem.free_P)
    theta_RP = np.repeat(theta_P[None], R, 0)
    theta_RP[:, free] -= solve_each(H_RPP[:, free[:, None], free], g_RP[:, free])
    return theta_RP


def _per_row(block: Block, theta_P: Array, loss_N: Array, objective: Objective) -> tuple[Array, Array]:
    """What each row adds to the gradient [Q, N] and the curvature [N, Q, Q]; the curvature as in `solve`."""
    design = block.design
    f_1N, J_1QN, weights = design.evaluate((block.M_QP @ theta_P)[None])
    r_N, J_QN = f_1N[0] - np.log(loss_N), J_1QN[0]
    if objective.space == "linear":
        r_N, J_QN = np.exp(f_1N[0]) - loss_N, J_QN * np.exp(f_1N[0])
    slope_N = objective.slope(r_N)
    if not objective.exact_curvature:
        return J_QN * slope_N, np.einsum("in,jn->nij", J_QN, J_QN)
    curvature_NQQ = np.einsum("n,in,jn->nij", (np.abs(r_N) <= objective.delta) - slope_N, J_QN, J_QN)
    for weight_1N, active, products in zip(weights, design.active, design.products, strict=True):
        part = (weight_1N[0] * slope_N)[:, None] * products
        curvature_NQQ[:, active[:, None], active] += part.reshape(-1, len(active), len(active))
    return J_QN * slope_N, curvature_NQQ
