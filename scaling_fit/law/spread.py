"""How far a fitted law's parameters could lie from their values: which replicates suit the table, and the intervals they give.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law.
"""

from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.intervals import Interval, percentile
from scaling_fit.law.bootstrap import bootstrap
from scaling_fit.law.groups import Grouped, grouped
from scaling_fit.law.noise import RATIOS, estimate_noise, reml
from scaling_fit.law.objectives import Objective
from scaling_fit.law.profile import profile_fit
from scaling_fit.law.search import minimise
from scaling_fit.law.solve import solve
from scaling_fit.observations import Observations
from scaling_fit.settings import FitSettings

Array = np.ndarray
ENOUGH_TRUNKS = 8  # a group, to resample them
SHARED_LUCK = 6.63  # of deviance: chi-square of one degree of freedom at 1 %


@dataclass(frozen=True)
class Spread:
    """Intervals and standard errors by group and parameter, in the formula's own units, and the replicates they come from
    (None by profiles)."""

    method: str
    confidence: float
    intervals: dict[str, dict[str, Interval]]
    errors: dict[str, dict[str, float]]
    theta_RP: Array | None = None

    def without(self, unknown: list[str]) -> "Spread":
        """With no interval for the parameters that the runs do not identify."""
        open_ended = {
            group: {n: Interval(one.value, -np.inf, np.inf) if n in unknown else one for n, one in of_group.items()}
            for group, of_group in self.intervals.items()
        }
        return replace(self, intervals=open_ended)


def spread(laid: Grouped[str], theta_P: Array, objective: Objective, data: Observations, settings: FitSettings) -> Spread:
    """Intervals by the method of the settings, or by the one that suits how the runs share trunks.

    Errors: ValueError for profiles of several groups or of an objective that is no likelihood."""
    method, confidence = settings.intervals, settings.confidence
    if method == "auto":
        n_trunks = len(set(data.trunk.tolist()))
        enough = n_trunks >= ENOUGH_TRUNKS * len(laid.groups)
        method = "row" if n_trunks == len(data) else "trunk" if enough else "noise"
    if method == "none":
        point = {g: zip(laid.law.names, laid.natural(theta_P[None], g)[0].tolist(), strict=True) for g in laid.groups}
        intervals = {g: {name: Interval(value, -np.inf, np.inf) for name, value in of_g} for g, of_g in point.items()}
        return Spread(method, confidence, intervals, {g: {} for g in laid.groups})
    if method == "profile":
        if objective.exact_curvature or objective.space != "log" or len(laid.groups) > 1:
            raise ValueError(
                "--intervals profile needs one group and --objective least-squares (a likelihood); use row, trunk or wild"
            )
        return Spread(method, confidence, *profile_fit(laid, theta_P, confidence))
    if method == "noise":
        theta_RP = _from_noise(laid, theta_P, objective, settings)
    else:
        trunk_N = data.trunk[laid.rows]
        theta_RP = bootstrap(laid.problem, theta_P, objective, method, settings.replicates, trunk_N, settings.seed)
    intervals, errors = {}, {}
    for group in laid.groups:
        point_Q, draws_RQ = laid.natural(theta_P[None], group)[0], laid.natural(theta_RP, group)
        intervals[group] = {
            n: percentile(float(point_Q[k]), draws_RQ[:, k], confidence, corrected=False) for k, n in enumerate(laid.law.names)
        }
        with np.errstate(invalid="ignore"):  # draws that the data do not bound
            errors[group] = {n: float(draws_RQ[:, k].std()) for k, n in enumerate(laid.law.names)}
    return Spread(method, confidence, intervals, errors, theta_RP)


def _from_noise(laid: Grouped[str], theta_P: Array, objective: Objective, settings: FitSettings) -> Array:
    """Refits to tables simulated from the fit with the noise of rows and trunks: resampling a few trunks is much too narrow."""
    sizes_N = np.concatenate([block.design.logs["N"] for block in laid.problem.blocks])
    noise, _ = estimate_noise(laid.problem, theta_P, sizes_N.round(6).tolist(), len(laid.groups))
    assert laid.problem.trunks is not None
    draws_RN = noise.simulate(np.random.default_rng(settings.seed), settings.replicates, laid.problem.trunks)
    start_RP = np.repeat(theta_P[None], settings.replicates, 0)
    target_RN = laid.problem.predict(theta_P[None]) + draws_RN
    return minimise(laid.problem, start_RP, objective, target_RN=target_RN, tolerance=1e-9)[0]


def checkpoints_of_curves(laid: Grouped[str], data: Observations, theta_P: Array) -> tuple[Grouped[str], Observations] | None:
    """The table with one trunk for each size, where runs of a size share more luck than chance gives: most often they are
    checkpoints of one curve. By the restricted likelihood of a shared part, at 1 %."""
    trunk_N = np.array([f"N = {size:g}" for size in data.N], dtype=object)
    if len(set(trunk_N.tolist())) < 3 or len(data) < 3 * len(set(trunk_N.tolist())):
        return None
    shared = replace(data, trunk=trunk_N)
    again = grouped(laid.law, shared, np.full(len(data), "all", dtype=object), {}, baseline="all", pivot=laid.pivot)
    fitted = solve(again.problem, theta_P[None], tolerance=1e-10).theta_RP[0]
    residual_N = np.log(again.problem.loss_N) - again.problem.predict(fitted[None])[0]
    J_NP = again.problem.jacobian(fitted)
    assert again.problem.trunks is not None
    deviance = [one[0] for one in reml(residual_N, J_NP / np.maximum(np.abs(J_NP).max(0), 1e-12), again.problem.trunks, RATIOS)]
    return (again, shared) if deviance[0] - min(deviance) > SHARED_LUCK else None
