"""How far a level's fitted curve lies from the baseline's, over the tested range and to ten times past it, and the order of
levels by it. The luck of documents is in the intervals, where draws measure it.

Shape suffixes: R replicates (row 0 the estimate), S shapes, K places along a curve.

Directions are read from the curves and never from one parameter: with a higher exponent a level can still lose, where its
floor or prefactor moved the other way.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scaling_fit.intervals import UNKNOWN, Interval, percentile
from scaling_fit.levels import decision
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.decision import Order
from scaling_fit.levels.draws import reaches
from scaling_fit.settings import Settings

BEYOND = 10.0
"""Curves are drawn, and gaps told, this far past the last tested token count."""
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


def gaps_of(whole: Comparison, settings: Settings) -> dict[str, Gap]:
    """Every level's gap to the baseline, with the luck of its documents; what lies beyond the tested range gets the same."""
    found = {level: gap(whole, level, settings.confidence) for level in whole.levels[1:]}
    reach = reaches(whole.levels, whole.luck, settings.confidence)
    return {level: widened(one, reach.get(frozenset((level, whole.baseline)), 0.0)) for level, one in found.items()}


def widened(gap: Gap, reach: float) -> Gap:
    spans = {name: decision.widened(getattr(gap, name), reach) for name in ("mean", "first", "last", "beyond")}
    return replace(gap, **spans)


def order_of(whole: Comparison, confidence: float) -> Order:
    """The levels by their mean gap over the tested range."""
    loss_R = {whole.baseline: np.zeros(len(whole.theta_RP) + 1)}
    loss_R |= {level: mean_gap(whole, level) for level in whole.levels[1:]}
    return decision.order(loss_R, confidence, reaches(whole.levels, whole.luck, confidence))


def gap(whole: Comparison, level: str, confidence: float) -> Gap:
    """The gap of a level over the shapes that it shares with the baseline."""
    paths = []
    for shape in whole.common_shapes(level):
        D = _tested(whole, level, shape)
        paths.append(
            _gaps(whole, level, shape, np.append(np.geomspace(D[0], D[-1], 16), np.geomspace(D[-1], D[-1] * BEYOND, 8)))
        )
    if not paths:
        return Gap(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, "unclear")
    path_RSK = np.stack(paths, 1)
    draws = mean_gap(whole, level), *(path_RSK[:, :, k].mean(1) for k in (0, 15, -1))
    mean, first, last, beyond = (percentile(draw_R[0], draw_R[1:], confidence, corrected=False) for draw_R in draws)
    return Gap(mean, first, last, beyond, trend(path_RSK))


def mean_gap(whole: Comparison, level: str) -> np.ndarray:
    """[R]: the mean over the D and shapes that the level was run at, in percent of loss; not a number where it shares no shape
    with the baseline."""
    gaps = [_gaps(whole, level, shape, _tested(whole, level, shape)) for shape in whole.common_shapes(level)]
    return np.concatenate(gaps, 1).mean(1) if gaps else np.full(len(whole.theta_RP) + 1, np.nan)


def _tested(whole: Comparison, level: str, shape: str) -> np.ndarray:
    return np.unique(whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)])


def _gaps(whole: Comparison, level: str, shape: str, D: np.ndarray) -> np.ndarray:
    """[R, len(D)], in percent of loss."""
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP])
    N = np.full(len(D), whole.shapes[shape])
    own_RK, base_RK = (whole.log_loss(name, shape, N, D, theta_RP) for name in (level, whole.baseline))
    return 100 * (own_RK - base_RK)


def trend(path_RSK: np.ndarray) -> Trend:
    """What all shapes show, where `AGREE` of the replicates show it too."""
    change_RS = np.abs(path_RSK[:, :, -1]) - np.abs(path_RSK[:, :, 15])
    below_RSK = np.asarray(path_RSK < 0)
    crosses_R = np.asarray(below_RSK.any(2) & ~below_RSK.all(2)).any(-1)
    kind_R = np.select([crosses_R, (change_RS > 0).all(1), (change_RS < 0).all(1)], [2, 0, 1], 3)
    return TRENDS[kind_R[0]] if (kind_R[1:] == kind_R[0]).mean() >= AGREE else "unclear"
