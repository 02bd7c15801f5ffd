"""What the runs of one law leave open: parameters that none tells apart, and in words whatever a reader should know first.

Shape suffixes: R replicates, N points, P global parameters.
"""

import numpy as np

from scaling_fit.intervals import finite
from scaling_fit.law.adequacy import along_ray, not_identifiable
from scaling_fit.law.groups import Grouped
from scaling_fit.law.objectives import SENSITIVITY
from scaling_fit.law.search import Search, minimise
from scaling_fit.observations import Observations

Array = np.ndarray
OUTLIER = 6  # robust standard deviations


def not_told_apart(laid: Grouped[str], data: Observations, theta_P: Array) -> list[str]:
    """Parameters that no run tells apart from others, where one whole law is fitted to one group: both terms and the floor
    along a ray, a term of an axis with two values (two numbers, three parameters with the floor), and flat directions."""
    law = laid.law
    if len(laid.groups) > 1 or laid.problem.free_P is not None:
        return []
    if law.needs == "ND" and along_ray(data):
        return list(law.names)
    flat_P = not_identifiable(laid.problem.jacobian(theta_P))
    unknown = {name for name, flat in zip(law.names, flat_P, strict=True) if flat}
    for axis in law.needs:
        if len(np.unique(getattr(data, axis))) < 3:
            terms = [term for term in law.terms if any(variable == axis for _, variable in term.powers.values())]
            unknown |= {"E", *(name for term in terms for name in (term.coefficient, *term.powers))}
    return [name for name in law.names if name in unknown]


def sensitivity(laid: Grouped[str], theta_P: Array) -> tuple[dict, ...]:
    """The parameters of every group under every objective."""
    rows = []
    for goal in SENSITIVITY:
        theta_RP, _ = minimise(laid.problem, theta_P[None], goal, tolerance=1e-12)
        for group in laid.groups:
            values = dict(zip(laid.law.names, laid.natural(theta_RP, group)[0], strict=True))
            rows.append({"objective": goal.describe(), "group": group} | {k: finite(float(v)) for k, v in values.items()})
    return tuple(rows)


def flags(laid: Grouped[str], data: Observations, theta_P: Array, theta_RP: Array | None, found: Search) -> tuple[str, ...]:
    """What the runs leave open, in words: directions, bounds, wild rows, correlations, a second minimum."""
    out, row_N = [], data.row[laid.rows]
    J = laid.problem.jacobian(theta_P)[:, slice(None) if laid.problem.free_P is None else laid.problem.free_P]
    s = np.linalg.svd(J / np.maximum(np.linalg.norm(J, axis=0), 1e-12), compute_uv=False)
    condition, unknown = (s[0] / max(s[-1], 1e-12)) ** 2, not_told_apart(laid, data, theta_P)
    if unknown:
        out.append(f"not identifiable from these runs: {', '.join(unknown)}; vary N and D apart, over more values")
    elif condition > 1e6:
        out.append(
            f"Hessian condition {condition:.1g} in centred coordinates: these runs do not tell some combination of parameters"
        )
    residual_N = np.log(laid.problem.loss_N) - laid.problem.predict(theta_P[None])[0]
    spread = 1.4826 * np.median(np.abs(residual_N))
    far = row_N[np.abs(residual_N) > OUTLIER * spread]
    if 0 < len(far) <= 0.1 * len(residual_N):
        out.append(
            f"rows {', '.join(str(r) for r in sorted(far)[:8])} lie over {OUTLIER} robust standard deviations off the law "
            f"(up to {100 * np.abs(residual_N).max():.0f} % of loss): refit without them and see whether it matters"
        )
    lowest = float(laid.problem.loss_N.min())
    for group in laid.groups:
        values = dict(zip(laid.law.names, laid.natural(theta_P[None], group)[0], strict=True))
        if "E" in values and values["E"] < 0.01 * lowest:
            out.append(f"{group}: E = {values['E']:.2g} is at its bound, zero: these runs show no floor")
        if theta_RP is None:
            continue
        draws = laid.natural(theta_RP, group)
        for k, name in enumerate(laid.law.names):
            low, high = np.quantile(draws[:, k], [0.025, 0.975])
            size = abs(values[name])
            if name == "E" and low < 0.01 * lowest <= size:
                out.append(f"{group}: E is open below (more than 2.5 % of replicates put it at zero)")
            elif k >= len(laid.law.coefficients) and high - low > 2 * size and name not in unknown:
                out.append(f"{group}: {name} is hardly bounded, 95 % of replicates in [{low:.2g}, {high:.2g}]")
        if {"E", "beta"} <= set(laid.law.names):
            names = laid.law.names
            with np.errstate(divide="ignore", invalid="ignore"):
                pair = np.corrcoef(np.log(np.maximum(draws[:, names.index("B")], 1e-300)), draws[:, names.index("beta")])[0, 1]
                floor = np.corrcoef(draws[:, names.index("E")], draws[:, names.index("beta")])[0, 1]
            if abs(pair) > 0.99 or abs(floor) > 0.95:
                out.append(f"{group}: correlations ln B-beta {pair:.3f}, E-beta {floor:.3f}: quote them together or not at all")
    if len(found.objective_M) > 1 and found.objective_M[0] > 0 and found.objective_M[1] < 1.02 * found.objective_M[0]:
        out.append("a second, different minimum lies within 2 % of the best: the parameters are not settled by these runs")
    return tuple(out)
