"""Intervals and the arithmetic of many tests.

Shape suffixes: R replicates.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from scaling_fit.encoding import open_as

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; an infinite end means the data do not bound it on that side."""

    value: float = open_as(float("nan"))
    low: float = open_as(float("-inf"))
    high: float = open_as(float("inf"))

    @property
    def bounded(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    def standard_error(self, confidence: float) -> float:
        """From the width, of a symmetric interval."""
        return float((self.high - self.low) / (2 * ndtri((1 + confidence) / 2)))

    def to_dict(self) -> dict:
        return {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high)}


UNKNOWN = Interval(float("nan"), float("-inf"), float("inf"))


def finite(x: float | None) -> float | None:
    """A number JSON can hold: None for infinities and not-a-number."""
    return float(x) if x is not None and np.isfinite(x) else None


def show(x: float | None) -> str:
    """A number for a table; "open" where the data give none."""
    return "open" if x is None or not np.isfinite(x) else f"{x:.5g}"


def percentile(value: float, draws_R: Array, confidence: float = 0.95, corrected: bool = True) -> Interval:
    """Bias-corrected percentile interval (Efron 1987 without acceleration): the quantiles move so that `value` sits at
    the middle of the draws. Draws that are not numbers are left out; an interval always holds its value."""
    draws_R = np.sort(draws_R[~np.isnan(draws_R)])
    if not len(draws_R):
        return Interval(value, -np.inf, np.inf)
    tails = np.array([0.5 - confidence / 2, 0.5 + confidence / 2])
    if corrected:
        below = (np.sum(draws_R < value) + 0.5 * np.sum(draws_R == value)) / len(draws_R)
        bias = ndtri(np.clip(below, 0.02, 0.98))
        tails = ndtr(2 * bias + ndtri(tails))
    low, high = np.quantile(draws_R, tails, method="weibull" if np.isfinite(draws_R).all() else "nearest")
    return Interval(float(value), min(float(low), float(value)), max(float(high), float(value)))


def band(value_N: Array, draws_RN: Array, confidence: float = 0.95) -> tuple[list[float], list[float]]:
    """Pointwise percentile band, centred on the estimate in logs' sense only through the draws."""
    low, high = np.quantile(draws_RN, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    return np.minimum(low, value_N).tolist(), np.maximum(high, value_N).tolist()


def tost(value: float, se: float, margin: float, df: float) -> float:
    """Two one-sided t tests of |quantity| < margin: the larger of the two p-values (Schuirmann 1987)."""
    return float(max(stdtr(df, (value - margin) / se), stdtr(df, (-margin - value) / se)))


def holm(p_values: list[float]) -> list[float]:
    """Step-down adjusted p-values (Holm 1979)."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(np.argsort(p_values)):
        running = max(running, (len(p_values) - rank) * p_values[k])
        adjusted[k] = min(1.0, running)
    return adjusted
