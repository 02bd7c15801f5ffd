"""Profile-likelihood intervals: fix one parameter at many values, refit the rest, and see where the fit becomes too bad.

Shape suffixes: R replicates, N points, P global parameters.
"""

import numpy as np
from scipy.special import stdtrit

from scaling_fit.intervals import Interval
from scaling_fit.solve import Problem, solve

Array = np.ndarray


def profile(problem: Problem, theta_P: Array, free_P: Array, column: int, se: float, sigma2: float, df: float,
            confidences: tuple[float, ...], limit: float = 1.5, steps: int = 28) -> list[Interval]:
    """Profile-likelihood intervals of theta[column]: every fixed value is one replicate of one batch.

    An end that the likelihood does not reach within `limit` of the estimate is infinite: the profile is unbounded there.
    """
    center = float(theta_P[column])
    reach = min(limit, 12 * se) if np.isfinite(se) and se > 0 else limit
    sides = np.geomspace(reach / 200, limit, steps)
    values = np.concatenate([center - sides[::-1], [center], center + sides])
    free = free_P.copy()
    free[column] = False
    J = problem.jacobian(theta_P) if problem.trunks is None else problem.trunks.whiten(problem.jacobian(theta_P).T).T
    along = np.zeros(len(theta_P))
    along[free] = -np.linalg.lstsq(J[:, free], J[:, column], rcond=1e-6)[0]
    along[column] = 1.0
    near = np.clip(values - center, -0.3, 0.3)
    starts = theta_P + along * near[:, None]
    starts[:, column] = values
    flat = np.repeat(theta_P[None], len(values), 0)
    flat[:, column] = values
    both = solve(problem, np.concatenate([starts, flat]), free_RP=free[None], tolerance=1e-10, max_iterations=100)
    rss = 2.0 * np.minimum(*both.objective_R.reshape(2, -1))
    rise = np.maximum((rss - rss[steps]) / sigma2, 0.0)
    out = []
    for confidence in confidences:
        cut = stdtrit(df, 0.5 + confidence / 2) ** 2
        out.append(Interval(center, _crossing(values[steps::-1], rise[steps::-1], cut, -np.inf),
                            _crossing(values[steps:], rise[steps:], cut, np.inf)))
    return out


def _crossing(values: Array, rise: Array, cut: float, missing: float) -> float:
    over = np.flatnonzero(rise > cut)
    if not len(over):
        return missing
    k = int(over[0])
    root = np.sqrt(rise)
    share = (np.sqrt(cut) - root[k - 1]) / max(root[k] - root[k - 1], 1e-300)
    return float(values[k - 1] + share * (values[k] - values[k - 1]))
