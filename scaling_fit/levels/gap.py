"""How far a level's fitted curve lies from the baseline's, over the tested range and to ten times past it.

Shape suffixes: R replicates (row 0 the estimate), S shapes, K places along a curve.

Directions are read from the curves and never from one parameter: with a higher exponent a level can still lose, where its
floor or prefactor moved the other way.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaling_fit.intervals import UNKNOWN, Interval, percentile
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.outlook import BEYOND

Trend = Literal["grows", "shrinks", "crosses", "unclear"]
TRENDS: tuple[Trend, ...] = ("grows", "shrinks", "crosses", "unclear")
AGREE = 0.8
"""The share of replicates that must show a trend before it is told."""


@dataclass(frozen=True)
class Gap:
    """Loss against the baseline's in percent (negative: better), averaged over shapes: over the tested D, at the least and the
    most data tested, and at `BEYOND` times the most. `trend`: the curves change places somewhere from the least data on, in
    some shape; or in every shape the gap grows (or shrinks) from the most data tested on; otherwise it is unclear."""

    mean: Interval
    first: Interval
    last: Interval
    beyond: Interval
    trend: Trend


def gap(whole: Comparison, level: str, confidence: float) -> Gap:
    """The gap of a level over the shapes that it shares with the baseline."""
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP])
    tested, paths = [], []
    for shape in whole.common_shapes(level):
        D = np.unique(whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)])
        places = np.concatenate([D, np.geomspace(D[0], D[-1], 16), np.geomspace(D[-1], D[-1] * BEYOND, 8)])
        N = np.full(len(places), whole.shapes[shape])
        own_RK, base_RK = (whole.log_loss(name, shape, N, places, theta_RP) for name in (level, whole.baseline))
        tested.append(100 * (own_RK - base_RK)[:, : len(D)])
        paths.append(100 * (own_RK - base_RK)[:, len(D) :])
    if not paths:
        return Gap(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, "unclear")
    path_RSK = np.stack(paths, 1)
    draws = (np.concatenate(tested, 1), path_RSK[:, :, 0], path_RSK[:, :, 15], path_RSK[:, :, -1])
    mean, first, last, beyond = (percentile(d.mean(1)[0], d.mean(1)[1:], confidence, corrected=False) for d in draws)
    return Gap(mean, first, last, beyond, trend(path_RSK))


def trend(path_RSK: np.ndarray) -> Trend:
    """What all shapes show, where `AGREE` of the replicates show it too."""
    change_RS = np.abs(path_RSK[:, :, -1]) - np.abs(path_RSK[:, :, 15])
    below_RSK = np.asarray(path_RSK < 0)
    crosses_R = np.asarray(below_RSK.any(2) & ~below_RSK.all(2)).any(-1)
    kind_R = np.select([crosses_R, (change_RS > 0).all(1), (change_RS < 0).all(1)], [2, 0, 1], 3)
    return TRENDS[kind_R[0]] if (kind_R[1:] == kind_R[0]).mean() >= AGREE else "unclear"
