"""Which level is better on a task at equal loss: data that teaches more than the loss shows, or less."""

from dataclasses import replace

import numpy as np
from scipy.special import stdtr, stdtrit

from scaling_fit.intervals import UNKNOWN, Interval, holm
from scaling_fit.tasks.curve import Curve
from scaling_fit.tasks.records import AtEqualLoss


def at_equal_loss(curve: Curve, level: str, baseline: str, confidence: float) -> AtEqualLoss:
    """Level minus baseline on their curves, in the middle of the losses that both were run at."""
    ranges = [curve.scores.loss[curve.level_N == curve.levels.index(name)] for name in (level, baseline)]
    low, high = max(one.min() for one in ranges), min(one.max() for one in ranges)
    if low >= high:
        return AtEqualLoss(level, None, UNKNOWN, None, None)
    loss = np.array([(low + high) / 2])
    value = float((curve.predict(level, loss) - curve.predict(baseline, loss))[0, 0])
    gradient_P = (curve.gradient(level, loss) - curve.gradient(baseline, loss))[0]
    se = float(np.sqrt(max(gradient_P @ curve.covariance_PP @ gradient_P, 1e-300)))
    half = float(stdtrit(curve.df_between, 0.5 + confidence / 2)) * se
    p = float(2 * stdtr(curve.df_between, -abs(value) / se))
    return AtEqualLoss(level, float(loss[0]), Interval(value, value - half, value + half), p, p)


def adjusted(found: list[AtEqualLoss]) -> list[AtEqualLoss]:
    """p values adjusted for all of `found` (Holm)."""
    tested = [k for k, one in enumerate(found) if one.p is not None]
    p_values = dict(zip(tested, holm([p for one in found if (p := one.p) is not None]), strict=True))
    return [replace(one, p_adjusted=p_values.get(k)) for k, one in enumerate(found)]
