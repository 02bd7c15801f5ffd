"""Is the law good enough for its parameters to mean anything? Replicates, an interaction, and where the residuals lie.

Shape suffixes: N points, P parameters.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtrc

from scaling_fit.law.adequacy import FAILS, Interaction, LackOfFit, lack_of_fit, nested, warnings
from scaling_fit.law.groups import grouped
from scaling_fit.law.laws import LAWS
from scaling_fit.law.solve import Solution, solve
from scaling_fit.levels.compare import Cell, Comparison, cells
from scaling_fit.wording import Check, probability

Array = np.ndarray


@dataclass(frozen=True)
class ResidualCell:
    """Mean residual of the runs of a cell, in percent of loss, and in standard errors of that mean."""

    level: str
    shape: str
    D: float
    percent: float
    z: float
    runs: int


@dataclass(frozen=True)
class Adequacy:
    """`adequate`: false where a test fails at 1 %, None where neither could be made; `warning` says what failed. `own`: the
    same test of what each level misses for itself, once what all miss alike (`shared_percent` of loss a cell) is taken out."""

    lack_of_fit: LackOfFit | None
    own: LackOfFit | None
    shared_percent: float | None
    interaction: Interaction | None
    residual_map: tuple[ResidualCell, ...]
    adequate: bool | None
    warning: str


def interaction(whole: Comparison) -> Interaction | None:
    """Does the data term depend on size? Three or more sizes: kappa per level (the cross law); fewer: B and beta per shape."""
    laid, table = whole.grouped, whole.runs
    if whole.by_shape and len(whole.shapes) > 1:
        law, test = laid.law, "B and beta per shape instead of per level"
        labels = cells(table)
    elif laid.law.name == "additive":
        law, labels, test = LAWS["cross"], [Cell(level) for level in table.level], "cross law: B grows as N^kappa"
    else:
        return None
    free = dict.fromkeys(law.names, "free")
    wide = grouped(law, table, labels, free, baseline=laid.groups[0], ratio=whole.noise.ratio, pivot=laid.pivot)
    found = nested(laid, whole.theta_P, 2.0 * float(_on_runs(whole).objective_R[0]), wide)
    if found is None:
        return None
    F, q, df, theta_RP = found
    kappa = None
    if not whole.by_shape:
        kappa = {group.level: float(wide.natural(theta_RP, group)[0, law.names.index("kappa")]) for group in wide.groups}
    return Interaction(test, F, q, df, float(fdtrc(q, df, F)), kappa)


def residual_map(whole: Comparison) -> tuple[ResidualCell, ...]:
    """The mean residual of every (level, shape, D) cell."""
    table, problem = whole.runs, whole.grouped.problem
    residual_N = np.log(table.loss) - problem.predict(whole.theta_P[None])[0]
    sd = np.hypot(whole.noise.row, whole.noise.trunk)
    rows_of: dict[tuple[str, str, float], list[int]] = {}
    for row, cell in enumerate(zip(table.level, table.shape, table.D.tolist(), strict=True)):
        rows_of.setdefault(cell, []).append(row)
    out = []
    for cell, rows in rows_of.items():
        mean = float(residual_N[rows].mean())
        z = mean / (sd / np.sqrt(len(rows))) if sd > 0 else 0.0
        out.append(ResidualCell(*cell, 100 * mean, float(z), len(rows)))
    return tuple(out)


def adequacy(whole: Comparison) -> Adequacy:
    """All checks of the law's form."""
    problem, own, shared = whole.grouped.problem, None, None
    misfit, inter = lack_of_fit(whole.runs, replace(problem, loss_N=whole.runs.loss), whole.theta_P), interaction(whole)
    if whole.shared is not None:
        own = lack_of_fit(whole.table, problem, whole.theta_P, whole.shared.df)
        shared = 100 * whole.shared.sd(whole.noise)
    tests = [test for test in (misfit, inter) if test is not None]
    adequate = all(test.p >= FAILS for test in tests) if tests else None
    return Adequacy(misfit, own, shared, inter, residual_map(whole), adequate, " ".join(warnings(misfit, inter, own)))


def collapse(found: Adequacy) -> Check | None:
    """Whether the levels' curves fall on one another once each is laid over its own law; None where the law misses nothing that
    levels share, so that there is nothing to collapse but luck."""
    if found.own is None or found.shared_percent is None:
        return None
    off = f"the law misses all levels alike by {found.shared_percent:.2f}% a rung; what each misses for itself: "
    good = "They do: recipe or shape bends them together, and their differences stand."
    bad = "They do not: a rung is badly tuned for some level, and that counts as luck of its differences."
    return Check(
        "Do the levels' curves collapse onto one?", off + probability(found.own.p), good if found.own.p >= FAILS else bad
    )


def _on_runs(whole: Comparison) -> Solution:
    """The joint fit of the runs as they are, what the law misses of all levels included."""
    return solve(replace(whole.grouped.problem, loss_N=whole.runs.loss), whole.theta_P[None], tolerance=1e-12)
