"""The one solver: damped Newton on many replicates of a grouped law at once.

Shape suffixes: R replicates, N points, P shared (global) parameters, Q parameters of one group's law, C trunks.

A grouped law is a list of blocks; block g holds the rows of one group, the law laid over them, and a matrix M_QP with
phi_g = M_QP theta: sharing, freeing and covariates are all choices of M. Replicates differ in weights (resampling), in
targets (simulation) or in starts (search). Per iteration each block costs a few passes over [R, N] arrays; replicates are
cut into chunks that stay in the processor's cache and run on two threads (numpy releases the interpreter lock).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scaling_fit.law.laws import Design
from scaling_fit.law.objectives import LEAST_SQUARES, Objective

Array = np.ndarray
CHUNK_CELLS = 1 << 15  # doubles per [R, N] array: five or so of them fit a 2 MB second-level cache
N_THREADS = min(2, os.cpu_count() or 1)
LONGEST_STEP = 2.0  # in one iteration, of a log coefficient or an exponent
LEAST_SHARE = 0.01  # of the loss, below which a term is raised before the first step


@dataclass(frozen=True)
class Block:
    """One group: its rows (a slice of the table in block order), its law there, and phi = M_QP theta."""

    rows: slice
    design: Design
    M_QP: Array


@dataclass(frozen=True)
class Trunks:
    """Which rows share a trunk's noise. `ratio` is trunk variance over row variance; rows of a trunk are adjacent."""

    starts_C: Array
    index_N: Array
    sizes_C: Array
    ratio: float

    def whiten(self, z: Array) -> Array:
        """z (last axis: points) times V^(-1/2), V = I + ratio * 11' within a trunk (closed form)."""
        if self.ratio == 0.0:
            return z
        pull_C = (1.0 - 1.0 / np.sqrt(1.0 + self.sizes_C * self.ratio)) / self.sizes_C
        return z - (np.add.reduceat(z, self.starts_C, axis=-1) * pull_C)[..., self.index_N]


@dataclass(frozen=True)
class Problem:
    """Blocks in row order, the observed losses [N] in the same order, the trunks (None: independent rows), and which
    parameters move [P] (None: all)."""

    blocks: tuple[Block, ...]
    loss_N: Array
    trunks: Trunks | None = None
    free_P: Array | None = None

    @property
    def n_parameters(self) -> int:
        return self.blocks[0].M_QP.shape[1]

    def predict(self, theta_RP: Array) -> Array:
        """Log loss at every row, shape [R, N]."""
        out_RN = np.empty((len(theta_RP), len(self.loss_N)))
        for block in self.blocks:
            out_RN[:, block.rows] = block.design.predict(theta_RP @ block.M_QP.T)
        return out_RN

    def jacobian(self, theta_P: Array) -> Array:
        """d log loss / d theta at every row, shape [N, P]."""
        J_NP = np.zeros((len(self.loss_N), self.n_parameters))
        for block in self.blocks:
            _, J_RQN, _ = block.design.evaluate((block.M_QP @ theta_P)[None])
            J_NP[block.rows] = J_RQN[0].T @ block.M_QP
        return J_NP


@dataclass(frozen=True)
class Solution:
    """Where each replicate ended: theta_RP, the summed objective, whether it converged, and iterations used."""

    theta_RP: Array
    objective_R: Array
    converged_R: Array
    iterations_R: Array


def solve(
    problem: Problem,
    start_RP: Array,
    objective: Objective = LEAST_SQUARES,
    *,
    target_RN: Array | None = None,
    weight_RN: Array | None = None,
    free_RP: Array | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 200,
) -> Solution:
    """Minimise sum_i w_i rho(r_i) from every row of `start_RP`.

    target_RN: log losses per replicate ([1, N] or [R, N]; default the observed ones). weight_RN: weights likewise.
    free_RP: which parameters move ([1, P] or [R, P] bool; default the problem's); the others stay at their start.
    tolerance: stop when the predicted decrease is below this fraction of the objective.
    Whitening by trunks applies to least squares only. Returns a `Solution`; never raises on a hard replicate.
    """
    start_RP = np.atleast_2d(np.asarray(start_RP, dtype=float))
    if free_RP is None and problem.free_P is not None:
        free_RP = problem.free_P[None]
    start_RP = _lift(problem, start_RP, free_RP)
    target_RN = np.log(problem.loss_N)[None] if target_RN is None else target_RN
    size = max(1, CHUNK_CELLS // len(problem.loss_N))
    chunks = [slice(at, at + size) for at in range(0, len(start_RP), size)]

    def run(chunk: slice) -> Solution:
        y_RN = target_RN if len(target_RN) == 1 else target_RN[chunk]
        w_RN = weight_RN if weight_RN is None or len(weight_RN) == 1 else weight_RN[chunk]
        held_RP = None if free_RP is None else ~np.broadcast_to(free_RP, start_RP.shape)[chunk]
        return _newton(problem, start_RP[chunk], objective, y_RN, w_RN, held_RP, tolerance, max_iterations)

    if len(chunks) == 1:
        return run(chunks[0])
    with ThreadPoolExecutor(N_THREADS) as pool:
        parts = list(pool.map(run, chunks))
    return Solution(
        np.concatenate([part.theta_RP for part in parts]),
        np.concatenate([part.objective_R for part in parts]),
        np.concatenate([part.converged_R for part in parts]),
        np.concatenate([part.iterations_R for part in parts]),
    )


def _lift(problem: Problem, start_RP: Array, free_RP: Array | None) -> Array:
    """Starts whose vanished terms are raised to a share of the loss from which they can grow again.

    A log coefficient near minus infinity has no gradient, so a replicate started at "no floor" could never find one.
    """
    shares = [[w.max(-1) for w in b.design.evaluate(start_RP @ b.M_QP.T)[2]] for b in problem.blocks]
    law = problem.blocks[0].design.law
    lifted_RP = start_RP
    for t, term in enumerate(law.terms):
        row = law.names.index(term.coefficient)
        short_RG = np.stack([np.log(LEAST_SHARE) - np.log(np.maximum(share[t], 1e-290)) for share in shares], 1)
        low_R = np.flatnonzero((short_RG > 0).any(1))
        if not len(low_R):
            continue
        M_GP = np.stack([block.M_QP[row] for block in problem.blocks])
        free_LP = np.ones((len(low_R), start_RP.shape[1]), bool)
        if free_RP is not None:
            free_LP = np.broadcast_to(free_RP, start_RP.shape)[low_R]
        if lifted_RP is start_RP:
            lifted_RP = start_RP.copy()
        for pattern_P in np.unique(free_LP, axis=0):
            rows = low_R[(free_LP == pattern_P).all(1)]
            lifted_RP[rows] += np.maximum(short_RG[rows], 0.0) @ np.linalg.pinv(M_GP * pattern_P).T
    return lifted_RP


def _assemble(problem: Problem, theta_RP: Array, objective: Objective, y_RN: Array, w_RN: Array | None):
    """Objective [R], gradient [R, P] and curvature [R, P, P] at theta."""
    R, P = theta_RP.shape
    F_R, g_RP, H_RPP = np.zeros(R), np.zeros((R, P)), np.zeros((R, P, P))
    whiten = problem.trunks is not None and problem.trunks.ratio > 0 and not objective.exact_curvature
    for block in problem.blocks:
        design, M_QP = block.design, block.M_QP
        f_RN, J_RQN, weights = design.evaluate(theta_RP @ M_QP.T)
        if objective.space == "linear":
            predicted_RN = np.exp(f_RN)
            r_RN = predicted_RN - np.exp(y_RN[:, block.rows])
            J_RQN *= predicted_RN[:, None]
        else:
            r_RN = f_RN - y_RN[:, block.rows]
        if whiten:
            trunks = _within(problem.trunks, block.rows)
            r_RN, J_RQN = trunks.whiten(r_RN), trunks.whiten(J_RQN)
        rho_RN, slope_RN = objective.rho(r_RN), objective.slope(r_RN)
        w_block = None if w_RN is None else w_RN[:, block.rows]
        if w_block is not None:
            rho_RN, slope_RN = rho_RN * w_block, slope_RN * w_block
        F_R += rho_RN.sum(-1)
        g_RQ = (J_RQN @ slope_RN[:, :, None])[:, :, 0]
        if objective.exact_curvature:
            # psi' J J' + psi (softmax second moment - J J'), one matrix product per term
            inside_RN = np.abs(r_RN) <= objective.delta
            first_RN = inside_RN * (1.0 if w_block is None else w_block) - slope_RN
            H_RQQ = (J_RQN * first_RN[:, None]) @ J_RQN.transpose(0, 2, 1)
            for weight_RN, active, products in zip(weights, design.active, design.products, strict=True):
                moment = (weight_RN * slope_RN) @ products
                H_RQQ[:, active[:, None], active] += moment.reshape(len(moment), len(active), len(active))
        else:
            left_RQN = J_RQN if w_block is None else J_RQN * w_block[:, None]
            H_RQQ = left_RQN @ J_RQN.transpose(0, 2, 1)
        if M_QP.shape[0] == P and np.array_equal(M_QP, np.eye(P)):
            g_RP += g_RQ
            H_RPP += H_RQQ
        else:
            g_RP += g_RQ @ M_QP
            H_RPP += M_QP.T @ (H_RQQ @ M_QP)
    return F_R, g_RP, H_RPP


def _within(trunks: Trunks | None, rows: slice) -> Trunks:
    """The trunks of one block (a trunk never spans two blocks)."""
    assert trunks is not None
    first, last = trunks.index_N[rows.start], trunks.index_N[rows.stop - 1]
    return Trunks(
        trunks.starts_C[first : last + 1] - rows.start,
        trunks.index_N[rows] - first,
        trunks.sizes_C[first : last + 1],
        trunks.ratio,
    )


def _newton(
    problem: Problem,
    start_RP: Array,
    objective: Objective,
    y_RN: Array,
    w_RN: Array | None,
    held_RP: Array | None,
    tolerance: float,
    max_iterations: int,
) -> Solution:
    R, P = start_RP.shape
    theta_RP, alive_A = start_RP.copy(), np.arange(R)
    F_R, g_RP, H_RPP = _assemble(problem, theta_RP, objective, y_RN, w_RN)
    damping_R = np.full(R, 1e-3)
    converged_R, iterations_R = np.zeros(R, bool), np.zeros(R, int)
    diagonal = np.arange(P)
    for iteration in range(1, max_iterations + 1):
        F_A, g_AP, H_APP = F_R[alive_A], g_RP[alive_A], H_RPP[alive_A]
        if held_RP is not None:
            held_AP = held_RP[alive_A]
            g_AP = np.where(held_AP, 0.0, g_AP)
            H_APP = np.where(held_AP[:, :, None] | held_AP[:, None, :], 0.0, H_APP)
        size_AP = np.abs(H_APP[:, diagonal, diagonal])
        size_AP = np.maximum(size_AP, 1e-9 * size_AP.max(-1, keepdims=True) + 1e-300)
        damped_APP = H_APP.copy()
        damped_APP[:, diagonal, diagonal] += (damping_R[alive_A, None] + 1e-14) * size_AP
        step_AP = -solve_each(damped_APP, g_AP)
        # Clipped by component: a vanishing term asks for endless steps in its log, and must not hold the others back.
        step_AP = np.clip(step_AP, -LONGEST_STEP, LONGEST_STEP)
        downhill_A = -(step_AP * g_AP).sum(-1)
        trial_AP = theta_RP[alive_A] + step_AP
        y_A = y_RN if len(y_RN) == 1 else y_RN[alive_A]
        w_A = w_RN if w_RN is None or len(w_RN) == 1 else w_RN[alive_A]
        with np.errstate(over="ignore", invalid="ignore"):
            F_new, g_new, H_new = _assemble(problem, trial_AP, objective, y_A, w_A)
        better_A = (downhill_A > 0) & (F_new <= F_A) & np.isfinite(F_new)
        rows = alive_A[better_A]
        theta_RP[rows], F_R[rows], g_RP[rows], H_RPP[rows] = (
            trial_AP[better_A],
            F_new[better_A],
            g_new[better_A],
            H_new[better_A],
        )
        damping_R[alive_A] = np.where(better_A, damping_R[alive_A] / 8.0, np.maximum(damping_R[alive_A], 1e-8) * 6.0)
        iterations_R[alive_A] = iteration
        done_A = (downhill_A >= 0) & (downhill_A <= tolerance * F_A + 1e-280) & better_A
        done_A |= damping_R[alive_A] > 1e12
        converged_R[alive_A[done_A]] = True
        alive_A = alive_A[~done_A]
        if not len(alive_A):
            break
    return Solution(theta_RP, F_R, converged_R, iterations_R)


def solve_each(H_RPP: Array, g_RP: Array) -> Array:
    """Batched solve; a singular member falls back to a scaled gradient step rather than stopping the batch."""
    try:
        step_RP = np.linalg.solve(H_RPP, g_RP[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        step_RP = (np.linalg.pinv(H_RPP) @ g_RP[:, :, None])[:, :, 0]
    bad_R = ~np.isfinite(step_RP).all(-1)
    step_RP[bad_R] = g_RP[bad_R] / np.abs(H_RPP[bad_R]).max((-1, -2))[:, None].clip(1e-300)
    return step_RP
