"""Where minima are: variable projection over a dense map of a law's exponents.

For fixed exponents every law here is linear in its positive coefficients, so its best fit in relative loss is a small
non-negative least squares (solved by enumerating active sets, at most 2^4), or least absolute errors. The map's local minima
are the starts to polish; how many distinct ones survive is the certificate that the best is global.
"""

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from scaling_fit.law.laws import Design, Law
from scaling_fit.law.objectives import LAD, LEAST_SQUARES, Objective
from scaling_fit.law.solve import Block, Problem, solve

Array = np.ndarray
MAX_MAP = 12000  # points of the exponent map; finer grids are thinned to this
MAP_ROWS = 10_000  # rows that the map is made on: minima found on a random part are polished on all
START_ROWS = 1_000  # of which a start is made
REWEIGHTED, NARROW = 5, 1e-3  # rounds of least absolute errors, and the relative error below which they count as squares
ABSOLUTE = 8  # valleys of the map of absolute errors that a search starts from beside those of squares
LEAST_SHARE = 1e-3  # a coefficient the map puts at zero starts at this share of the loss, where it still has a gradient


@dataclass(frozen=True)
class Certificate:
    """How a global search ended: the evidence that its minimum is the best. `shape` None where the group is a whole level."""

    map_points: int
    starts_polished: int
    distinct_minima: int
    next_minimum_above_by: float | None
    objective: float
    shape: str | None = None


@dataclass(frozen=True)
class Search:
    """Distinct minima, best first: phi_MP (solver coordinates), objective_M, the map's size and what it took."""

    phi_MP: Array
    objective_M: Array
    map_points: int
    starts: int

    def certificate(self) -> Certificate:
        gap = float(self.objective_M[1] / self.objective_M[0] - 1) if len(self.objective_M) > 1 else None
        return Certificate(self.map_points, self.starts, len(self.objective_M), gap, float(self.objective_M[0]))


def exponent_map(
    law: Law, design: Design, loss_N: Array, weight_N: Array | None = None, absolute: bool = False
) -> tuple[Array, Array, list[int]]:
    """Best solver coordinates [G, P] and their relative error [G] at every point of the exponent grid.

    The grid's shape comes third. Cost is sum w (predicted/observed - 1)^2, at a law's temperature where it has one; if
    `absolute`, the sum of absolute values, which a few wild runs do not bend.
    """
    steps = [p.grid[2] for p in law.exponents]
    while np.prod(steps) > MAX_MAP:
        steps = [max(4, int(step * 0.8)) for step in steps]
        if all(step == 4 for step in steps):
            break
    axes = [np.linspace(p.grid[0], p.grid[1], n) for p, n in zip(law.exponents, steps, strict=True)]
    eta_GK = np.array(list(product(*axes)))
    T, n_coefficients = len(law.terms), len(law.coefficients)
    phi_GP = np.concatenate([np.zeros((len(eta_GK), n_coefficients)), eta_GK], 1)
    weight_N = np.ones(len(loss_N)) if weight_N is None else weight_N
    cost_G = np.empty(len(phi_GP))
    size = max(1, 400_000 // (T * len(loss_N)))
    for at in range(0, len(phi_GP), size):
        part = slice(at, at + size)
        phi, tau = phi_GP[part], (phi_GP[part, design.temperature] if design.temperature >= 0 else None)
        z = np.stack([phi[:, a] @ X[:, a].T for X, a in zip(design.X_TNP, design.active, strict=True)], 1)
        if law.bend is not None:
            z[:, design.data_term] += law.bend(phi, law, design.logs)[0]
        z -= np.log(loss_N)
        if tau is not None:
            z /= tau[:, None, None]
        columns = np.exp(np.clip(z, -700, 300))
        share, cost = (_least_absolute if absolute else _least_squares)(columns, weight_N)
        log_share = np.log(np.maximum(share, LEAST_SHARE / np.maximum(columns.mean(-1), 1e-300)))
        phi_GP[part, :n_coefficients] = log_share if tau is None else log_share * tau[:, None]
        cost_G[part] = cost if tau is None else cost * (tau if absolute else tau**2)
    return phi_GP, cost_G, steps


def _least_squares(columns_GTN: Array, weight_N: Array) -> tuple[Array, Array]:
    """min sum w (c . columns - 1)^2 over c >= 0 for every G. Coefficients [G, T], cost [G]. Weights [N] or [G, N]."""
    root = np.sqrt(weight_N)
    return _non_negative(columns_GTN * (root if root.ndim == 1 else root[:, None]), root)


def _least_absolute(columns_GTN: Array, weight_N: Array) -> tuple[Array, Array]:
    """min sum w |c . columns - 1| over c >= 0, by least squares reweighted with the last residuals."""
    share_GT, _ = _least_squares(columns_GTN, weight_N)
    for _ in range(REWEIGHTED):
        size_GN = np.abs((share_GT[:, None] @ columns_GTN)[:, 0] - 1.0)
        share_GT, _ = _least_squares(columns_GTN, weight_N / np.maximum(size_GN, NARROW))
    return share_GT, (weight_N * np.abs((share_GT[:, None] @ columns_GTN)[:, 0] - 1.0)).sum(-1)


def _non_negative(columns_GTN: Array, target: Array) -> tuple[Array, Array]:
    """min |c . columns - target|^2 over c >= 0 for every G, by trying each active set. Coefficients [G, T], cost [G]; the
    target is [N] or [G, N]."""
    G, T, _ = columns_GTN.shape
    scale_GT = np.sqrt((columns_GTN**2).sum(-1)) + 1e-300
    unit_GTN = columns_GTN / scale_GT[..., None]
    gram_GTT = unit_GTN @ unit_GTN.transpose(0, 2, 1)
    rhs_GT = (unit_GTN @ target[..., None])[..., 0]
    square = (target**2).sum(-1)
    best_G, best_GT = np.full(G, square), np.zeros((G, T))
    for count in range(1, T + 1):
        for subset in combinations(range(T), count):
            index = np.array(subset)
            gram = gram_GTT[:, index[:, None], index] + 1e-12 * np.eye(count)
            c = np.linalg.solve(gram, rhs_GT[:, index, None])[:, :, 0]
            cost = square - 2 * (c * rhs_GT[:, index]).sum(-1) + np.einsum("gi,gij,gj->g", c, gram, c)
            win = (c >= 0).all(-1) & (cost < best_G)
            best_G[win] = cost[win]
            best_GT[win] = 0.0
            best_GT[np.ix_(win, index)] = c[win]
    return best_GT / scale_GT, np.maximum(best_G, 0.0)


def _valleys(cost_G: Array, steps: list[int]) -> Array:
    """The local minima of a map, lowest first, as indices into it."""
    cube = cost_G.reshape(steps)
    lowest = np.ones(steps, bool)
    padded = np.pad(cube, 1, constant_values=np.inf)
    for shift in product((0, 1, 2), repeat=len(steps)):
        lowest &= cube <= padded[tuple(slice(s, s + n) for s, n in zip(shift, steps, strict=True))]
    minima = np.flatnonzero(lowest.ravel())
    return minima[np.argsort(cost_G[minima], kind="stable")]


def start(design: Design, loss_N: Array, objective: Objective = LEAST_SQUARES) -> Array:
    """Solver coordinates [P] to start from: the better of the map's two lowest valleys, polished a little. For an objective
    with a corner the map is of absolute errors, so that a wild run leads nobody away."""
    rows = np.sort(np.random.default_rng(0).permutation(len(loss_N))[:START_ROWS])
    design, loss_N = design.take(rows), loss_N[rows]
    phi_GP, cost_G, steps = exponent_map(design.law, design, loss_N, absolute=objective.exact_curvature)
    valleys = phi_GP[_valleys(cost_G, steps)[:2]]
    theta_RP, value_R = minimise(_alone(design, loss_N), valleys, objective, tolerance=1e-8, max_iterations=50)
    return theta_RP[np.argmin(value_R)]


def search(
    design: Design, loss_N: Array, objective: Objective = LEAST_SQUARES, weight_N: Array | None = None, polish: int = 24
) -> Search:
    """Every distinct minimum found of one law on one table, best first.

    polish: how many of the map's lowest local minima (and, if fewer, of its lowest points) are refined.
    """
    weight_RN = None if weight_N is None else weight_N[None]
    if len(loss_N) > MAP_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(len(loss_N), MAP_ROWS, replace=False))
        part = search(design.take(rows), loss_N[rows], objective, None if weight_N is None else weight_N[rows], polish)
        problem = _alone(design, loss_N)
        theta, value = minimise(problem, part.phi_MP, objective, weight_RN=weight_RN)
        return distinct(problem, theta, value, part.map_points)
    phi_GP, cost_G, steps = exponent_map(design.law, design, loss_N, weight_N)
    picks = np.unique(np.concatenate([_valleys(cost_G, steps)[:polish], np.argsort(cost_G, kind="stable")[:8:2]]))
    problem, start_RP = _alone(design, loss_N), phi_GP[picks]
    if objective.exact_curvature:  # one wild run pulls least squares away from every good start
        start_RP = solve(problem, start_RP, LEAST_SQUARES, weight_RN=weight_RN, tolerance=1e-10).theta_RP
        phi_GP, cost_G, steps = exponent_map(design.law, design, loss_N, weight_N, absolute=True)
        start_RP = np.concatenate([start_RP, phi_GP[_valleys(cost_G, steps)[:ABSOLUTE]]])
    theta, value = minimise(problem, start_RP, objective, weight_RN=weight_RN)
    return distinct(problem, theta, value, len(cost_G))


def _alone(design: Design, loss_N: Array) -> Problem:
    return Problem((Block(slice(0, len(loss_N)), design, np.eye(design.n_parameters)),), loss_N)


def distinct(problem: Problem, theta_RP: Array, value_R: Array, map_points: int) -> Search:
    """Minima whose fitted losses differ by more than 0.01 % somewhere, best first."""
    kept: list[int] = []
    f_RN = problem.predict(theta_RP)
    for k in np.argsort(value_R, kind="stable"):
        if all(np.abs(f_RN[k] - f_RN[j]).max() > 1e-4 for j in kept):
            kept.append(int(k))
    return Search(theta_RP[kept], value_R[kept], map_points, len(theta_RP))


def minimise(
    problem: Problem,
    start_RP: Array,
    objective: Objective,
    *,
    weight_RN: Array | None = None,
    target_RN: Array | None = None,
    tolerance: float = 1e-14,
    max_iterations: int = 200,
) -> tuple[Array, Array]:
    """Polish starts under any objective: narrow corners are reached by narrowing delta, a free scale by alternation.

    Returns theta_RP and the objective: the sum of rho, or the free-scale negative log likelihood.
    """
    told = {"weight_RN": weight_RN, "target_RN": target_RN, "tolerance": tolerance, "max_iterations": max_iterations}
    if objective.free_scale:
        return _free_scale(problem, start_RP, objective, weight_RN, target_RN)
    if not objective.exact_curvature or objective.delta >= 3e-4:
        best = solve(problem, start_RP, objective, **told)
        return best.theta_RP, best.objective_R
    best = solve(problem, start_RP, LEAST_SQUARES, **told)
    theta_RP = best.theta_RP
    for delta in np.geomspace(1e-2, objective.delta, 1 + int(np.ceil(2 * np.log10(1e-2 / objective.delta)))):
        best = solve(problem, theta_RP, Objective("", float(delta), objective.space), **told)
        theta_RP = best.theta_RP
    return theta_RP, best.objective_R


def _free_scale(problem, start_RP, objective, weight_RN, target_RN) -> tuple[Array, Array]:
    """Besiroglu et al. 2024: minimise n log s + sum huber(r / s) + n log(normaliser) over theta and the scale s.

    The scale's best value makes the corner delta*s so narrow that theta is the least-absolute-deviations fit; s then
    follows from one equation (its fixed point), solved per replicate.
    """
    from scaling_fit.law.objectives import huber_log_normaliser

    theta_RP, _ = minimise(problem, start_RP, LAD, weight_RN=weight_RN, target_RN=target_RN)
    target_RN = np.log(problem.loss_N)[None] if target_RN is None else target_RN
    size_RN = np.abs(problem.predict(theta_RP) - target_RN)
    w_RN = np.ones_like(size_RN) if weight_RN is None else np.broadcast_to(weight_RN, size_RN.shape)
    n_R, delta = w_RN.sum(-1), objective.delta
    scale_R = delta * (w_RN * size_RN).sum(-1) / n_R
    for _ in range(50):  # n = sum of psi(r/s) r/s
        ratio_RN = size_RN / scale_R[:, None]
        scale_R = scale_R * (w_RN * np.minimum(ratio_RN, delta) * ratio_RN).sum(-1) / n_R
    ratio_RN = size_RN / scale_R[:, None]
    rho_RN = np.where(ratio_RN <= delta, 0.5 * ratio_RN**2, delta * (ratio_RN - 0.5 * delta))
    return theta_RP, n_R * (np.log(scale_R) + huber_log_normaliser(delta)) + (w_RN * rho_RN).sum(-1)
