"""The batched solver against scipy, replicate by replicate."""

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from scaling_fit.law.laws import LAWS, Inputs
from scaling_fit.law.objectives import LEAST_SQUARES, Objective, huber
from scaling_fit.law.search import search
from scaling_fit.law.solve import Block, Problem, Trunks, solve
from scaling_fit.levels.design import TRUTH

LAW = LAWS["additive"]


def problem(n: int = 60, noise: float = 0.004, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    N, D = np.exp(rng.uniform(np.log(3e7), np.log(3e9), n)), np.exp(rng.uniform(np.log(3e8), np.log(3e11), n))
    inputs = Inputs(N, D, np.full(n, np.inf))
    design = LAW.design(inputs, inputs.pivot())
    phi = LAW.solver({k: TRUTH[k] for k in LAW.names}, inputs.pivot())
    loss = np.exp(design.predict(phi[None])[0] + noise * rng.standard_t(3, n))
    return Problem((Block(slice(0, n), design, np.eye(5)),), loss)


def start_of(one: Problem) -> np.ndarray:
    return search(one.blocks[0].design, one.loss_N).phi_MP[0]


@pytest.mark.parametrize("objective", [LEAST_SQUARES, huber(1e-3), huber(1e-2), Objective("ls", space="linear")])
def test_every_weighted_replicate_is_scipys_minimum_or_better(objective: Objective) -> None:
    one = problem()
    start, design, y = start_of(one), one.blocks[0].design, np.log(one.loss_N)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 8).astype(float)
    found = solve(one, np.repeat(start[None], 8, 0), objective, weight_RN=weights, tolerance=1e-13)
    assert found.converged_R.all()

    def total(phi: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray]:
        f, J, _ = design.evaluate(phi[None])
        r = np.exp(f[0]) - np.exp(y) if objective.space == "linear" else f[0] - y
        slope = J[0] * np.exp(f[0]) if objective.space == "linear" else J[0]
        return float((w * objective.rho(r)).sum()), slope @ (w * objective.slope(r))

    for k in range(8):
        peer = min(
            (
                minimize(total, x0, args=(weights[k],), jac=True, method="BFGS", options={"gtol": 1e-12})
                for x0 in (start, found.theta_RP[k])
            ),
            key=lambda result: result.fun,
        )
        assert found.objective_R[k] <= peer.fun * (1 + 1e-8) + 1e-15


def test_held_parameters_stay_and_the_rest_is_scipys() -> None:
    one = problem(seed=2)
    start, design, y = start_of(one), one.blocks[0].design, np.log(one.loss_N)
    free = np.array([True, True, True, True, False])
    start[4] = 0.5
    found = solve(one, start[None], free_RP=free[None], tolerance=1e-14)
    assert found.theta_RP[0, 4] == 0.5
    peer = least_squares(
        lambda p: design.predict(np.append(p, 0.5)[None])[0] - y, start[:4], xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    assert found.objective_R[0] == pytest.approx(peer.cost, rel=1e-9)


def test_whitening_is_the_inverse_root_of_the_trunk_covariance() -> None:
    sizes, ratio = np.array([3, 1, 4]), 2.5
    index = np.repeat(np.arange(3), sizes)
    trunks = Trunks(np.array([0, 3, 4]), index, sizes, ratio)
    V = np.eye(8) + ratio * (index[:, None] == index)
    W = trunks.whiten(np.eye(8))
    np.testing.assert_allclose(W @ V @ W.T, np.eye(8), atol=1e-12)


def test_one_group_cut_in_two_blocks_is_the_same_fit() -> None:
    one = problem(seed=3)
    start = start_of(one)
    logs = one.blocks[0].design.logs
    halves = []
    for rows in (slice(0, 25), slice(25, 60)):
        inputs = Inputs(np.exp(logs["N"][rows]), np.exp(logs["D"][rows]), np.full(rows.stop - rows.start, np.inf))
        halves.append(Block(rows, LAW.design(inputs, (1.0, 1.0)), np.eye(5)))
    split = solve(Problem(tuple(halves), one.loss_N), start[None], huber(1e-3), tolerance=1e-13)
    whole = solve(one, start[None], huber(1e-3), tolerance=1e-13)
    np.testing.assert_allclose(split.theta_RP, whole.theta_RP, rtol=1e-7)


def test_replicates_do_not_see_each_other() -> None:
    """The batch, its chunks and its threads give what each replicate gives alone."""
    one = problem(n=200, seed=4)
    start = start_of(one)
    targets = np.log(one.loss_N) + 0.01 * np.random.default_rng(0).standard_normal((400, 200))
    batch = solve(one, np.repeat(start[None], 400, 0), target_RN=targets, tolerance=1e-13)
    for k in (0, 163, 164, 399):
        alone = solve(one, start[None], target_RN=targets[[k]], tolerance=1e-13)
        # Some processors sum in another order: objectives agree to rounding and, a minimum being flat, parameters to its root.
        np.testing.assert_allclose(batch.objective_R[k], alone.objective_R[0], rtol=1e-14)
        np.testing.assert_allclose(batch.theta_RP[k], alone.theta_RP[0], rtol=1e-14**0.5)
