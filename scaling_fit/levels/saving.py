"""With how many of the baseline's tokens a level makes the loss that the baseline has at the most data tested.

Shape suffixes: R replicates (row 0 the estimate), G places along a curve.
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.intervals import Interval, percentile
from scaling_fit.levels.compare import Comparison

REACH = 100.0
"""Looked for within this factor of the baseline's tokens; a level that does not get there needs more, without a bound."""


@dataclass(frozen=True)
class Saving:
    """At one shape: the baseline's D tokens and loss (nats/token), and the share of D with which the level makes that loss."""

    shape: str
    D: float
    loss: float
    share: Interval


def saving(whole: Comparison, level: str, confidence: float) -> Saving | None:
    """At the largest shape that both have. None where they have none in common."""
    shapes = whole.common_shapes(level)
    if not shapes:
        return None
    shape, table = shapes[-1], whole.table
    size = whole.shapes[shape]
    D = float(table.D[(table.level == whole.baseline) & (table.shape == shape)].max())
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP])
    factor_G = np.geomspace(1 / REACH, REACH, 401)
    goal_R = whole.log_loss(whole.baseline, shape, np.array([size]), np.array([D]), theta_RP)[:, 0]
    curve_RG = whole.log_loss(level, shape, np.full(len(factor_G), size), D * factor_G, theta_RP)
    shares = [
        float(np.exp(np.interp(goal, curve_G[::-1], np.log(factor_G)[::-1], left=np.inf, right=-np.inf)))
        for goal, curve_G in zip(goal_R, curve_RG, strict=True)
    ]
    share = percentile(shares[0], np.array(shares[1:]), confidence, corrected=False)
    return Saving(shape, D, float(np.exp(goal_R[0])), share)
