"""Before the runs: what a grid could show, at what power, and which runs to add next.

Shape suffixes: N points, P parameters.

The standard error of delta beta comes from the Fisher information of two levels' laws on the same grid, with row and trunk
noise; `simulate_power` checks it by making tables and refitting them.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import nctdtr, stdtrit

from scaling_fit.law.groups import Part
from scaling_fit.law.laws import LAWS, Inputs
from scaling_fit.law.noise import Noise
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import Cell, lay_out
from scaling_fit.observations import Observations, observations

Array = np.ndarray
TRUTH = {"E": 1.82, "A": 482.0, "B": 2085.0, "alpha": 0.348, "beta": 0.366}  # Besiroglu et al. 2024


@dataclass(frozen=True)
class Grid:
    """Runs of one level: sizes x tokens x seeds, with noise of log loss per row and per trunk (one trunk per size and seed).

    `reach`: e-folds of D over which the row noise of a trunk's branches is forgotten; they correlate by
    exp(-|ln D1/D2| / reach).
    `extra` holds further runs as (N, D, trunk index); trunk indices below sizes*seeds continue a trunk of the grid."""

    sizes: tuple[float, ...]
    tokens: tuple[float, ...]
    seeds: int = 1
    row: float = 0.003
    trunk: float = 0.0
    reach: float = 0.0
    extra: tuple[tuple[float, float, int], ...] = ()

    def rows(self) -> tuple[Array, Array, Array]:
        """N, D and trunk index of every run, sorted by trunk."""
        cells = [(n, d, k * self.seeds + s) for k, n in enumerate(self.sizes) for s in range(self.seeds) for d in self.tokens]
        cells = sorted(cells + list(self.extra), key=lambda c: c[2])
        N, D, trunk = (np.array(column, float) for column in zip(*cells, strict=True))
        return N, D, trunk.astype(int)

    def covariance(self, D: Array) -> Array:
        """Of the log losses of one trunk's branches to these D, [D, D]."""
        apart = np.abs(np.log(D[:, None] / D))
        alike = np.exp(-apart / self.reach) if self.reach > 0 else np.eye(len(D))
        return self.row**2 * alike + self.trunk**2


@dataclass(frozen=True)
class Power:
    """`se` of delta beta with everything free, `se_shared_floor` where floors are known equal; `df` of the test."""

    se: float
    se_shared_floor: float
    df: float
    condition: float
    runs: int

    def detectable(self, alpha: float = 0.05, power: float = 0.8, *, shared_floor: bool = False) -> float:
        """Smallest |delta beta| found with this power by the two-sided test at alpha."""
        se = self.se_shared_floor if shared_floor else self.se
        return float((stdtrit(self.df, 1 - alpha / 2) + stdtrit(self.df, power)) * se)

    def power(self, delta: float, alpha: float = 0.05, *, shared_floor: bool = False) -> float:
        """Chance that the two-sided t test at alpha finds a shift of delta (noncentral t)."""
        se = self.se_shared_floor if shared_floor else self.se
        cut, shift_over_se = stdtrit(self.df, 1 - alpha / 2), abs(delta) / se
        if shift_over_se > 30:
            return 1.0
        return float(1 - nctdtr(self.df, shift_over_se, cut) + nctdtr(self.df, shift_over_se, -cut))


def _information(grid: Grid, truth: dict[str, float]) -> tuple[Array, tuple[str, ...]]:
    """Fisher information of one level's parameters (solver coordinates), shape [P, P], and their names.

    One or two sizes: a floor per size with B and beta shared, as `compare` would fit them."""
    N, D, trunk = grid.rows()
    sizes = np.unique(N)
    inputs = Inputs(N, D, np.full(len(N), np.inf))
    law = LAWS["additive"]
    design = law.design(inputs, inputs.pivot())
    phi = law.solver({name: truth[name] for name in law.names}, inputs.pivot())
    _, J_RQN, _ = design.evaluate(phi[None])
    J_NP, names = J_RQN[0].T, law.names
    if len(sizes) < 3:
        floor_N = J_NP[:, names.index("E")] + J_NP[:, names.index("A")]
        floors = np.stack([np.where(size == N, floor_N, 0.0) for size in sizes], 1)
        J_NP = np.concatenate([floors, J_NP[:, [names.index("B"), names.index("beta")]]], 1)
        names = (*(f"E[{k}]" for k in range(len(sizes))), "B", "beta")
    H = np.zeros((len(names), len(names)))
    for one in np.unique(trunk):
        J = J_NP[trunk == one]
        H += J.T @ np.linalg.solve(grid.covariance(D[trunk == one]), J)
    return H, names


def assess(grid: Grid, truth: dict[str, float] | None = None) -> Power:
    """What two levels run on this grid could tell of delta beta, if both follow `truth` (default: Besiroglu's law).

    Errors: ValueError for a grid with fewer runs than parameters.
    """
    truth = TRUTH | (truth or {})
    H, names = _information(grid, truth)
    N, _, trunk = grid.rows()
    P = len(names)
    if len(N) <= P:
        raise ValueError(f"{len(N)} runs per level for {P} parameters: nothing is left to judge noise by; add tokens or seeds")
    scale = np.sqrt(np.diag(H))
    s = np.linalg.svd(H / scale[:, None] / scale, compute_uv=False)
    beta, floors = names.index("beta"), [k for k, n in enumerate(names) if n.startswith("E")]
    cov = np.linalg.pinv(H / scale[:, None] / scale, rcond=1e-13) / scale[:, None] / scale
    # Shared floors: the joint information of (floors, own parameters of a, own parameters of b).
    own = [k for k in range(P) if k not in floors]
    joint = np.zeros((len(floors) + 2 * len(own),) * 2)
    f = np.arange(len(floors))
    for level in range(2):
        at = len(floors) + level * len(own) + np.arange(len(own))
        joint[np.ix_(f, f)] += H[np.ix_(floors, floors)]
        joint[np.ix_(f, at)] += H[np.ix_(floors, own)]
        joint[np.ix_(at, f)] += H[np.ix_(own, floors)]
        joint[np.ix_(at, at)] += H[np.ix_(own, own)]
    spread = np.sqrt(np.diag(joint))
    joint_cov = np.linalg.pinv(joint / spread[:, None] / spread, rcond=1e-13) / spread[:, None] / spread
    a, b = (len(floors) + level * len(own) + own.index(beta) for level in range(2))
    se_shared = np.sqrt(joint_cov[a, a] + joint_cov[b, b] - 2 * joint_cov[a, b])
    df = 2.0 * (len(N) - P)
    if grid.trunk > 0:
        df = max(df - 2 * len(np.unique(trunk)), 2.0)
    return Power(float(np.sqrt(2 * cov[beta, beta])), float(se_shared), df, float(s[0] / s[-1]), len(N))


def table_of(grid: Grid, truths: dict[str, dict[str, float]], rng: np.random.Generator) -> Observations:
    """A simulated table: every level of `truths` run once on the grid."""
    columns: dict[str, list] = {k: [] for k in ("level", "shape", "seed", "trunk", "N", "D", "loss")}
    N, D, trunk = grid.rows()
    for level, truth in truths.items():
        luck = grid.trunk * rng.standard_normal(int(trunk.max()) + 1)
        log_loss = np.log(truth["E"] + truth["A"] * N ** -truth["alpha"] + truth["B"] * D ** -truth["beta"])
        row = rng.standard_normal(len(N))
        if grid.reach > 0:
            alone = replace(grid, trunk=0.0)
            for one in np.unique(trunk):
                row[trunk == one] = np.linalg.cholesky(alone.covariance(D[trunk == one])) @ row[trunk == one] / grid.row
        loss = np.exp(log_loss + luck[trunk] + grid.row * row)
        columns["level"] += [level] * len(N)
        columns["shape"] += [f"{n:.4g}" for n in N]
        columns["seed"] += [str(t % grid.seeds) for t in trunk]
        columns["trunk"] += [f"{level}/{t}" for t in trunk]
        columns["N"], columns["D"], columns["loss"] = (
            columns["N"] + N.tolist(),
            columns["D"] + D.tolist(),
            columns["loss"] + loss.tolist(),
        )
    return observations(columns)


def shifted(truth: dict[str, float], delta: float, grid: Grid) -> dict[str, float]:
    """The truth with beta moved by delta and B so that the data term stays put at the grid's middle token count."""
    middle = float(np.exp(np.log(grid.rows()[1]).mean()))
    return truth | {"beta": truth["beta"] + delta, "B": truth["B"] * middle**delta}


def simulate_power(
    grid: Grid,
    delta: float,
    truth: dict[str, float] | None = None,
    *,
    alpha: float = 0.05,
    replicates: int = 2000,
    seed: int = 0,
) -> float:
    """Share of simulated pairs of levels in which the exponent test (everything else free) rejects at alpha.

    All tables are refitted in one batch under both hypotheses, whitened at the true ratio of trunk to row noise."""
    truth, rng = TRUTH | (truth or {}), np.random.default_rng(seed)
    truths = {"baseline": truth, "level": shifted(truth, delta, grid)}
    quiet = table_of(replace(grid, row=1e-12, trunk=0.0), truths, rng)
    laid, _, _ = lay_out(quiet, "baseline", (grid.trunk / grid.row) ** 2)
    problem = laid.problem
    assert problem.trunks is not None
    theta_P = solve(problem, laid.start()[None], tolerance=1e-15).theta_RP[0]
    noise = Noise(grid.row, grid.trunk, 1.0, 1.0, 2, len(quiet) / len(problem.trunks.starts_C), True)
    target_RN = np.log(problem.loss_N) + noise.simulate(rng, replicates, problem.trunks, certain=True)
    everything = np.ones(problem.n_parameters, bool)
    held = everything.copy()
    held[laid.column("beta", Part("difference", Cell("level")))] = False
    null_P = np.where(held, theta_P, 0.0)
    start_RP = np.concatenate([np.repeat(null_P[None], replicates, 0), np.repeat(theta_P[None], replicates, 0)])
    free_RP = np.concatenate([np.repeat(m[None], replicates, 0) for m in (held, everything)])
    fits = solve(problem, start_RP, target_RN=np.concatenate([target_RN, target_RN]), free_RP=free_RP, tolerance=1e-8)
    null_R, all_R = 2.0 * fits.objective_R.reshape(2, -1)
    df = assess(grid, truth).df
    F_R = np.maximum(null_R - all_R, 0.0) / (all_R / (len(quiet) - problem.n_parameters))
    return float((stdtrit(df, 1 - alpha / 2) ** 2 < F_R).mean())


@dataclass(frozen=True)
class Candidate:
    """A run that both levels could add: N, D, its cost (any unit), and the trunk it would branch from (-1: a new one)."""

    N: float
    D: float
    cost: float
    trunk: int = -1


def next_runs(grid: Grid, candidates: list[Candidate], budget: float, truth: dict[str, float] | None = None) -> list[dict]:
    """Greedy choice: at each step the affordable candidate that cuts the variance of delta beta most per unit of cost.

    Returns a row per chosen run with the standard error after it. Costs count both levels once (give the price of a pair).
    Errors: ValueError for a candidate of no cost.
    """
    free = [c for c in candidates if not c.cost > 0]
    if free:
        raise ValueError(f"candidate N={free[0].N:g}, D={free[0].D:g} has cost {free[0].cost}; costs must be positive")
    left, chosen, spent = list(candidates), [], 0.0
    before = assess(grid, truth).se
    while left:
        best, best_gain, best_grid, best_se = None, 0.0, grid, before
        for candidate in left:
            if spent + candidate.cost > budget:
                continue
            trunk = candidate.trunk if candidate.trunk >= 0 else int(grid.rows()[2].max()) + 1
            trial = replace(grid, extra=(*grid.extra, (candidate.N, candidate.D, trunk)))
            se = assess(trial, truth).se
            gain = (before**2 - se**2) / candidate.cost
            if gain > best_gain:
                best, best_gain, best_grid, best_se = candidate, gain, trial, se
        if best is None:
            break
        left.remove(best)
        spent, grid, before = spent + best.cost, best_grid, best_se
        chosen.append({"N": best.N, "D": best.D, "cost": best.cost, "spent": spent, "se": best_se})
    return chosen
