"""What the data cannot identify, said before anyone quotes the third digit.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law.
"""

from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.intervals import Interval, finite, show
from scaling_fit.law.objectives import LAD, SENSITIVITY
from scaling_fit.law.search import Certificate, minimise, search
from scaling_fit.levels.compare import Comparison


@dataclass(frozen=True)
class Sensitivity:
    """The parameters of one level under one objective, rows taken as independent."""

    objective: str
    parameters: dict[str, float | None]


@dataclass(frozen=True)
class Identifiability:
    """Condition of the scaled Hessian, correlations over replicates (None where the law lacks a parameter), and in words what
    the data leave open."""

    condition: float
    floor_exponent_correlation: float | None
    prefactor_exponent_correlation: float | None
    flags: tuple[str, ...]


NEAR_ZERO = 0.01  # a floor below this share of the lowest loss is at its bound


def identifiability(whole: Comparison, level: str, intervals: dict[str, Interval]) -> Identifiability:
    """Condition of one level's Hessian, correlations of floor, prefactor and exponent, parameters at a bound, profiles open.

    The condition is of the scaled Gauss-Newton Hessian in centred coordinates (the raw one is about 1e8 times larger and
    says more about units). intervals: of the level's parameters; a floor whose interval reaches zero is open below.
    """
    laid = whole.grouped
    rows = np.flatnonzero(whole.table.level == level)
    group = [group for group in laid.groups if group.level == level][-1]
    block = laid.problem.blocks[laid.groups.index(group)]
    names = list(laid.law.names)
    _, J_RQN, _ = block.design.evaluate(laid.phi(whole.theta_P[None], group))
    J = J_RQN[0] / np.maximum(np.linalg.norm(J_RQN[0], axis=1, keepdims=True), 1e-12)
    s = np.linalg.svd(J, compute_uv=False)
    condition = float((s[0] / max(s[-1], 1e-12)) ** 2)
    floors = [n for n in intervals if n == "E" or n.startswith("E[")]
    lowest = float(whole.table.loss[rows].min())
    flags = []
    for name in floors:
        if intervals[name].value < NEAR_ZERO * lowest:
            flags.append(f"{name} is at its bound, zero: the data show no floor")
        elif intervals[name].low < NEAR_ZERO * lowest:
            flags.append(f"{name} is open below: the data do not exclude a floor of zero")
    phi_RQ, floor_beta, prefactor_beta = laid.phi(whole.theta_RP, group), None, None
    if {"E", "B", "beta"} <= set(names):
        natural_RQ = laid.law.natural(phi_RQ, laid.pivot)
        floor_R, beta_R = natural_RQ[:, names.index("E")], natural_RQ[:, names.index("beta")]
        log_b_R = np.log(np.maximum(natural_RQ[:, names.index("B")], 1e-300))
        with np.errstate(invalid="ignore", divide="ignore"):
            floor_beta = finite(float(np.corrcoef(floor_R, beta_R)[0, 1]))
            prefactor_beta = finite(float(np.corrcoef(log_b_R, beta_R)[0, 1]))
    if condition > 1e6:
        flags.append(f"Hessian condition {condition:.1g}: some combination of parameters is not told by these runs")
    for name in (n for n in ("alpha", "beta") if n in intervals):
        one = intervals[name]
        if not one.bounded or one.high - one.low > 2 * abs(one.value):
            flags.append(f"{name} is hardly bounded: its interval is [{show(one.low)}, {show(one.high)}]")
    return Identifiability(condition, floor_beta, prefactor_beta, tuple(flags))


def certificates(whole: Comparison) -> dict[str, tuple[Certificate, ...]]:
    """Per level, what the global search of each of its groups found: minima, distinct ones, and the size of the map."""
    out: dict[str, tuple[Certificate, ...]] = {}
    for group, block in zip(whole.grouped.groups, whole.grouped.problem.blocks, strict=True):
        found = search(block.design, whole.grouped.problem.loss_N[block.rows], polish=12).certificate()
        out[group.level] = (*out.get(group.level, ()), replace(found, shape=group.shape))
    return out


def sensitivity(whole: Comparison, absolute: bool = True) -> dict[str, tuple[Sensitivity, ...]]:
    """Per level, the parameters under every objective (rows as independent): how much the answer owes to the choice.

    `absolute` adds least absolute deviations, the slowest by far; the free-scale likelihood has the same parameters."""
    problem = replace(whole.grouped.problem, trunks=None)
    out: dict[str, tuple[Sensitivity, ...]] = dict.fromkeys(whole.levels, ())
    for objective in (o for o in SENSITIVITY if not o.free_scale and (absolute or o is not LAD)):
        theta_RP, _ = minimise(problem, whole.theta_P[None], objective, tolerance=1e-10, max_iterations=40)
        for level in whole.levels:
            values = {name: finite(float(v[0])) for name, v in whole.parameters(level, theta_RP).items()}
            out[level] = (*out[level], Sensitivity(objective.describe(), values))
    return out
