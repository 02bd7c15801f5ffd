"""Assumption-light companions of the joint law: what the runs say with little or no law between them and the reader.

Shape suffixes: R replicates, N points, K cells (token counts of one level and shape).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, stdtrit

from scaling_fit.intervals import Interval, finite, percentile
from scaling_fit.law.estimate import Estimate
from scaling_fit.law.groups import Part, grouped
from scaling_fit.law.laws import LAWS
from scaling_fit.law.profile import profile
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import Comparison

Array = np.ndarray


@dataclass(frozen=True)
class MatchedLoss:
    """Baseline tokens per token at which the baseline's own runs reach the loss that the level has at D: no law in between."""

    shape: str
    N: float
    D: float
    loss: float
    multiplier: Interval


@dataclass(frozen=True)
class MultiplierSlope:
    """d ln multiplier / d ln D pooled over shapes, and the p value of its being zero."""

    slope: Interval
    p: float
    points: int


@dataclass(frozen=True)
class MultiplierCurve:
    """The multiplier from the fitted laws over D; None where the baseline's law never reaches the loss."""

    shape: str
    D: tuple[float, ...]
    multiplier: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True)
class SizeExponent:
    """Data exponents at one size alone, floors and prefactors free; `delta` is the level's minus the baseline's."""

    shape: str
    N: float
    beta_baseline: float
    beta: float
    delta: Interval


@dataclass(frozen=True)
class SeedDifference:
    """Level minus baseline at the same shape, D and seed, in nats per token and in percent of loss."""

    shape: str
    N: float
    D: float
    seed: str
    difference: float
    percent: float


@dataclass(frozen=True)
class SeedSummary:
    """Mean over pairs of trunks with a t interval, how many are better, and the p value of no difference."""

    percent: Interval
    pairs: int
    wins: int
    p: float | None


def simulated_tables(whole: Comparison, replicates: int, seed: int) -> Array:
    """Log losses as observed plus fresh noise, shape [R, N]: what another draw of luck could have shown."""
    assert whole.grouped.problem.trunks is not None
    noise = whole.noise.simulate(np.random.default_rng(seed), replicates, whole.grouped.problem.trunks)
    return np.log(whole.runs.loss)[None] + noise


def cell_means(whole: Comparison, level: str, shape: str, y_RN: Array) -> tuple[Array, Array]:
    """Token counts (ascending) and mean log loss over seeds, shapes [K], [R, K]."""
    table = whole.runs
    rows = np.flatnonzero((table.level == level) & (table.shape == shape))
    tokens = np.unique(table.D[rows])
    means = [y_RN[:, rows[table.D[rows] == D]].mean(1) for D in tokens]
    return tokens, np.stack(means, 1) if means else np.empty((len(y_RN), 0))


def _tokens_at(target_R: Array, log_D_K: Array, y_RK: Array) -> Array:
    """log D at which a falling curve reaches `target`, per replicate, by linear interpolation (end segments extended)."""
    y_RK = np.minimum.accumulate(y_RK, axis=1) - 1e-12 * np.arange(y_RK.shape[1])
    k_R = np.clip((y_RK > target_R[:, None]).sum(1) - 1, 0, y_RK.shape[1] - 2)
    rows = np.arange(len(y_RK))
    share_R = (y_RK[rows, k_R] - target_R) / (y_RK[rows, k_R] - y_RK[rows, k_R + 1])
    return log_D_K[k_R] + np.clip(share_R, -5, 5) * (log_D_K[k_R + 1] - log_D_K[k_R])


def multiplier_curve(
    whole: Comparison, level: str, replicates: int = 400, confidence: float = 0.95, seed: int = 0
) -> tuple[tuple[MatchedLoss, ...], MultiplierSlope | None]:
    """D_baseline(L) / D_level(L) at matched shape, without a law: how many baseline tokens reach the loss the level has at D.

    Flat over D: a prefactor. Sloped: the exponent (or the floor). Only losses inside the baseline's own range count. The
    slope, d ln m / d ln D pooled over shapes, has its interval and the p-value of being zero.
    """
    y_RN = np.concatenate([np.log(whole.runs.loss)[None], simulated_tables(whole, replicates, seed)])
    points, slopes_x, slopes_y = [], [], []
    for shape, size in whole.shapes.items():
        D_base, base_RK = cell_means(whole, whole.baseline, shape, y_RN)
        D_level, level_RK = cell_means(whole, level, shape, y_RN)
        if len(D_base) < 2 or not len(D_level):
            continue
        inside = (level_RK[0] <= base_RK[0].max()) & (level_RK[0] >= base_RK[0].min())
        log_m = []
        for k in np.flatnonzero(inside):
            log_m_R = _tokens_at(level_RK[:, k], np.log(D_base), base_RK) - np.log(D_level[k])
            log_m.append(log_m_R)
            spread = percentile(np.exp(log_m_R[0]), np.exp(log_m_R[1:]), confidence, corrected=False)
            points.append(MatchedLoss(shape, size, float(D_level[k]), float(np.exp(level_RK[0, k])), spread))
        if len(log_m) > 1:
            x = np.log(D_level[inside])
            slopes_x.append(x - x.mean())
            y = np.stack(log_m, 1)
            slopes_y.append(y - y.mean(1, keepdims=True))
    slope = None
    if slopes_x:
        x, y = np.concatenate(slopes_x), np.concatenate(slopes_y, 1)
        slope_R = y @ x / (x @ x)
        spread = percentile(slope_R[0], slope_R[1:], confidence, corrected=False)
        share = (np.abs(slope_R[1:] - slope_R[1:].mean()) >= abs(slope_R[0])).mean()
        slope = MultiplierSlope(spread, float((share * replicates + 1) / (replicates + 1)), len(x))
    return tuple(points), slope


def fitted_multiplier(whole: Comparison, level: str, shape: str, D: Array, confidence: float = 0.95) -> MultiplierCurve:
    """The same multiplier from the fitted laws (floors, exponents and prefactors all free) over a grid of D.

    Null where the baseline's law never reaches the level's loss (its floor is above)."""
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP[:400]])
    N = np.full(len(D), whole.shapes[shape])
    loss_RN = np.exp(whole.log_loss(level, shape, N, D, theta_RP))
    base = whole.parameters(whole.baseline, theta_RP)
    rest_R = base[f"E[{shape}]"] if whole.by_shape else base["E"] + base["A"] * N[0] ** -base["alpha"]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        log_D = (np.log(base["B"])[:, None] - np.log(loss_RN - rest_R[:, None])) / base["beta"][:, None]
        m_RN = np.exp(np.clip(np.where(np.isnan(log_D), np.inf, log_D) - np.log(D), -30, 30))
    m_RN = np.where(m_RN > 1e12, np.inf, m_RN)
    spread = [percentile(m[0], m[1:], confidence, corrected=False) for m in m_RN.T]
    ends = (tuple(finite(getattr(s, end)) for s in spread) for end in ("value", "low", "high"))
    return MultiplierCurve(shape, tuple(D.tolist()), *ends)


def matched_beta(whole: Comparison, level: str, confidence: float = 0.95) -> tuple[SizeExponent, ...]:
    """Data exponents at each size alone, floors and prefactors free in both levels: no law in N is assumed.

    Shapes with fewer than 4 token counts in either level are left out. delta is level minus baseline, by profile."""
    law, out = LAWS["data"], []
    for shape, size in whole.shapes.items():
        rows = (whole.table.shape == shape) & np.isin(whole.table.level, [level, whole.baseline])
        table = whole.table.where(rows)
        if min(len(np.unique(table.D[table.level == name])) for name in (level, whole.baseline)) < 4:
            continue
        free = dict.fromkeys(law.names, "free")
        laid = grouped(law, table, table.level, free, baseline=whole.baseline, ratio=whole.noise.ratio)
        theta_P = solve(laid.problem, laid.start()[None], tolerance=1e-12).theta_RP[0]
        estimate = Estimate(laid.problem, theta_P, np.ones(len(theta_P), bool), whole.rss / whole.df, whole.df)
        (delta,) = profile(estimate, laid.column("beta", Part("difference", level)), (confidence,))
        beta = float(theta_P[laid.column("beta")])
        out.append(SizeExponent(shape, size, beta, beta + delta.value, delta))
    return tuple(out)


def paired_differences(
    whole: Comparison, level: str, confidence: float = 0.95
) -> tuple[tuple[SeedDifference, ...], SeedSummary | None]:
    """Level minus baseline at the same shape, tokens and seed (same initial weights): no law at all. Runs that lie far off
    the law are in no pair.

    The summary averages over trunks (a trunk's branches are first averaged), with a t interval over trunks."""
    base = {(shape, D, seed): loss for shape, D, seed, loss in _runs(whole, whole.baseline)}
    pairs, by_trunk = [], {}
    for shape, D, seed, loss in _runs(whole, level):
        if (shape, D, seed) in base:
            other = base[shape, D, seed]
            percent = float(100 * np.log(loss / other))
            pairs.append(SeedDifference(shape, whole.shapes[shape], D, seed, loss - other, percent))
            by_trunk.setdefault((shape, seed), []).append(percent)
    means = np.array([np.mean(v) for v in by_trunk.values()])
    if len(means) < 2:
        return tuple(pairs), None
    mean, se = float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))
    half = float(stdtrit(len(means) - 1, 0.5 + confidence / 2) * se)
    p = float(fdtrc(1, len(means) - 1, (mean / se) ** 2)) if se > 0 else None
    return tuple(pairs), SeedSummary(Interval(mean, mean - half, mean + half), len(means), int((means < 0).sum()), p)


def _runs(whole: Comparison, level: str) -> Iterator[tuple[str, float, str, float]]:
    chosen = (whole.runs.level == level) & ~np.isin(whole.runs.row, whole.wild)
    rows, losses = whole.runs.where(chosen), whole.measured_N[chosen]
    return zip(rows.shape.tolist(), rows.D.tolist(), rows.seed.tolist(), losses.tolist(), strict=True)
