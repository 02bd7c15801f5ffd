"""A metric of a task as a function of the loss, all levels on one curve with an offset each.

Shape suffixes: N scores, P parameters, L levels, R replicates, M losses asked about.

With x the loss from high to low, scaled to [-1, 1] over the table, eta = a_level + b (exp(kappa x) - 1) / kappa. A continuous
metric is eta itself: linear in loss where kappa = 0, else the exponential of Gadre et al. 2024 (arXiv:2403.08540, eq. 5). An
accuracy is chance + (1 - chance) sigmoid(eta), from guessing to always right. A normal prior (`BEND`) keeps kappa near 0, so
that few runs are read as a plain line or sigmoid and a forecast still counts the chance of a bend.

Noise has one variance per run and one per trunk, as losses have, in units of the binomial p (1 - p) / items of an accuracy.
Their size is estimated: all runs answer the same items, so that they scatter less than the binomial, or more by their luck.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, fdtrc, logit

from scaling_fit.law.noise import RATIOS, reml
from scaling_fit.law.solve import Trunks
from scaling_fit.tasks.scores import ACCURACIES, Scores

Array = np.ndarray
BEND = 0.5  # prior standard deviation of kappa: a slope that changes by a factor e from one end to the other is 2 BEND
LOOSE = 8.0  # prior standard deviation of the other parameters of an accuracy: keeps what is at chance finite
ROUNDS, REWEIGHTED = 60, 5


@dataclass(frozen=True)
class Axis:
    """The loss as x: `middle` to 0, `half` of its range to 1, falling loss to the right."""

    middle: float
    half: float

    def x(self, loss: Array | float) -> Array:
        return (self.middle - np.asarray(loss, float)) / self.half


@dataclass(frozen=True)
class Link:
    """From eta to a metric: itself, or an accuracy between `chance` and 1 over `items`."""

    accuracy: bool
    chance: float = 0.0
    items: float = 1.0

    def value(self, eta: Array) -> Array:
        return self.chance + (1 - self.chance) * expit(eta) if self.accuracy else eta

    def slope(self, eta: Array) -> Array:
        s = expit(eta)
        return (1 - self.chance) * s * (1 - s) if self.accuracy else np.ones_like(eta)

    def eta(self, value: Array) -> Array:
        """Its inverse, kept from the ends by half an item."""
        least = 0.5 / self.items
        return logit(np.clip((value - self.chance) / (1 - self.chance), least, 1 - least)) if self.accuracy else value

    def variance(self, value: Array) -> Array:
        """Of one score by chance alone, up to the noise's own scale: 1 for a continuous metric."""
        if not self.accuracy:
            return np.ones_like(value)
        p = np.clip(value, 0.5 / self.items, 1 - 0.5 / self.items)
        return p * (1 - p) / self.items


@dataclass(frozen=True)
class Curve:
    """One metric of one task over all levels. theta: an offset per level, a slope (or one per level: `own_slopes`), kappa.
    `scale`: variance of a run in units of `Link.variance`; `trunks`: rows that share luck, with its ratio to that variance;
    `df_between` for what differs between trunks, `df` for the rest. `parallel`: p of all levels having one slope."""

    scores: Scores
    levels: tuple[str, ...]
    level_N: Array
    axis: Axis
    link: Link
    own_slopes: bool
    theta_P: Array
    covariance_PP: Array
    scale: float
    trunks: Trunks
    df: float
    df_between: float
    parallel: float

    def eta(self, theta_RP: Array, level_M: Array, x_M: Array) -> Array:
        """Of levels (by number) at x, shape [R, M]."""
        L = len(self.levels)
        a_RM = theta_RP[:, level_M]
        b_RM = theta_RP[:, L + level_M] if self.own_slopes else theta_RP[:, L : L + 1]
        return a_RM + b_RM * _bent(theta_RP[:, -1:], x_M)

    def predict(self, level: str, loss: Array, theta_RP: Array | None = None) -> Array:
        """The metric of a level at losses, shape [R, M]."""
        theta_RP = self.theta_P[None] if theta_RP is None else theta_RP
        number_M = np.full(np.shape(loss)[-1], self.levels.index(level))
        return self.link.value(self.eta(theta_RP, number_M, self.axis.x(loss)))

    def along(self, level: str, loss_R: Array, theta_RP: Array) -> Array:
        """The metric of a level, each replicate at a loss of its own, shape [R]."""
        at, L = self.levels.index(level), len(self.levels)
        slope_R = theta_RP[:, L + at if self.own_slopes else L]
        return self.link.value(theta_RP[:, at] + slope_R * _bent(theta_RP[:, -1], self.axis.x(loss_R)))

    def jacobian(self, theta_P: Array, level_M: Array, x_M: Array) -> Array:
        """d eta / d theta, shape [M, P]."""
        return _jacobian(theta_P, level_M, x_M, len(self.levels), self.own_slopes)

    def gradient(self, level: str, loss: Array) -> Array:
        """d metric / d theta at losses, shape [M, P]."""
        number_M, x_M = np.full(len(loss), self.levels.index(level)), self.axis.x(loss)
        eta_M = self.eta(self.theta_P[None], number_M, x_M)[0]
        return self.link.slope(eta_M)[:, None] * self.jacobian(self.theta_P, number_M, x_M)

    def run_variance(self, value: Array) -> Array:
        """Of one run's score about the curve, its trunk's luck included."""
        return self.scale * self.link.variance(value) * (1 + self.trunks.ratio)

    def draws(self, rng: np.random.Generator, n: int, widened: float = 1.0) -> Array:
        """theta_RP around the fit, Student t of `df_between`; `widened` is a factor on their spread."""
        values, vectors = np.linalg.eigh(self.covariance_PP)
        root_PP = vectors * np.sqrt(np.maximum(values, 0.0))
        t_R = np.sqrt(self.df_between / rng.chisquare(self.df_between, n))
        return self.theta_P + widened * t_R[:, None] * (rng.standard_normal((n, len(values))) @ root_PP.T)


def fit_curve(scores: Scores) -> Curve:
    """Fit one metric of one task, given as its rows. Errors: ValueError where they are no more than the parameters, or all of
    one loss."""
    scores = scores.where(np.argsort(scores.trunk.astype(str), kind="stable"))
    levels, level_N = np.unique(scores.level.astype(str), return_inverse=True)
    low, high = float(scores.loss.min()), float(scores.loss.max())
    if len(scores) < len(levels) + 4 or len(np.unique(scores.loss)) < 4:
        raise ValueError(f"{len(scores)} runs of {len(levels)} levels: too few for a curve over the loss")
    link = link_of(scores)
    start = Curve(
        scores, tuple(levels.tolist()), level_N, Axis((low + high) / 2, (high - low) / 2), link, False, np.zeros(0),
        np.zeros((0, 0)), 1.0, trunks_of(scores), 1.0, 1.0, 1.0,
    )  # fmt: skip
    curve = _fitted(start)
    own_NK = np.eye(len(levels))[level_N][:, 1:] * curve.axis.x(scores.loss)[:, None]
    parallel = added(curve, own_NK)
    if parallel < 0.01 and len(scores) > 3 * len(levels) + 3:
        return replace(_fitted(replace(start, own_slopes=True)), parallel=parallel)
    return replace(curve, parallel=parallel)


def link_of(scores: Scores) -> Link:
    """What the rows of one metric are: items where the table does not say them are those of the error it gives, or 1000."""
    if scores.metric[0] not in ACCURACIES:
        return Link(False)
    items = float(np.nanmedian(scores.n_items)) if np.isfinite(scores.n_items).any() else np.nan
    if not np.isfinite(items):
        said = scores.value * (1 - scores.value) / scores.se**2
        items = float(np.nanmedian(said)) if np.isfinite(said).any() else 1000.0
    return Link(True, float(np.median(scores.chance)), max(items, 2.0))


def trunks_of(scores: Scores) -> Trunks:
    """Rows of a trunk, which stand together."""
    _, starts_C, index_N = np.unique(scores.trunk.astype(str), return_index=True, return_inverse=True)
    return Trunks(starts_C, index_N, np.bincount(index_N), 0.0)


def added(curve: Curve, more_NK: Array) -> float:
    """p of the F test that columns of eta, added to a fitted curve, are all zero (linearised at the fit)."""
    r_N, J_NP = whitened(curve)
    eta_N = curve.eta(curve.theta_P[None], curve.level_N, curve.axis.x(curve.scores.loss))[0]
    w_N = curve.link.slope(eta_N) / np.sqrt(curve.link.variance(curve.link.value(eta_N)))
    H_NK = curve.trunks.whiten((more_NK * w_N[:, None]).T).T
    Q_NP, size = np.linalg.qr(J_NP)[0], np.linalg.norm(H_NK)
    r_N, H_NK = r_N - Q_NP @ (Q_NP.T @ r_N), H_NK - Q_NP @ (Q_NP.T @ H_NK)
    U_NK, s_K, _ = np.linalg.svd(H_NK, full_matrices=False)
    U_NK = U_NK[:, s_K > 1e-6 * size]
    rank, df = U_NK.shape[1], len(r_N) - J_NP.shape[1] - U_NK.shape[1]
    if not rank or df < 1:
        return 1.0
    explained = float(((U_NK.T @ r_N) ** 2).sum())
    return float(fdtrc(rank, df, explained / rank / max(float(r_N @ r_N - explained) / df, 1e-300)))


def whitened(curve: Curve) -> tuple[Array, Array]:
    """Residuals [N] and Jacobian [N, P] at the fit, in standard deviations of `Link.variance`, free of trunks' luck."""
    r_N, J_NP = _standardised(curve)
    return curve.trunks.whiten(r_N), curve.trunks.whiten(J_NP.T).T


def _bent(kappa: Array, x: Array) -> Array:
    """(exp(kappa x) - 1) / kappa, x where kappa is 0."""
    small = np.abs(kappa) < 1e-6
    safe = np.where(small, 1.0, kappa)
    return np.where(small, x + 0 * kappa, np.expm1(safe * x) / safe)


def _jacobian(theta_P: Array, level_M: Array, x_M: Array, L: int, own_slopes: bool) -> Array:
    one_ML, kappa = np.eye(L)[level_M], theta_P[-1]
    b_M = theta_P[L + level_M] if own_slopes else theta_P[L]
    bent_M = _bent(kappa, x_M)
    # d/dkappa of (exp(kappa x) - 1) / kappa, whose limit at 0 is x^2 / 2
    by_kappa_M = x_M**2 / 2 + kappa * x_M**3 / 3 if abs(kappa) < 1e-3 else (x_M * np.exp(kappa * x_M) - bent_M) / kappa
    slopes = one_ML * bent_M[:, None] if own_slopes else bent_M[:, None]
    return np.concatenate([one_ML, slopes, (b_M * by_kappa_M)[:, None]], axis=1)


def _standardised(curve: Curve, sd_N: Array | None = None) -> tuple[Array, Array]:
    """Residuals and Jacobian in units of `sd_N`, by default the standard deviations that the fit itself tells."""
    x_N, theta_P = curve.axis.x(curve.scores.loss), curve.theta_P
    eta_N = curve.eta(theta_P[None], curve.level_N, x_N)[0]
    value_N = curve.link.value(eta_N)
    sd_N = np.sqrt(curve.link.variance(value_N)) if sd_N is None else sd_N
    J_NP = curve.jacobian(theta_P, curve.level_N, x_N)
    return (curve.scores.value - value_N) / sd_N, J_NP * (curve.link.slope(eta_N) / sd_N)[:, None]


def _fitted(curve: Curve) -> Curve:
    """Least squares with the prior, then the noise at the fit, then both again at the ratio found."""
    L, N, C = len(curve.levels), len(curve.scores), len(curve.trunks.starts_C)
    P = L + (L if curve.own_slopes else 1) + 1
    prior_P = np.full(P, LOOSE**-2 if curve.link.accuracy else 0.0)
    prior_P[-1] = BEND**-2
    eta_N = curve.link.eta(curve.scores.value)
    J_NP = _jacobian(np.zeros(P), curve.level_N, curve.axis.x(curve.scores.loss), L, curve.own_slopes)[:, :-1]
    start_P = np.append(np.linalg.lstsq(J_NP, eta_N, rcond=None)[0], 0.0)
    df = float(max(N - P, 1))
    curve = _scaled(replace(curve, theta_P=start_P), df)
    for _ in range(2):
        curve = _solved(curve, prior_P)
        r_N, J_NP = _standardised(curve)
        if N > C > L + 1:
            J_NP = J_NP / np.maximum(np.abs(J_NP).max(0), 1e-12)
            best = int(np.argmin([fit[0] for fit in reml(r_N, J_NP, curve.trunks, RATIOS)]))
            curve = replace(curve, trunks=replace(curve.trunks, ratio=float(RATIOS[best])))
        curve = _scaled(curve, df)
    curve = _scaled(_solved(curve, prior_P), df)
    J_NP = whitened(curve)[1]
    covariance_PP = np.linalg.inv(J_NP.T @ J_NP / curve.scale + np.diag(prior_P) + 1e-12 * np.eye(P))
    # a ratio of 0 is an estimate too: what differs between trunks is as uncertain as there are few of them
    between = float(max(C - L - 1, 1)) if N > C else df
    return replace(curve, covariance_PP=covariance_PP, df=df, df_between=min(between, df))


def _scaled(curve: Curve, df: float) -> Curve:
    return replace(curve, scale=max(float((whitened(curve)[0] ** 2).sum()) / df, 1e-12))


def _solved(curve: Curve, prior_P: Array) -> Curve:
    """Levenberg-Marquardt from `curve.theta_P`, reweighted by the fit until the weights stand."""
    penalty_P, whiten = prior_P * curve.scale, curve.trunks.whiten
    for _ in range(REWEIGHTED if curve.link.accuracy else 1):
        x_N = curve.axis.x(curve.scores.loss)
        value_N = curve.link.value(curve.eta(curve.theta_P[None], curve.level_N, x_N)[0])
        sd_N, damping = np.sqrt(curve.link.variance(value_N)), 1e-3
        for _ in range(ROUNDS):
            r_N, J_NP = _standardised(curve, sd_N)
            r_N, J_NP = whiten(r_N), whiten(J_NP.T).T
            before = float(r_N @ r_N + penalty_P @ curve.theta_P**2)
            H_PP = J_NP.T @ J_NP + np.diag(penalty_P)
            step_P = np.linalg.solve(H_PP + damping * np.diag(np.diag(H_PP) + 1e-12), J_NP.T @ r_N - penalty_P * curve.theta_P)
            tried = replace(curve, theta_P=curve.theta_P + step_P)
            r_N = whiten(_standardised(tried, sd_N)[0])
            after = float(r_N @ r_N + penalty_P @ tried.theta_P**2)
            if after > before:
                damping *= 5
                if damping > 1e10:
                    break
                continue
            curve, damping = tried, damping / 5
            if before - after <= 1e-9 * max(before, 1e-12):
                break
    return curve
