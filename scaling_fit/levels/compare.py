"""Levels laid side by side under one law: the joint fit from which shifts, curves and plans are read.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law.

With three or more sizes a level is one additive law. With one or two, E, A and alpha are more numbers than the sizes can
tell, so every (level, shape) has its own floor and a level's shapes share B and beta: the additive law, read at matched N.
"""

from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.law.groups import SHARED, Grouped, Part, grouped
from scaling_fit.law.laws import LAWS, Inputs, Law, law_named
from scaling_fit.law.noise import Noise, estimate_noise
from scaling_fit.law.objectives import huber
from scaling_fit.law.robust import pseudo_observations
from scaling_fit.law.solve import solve
from scaling_fit.levels.draws import DrawLuck, draw_luck
from scaling_fit.levels.shared_misfit import SharedMisfit, shared_misfit
from scaling_fit.observations import Observations

Array = np.ndarray
TOLD_APART_BY = ("E", "B", "beta")


@dataclass(frozen=True)
class Cell:
    """A group of the joint fit: a level, or one shape of it where every shape has its own floor."""

    level: str
    shape: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A joint fit, everything free. `measured_N`: the runs' losses as they were, in problem order; `runs`: the rows in that
    order, with pseudo-observations under a Huber objective, and without what draws of a level differ by (`luck`); `table`: the
    same without what the law misses of all levels alike (`shared`), which is what is fitted; `theta_RP`: simulated replicates
    around `theta_P`, for what differs between levels; `own_RP`: with misses of that size among the luck, for what is said of a
    level alone; `wild`: the table's rows of runs that lie far off the law."""

    measured_N: Array
    runs: Observations
    table: Observations
    luck: DrawLuck | None
    shared: SharedMisfit | None
    baseline: str
    grouped: Grouped[Cell]
    theta_P: Array
    noise: Noise
    rss: float
    df: float
    theta_RP: Array
    own_RP: Array
    by_shape: bool
    why: str
    wild: Array

    @property
    def levels(self) -> tuple[str, ...]:
        return (self.baseline, *(level for level in self.table.levels if level != self.baseline))

    @property
    def shapes(self) -> dict[str, float]:
        """Shapes by name, with their N, smallest first."""
        pairs = sorted({(float(n), s) for s, n in zip(self.table.shape, self.table.N, strict=True)})
        return {shape: size for size, shape in pairs}

    def common_shapes(self, level: str) -> list[str]:
        """Shapes that both the level and the baseline were run at, smallest first."""
        own, base = (set(self.table.shape[self.table.level == name]) for name in (level, self.baseline))
        return [shape for shape in self.shapes if shape in own & base]

    def group(self, level: str, shape: str) -> Cell:
        return Cell(level, shape if self.by_shape else None)

    def log_loss(self, level: str, shape: str, N: Array, D: Array, theta_RP: Array | None = None) -> Array:
        """Predicted log loss of a level at (N, D), shape [R, points]; N counts only where the law has it."""
        theta_RP = self.theta_P[None] if theta_RP is None else theta_RP
        N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
        design = self.grouped.law.design(Inputs(N, D, np.full(N.shape, np.inf)), self.grouped.pivot)
        return design.predict(self.grouped.phi(theta_RP, self.group(level, shape)))

    def parameters(self, level: str, theta_RP: Array) -> dict[str, Array]:
        """A level's natural parameters by name, each [R]; floors per shape are named E[shape]."""
        if not self.by_shape:
            values_RQ = self.grouped.natural(theta_RP, Cell(level))
            return dict(zip(self.grouped.law.names, values_RQ.T, strict=True))
        out = {}
        for shape in self.shapes:
            if self.group(level, shape) in self.grouped.groups:
                values_RQ = self.grouped.natural(theta_RP, self.group(level, shape))
                E, *rest = values_RQ.T
                out[f"E[{shape}]"] = E
                out.update(zip(self.grouped.law.names[1:], rest, strict=True))
        return out


def cells(table: Observations) -> list[Cell]:
    """The level and shape of every row."""
    return [Cell(level, shape) for level, shape in zip(table.level, table.shape, strict=True)]


def lay_out(
    table: Observations, baseline: str, ratio: float = 0.0, pivot: tuple[float, float] | None = None, law: str = "auto"
) -> tuple[Grouped[Cell], bool, str]:
    """Choose the law the sizes can carry and lay it over the levels, everything free."""
    sizes = min(len(np.unique(table.N[table.level == level])) for level in table.levels)
    if law == "auto":
        by_shape = sizes < 3
        why = (
            f"{sizes} distinct N per level: each (level, shape) gets its own floor, a level's shapes share B and beta"
            if by_shape
            else f"{sizes} distinct N per level: the additive law, everything free in every level"
        )
        chosen = LAWS["data"] if by_shape else LAWS["additive"]
    else:
        chosen, by_shape = comparable(law), law == "data"
        why = f"law {law} as asked"
    if not by_shape:
        levels, free = [Cell(level) for level in table.level], dict.fromkeys(chosen.names, "free")
        return grouped(chosen, table, levels, free, baseline=Cell(baseline), ratio=ratio, pivot=pivot), False, why
    labels, tested = cells(table), set(table.shape[table.level == baseline])

    def floor(cell: Cell) -> tuple[Part[Cell], ...]:
        if cell.level == baseline or cell.shape not in tested:
            return (Part("value", cell),)
        return Part("value", Cell(baseline, cell.shape)), Part("difference", cell)

    def slope(cell: Cell) -> tuple[Part[Cell], ...]:
        return (SHARED,) if cell.level == baseline else (SHARED, Part("difference", Cell(cell.level)))

    first = next(cell for cell in labels if cell.level == baseline)
    sharing = {"E": floor} | dict.fromkeys(chosen.names[1:], slope)
    return grouped(chosen, table, labels, sharing, baseline=first, ratio=ratio, pivot=pivot), True, why


def comparable(name: str) -> Law:
    """The law of that name. Errors: ValueError for one by which levels cannot be told apart, naming those by which they can."""
    law = law_named(name)
    lacking = [parameter for parameter in TOLD_APART_BY if parameter not in law.names]
    if lacking:
        able = ", ".join(one.name for one in LAWS.values() if set(TOLD_APART_BY) <= set(one.names))
        raise ValueError(
            f"law {name!r} has no {lacking[0]}: levels are told apart by floor E, prefactor B and exponent beta; use {able}, "
            "or fit one level at a time"
        )
    return law


def compare(
    table: Observations,
    baseline: str,
    *,
    law: str = "auto",
    replicates: int = 1000,
    seed: int = 0,
    trunk_noise: tuple[float, float] | None = None,
    objective: str = "huber",
) -> Comparison:
    """Fit every level jointly, estimate the noise, and simulate `replicates` refits around the fit.

    objective: as in `Settings`; under Huber the table is replaced by its pseudo-observations (`scaling_fit.law.robust`), so
    that everything after holds under it. trunk_noise: the trunks' standard deviation of log loss and its degrees of freedom,
    from `repeats.measure`; used where the table repeats no trunk and would have to assume it.

    Errors: ValueError when the baseline has no rows, or the rows are no more than the parameters.
    """
    if baseline not in table.levels:
        raise ValueError(f"baseline {baseline!r} has no rows; the levels are {', '.join(table.levels)}")
    laid, by_shape, why = lay_out(table, baseline, law=law)
    if len(table) <= laid.problem.n_parameters:
        raise ValueError(
            f"{len(table)} rows for {laid.problem.n_parameters} parameters over {len(table.levels)} levels: no error is left "
            "to judge by; add token counts or shapes"
        )
    delta, wild, measured_N = half_width(objective), table.row[:0], table.loss[laid.rows]
    luck, effect_N = draw_luck(table, baseline)
    if luck is not None:
        table = replace(table, loss=table.loss * np.exp(-effect_N))
        laid, _, _ = lay_out(table, baseline, pivot=laid.pivot, law=law)
    if delta is None:
        start_P = laid.start()
    else:
        robust = pseudo_observations(laid.problem, laid.start(huber(1e-3)), delta or None)
        wild, loss_N = np.sort(table.row[laid.rows[robust.wild_N]]), table.loss.copy()
        loss_N[laid.rows] = np.exp(robust.log_loss_N)
        table = replace(table, loss=loss_N)
        laid, _, _ = lay_out(table, baseline, pivot=laid.pivot, law=law)
        start_P = robust.theta_P
    runs = table.where(laid.rows)
    start_P = solve(laid.problem, start_P[None], tolerance=1e-12).theta_RP[0]
    shared, spent = shared_misfit(laid, runs, start_P, baseline), luck.df if luck else 0
    if shared is not None:
        spent, loss_N = spent + shared.df, table.loss.copy()
        loss_N[laid.rows] = runs.loss * np.exp(-shared.miss_N)
        table = replace(table, loss=loss_N)
        laid, _, _ = lay_out(table, baseline, pivot=laid.pivot, law=law)
    noise, theta_P = estimate_noise(laid.problem, start_P, cells(runs), len(table.levels), by_shape, trunk_noise, spent)
    laid, _, _ = lay_out(table, baseline, noise.ratio, laid.pivot, law)
    fit = solve(laid.problem, theta_P[None], tolerance=1e-13)
    theta_P, rss = fit.theta_RP[0], 2.0 * float(fit.objective_R[0])
    rng = np.random.default_rng(seed)
    assert laid.problem.trunks is not None
    matched = table.where(laid.rows)
    target_RN = laid.problem.predict(theta_P[None]) + noise.simulate(rng, replicates, laid.problem.trunks)
    theta_RP = own_RP = _refitted(laid, matched, theta_P, target_RN, noise.ratio)
    if shared is not None:
        own_RP = _refitted(laid, matched, theta_P, target_RN + shared.simulate(rng, replicates, noise), noise.ratio)
    df = max(len(table) - laid.problem.n_parameters - spent, 1)
    return Comparison(
        measured_N, runs, matched, luck, shared, baseline, laid, theta_P, noise, rss, df, theta_RP, own_RP, by_shape, why, wild
    )


def _refitted(laid: Grouped[Cell], ordered: Observations, theta_P: Array, target_RN: Array, ratio: float) -> Array:
    """The joint fit of every simulated table, theta_RP. Everything is free, so levels share no parameter, and each is solved
    alone: steps of [P, P] algebra become those of one level's few parameters."""
    phi_RQ: dict[Cell, Array] = {}
    for level in dict.fromkeys(group.level for group in laid.groups):
        rows = np.flatnonzero(ordered.level == level)
        alone, _, _ = lay_out(ordered.where(rows), level, ratio, laid.pivot, laid.law.name)
        M_GP = np.concatenate([block.M_QP for block in alone.problem.blocks])
        phi_G = np.concatenate([laid.phi(theta_P[None], group)[0] for group in alone.groups])
        start_RP = np.repeat(np.linalg.lstsq(M_GP, phi_G, rcond=None)[0][None], len(target_RN), 0)
        target_RL = target_RN[:, rows[alone.rows]]
        fits = solve(alone.problem, start_RP, target_RN=target_RL, tolerance=1e-7)
        phi_RQ |= {group: alone.phi(fits.theta_RP, group) for group in alone.groups}
    M_GP = np.concatenate([block.M_QP for block in laid.problem.blocks])
    return np.linalg.lstsq(M_GP, np.concatenate([phi_RQ[group] for group in laid.groups], axis=1).T, rcond=None)[0].T


def half_width(objective: str) -> float | None:
    """Half-width of a Huber objective in log loss (0: by the noise), None for least squares.

    Errors: ValueError for an objective that a comparison of levels does not have."""
    kind, _, delta = objective.partition(":")
    if kind not in ("huber", "least-squares"):
        raise ValueError(f"objective {objective!r}: levels are compared by huber, huber:DELTA or least-squares")
    return None if kind == "least-squares" else float(delta or 0.0)
