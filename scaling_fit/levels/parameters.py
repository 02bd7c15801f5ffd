"""A level's parameters with intervals that stay honest where the data are weak.

Shape suffixes: R replicates, P parameters of one level's fit.

Two methods fail in opposite places. Simulated refits know the few degrees of freedom of trunk luck, but near a bound (a
floor of zero) they are drawn around the wrong law and come out narrow. The profile likelihood sees the bound, but not the
trunks' few degrees of freedom. Each end is the farther of the two.
"""

import numpy as np

from scaling_fit.intervals import Interval, percentile
from scaling_fit.law.adequacy import along_ray, not_identifiable
from scaling_fit.law.estimate import Estimate
from scaling_fit.law.groups import SHARED, Part
from scaling_fit.law.profile import profile
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import Comparison, lay_out

Array = np.ndarray
FOLLOWS = {"B": "beta", "A": "alpha"}  # prefactors move with their exponents: correlation above 0.99 in any design here


def hull(one: Interval, other: Interval) -> Interval:
    """The wider end on each side."""
    return Interval(one.value, min(one.low, other.low), max(one.high, other.high))


def level_intervals(whole: Comparison, level: str, confidence: float, *, alone: bool = True) -> dict[str, Interval]:
    """Intervals of a level's natural parameters by name (E or E[shape], A, B, alpha, beta).

    What the runs do not identify is open on both sides. Floors end at 0 where the likelihood does not exclude it; other open
    ends are infinite. A and B take the profile's ends through the regression of their logarithm on their exponent over the
    replicates. alone: what the law misses of all levels alike counts too; not so where levels are set beside each other.
    """
    table = whole.table.where(whole.table.level == level)
    law = whole.grouped.law
    laid, _, _ = lay_out(table, level, whole.noise.ratio, whole.grouped.pivot, law.name)
    M_GP = np.concatenate([block.M_QP for block in laid.problem.blocks])
    phi = np.concatenate([whole.grouped.phi(whole.theta_P[None], group)[0] for group in laid.groups])
    start_P = np.linalg.lstsq(M_GP, phi, rcond=None)[0]
    theta_P = solve(laid.problem, start_P[None], tolerance=1e-13).theta_RP[0]
    lowest = float(table.loss.min())
    estimate = Estimate(laid.problem, theta_P, np.ones(len(theta_P), bool), whole.rss / whole.df, whole.df)
    point = whole.parameters(level, whole.theta_P[None])
    draws = whole.parameters(level, whole.own_RP if alone else whole.theta_RP)
    floors = (
        {f"E[{shape}]": Part("value", whole.group(level, shape)) for shape in whole.shapes} if whole.by_shape else {"E": SHARED}
    )
    out: dict[str, Interval] = {}
    for name in sorted(point, key=lambda n: n in FOLLOWS):  # exponents before the prefactors that follow them
        simulated = percentile(float(point[name][0]), draws[name], confidence)
        if FOLLOWS.get(name) in out:
            exponent = FOLLOWS[name]
            out[name] = hull(simulated, _follow(simulated, draws[name], draws[exponent], out[exponent]))
        elif name in floors:
            column = laid.column("E", floors[name])
            limit = max(1.5, float(np.log(lowest) - theta_P[column]), float(theta_P[column] - np.log(1e-3 * lowest)))
            (span,) = profile(estimate, column, (confidence,), limit)
            floor = Interval(simulated.value, float(np.exp(span.low)), min(float(np.exp(span.high)), lowest))
            out[name] = hull(simulated, floor)
        else:
            out[name] = hull(simulated, *profile(estimate, laid.column(name), (confidence,)))
    unknown = set(point) if law.needs == "ND" and along_ray(table) else set()
    for (parameter, part), flat in zip(laid.columns, not_identifiable(estimate.jacobian()), strict=True):
        if flat:
            unknown.add(f"E[{part.of.shape}]" if part.of else parameter)
    return {name: Interval(out[name].value, -np.inf, np.inf) if name in unknown else out[name] for name in point}


def _follow(own: Interval, draws_R: Array, exponent_R: Array, exponent: Interval) -> Interval:
    """Ends of a prefactor from its exponent's, along the line their replicates lie on."""
    log_R = np.log(np.maximum(draws_R, 1e-300))
    if exponent_R.std() == 0:
        return own
    slope = np.cov(log_R, exponent_R)[0, 1] / exponent_R.var(ddof=1)
    ends = [own.value * np.exp(np.clip(slope * (end - exponent.value), -300, 300)) for end in (exponent.low, exponent.high)]
    return Interval(own.value, float(min(ends)), float(max(ends)) if exponent.bounded else np.inf)
