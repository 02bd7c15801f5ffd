"""Rolling origin: hide the runs past a compute budget, fit several forms of the law to the rest, ask them for the hidden.

Shape suffixes: F forms, K origins (the last hides nothing), N runs, M points asked about, P parameters of a form.

Forms differ where data end: with and without a floor, one exponent or two, a cross term. All origins of a form are one
batch. A fit serves its far end: runs count less by a factor e for every factor 20 of compute below the origin, and runs
off the form by more than 1.3 robust standard deviations count less in proportion (Huber 1964, reweighted three times).
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.law.groups import Grouped, grouped
from scaling_fit.law.laws import LAWS, Inputs, Law
from scaling_fit.law.search import search
from scaling_fit.law.solve import solve
from scaling_fit.observations import Observations

Array = np.ndarray
MEMORY = 3.0  # e-folds of compute over which a run's weight falls by a factor e
HUBER = 1.345  # half-width in standard deviations: 95 % as efficient as least squares under normal noise (Huber 1964)
FAR = 4.0  # robust standard deviations at which a residual is cut before scatter is measured
LEAST = 1e-6  # of log loss: no run is reported more finely
ORIGINS = 12
MOST_RUNS = 2000  # of a level that are rolled over; a larger table is thinned evenly along its compute
LOOSE = 2.0  # prior standard deviation of every solver coordinate: keeps the error of a vanished term finite


@dataclass(frozen=True)
class Form:
    """A law to forecast with. `own`: parameters that every shape has for itself; `within`: the form whose minima it starts
    from (the terms it adds at zero)."""

    law: Law
    own: tuple[str, ...] = ()
    within: str = ""

    @property
    def name(self) -> str:
        return f"{self.law.name}, own {self.own[0]}" if self.own else self.law.name


def _floorless(name: str, formula: str, law: Law) -> Law:
    return Law(name, formula, law.coefficients[1:], law.exponents, law.terms[1:], law.needs, law.source)


FLOORLESS = _floorless("floorless", "L = A/N^alpha + B/D^beta", LAWS["additive"])
FLOORLESS_CROSS = _floorless("floorless cross", "L = A/N^alpha + B*N^kappa/D^beta", LAWS["cross"])
DATA_POWER = _floorless("data power", "L = B/D^beta", LAWS["data"])
SIZE_POWER = _floorless("size power", "L = A/N^alpha", LAWS["size"])
SURFACE = (
    Form(LAWS["additive"]),
    Form(LAWS["tied"]),
    Form(LAWS["kaplan"]),
    Form(FLOORLESS),
    Form(LAWS["cross"], within="additive"),
    Form(FLOORLESS_CROSS, within="floorless"),
)
SHAPES = (Form(LAWS["data"], own=("E",)), Form(DATA_POWER, own=("B",)), Form(LAWS["data"], own=("B",)))
RAY = (Form(LAWS["data"]), Form(DATA_POWER), Form(LAWS["size"]), Form(SIZE_POWER))


def forms_for(table: Observations, by_shape: bool) -> tuple[Form, ...]:
    """Surfaces over N and D; curves in D with a level per shape where sizes are too few to tell a law in N; curves along
    the ray where N and D move together (off it, those in N and those in D part)."""
    if by_shape:
        return SHAPES
    log_N, log_D = np.log(table.N), np.log(table.D)
    spread_N, spread_D = log_N.std(), log_D.std()
    if min(spread_N, spread_D) < 1e-6:
        return tuple(form for form in RAY if (form.law.needs == "N") == (spread_D < 1e-6))
    together = np.mean((log_N - log_N.mean()) * (log_D - log_D.mean())) / (spread_N * spread_D)
    return RAY if together > 1 - 1e-4 else SURFACE


@dataclass(frozen=True)
class Rolled:
    """One form fitted at every origin: theta_KP with its covariance, and the scatter of runs about it in log loss.
    `usable_K`: more runs than parameters were known there."""

    laid: Grouped
    theta_KP: Array
    covariance_KPP: Array
    scatter_K: Array
    usable_K: Array

    def at(self, shape: Array, N: Array, D: Array) -> tuple[Array, Array]:
        """Log loss at (N, D) and its standard deviation by the parameters' error, both [K, M]; nan where not usable."""
        f_KM, sd_KM = np.empty((2, len(self.theta_KP), len(N)))
        for group, block in zip(self.laid.groups, self.laid.problem.blocks, strict=True):
            here = np.flatnonzero(shape == group) if len(self.laid.groups) > 1 else np.arange(len(N))
            if not len(here):
                continue
            inputs = Inputs(N[here], D[here], np.full(len(here), np.inf))
            design = self.laid.law.design(inputs, self.laid.pivot)
            f_KM[:, here], J_KQM, _ = design.evaluate(self.theta_KP @ block.M_QP.T)
            J_KPM = block.M_QP.T @ J_KQM
            sd_KM[:, here] = np.sqrt(np.einsum("kpm,kpq,kqm->km", J_KPM, self.covariance_KPP, J_KPM))
        f_KM[~self.usable_K] = np.nan
        return f_KM, sd_KM


def origins_of(table: Observations, log_C: Array, forms: tuple[Form, ...]) -> Array:
    """Budgets (log FLOPs) at which the data are cut: evenly spread from where the smallest form has two runs to spare to the
    second largest budget, then the largest, shape [K]."""
    budgets = np.unique(np.round(log_C, 4))
    shapes = len(set(table.shape.tolist()))
    need = 2 + min(len(form.law.names) + len(form.own) * (shapes - 1) for form in forms)
    points = [len({*zip(table.N[c], table.D[c], strict=True)}) for c in (log_C <= b + 1e-3 for b in budgets)]
    able = budgets[:-1][np.array(points[:-1]) >= need]
    if len(able):
        even = np.linspace(able[0], able[-1], ORIGINS)
        able = np.unique(able[np.abs(able[None] - even[:, None]).argmin(1)])
    return np.append(able, budgets[-1]) + 1e-3


def roll(table: Observations, log_C: Array, origins_K: Array, forms: tuple[Form, ...]) -> list[Rolled]:
    """Every form at every origin. log_C: log of training FLOPs, a value per row of one level's table."""
    rolled: list[Rolled] = []
    minima: dict[str, Array] = {}
    for form in forms:
        labels = table.shape if form.own else np.full(len(table), "all", dtype=object)
        laid = grouped(form.law, table, labels, dict.fromkeys(form.own, "free"), baseline=str(labels[0]))
        start_SP = _starts(laid, minima.get(form.within))
        if len(laid.groups) == 1:
            minima[form.law.name] = start_SP
        rolled.append(_fit(laid, start_SP, log_C[laid.rows], origins_K))
    return rolled


def _starts(laid: Grouped, within_SP: Array | None) -> Array:
    if within_SP is not None:
        return np.concatenate([within_SP, np.zeros((len(within_SP), 1))], 1)
    if len(laid.groups) > 1:
        return laid.start()[None]
    return search(laid.problem.blocks[0].design, laid.problem.loss_N, polish=3).phi_MP[:3]


def _fit(laid: Grouped, start_SP: Array, log_C_N: Array, origins_K: Array) -> Rolled:
    known_KN = log_C_N[None] <= origins_K[:, None]
    weight_KN = known_KN * np.exp(np.minimum(log_C_N[None] - origins_K[:, None], 0.0) / MEMORY)
    K, (S, P) = len(known_KN), start_SP.shape
    first = solve(
        laid.problem,
        np.tile(start_SP, (K, 1)),
        weight_RN=np.repeat(weight_KN, S, 0),
        tolerance=1e-7,
        max_iterations=40,
    )
    best_K = first.objective_R.reshape(K, S).argmin(1)
    theta_KP = first.theta_RP.reshape(K, S, P)[np.arange(K), best_K]
    spare_K = np.sqrt(known_KN.sum(1) / np.maximum(known_KN.sum(1) - P, 1))
    y_N = np.log(laid.problem.loss_N)
    robust_KN = weight_KN
    for _ in range(3):
        size_KN = np.abs(laid.problem.predict(theta_KP) - y_N)
        sd_K1 = _median(size_KN, known_KN) * spare_K[:, None]
        robust_KN = weight_KN * np.minimum(1.0, HUBER * sd_K1 / np.maximum(size_KN, 1e-12))
        theta_KP = solve(laid.problem, theta_KP, weight_RN=robust_KN, tolerance=1e-6, max_iterations=10).theta_RP
    size_KN = np.abs(laid.problem.predict(theta_KP) - y_N)
    cut_KN = np.minimum(size_KN, FAR * _median(size_KN, known_KN))
    scatter_K = np.maximum(np.sqrt((weight_KN * cut_KN**2).sum(1) / weight_KN.sum(1)) * spare_K, LEAST)
    information_KPP = np.repeat(np.eye(P)[None] / LOOSE**2, K, 0)
    for block in laid.problem.blocks:
        _, J_KQN, _ = block.design.evaluate(theta_KP @ block.M_QP.T)
        J_KPN = block.M_QP.T @ J_KQN
        information_KPP += (J_KPN * robust_KN[:, None, block.rows]) @ J_KPN.transpose(0, 2, 1) / scatter_K[:, None, None] ** 2
    return Rolled(laid, theta_KP, np.linalg.inv(information_KPP), scatter_K, known_KN.sum(1) > P)


def _median(size_KN: Array, known_KN: Array) -> Array:
    """Robust standard deviation of the known residuals of each origin, shape [K, 1]."""
    middle_K = np.nanmedian(np.where(known_KN, size_KN, np.nan), axis=1)
    return np.maximum(1.4826 * middle_K, LEAST)[:, None]
