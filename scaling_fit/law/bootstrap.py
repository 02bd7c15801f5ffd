"""Replicates of a fit, all solved as one batch: resampled rows, resampled trunks, or residuals with random signs.

Shape suffixes: R replicates, N points, P parameters, C trunks.

Which to use: rows where runs are independent; trunks where runs share one (needs about 8 or more trunks per group: with
fewer, resampling them is much too narrow, and simulation from the fitted noise, as `analyse` does, is the honest choice);
wild where the design is fixed and the noise uneven.
"""

import numpy as np

from scaling_fit.law.objectives import Objective
from scaling_fit.law.search import minimise
from scaling_fit.law.solve import Problem

Array = np.ndarray
METHODS = ("row", "trunk", "wild")


def resample_rows(problem: Problem, n_replicates: int, rng: np.random.Generator) -> Array:
    """How often each row is drawn, rows drawn with replacement within each block, shape [R, N]."""
    weight_RN = np.empty((n_replicates, len(problem.loss_N)))
    for block in problem.blocks:
        n = block.rows.stop - block.rows.start
        weight_RN[:, block.rows] = rng.multinomial(n, np.full(n, 1.0 / n), n_replicates)
    return weight_RN


def resample_trunks(problem: Problem, trunk_N: Array, n_replicates: int, rng: np.random.Generator) -> Array:
    """How often each row is drawn, whole trunks drawn with replacement, shape [R, N].

    trunk_N labels rows in problem order. Trunks are drawn within the set of groups they appear in, so a label that several
    groups carry (the same run read twice) is drawn for all of them at once: their differences keep the pairing.
    """
    spans: dict[str, list[int]] = {}
    for g, block in enumerate(problem.blocks):
        for trunk in dict.fromkeys(trunk_N[block.rows].tolist()):
            spans.setdefault(trunk, []).append(g)
    strata: dict[tuple[int, ...], list[str]] = {}
    for trunk, groups in spans.items():
        strata.setdefault(tuple(groups), []).append(trunk)
    weight_RN = np.empty((n_replicates, len(problem.loss_N)))
    for members in strata.values():
        drawn_RC = rng.multinomial(len(members), np.full(len(members), 1.0 / len(members)), n_replicates)
        for column, trunk in enumerate(members):
            weight_RN[:, trunk_N == trunk] = drawn_RC[:, [column]]
    return weight_RN


def wild_targets(problem: Problem, theta_P: Array, n_replicates: int, rng: np.random.Generator) -> Array:
    """Fitted log losses plus residuals whose sign is drawn per trunk, scaled for the parameters spent, shape [R, N]."""
    assert problem.trunks is not None
    fitted_N = problem.predict(theta_P[None])[0]
    n, P = len(fitted_N), problem.n_parameters
    residual_N = (np.log(problem.loss_N) - fitted_N) * np.sqrt(n / max(n - P, 1))
    sign_RC = rng.choice([-1.0, 1.0], (n_replicates, len(problem.trunks.starts_C)))
    return fitted_N + residual_N * sign_RC[:, problem.trunks.index_N]


def bootstrap(
    problem: Problem, theta_P: Array, objective: Objective, method: str, n_replicates: int, trunk_N: Array, seed: int = 0
) -> Array:
    """Refits of `n_replicates` resampled tables, theta_RP, each started at the fit.

    Errors: ValueError for an unknown method, or trunks where every block has fewer than 3.
    """
    rng = np.random.default_rng(seed)
    start_RP = np.repeat(theta_P[None], n_replicates, 0)
    if method == "row":
        weight_RN, target_RN = resample_rows(problem, n_replicates, rng), None
    elif method == "trunk":
        counts = [len(set(trunk_N[block.rows].tolist())) for block in problem.blocks]
        if max(counts) < 3:
            raise ValueError(f"at most {max(counts)} trunks per group: too few to resample; use intervals='wild' or analyse()")
        weight_RN, target_RN = resample_trunks(problem, trunk_N, n_replicates, rng), None
    elif method == "wild":
        weight_RN, target_RN = None, wild_targets(problem, theta_P, n_replicates, rng)
    else:
        raise ValueError(f"intervals {method!r} is not known; use {', '.join(METHODS)}, profile or none")
    return minimise(problem, start_RP, objective, weight_RN=weight_RN, target_RN=target_RN, tolerance=1e-9)[0]
