"""Is the law good enough for its parameters to mean anything? Replicates, an interaction, and where the residuals lie.

Shape suffixes: N points, P parameters.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtrc

from scaling_fit.law.groups import grouped
from scaling_fit.law.laws import LAWS
from scaling_fit.law.noise import RATIOS, reml
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import CELL, Comparison

Array = np.ndarray


@dataclass(frozen=True)
class LackOfFit:
    """The law against a free mean per (level, N, D), judged by the error of replicated cells."""

    F: float
    df1: int
    df2: int
    p: float
    pure_error_percent: float
    misfit_percent: float


@dataclass(frozen=True)
class Interaction:
    """Whether the data term depends on size; `kappa` per level where the cross law was fitted."""

    test: str
    F: float
    df1: int
    df2: int
    p: float
    kappa: dict[str, float] | None


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
    """`adequate`: false where a test fails at 1 %, None where neither could be made; `warning` says what failed."""

    lack_of_fit: LackOfFit | None
    interaction: Interaction | None
    residual_map: tuple[ResidualCell, ...]
    adequate: bool | None
    warning: str


def lack_of_fit(whole: Comparison) -> LackOfFit | None:
    """The law against one free mean per (level, N, D) cell: F with the pure error of replicated cells, trunk noise whitened
    at the ratio the replicates themselves show. None where fewer than 3 degrees of pure error exist."""
    table, problem = whole.table, whole.grouped.problem
    assert problem.trunks is not None
    cells = np.array([f"{a}{CELL}{b}{CELL}{c}" for a, b, c in zip(table.level, table.N, table.D, strict=True)])
    names, index = np.unique(cells, return_inverse=True)
    n, K = len(cells), len(names)
    P = problem.n_parameters
    if n - K < 3 or K <= P:
        return None
    dummies = np.zeros((n, K))
    dummies[np.arange(n), index] = 1.0
    y = np.log(problem.loss_N)
    branched = n > len(problem.trunks.starts_C)
    ratios = RATIOS if branched else RATIOS[:1]
    fits = reml(y, dummies, problem.trunks, ratios)
    best = int(np.argmin([fit[0] for fit in fits]))
    pure = fits[best][1]
    whitened = replace(problem, trunks=replace(problem.trunks, ratio=float(ratios[best])))
    law = 2.0 * float(solve(whitened, whole.theta_P[None], tolerance=1e-12).objective_R[0])
    F = max(law - pure, 0.0) / (K - P) / (pure / (n - K))
    pure_error, misfit = np.sqrt(pure / (n - K)), np.sqrt(max(law - pure, 0.0) / n)
    return LackOfFit(float(F), K - P, n - K, float(fdtrc(K - P, n - K, F)), float(100 * pure_error), float(100 * misfit))


def interaction(whole: Comparison) -> Interaction | None:
    """Does the data term depend on size? Three or more sizes: kappa per level (the cross law); fewer: B and beta per shape."""
    laid, table = whole.grouped, whole.table
    ratio = whole.noise.ratio
    if whole.by_shape:
        if len(whole.shapes) < 2:
            return None
        wide = grouped(
            laid.law,
            table,
            np.array([f"{a}{CELL}{b}" for a, b in zip(table.level, table.shape, strict=True)], dtype=object),
            dict.fromkeys(laid.law.names, "free"),
            baseline=laid.groups[0],
            ratio=ratio,
            pivot=laid.pivot,
        )
        test = "B and beta per shape instead of per level"
    elif laid.law.name == "additive":
        wide = grouped(
            LAWS["cross"],
            table,
            table.level,
            dict.fromkeys(LAWS["cross"].names, "free"),
            baseline=whole.baseline,
            ratio=ratio,
            pivot=laid.pivot,
        )
        test = "cross law: B grows as N^kappa"
    else:
        return None
    P_wide, P = wide.problem.n_parameters, laid.problem.n_parameters
    if len(table) - P_wide < 3:
        return None
    M_NP = np.concatenate([block.M_QP for block in wide.problem.blocks])
    phi = []
    for group in wide.groups:
        known = dict(zip(laid.law.names, laid.phi(whole.theta_P[None], group)[0], strict=True))
        phi += [known.get(name, 0.0) for name in wide.law.names]
    start_P = np.linalg.lstsq(M_NP, np.array(phi), rcond=None)[0]
    fit = solve(wide.problem, start_P[None], tolerance=1e-12)
    rss, df = 2.0 * float(fit.objective_R[0]), len(table) - P_wide
    q = P_wide - P
    F = max(whole.rss - rss, 0.0) / q / (rss / df)
    kappa = None
    if not whole.by_shape:
        kappa = {g: float(wide.natural(fit.theta_RP, g)[0, wide.law.names.index("kappa")]) for g in wide.groups}
    return Interaction(test, float(F), q, df, float(fdtrc(q, df, F)), kappa)


def residual_map(whole: Comparison) -> tuple[ResidualCell, ...]:
    """The mean residual of every (level, shape, D) cell."""
    table, problem = whole.table, whole.grouped.problem
    residual_N = np.log(problem.loss_N) - problem.predict(whole.theta_P[None])[0]
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
    misfit, inter = lack_of_fit(whole), interaction(whole)
    tests = [test for test in (misfit, inter) if test is not None]
    warnings = []
    if misfit is not None and misfit.p < 0.01:
        warnings.append(
            f"The law misses the cell means by {misfit.misfit_percent:.2g} % of loss beside a pure error of "
            f"{misfit.pure_error_percent:.2g} % (p = {misfit.p:.1g}): read its exponents as local slopes, not constants."
        )
    if inter is not None and inter.p < 0.01:
        warnings.append(
            f"The data term changes with model size (p = {inter.p:.1g}): one beta per level is an average over sizes."
        )
    adequate = all(test.p >= 0.01 for test in tests) if tests else None
    return Adequacy(misfit, inter, residual_map(whole), adequate, " ".join(warnings))
