"""Beyond the data: the loss to expect of a run, by forms of the law averaged and calibrated on forecasts of known runs.

Shape suffixes: K origins, M points asked about, G rates tried, R replicates.

Inside the data a forecast is the joint law. Past them it goes over, within an e-fold, to the average of forms that rolling
forecasts weighed (`calibrate`). Intervals are of the loss of one run: the law's error, the error of going beyond, and luck.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from scaling_fit.intervals import Interval
from scaling_fit.levels.beyond import Beyond, beyond
from scaling_fit.levels.calibrate import RATES, Calibration, average
from scaling_fit.levels.compare import Comparison

Array = np.ndarray
TAILS = (4.0, 12.0)  # degrees of freedom of a forecast's error: the law's own, within these
EDGE = 0.5  # e-folds within which a forecast leaves the joint law for the average of forms


@dataclass(frozen=True)
class Forecast:
    """Losses (nats per token) of runs at points [M]: expected, and the interval of one run's; infinite ends where the table
    gives no ground for one."""

    loss: Array
    low: Array
    high: Array
    beyond: Beyond

    def interval(self, k: int) -> Interval:
        low = self.low[k] if np.isfinite(self.high[k]) else -np.inf
        return Interval(float(self.loss[k]), float(low), float(self.high[k]))

    def to_dict(self) -> dict:
        """JSON lists; an end is null where there is none."""
        ends = {"low": self.low.tolist(), "high": self.high.tolist()}
        bounded = np.isfinite(self.high)
        ends = {name: [x if b else None for x, b in zip(end, bounded, strict=True)] for name, end in ends.items()}
        return {"loss": self.loss.tolist(), **ends, "beyond": self.beyond.rows()}


def predict(
    whole: Comparison, calibration: Calibration, level: str, shape: Array, N: Array, D: Array, confidence: float = 0.95
) -> Forecast:
    """What runs of a level would show. Inside the data: the joint law, its parameters' error and the noise of a run. Beyond:
    the average of forms, less the bias, with every part of the error that the calibration knows. shape: tested names [M]."""
    N, D = np.broadcast_arrays(np.asarray(N, float), np.asarray(D, float))
    past = beyond(whole.runs.where(whole.runs.level == level), calibration.cost, N, D)
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP[:400]])
    joint_RM = np.empty((len(theta_RP), len(N)))
    for name in dict.fromkeys(shape.tolist()):
        here = shape == name
        joint_RM[:, here] = whole.log_loss(level, name, N[here], D[here], theta_RP)
    noise = whole.noise.row**2 + whole.noise.trunk**2 + (whole.shared.sd(whole.noise) ** 2 if whole.shared else 0.0)
    x, inside = past.distance, np.exp(-past.distance / EDGE)
    # A few draws of an uncertain trunk noise are huge: the middle two thirds say how wide the draws are.
    mean, variance = joint_RM[0], (np.diff(np.quantile(joint_RM[1:], [0.1587, 0.8413], axis=0), axis=0)[0] / 2) ** 2 + noise
    df = float(np.clip(whole.df, *TAILS))
    if calibration.levels is None:
        half = np.where(x > 0, np.inf, stdtrit(df, 0.5 + confidence / 2) * np.sqrt(variance))
    else:
        rolled = calibration.levels[level]
        far_KM, variance_KM, scatter_K = average(rolled.ask(shape, N, D), rolled, calibration.weight_F)
        mean = inside * mean + (1 - inside) * (far_KM[-1] - calibration.bias * x)
        variance = inside * variance + (1 - inside) * (variance_KM[-1] + scatter_K[-1] ** 2)
        half = _half_width(variance + (RATES[:, None] * rolled.misfit * x) ** 2, calibration.chance_G, df, confidence)
    return Forecast(np.exp(mean), np.exp(mean - half), np.exp(mean + half), past)


def _half_width(variance_GM: Array, chance_G: Array, df: float, confidence: float) -> Array:
    """Half-width [M] of the interval of a mixture of Student t over the rates, by bisection."""
    sd_GM = np.sqrt(variance_GM)
    low, high = np.zeros(sd_GM.shape[1]), stdtrit(df, 0.5 + confidence / 2) * sd_GM.max(0)
    for _ in range(50):
        middle = (low + high) / 2
        wide = chance_G @ (2 * stdtr(df, -middle / sd_GM)) < 1 - confidence
        low, high = np.where(wide, low, middle), np.where(wide, middle, high)
    return high


def forecast(whole: Comparison, calibration: Calibration, level: str, shape: str, D: Array, confidence: float = 0.95) -> dict:
    """Losses of one level and tested shape over a grid of D, as JSON: a curve with the interval of a run's loss, and how far
    beyond the data each point is. Ends are null where the table gives no ground for them."""
    N = np.full(len(D), whole.shapes[shape])
    made = predict(whole, calibration, level, np.full(len(D), shape, dtype=object), N, D, confidence)
    seen = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
    return {
        "level": level,
        "shape": shape,
        "N": float(N[0]),
        "D": D.tolist(),
        **made.to_dict(),
        "observed": [float(seen.min()), float(seen.max())],
    }


def runs_at(whole: Comparison, calibration: Calibration, level: str, N: Array, D: Array, confidence: float = 0.95) -> Forecast:
    """Losses of a level's runs at any (N, D), shape [M].

    Errors: ValueError where floors are per shape and an N is not a tested size (the table then says nothing of other sizes).
    """
    tested = {s: n for s, n in whole.shapes.items() if s in whole.table.shape[whole.table.level == level]}
    shapes = []
    for size in N:
        named = [shape for shape, n in tested.items() if abs(np.log(n / size)) < 1e-6]
        if whole.by_shape and not named:
            raise ValueError(
                f"N = {size:g} was not tested and {len(tested)} sizes fix no law in N; use one of "
                + ", ".join(f"{n:g}" for n in tested.values())
            )
        shapes.append(named[0] if named else next(iter(tested)))
    return predict(whole, calibration, level, np.array(shapes, dtype=object), N, D, confidence)
