"""Is a law good enough for its parameters to mean anything? Replicated cells, a law that nests it, and directions left open.

Shape suffixes: N points, P parameters, K cells.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtrc

from scaling_fit.law.groups import Grouped, grouped
from scaling_fit.law.laws import law_named
from scaling_fit.law.noise import RATIOS, reml
from scaling_fit.law.robust import pseudo_observations
from scaling_fit.law.solve import Problem, solve
from scaling_fit.observations import Observations
from scaling_fit.wording import Check, probability

Array = np.ndarray
FAILS = 0.01  # p below which a law is said to fail a test
RAY = 0.995  # correlation of ln N and ln D beyond which runs lie on one ray
FLAT = 1e-4  # of the largest singular value: a direction this flat moves no loss that any run could show


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


def lack_of_fit(table: Observations, problem: Problem, theta_P: Array, spent: int = 0) -> LackOfFit | None:
    """The law against one free mean per (level, N, D) cell: F with the pure error of replicated cells. `table` is in problem
    order; spent: how many of the cells' means were taken out before. Where the table itself says which rows share a trunk, its
    noise is whitened at the ratio the replicates show; trunks guessed from seeds are no ground for that. None where fewer than
    3 degrees of pure error exist, or where what repeats a cell are copies of its rows."""
    assert problem.trunks is not None
    cells = np.unique(
        np.stack([np.unique(table.level, return_inverse=True)[1], table.N, table.D], 1), axis=0, return_inverse=True
    )
    index, n, K, P = cells[1].ravel(), len(table), len(cells[0]), problem.n_parameters
    first_N = np.unique(index, return_index=True)[1][index]
    if n - K < 3 or P + spent >= K or np.array_equal(problem.loss_N, problem.loss_N[first_N]):
        return None
    dummies_NK = (index[:, None] == np.arange(K)).astype(float)
    branched = n > len(problem.trunks.starts_C) and not trunks_guessed(table)
    ratios = RATIOS if branched else RATIOS[:1]
    fits = reml(np.log(problem.loss_N), dummies_NK, problem.trunks, ratios)
    best = int(np.argmin([fit[0] for fit in fits]))
    pure = fits[best][1]
    whitened = replace(problem, trunks=replace(problem.trunks, ratio=float(ratios[best])))
    law = 2.0 * float(solve(whitened, theta_P[None], tolerance=1e-12).objective_R[0])
    q = K - P - spent
    F = max(law - pure, 0.0) / q / (pure / (n - K))
    pure_error, misfit = np.sqrt(pure / (n - K)), np.sqrt(max(law - pure, 0.0) / n)
    return LackOfFit(float(F), q, n - K, float(fdtrc(q, n - K, F)), float(100 * pure_error), float(100 * misfit))


def trunks_guessed(table: Observations) -> bool:
    """Whether the trunks are the reader's guess (level/shape/seed) and no column of the table."""
    guess = ["/".join(key) for key in zip(table.level, table.shape, table.seed, strict=True)]
    return table.trunk.tolist() == guess


def nested(laid: Grouped, theta_P: Array, rss: float, wide: Grouped) -> tuple[float, int, int, Array] | None:
    """F of a wider law against the one fitted, its degrees of freedom, and the wider law's theta_RP (one row). `rss`: of the
    fitted law. None where the wider law leaves fewer than 3 degrees of freedom."""
    n, P_wide = len(wide.problem.loss_N), wide.problem.n_parameters
    if n - P_wide < 3:
        return None
    phi: list[float] = []
    for group in wide.groups:
        known = dict(zip(laid.law.names, laid.phi(theta_P[None], group)[0].tolist(), strict=True))
        phi += [known.get(name, 0.0) for name in wide.law.names]
    M_NP = np.concatenate([block.M_QP for block in wide.problem.blocks])
    fit = solve(wide.problem, np.linalg.lstsq(M_NP, np.array(phi), rcond=None)[0][None], tolerance=1e-12)
    rss_wide, q, df = 2.0 * float(fit.objective_R[0]), P_wide - laid.problem.n_parameters, n - P_wide
    return float(max(rss - rss_wide, 0.0) / q / (rss_wide / df)), q, df, fit.theta_RP


def not_identifiable(J_NP: Array) -> Array:
    """Which parameters, shape [P], no run tells apart: those in directions of the Jacobian that are flat."""
    # R of the QR decomposition has J's singular values and right vectors, and P rows in place of N.
    R_KP = np.linalg.qr(J_NP / np.maximum(np.linalg.norm(J_NP, axis=0), 1e-12), mode="r")
    _, s_K, V_PP = np.linalg.svd(R_KP, full_matrices=True)
    flat_P = np.arange(J_NP.shape[1]) >= (s_K > FLAT * s_K[0]).sum()
    return np.asarray((np.abs(V_PP[flat_P]) > 0.1).any(0))


def along_ray(data: Observations) -> bool:
    """Whether N and D go up together in all runs, so that no law can tell their terms apart."""
    if len(data) < 4 or min(len(np.unique(data.N)), len(np.unique(data.D))) < 2:
        return False
    return bool(np.corrcoef(np.log(data.N), np.log(data.D))[0, 1] > RAY)


def form(laid: Grouped[str], data: Observations, theta_P: Array) -> tuple[LackOfFit | None, Interaction | None]:
    """The tests of the law's form, by least squares on pseudo-observations."""
    if len(laid.groups) > 1 or laid.problem.free_P is not None or len(data) <= laid.problem.n_parameters + 3:
        return None, None
    robust = pseudo_observations(laid.problem, theta_P)
    problem = replace(laid.problem, loss_N=np.exp(robust.log_loss_N))
    fitted = solve(problem, theta_P[None], tolerance=1e-12)
    table = replace(data.where(laid.rows), loss=problem.loss_N)
    misfit = lack_of_fit(table, problem, fitted.theta_RP[0])
    if laid.law.name != "additive":
        return misfit, None
    wide = grouped(law_named("cross"), table, ["all"] * len(data), {}, baseline="all", pivot=laid.pivot)
    found = nested(laid, fitted.theta_RP[0], 2.0 * float(fitted.objective_R[0]), wide)
    if found is None:
        return misfit, None
    F, q, df, theta_RP = found
    kappa = {"all": float(wide.natural(theta_RP, "all")[0, wide.law.names.index("kappa")])}
    return misfit, Interaction("cross law: B grows as N^kappa", F, q, df, float(fdtrc(q, df, F)), kappa)


def warnings(misfit: LackOfFit | None, interaction: Interaction | None, own: LackOfFit | None = None) -> list[str]:
    """What failed, in words. own: what each level misses for itself, where levels were compared."""
    out = []
    if misfit is not None and misfit.p < FAILS:
        out.append(
            f"The law misses the cell means by {misfit.misfit_percent:.2g} % of loss beside a pure error of "
            f"{misfit.pure_error_percent:.2g} % (p = {misfit.p:.1g}): read its exponents as local slopes, not constants."
        )
        if own is not None and own.p >= FAILS:
            out.append(
                f"It misses all levels alike (what each misses for itself: {probability(own.p)}), and that was taken out "
                "before they were compared, so differences between exponents hold over this range of tokens."
            )
    if interaction is not None and interaction.p < FAILS:
        out.append(f"The data term changes with model size (p = {interaction.p:.1g}): beta is an average over sizes.")
    return out


def checks(misfit: LackOfFit | None, interaction: Interaction | None) -> tuple[Check, Check]:
    """Whether the law has the right form, and one exponent for all sizes."""
    fits, sizes, untested = "Does the law fit?", "One exponent for all sizes?", "could not be tested"
    first = Check(fits, untested, "Too few repeated runs to tell misfit from luck: add seeds.")
    if misfit is not None:
        beside = f"misses by {misfit.misfit_percent:.2f}% beside luck of {misfit.pure_error_percent:.2f}%"
        good = "No sign that the law has the wrong form."
        meaning = good if misfit.p >= FAILS else "It does not: read exponents as local slopes."
        first = Check(fits, f"{beside} ({probability(misfit.p)})", meaning)
    if interaction is None:
        return first, Check(sizes, untested, "It takes two or more model sizes and some runs to spare.")
    good = "One exponent per level describes all sizes tested."
    meaning = good if interaction.p >= FAILS else "The exponent changes with model size; one number is an average."
    return first, Check(sizes, probability(interaction.p), meaning)
