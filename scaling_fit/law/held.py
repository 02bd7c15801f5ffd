"""A law with parameters held at published values, and the test of whether a table bears them.

Shape suffixes: N points, P parameters, G points of the exponent map.

Held values are the formula's own numbers. The solver moves centred ones, in which B changes with beta; where a coefficient
is held and its exponent is not, that axis is left uncentred, so that holding is a matter of one coordinate.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import fdtrc

from scaling_fit.law.groups import Grouped
from scaling_fit.law.laws import Inputs, Law
from scaling_fit.law.objectives import LEAST_SQUARES, Objective
from scaling_fit.law.search import MAP_ROWS, Search, distinct, exponent_map, minimise
from scaling_fit.law.solve import Problem, solve

Array = np.ndarray
POLISHED = 24
NONE = 1e-300  # stands for a coefficient held at zero, whose log the solver needs


def pivot(law: Law, inputs: Inputs, held: Mapping[str, float]) -> tuple[float, float]:
    """The table's pivot, 1 along every axis on which a coefficient is held and an exponent is free.

    Errors: ValueError for a name that the law has not, or a coefficient below zero."""
    for name, value in held.items():
        if name not in law.names:
            raise ValueError(f"--fix {name}={value:g}: law {law.name} has {', '.join(law.names)}")
        if name in [parameter.name for parameter in law.coefficients] and not value >= 0:
            raise ValueError(f"--fix {name}={value:g}: a prefactor or floor is not negative")
    axes = {variable for term in law.terms if term.coefficient in held
            for exponent, (_, variable) in term.powers.items() if exponent not in held}  # fmt: skip
    N, D = inputs.pivot()
    return 1.0 if axes & {"N", "N/U"} else N, 1.0 if axes & {"D", "U", "N/U"} else D


def search_held(laid: Grouped, held: Mapping[str, float], objective: Objective) -> tuple[Grouped, Search]:
    """The law of one group with `held` values, and its distinct minima over the rest, from the best points of the exponent
    map on which they are put."""
    law, (block,) = laid.law, laid.problem.blocks
    positive = {p.name: max(held.get(p.name, 1.0), NONE) for p in law.coefficients}
    held_P = law.solver(dict.fromkeys(law.names, 1.0) | dict(held) | positive, laid.pivot)
    free_P = np.array([name not in held for name in law.names])
    rows = np.sort(np.random.default_rng(0).permutation(len(laid.problem.loss_N))[:MAP_ROWS])
    design, log_loss_N = block.design.take(rows), np.log(laid.problem.loss_N[rows])
    phi_GP, _, _ = exponent_map(law, design, np.exp(log_loss_N))
    phi_GP[:, ~free_P] = held_P[~free_P]
    phi_GP = np.unique(phi_GP, axis=0)
    cost_G = np.array([((design.predict(phi_P[None]) - log_loss_N) ** 2).sum() for phi_P in phi_GP])
    problem = replace(laid.problem, free_P=free_P)
    start = solve(problem, phi_GP[np.argsort(cost_G, kind="stable")[:POLISHED]], tolerance=1e-10)
    theta_RP, value_R = minimise(problem, start.theta_RP, objective)
    return replace(laid, problem=problem), distinct(problem, theta_RP, value_R, len(phi_GP))


def tested(held: Mapping[str, float], with_held: Problem, theta_P: Array, free: Problem, free_theta_P: Array) -> str:
    """Whether the table bears the held values: an F test on log loss by least squares, from both fits, rows independent."""
    rss = [2.0 * float(solve(problem, start[None], LEAST_SQUARES, tolerance=1e-12).objective_R[0])
           for problem, start in ((with_held, theta_P), (free, free_theta_P))]  # fmt: skip
    q, df = len(held), len(free.loss_N) - free.n_parameters
    values = ", ".join(f"{name} = {value:g}" for name, value in held.items())
    if df < 1:
        return f"{values} held; too few rows to test it"
    F = max(rss[0] - rss[1], 0.0) / q / max(rss[1] / df, 1e-300)
    p = float(fdtrc(q, df, F))
    verdict = "the table speaks against it" if p < 0.05 else "the table bears it"
    return f"{values} held; F({q}, {df}) = {F:.3g} against all free, p = {p:.2g}: {verdict}"
