"""Is a level's law shifted against the baseline's, and in which part? Nested tests on the two levels' joint fit.

Shape suffixes: R replicates, N points, P global parameters (of the pair), H hypotheses.

Every hypothesis frees some differences of the level and holds the rest at zero. F uses the pooled variance of all levels;
its p-value comes from the F distribution, from tables simulated under the null with clustered noise whose variances are
themselves uncertain (the one that decides), and from the null's residuals with random signs per trunk. A claim about the
exponent is always tested with the floor free: a floor shift looks like an exponent shift over a short range, so the
reverse order would find exponents everywhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from scaling_fit.intervals import Interval, percentile, tost
from scaling_fit.law.groups import Grouped, hold
from scaling_fit.law.profile import profile
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import Comparison, lay_out
from scaling_fit.levels.parameters import hull

Array = np.ndarray
DATA_SIDE = {
    "same law": (),
    "multiplier": ("B",),
    "exponent": ("B", "beta"),
    "floor": ("E",),
    "floor and multiplier": ("E", "B"),
}


@dataclass(frozen=True)
class Shift:
    """All that is known of one level against the baseline. `table`: a row per hypothesis; `contrasts`: the tests."""

    level: str
    table: tuple[dict, ...]
    contrasts: dict[str, dict]
    beta: Interval
    beta_se: float
    beta_90: Interval
    beta_floor_shared: Interval
    multiplier: Interval
    multiplier_90: Interval
    df: float
    identified: bool

    def equivalence(self, margin: float, multiplier_margin: float) -> dict:
        """Two one-sided tests: p for |delta beta| < margin (floor free) and for the multiplier within its margin."""
        p_beta = tost(self.beta.value, self.beta_se, margin, self.df) if self.identified else 1.0
        low, high = self.multiplier_90.low, self.multiplier_90.high
        within = 1.0 / (1.0 + multiplier_margin) < low and high < 1.0 + multiplier_margin
        return {
            "margin_beta": margin,
            "p_beta": p_beta,
            "beta_equivalent": bool(p_beta < 0.05 and -margin < self.beta_90.low and self.beta_90.high < margin),
            "margin_multiplier": multiplier_margin,
            "multiplier_equivalent": bool(within),
        }


@dataclass(frozen=True)
class _Pair:
    grouped: Grouped
    masks: dict[str, Array]
    theta: dict[str, Array]
    rss: dict[str, float]


def _pair(whole: Comparison, level: str, law: str) -> _Pair:
    table = whole.table.where((whole.table.level == whole.baseline) | (whole.table.level == level))
    laid, _, _ = lay_out(table, whole.baseline, whole.noise.ratio, whole.grouped.pivot, law)
    names = laid.law.names
    hypotheses = {k: v for k, v in DATA_SIDE.items() if set(v) <= set(names)} | {"all": names}
    hypotheses["all but exponent"] = tuple(n for n in names if n != "beta")
    hypotheses["all but floor"] = tuple(n for n in names if n != "E")
    masks = {name: hold(laid, free, level) for name, free in hypotheses.items()}
    everything = np.array([whole.grouped.columns.index(column) for column in laid.columns])
    start_P = whole.theta_P[everything]
    M_NP = np.concatenate([block.M_QP for block in laid.problem.blocks])
    target_N = M_NP @ start_P
    theta, rss = {}, {}
    starts = []
    for mask in masks.values():
        projected = np.zeros(len(start_P))
        projected[mask] = np.linalg.lstsq(M_NP[:, mask], target_N, rcond=None)[0]
        starts.append(projected)
    free_HP = np.array(list(masks.values()))
    first = solve(laid.problem, np.array(starts), free_RP=free_HP, tolerance=1e-12)
    again = solve(laid.problem, np.repeat(first.theta_RP[:1], len(free_HP), 0), free_RP=free_HP, tolerance=1e-12)
    for h, name in enumerate(masks):
        best = first if first.objective_R[h] <= again.objective_R[h] else again
        theta[name], rss[name] = best.theta_RP[h], 2.0 * float(best.objective_R[h])
    return _Pair(laid, masks, theta, rss)


CONTRASTS = {
    "any shift": ("same law", "all"),
    "beyond a multiplier": ("multiplier", "all"),
    "beyond a floor": ("floor", "all"),
    "beyond the exponent": ("exponent", "all"),
    "exponent, floor free": ("all but exponent", "all"),
    "floor, exponent free": ("all but floor", "all"),
    "exponent, floor shared": ("multiplier", "exponent"),
}
DECISIVE = ("any shift", "beyond a multiplier", "exponent, floor free", "floor, exponent free")  # these get simulated p-values


def shift(
    whole: Comparison, level: str, *, law: str = "auto", confidence: float = 0.95, replicates: int = 400, seed: int = 0
) -> Shift:
    """Test one level against the baseline of a comparison. `replicates` 0 skips the simulated p-values."""
    pair = _pair(whole, level, law)
    n_pair = len(pair.grouped.problem.loss_N)
    df, sigma2 = whole.df, whole.rss / whole.df
    table = tuple(_row(name, pair, n_pair, sigma2) for name in pair.masks)
    lowest = min(row["aicc"] for row in table)
    for row in table:
        row["delta_aicc"] = row["aicc"] - lowest
    weights = np.exp([-0.5 * row["delta_aicc"] for row in table if not row["hypothesis"].startswith("all but")])
    for row, weight in zip(
        [r for r in table if not r["hypothesis"].startswith("all but")], weights / weights.sum(), strict=True
    ):
        row["weight"] = float(weight)
    contrasts = {}
    rng = np.random.default_rng(seed)
    for name, (null, alternative) in CONTRASTS.items():
        q = int(pair.masks[alternative].sum() - pair.masks[null].sum())
        gain = max(pair.rss[null] - pair.rss[alternative], 0.0)
        F = gain / q / sigma2
        lr = max(n_pair * np.log(pair.rss[null] / pair.rss[alternative]), 0.0)
        p_sim = p_wild = None
        if replicates and name in DECISIVE:
            p_sim = _null_p(whole, pair, null, alternative, F, *_simulated_noise(whole, pair, replicates, rng))
            p_wild = _null_p(whole, pair, null, alternative, F, *_wild_noise(whole, pair, null, (replicates + 1) // 2, rng))
        contrasts[name] = {
            "null": null,
            "alternative": alternative,
            "F": F,
            "df1": q,
            "df2": df,
            "p_F": float(fdtrc(q, df, F)),
            "lr": float(lr),
            "p_lr": float(chdtrc(q, lr)),
            "p_simulated": p_sim,
            "p_wild": p_wild,
        }
    cov, identified = _covariance(pair, "all", sigma2)
    column = _difference(pair.grouped, "beta", level)
    se = float(np.sqrt(cov[column, column])) if identified else np.inf
    beta = profile(pair.grouped.problem, pair.theta["all"], pair.masks["all"], column, se, sigma2, df, (confidence, 0.9))
    k = whole.grouped.column("beta", level)
    drawn = [percentile(float(whole.theta_P[k]), whole.theta_RP[:, k], c, corrected=False) for c in (confidence, 0.9)]
    beta = [hull(one, other) for one, other in zip(beta, drawn, strict=True)]
    shared_cov, ok = _covariance(pair, "exponent", sigma2)
    shared_se = float(np.sqrt(shared_cov[column, column])) if ok else np.inf
    shared = profile(
        pair.grouped.problem, pair.theta["exponent"], pair.masks["exponent"], column, shared_se, sigma2, df, (confidence,)
    )
    multiplier, multiplier_90 = _multiplier(whole, pair, level, (confidence, 0.9), rng)
    return Shift(level, table, contrasts, beta[0], se, beta[1], shared[0], multiplier, multiplier_90, df, identified)


def _row(name: str, pair: _Pair, n: int, sigma2: float) -> dict:
    k = int(pair.masks[name].sum()) + 1
    rss = pair.rss[name]
    deviance = n * np.log(rss / n)
    correction = 2 * k * (k + 1) / max(n - k - 1, 1)
    return {
        "hypothesis": name,
        "parameters": k - 1,
        "rss": rss,
        "chi2": rss / sigma2,
        "aicc": float(deviance + 2 * k + correction),
        "bic": float(deviance + k * np.log(n)),
        "weight": None,
    }


def _difference(laid: Grouped, parameter: str, level: str) -> int:
    return laid.column(parameter, level)


def _covariance(pair: _Pair, hypothesis: str, sigma2: float) -> tuple[Array, bool]:
    """Covariance of theta at a hypothesis (zero where held), and whether the whole of it is identified."""
    laid, mask = pair.grouped, pair.masks[hypothesis]
    assert laid.problem.trunks is not None
    J = laid.problem.trunks.whiten(laid.problem.jacobian(pair.theta[hypothesis])[:, mask].T).T
    scale = np.maximum(np.sqrt((J**2).sum(0)), 1e-12)
    _, s, Vt = np.linalg.svd(J / scale, full_matrices=False)
    weak = s < 1e-6 * s[0]
    inverse = (Vt.T / np.maximum(s, 1e-9 * s[0]) ** 2) @ Vt / scale[:, None] / scale[None]
    out = np.zeros((len(mask), len(mask)))
    out[np.ix_(mask, mask)] = sigma2 * inverse
    return out, not weak.any()


def _multiplier(
    whole: Comparison, pair: _Pair, level: str, confidences: tuple[float, ...], rng: np.random.Generator, replicates: int = 400
) -> list[Interval]:
    """(B_baseline/B_level)^(1/beta) where only B differs: one token of the level is worth this many of the baseline.

    Intervals are quantiles of refits to tables simulated with uncertain variances: a prefactor rides on trunk luck, whose
    few degrees of freedom a Wald interval forgets."""
    laid, theta = pair.grouped, pair.theta["multiplier"]
    assert laid.problem.trunks is not None
    b, beta = _difference(laid, "B", level), laid.column("beta")
    target_RN = laid.problem.predict(theta[None]) + whole.noise.simulate(rng, replicates, laid.problem.trunks)
    draws = solve(
        laid.problem,
        np.repeat(theta[None], replicates, 0),
        free_RP=pair.masks["multiplier"][None],
        target_RN=target_RN,
        tolerance=1e-6,
        max_iterations=40,
    ).theta_RP
    log_m, log_m_R = -theta[b] / theta[beta], -draws[:, b] / draws[:, beta]
    spans = [percentile(float(log_m), log_m_R, c, corrected=False) for c in confidences]
    return [Interval(*(float(np.exp(np.clip(x, -50, 50))) for x in (s.value, s.low, s.high))) for s in spans]


def _null_p(
    whole: Comparison, pair: _Pair, null: str, alternative: str, F: float, noise_RN: Array, rest_R: Array | float
) -> float:
    """Share of tables made under the null whose F is at least as large (one added to both counts).

    noise_RN: what is added to the null's log losses; rest_R: what the other levels add to the residual sum of squares."""
    problem, theta, n = pair.grouped.problem, pair.theta[null], len(noise_RN)
    target_RN = problem.predict(theta[None]) + noise_RN
    free_RP = np.concatenate([np.repeat(pair.masks[h][None], n, 0) for h in (null, alternative)])
    fits = solve(
        problem,
        np.repeat(theta[None], 2 * n, 0),
        free_RP=free_RP,
        target_RN=np.concatenate([target_RN, target_RN]),
        tolerance=1e-6,
        max_iterations=40,
    )
    rss0, rss1 = 2.0 * fits.objective_R.reshape(2, -1)
    q = int(pair.masks[alternative].sum() - pair.masks[null].sum())
    made = np.maximum(rss0 - rss1, 0.0) / q / ((rss1 + rest_R) / whole.df)
    return float((1 + (made >= F).sum()) / (n + 1))


def _simulated_noise(whole: Comparison, pair: _Pair, n: int, rng: np.random.Generator) -> tuple[Array, Array | float]:
    """Trunk and row noise from the estimated variances, themselves uncertain: the parametric bootstrap."""
    trunks = pair.grouped.problem.trunks
    assert trunks is not None
    rest_df = (
        len(whole.table) - len(pair.grouped.problem.loss_N) - (whole.grouped.problem.n_parameters - len(pair.theta["all"]))
    )
    rest_R = whole.noise.row**2 * rng.chisquare(rest_df, n) if rest_df > 0 else 0.0
    return whole.noise.simulate(rng, n, trunks), rest_R


def _wild_noise(whole: Comparison, pair: _Pair, null: str, n: int, rng: np.random.Generator) -> tuple[Array, float]:
    """The null's own residuals with one random sign per trunk: the cluster bootstrap, which assumes no variance model."""
    problem, rows = pair.grouped.problem, len(pair.grouped.problem.loss_N)
    trunks = problem.trunks
    assert trunks is not None
    residual_N = np.log(problem.loss_N) - problem.predict(pair.theta[null][None])[0]
    residual_N *= np.sqrt(rows / max(rows - int(pair.masks[null].sum()), 1))
    sign_RC = rng.choice([-1.0, 1.0], (n, len(trunks.starts_C)))
    return residual_N * sign_RC[:, trunks.index_N], max(whole.rss - pair.rss["all"], 0.0)
