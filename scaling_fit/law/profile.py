"""Profile-likelihood intervals: fix one parameter at many values, refit the rest, and see where the fit becomes too bad.

Shape suffixes: R replicates, N points, P global parameters.
"""

from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from scaling_fit.intervals import Interval
from scaling_fit.law.estimate import Estimate
from scaling_fit.law.groups import Grouped
from scaling_fit.law.laws import Inputs
from scaling_fit.law.noise import estimate_noise
from scaling_fit.law.solve import solve

Array = np.ndarray
STEPS = 20  # fixed values on each side, before the crossings are refined


def profile(estimate: Estimate, column: int, confidences: tuple[float, ...], limit: float = 1.5) -> list[Interval]:
    """Profile-likelihood intervals of theta[column]: every fixed value is one replicate of one batch.

    An end that the likelihood does not reach within `limit` of the estimate is infinite: the profile is unbounded there.
    """
    problem, theta_P = estimate.problem, estimate.theta_P
    center, se = float(theta_P[column]), float(estimate.errors()[column])
    reach = min(limit, 12 * se) if se > 0 else limit
    sides = np.geomspace(reach / 200, limit, STEPS)
    values = np.concatenate([center - sides[::-1], [center], center + sides])
    free = estimate.free_P.copy()
    free[column] = False
    J = estimate.jacobian()
    along = np.zeros(len(theta_P))
    along[free] = -np.linalg.lstsq(J[:, free], J[:, column], rcond=1e-6)[0]
    along[column] = 1.0

    def rss_at(fixed: Array) -> Array:
        """Residual sum of squares with the parameter held, the better of two starts: along the ridge, and standing still."""
        starts = np.repeat(theta_P[None], 2 * len(fixed), 0)
        starts[: len(fixed)] += along * np.clip(fixed - center, -0.3, 0.3)[:, None]
        starts[:, column] = np.tile(fixed, 2)
        fits = solve(problem, starts, free_RP=free[None], tolerance=1e-8, max_iterations=40)
        return 2.0 * np.minimum(*fits.objective_R.reshape(2, -1))

    rss = rss_at(values)
    best = rss[STEPS]
    cuts = [stdtrit(estimate.df, 0.5 + confidence / 2) ** 2 for confidence in confidences]
    fine = [_bracket(values[side], (rss[side] - best) / estimate.sigma2, cut) for cut in cuts for side in _sides(STEPS)]
    inner = np.concatenate([np.linspace(*ends, 8)[1:-1] for ends in fine if ends is not None] or [np.empty(0)])
    if len(inner):  # near a bound the profile bends: refine where it crosses
        values, rss = np.concatenate([values, inner]), np.concatenate([rss, rss_at(inner)])
        order = np.argsort(values, kind="stable")
        values, rss = values[order], rss[order]
    rise = np.maximum((rss - best) / estimate.sigma2, 0.0)
    middle = int(np.argmin(np.abs(values - center)))
    down, up = _sides(middle)
    return [
        Interval(center, _crossing(values[down], rise[down], cut, -np.inf), _crossing(values[up], rise[up], cut, np.inf))
        for cut in cuts
    ]


def _sides(middle: int) -> tuple[slice, slice]:
    return slice(middle, None, -1), slice(middle, None)


def _bracket(values: Array, rise: Array, cut: float) -> tuple[float, float] | None:
    """The two neighbouring values between which the profile first exceeds the cut."""
    over = np.flatnonzero(rise > cut)
    return (float(values[over[0] - 1]), float(values[over[0]])) if len(over) and over[0] > 0 else None


def _crossing(values: Array, rise: Array, cut: float, missing: float) -> float:
    over = np.flatnonzero(rise > cut)
    if not len(over):
        return missing
    k = int(over[0])
    root = np.sqrt(rise)
    share = (np.sqrt(cut) - root[k - 1]) / max(root[k] - root[k - 1], 1e-300)
    return float(values[k - 1] + share * (values[k] - values[k - 1]))


def profile_fit(laid: Grouped, theta_P: Array, confidence: float) -> tuple[dict, dict]:
    """Profile intervals in plain (uncentred) logs, so that each parameter of the formula is one coordinate."""
    group = laid.groups[0]
    block = laid.problem.blocks[0]
    # The noise is estimated where the coordinates are well conditioned; the profile then runs in plain ones.
    cells = [tuple(point) for point in block.design.X_TNP[-1].round(9).tolist()]
    noise, theta_P = estimate_noise(laid.problem, theta_P, cells)
    point_Q = laid.natural(theta_P[None], group)[0]
    logs = block.design.logs
    inputs = Inputs(np.exp(logs["N"]) * laid.pivot[0], np.exp(logs["D"]) * laid.pivot[1], np.exp(logs["U"]) * laid.pivot[1])
    plain = replace(block, design=laid.law.design(inputs, (1.0, 1.0)))
    trunks = None if laid.problem.trunks is None else replace(laid.problem.trunks, ratio=noise.ratio)
    problem = replace(laid.problem, blocks=(plain,), trunks=trunks)
    phi_P = laid.law.solver(dict(zip(laid.law.names, point_Q, strict=True)), (1.0, 1.0))
    start = solve(problem, phi_P[None], tolerance=1e-13)
    phi_P, df = start.theta_RP[0], len(problem.loss_N) - len(phi_P)
    estimate = Estimate(problem, phi_P, np.ones(len(phi_P), bool), 2 * float(start.objective_R[0]) / df, df)
    se_P = estimate.errors()
    spans, errors = {}, {}
    is_log = [k < len(laid.law.coefficients) or p.log for k, p in enumerate(laid.law.parameters)]
    for k, name in enumerate(laid.law.names):
        (one,) = profile(estimate, k, (confidence,), max(1.5, 6 * se_P[k]))
        spans[name] = Interval(*(float(np.exp(x)) for x in (one.value, one.low, one.high))) if is_log[k] else one
        if is_log[k] and not np.isfinite(one.low):
            spans[name] = Interval(spans[name].value, -np.inf, spans[name].high)
        errors[name] = float(se_P[k] * (np.exp(one.value) if is_log[k] else 1.0))
    return {group: spans}, {group: errors}
