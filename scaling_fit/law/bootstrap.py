"""Replicates of a fit, all solved as one batch: resampled rows, resampled trunks, or residuals with random signs.

Shape suffixes: R replicates, N points, P parameters, C trunks.

Which to use: rows where runs are independent; trunks where runs share one (needs about 8 or more trunks per group: with
fewer, resampling them is much too narrow, and simulation from the fitted noise, as `analyse` does, is the honest choice);
wild where the design is fixed and the noise uneven.
"""

import numpy as np

from scaling_fit.law.objectives import Objective
from scaling_fit.law.one_step import one_step, suits
from scaling_fit.law.search import minimise
from scaling_fit.law.solve import Problem

Array = np.ndarray
METHODS = ("row", "trunk", "wild")
BATCH_CELLS = 1 << 22  # of one [R, N] array: replicates are drawn and solved in batches of at most this


def resample_rows(problem: Problem, n_replicates: int, rng: np.random.Generator) -> Array:
    """How often each row is drawn, rows drawn with replacement within each block, shape [R, N]."""
    weight_RN = np.empty((n_replicates, len(problem.loss_N)))
    for block in problem.blocks:
        n = block.rows.stop - block.rows.start
        weight_RN[:, block.rows] = rng.multinomial(n, np.full(n, 1.0 / n), n_replicates)
    return weight_RN


def trunk_strata(problem: Problem, trunk_N: Array) -> list[tuple[Array, Array, int]]:
    """Trunks that appear in the same groups: their rows, the trunk of each row (counted from 0), and how many trunks.

    A label that several groups carry (the same run read twice) is one trunk, drawn for all of them at once: their
    differences keep the pairing.
    """
    _, code_N = np.unique(trunk_N.astype(str), return_inverse=True)
    pairs_2K = np.unique(np.concatenate([np.stack([code_N[b.rows], np.full(b.rows.stop - b.rows.start, g)]) for g, b in
                                         enumerate(problem.blocks)], axis=1), axis=1)  # fmt: skip
    groups_C = np.split(pairs_2K[1], np.flatnonzero(np.diff(pairs_2K[0])) + 1)
    strata: dict[bytes, list[int]] = {}
    for trunk, groups in enumerate(groups_C):
        strata.setdefault(groups.tobytes(), []).append(trunk)
    drawn = []
    for members in strata.values():
        rows = np.flatnonzero(np.isin(code_N, members))
        drawn.append((rows, np.searchsorted(members, code_N[rows]), len(members)))
    return drawn


def resample_trunks(strata: list[tuple[Array, Array, int]], n_replicates: int, rng: np.random.Generator) -> Array:
    """How often each row is drawn, whole trunks drawn with replacement within each stratum, shape [R, N]."""
    weight_RN = np.empty((n_replicates, sum(len(rows) for rows, _, _ in strata)))
    for rows, trunk, n in strata:
        weight_RN[:, rows] = rng.multinomial(n, np.full(n, 1.0 / n), n_replicates)[:, trunk]
    return weight_RN


def wild_targets(problem: Problem, theta_P: Array, n_replicates: int, rng: np.random.Generator) -> Array:
    """Fitted log losses plus residuals whose sign is drawn per trunk, scaled for the parameters spent, shape [R, N]."""
    assert problem.trunks is not None
    fitted_N = problem.predict(theta_P[None])[0]
    n, P = len(fitted_N), problem.n_parameters if problem.free_P is None else int(problem.free_P.sum())
    residual_N = (np.log(problem.loss_N) - fitted_N) * np.sqrt(n / max(n - P, 1))
    sign_RC = rng.choice([-1.0, 1.0], (n_replicates, len(problem.trunks.starts_C)))
    return fitted_N + residual_N * sign_RC[:, problem.trunks.index_N]


def bootstrap(
    problem: Problem, theta_P: Array, objective: Objective, method: str, n_replicates: int, trunk_N: Array, seed: int = 0
) -> Array:
    """Refits of `n_replicates` resampled tables, theta_RP, each started at the fit; large tables by one Newton step.

    Errors: ValueError for an unknown method, or trunks where every block has fewer than 3.
    """
    rng = np.random.default_rng(seed)
    strata = []
    if method not in METHODS:
        raise ValueError(f"intervals {method!r} is not known; use {', '.join(METHODS)}, profile or none")
    if method == "trunk":
        counts = [len(set(trunk_N[block.rows].tolist())) for block in problem.blocks]
        if max(counts) < 3:
            raise ValueError(f"at most {max(counts)} trunks per group: too few to resample; use --intervals wild or analyse()")
        strata = trunk_strata(problem, trunk_N)
    linear = method != "wild" and suits(problem, theta_P)

    def refits(n: int) -> Array:
        start_RP = np.repeat(theta_P[None], n, 0)
        if method == "wild":
            target_RN = wild_targets(problem, theta_P, n, rng)
            return minimise(problem, start_RP, objective, target_RN=target_RN, tolerance=1e-9)[0]
        weight_RN = resample_rows(problem, n, rng) if method == "row" else resample_trunks(strata, n, rng)
        if linear:
            return one_step(problem, theta_P, objective, weight_RN)
        return minimise(problem, start_RP, objective, weight_RN=weight_RN, tolerance=1e-9)[0]

    size = max(1, BATCH_CELLS // len(problem.loss_N))
    return np.concatenate([refits(min(size, n_replicates - at)) for at in range(0, n_replicates, size)])
