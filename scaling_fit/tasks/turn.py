"""Does a metric turn, or does it bend? A sharp turn against a wide one, with a p value by simulation.

Shape suffixes: N runs, K turns tried, R replicates.

A curve over the loss is a quadratic and one turn, w log(1 + exp((x - t) / w)), after which the metric rises at another rate; x
is falling loss, from -1 to 1 over the table. A turn of w >= `WIDE` takes half of the tested range of losses or more and is
called smooth. A sharp one has w near 0. Both are fitted, at every place t, and the ratio of their sums of squares is compared
with that of tables simulated from the best smooth curve: at a place that was searched for, a plain F test rejects far too
often (Davies 1987). One-sided: a rise that slows is no emergence.
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.law.solve import Trunks
from scaling_fit.table.scores import METRICS
from scaling_fit.tasks.curve import fit_curve
from scaling_fit.tasks.scores import Scores

Array = np.ndarray
WIDE = (0.25, 0.4, 0.7, 1.2)  # from one slope to the other, 10 to 90 %, takes 4.4 w; the range of x is 2
SHARP = (0.0, 0.05, 0.1)
FEWEST = 8  # distinct losses of a level, below which a turn cannot be told from a bend
PLACES = 16
REPLICATES = 999


@dataclass(frozen=True)
class Turn:
    """The sharp turn that fits best: `at`, the loss where the metric turns, and the p of a smooth curve showing one as clear
    anywhere."""

    at: float
    p: float


def turn(scores: Scores, ratio: float, seed: int = 0) -> Turn | None:
    """Of one metric of one task on one level; ratio: variance of trunks' luck over that of runs. None: too few losses."""
    if len(np.unique(np.round(scores.loss, 6))) < FEWEST:
        return None
    curve = fit_curve(scores)
    scores, trunks = curve.scores, Trunks(curve.trunks.starts_C, curve.trunks.index_N, curve.trunks.sizes_C, ratio)
    sd_N = np.sqrt(curve.link.variance(curve.predict(curve.levels[0], scores.loss)[0]))
    x_N = curve.axis.x(scores.loss)
    base_NQ = trunks.whiten((np.stack([np.ones_like(x_N), x_N, x_N**2], 1) / sd_N[:, None]).T).T
    Q_NQ = np.linalg.qr(base_NQ)[0]

    def rest(z: Array) -> Array:
        """What a quadratic leaves of rows of z."""
        return z - (z @ Q_NQ) @ Q_NQ.T

    def turns(places: Array, widths: tuple[float, ...]) -> Array:
        """Unit columns [N, K] of turns, width by width."""
        columns_KN = np.stack([_turned(x_N, t, w) / sd_N for w in widths for t in places])
        columns_KN = rest(trunks.whiten(columns_KN))
        return (columns_KN / np.maximum(np.linalg.norm(columns_KN, axis=1), 1e-12)[:, None]).T

    inner = np.unique(np.round(x_N, 6))
    inner = (inner[1:-2] + inner[2:-1]) / 2
    places = inner[np.unique(np.linspace(0, len(inner) - 1, PLACES).astype(int))]
    wide_NK, sharp_NK = turns(np.linspace(-1.2, 1.2, 13), WIDE), turns(places, SHARP) * METRICS[str(scores.metric[0])]
    y_N = rest(trunks.whiten(scores.value / sd_N)[None])[0]
    along_K = y_N @ wide_NK
    k = int(np.abs(along_K).argmax())
    smooth_N = along_K[k] * wide_NK[:, k]
    variance = float(((y_N - smooth_N) ** 2).sum()) / max(len(y_N) - base_NQ.shape[1] - 1, 1)
    noise_RN = np.sqrt(variance) * np.random.default_rng(seed).standard_normal((REPLICATES, len(y_N)))
    y_RN = np.concatenate([y_N[None], rest(smooth_N + noise_RN)])
    sharp_RK = np.maximum(y_RN @ sharp_NK, 0.0)
    all_R = (y_RN**2).sum(1)
    smooth_R, broken_R = all_R - ((y_RN @ wide_NK) ** 2).max(1), all_R - (sharp_RK**2).max(1)
    ratio_R = smooth_R / np.maximum(broken_R, 1e-300)
    at = curve.axis.middle - curve.axis.half * float(places[int(sharp_RK[0].argmax()) % len(places)])
    return Turn(at, float((1 + (ratio_R[1:] >= ratio_R[0]).sum()) / (REPLICATES + 1)))


def _turned(x_N: Array, t: float, w: float) -> Array:
    return np.maximum(x_N - t, 0.0) if w == 0 else w * np.logaddexp(0.0, (x_N - t) / w)
