"""Is a level's law shifted against the baseline's, and in which part? Nested tests on the two levels' joint fit.

Shape suffixes: R replicates, N points, P global parameters (of the pair), H hypotheses.

Every hypothesis frees some differences of the level and holds the rest at zero. F uses the pooled variance of all levels;
its p-value comes from the F distribution, from tables simulated under the null with clustered noise whose variances are
themselves uncertain (the one that decides), and from the null's residuals with random signs per trunk. A claim about the
exponent is always tested with the floor free: a floor shift looks like an exponent shift over a short range, so the
reverse order would find exponents everywhere.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import chdtrc, fdtrc, stdtrit

from scaling_fit.encoding import open_as
from scaling_fit.intervals import UNKNOWN, Interval, holm, percentile, tost
from scaling_fit.law.estimate import Estimate
from scaling_fit.law.groups import Grouped, Part, hold
from scaling_fit.law.profile import profile
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import Cell, Comparison, lay_out
from scaling_fit.levels.parameters import hull
from scaling_fit.settings import Settings

Array = np.ndarray
FLOOR_SPREAD = 0.05
"""Standard deviation of the difference of two levels' log floors, as a prior: floors of parts of one pool, on one text, lie
within some 5 % of each other. It is named wherever it is used, and no verdict rests on it."""
DATA_SIDE = {
    "same law": (),
    "multiplier": ("B",),
    "exponent": ("B", "beta"),
    "floor": ("E",),
    "floor and multiplier": ("E", "B"),
}


@dataclass(frozen=True)
class Hypothesis:
    """A law of level and baseline together, with some differences free. `weight`: its Akaike weight (None: not compared)."""

    name: str
    parameters: int
    rss: float
    chi2: float
    aicc: float
    bic: float
    delta_aicc: float
    weight: float | None


@dataclass(frozen=True)
class Contrast:
    """One nested test. p values: from the F distribution, the likelihood ratio, tables simulated under the null, random signs
    per trunk, and adjusted over levels (Holm 1979)."""

    null: str
    alternative: str
    F: float
    df1: int
    df2: float
    p_F: float
    lr: float
    p_lr: float
    p_simulated: float | None
    p_wild: float | None
    p_holm: float | None = None

    @property
    def p(self) -> float:
        """The one that decides for one level: of simulated tables where they were made."""
        return self.p_F if self.p_simulated is None else self.p_simulated

    @property
    def p_adjusted(self) -> float:
        return self.p if self.p_holm is None else self.p_holm


@dataclass(frozen=True)
class Contrasts:
    """`exponent` is tested with the floor free and `floor` with the exponent free: over a short range they look alike."""

    any_shift: Contrast
    beyond_multiplier: Contrast
    beyond_floor: Contrast
    beyond_exponent: Contrast
    exponent: Contrast
    floor: Contrast
    exponent_floor_shared: Contrast


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests of sameness: |delta beta| < margin with floors free, and the worth of a token within its margin."""

    margin_beta: float
    p_beta: float
    beta_equivalent: bool
    margin_multiplier: float
    multiplier_equivalent: bool


@dataclass(frozen=True)
class ShiftTest:
    """The tests of one level against the baseline. `multiplier`: baseline tokens that one token is worth, exponents equal.
    `identified`: the exponent has a standard error; `df`: of the variance that all tests share. `floors`: what verdicts rest
    on; "equal": the level shares its floor with the baseline by construction, and no hypothesis moves it.
    `delta_beta_floor_pooled`: floors drawn together by the prior of `FLOOR_SPREAD`."""

    hypotheses: tuple[Hypothesis, ...]
    contrasts: Contrasts
    delta_beta: Interval
    delta_beta_floor_shared: Interval
    delta_beta_floor_pooled: Interval
    multiplier: Interval
    equivalence: Equivalence
    df: float
    identified: bool
    floors: Literal["free", "equal"]
    delta_beta_se: float = open_as(np.inf)

    def chi2(self, hypothesis: str) -> float:
        """Residual sum of squares over the pooled variance."""
        return next(one.chi2 for one in self.hypotheses if one.name == hypothesis)


@dataclass(frozen=True)
class _Pair:
    """Level and baseline under every hypothesis; the variance of a row, and its degrees of freedom, are of all levels."""

    grouped: Grouped[Cell]
    masks: dict[str, Array]
    theta: dict[str, Array]
    rss: dict[str, float]
    sigma2: float
    df: float

    def estimate(self, hypothesis: str) -> Estimate:
        return Estimate(self.grouped.problem, self.theta[hypothesis], self.masks[hypothesis], self.sigma2, self.df)


def _pair(whole: Comparison, level: str, law: str, floor_held: bool) -> _Pair:
    """`floor_held`: no hypothesis frees the difference of the floor, so those that differ in nothing else are the same."""
    table = whole.table.where((whole.table.level == whole.baseline) | (whole.table.level == level))
    laid, _, _ = lay_out(table, whole.baseline, whole.noise.ratio, whole.grouped.pivot, law)
    names = laid.law.names
    hypotheses = {k: v for k, v in DATA_SIDE.items() if set(v) <= set(names)} | {"all": names}
    hypotheses["all but exponent"] = tuple(n for n in names if n != "beta")
    hypotheses["all but floor"] = tuple(n for n in names if n != "E")
    if floor_held:
        hypotheses = {name: tuple(one for one in free if one != "E") for name, free in hypotheses.items()}
    masks = {name: hold(laid, free) for name, free in hypotheses.items()}
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
    return _Pair(laid, masks, theta, rss, whole.rss / whole.df, whole.df)


CONTRASTS = {
    "any_shift": ("same law", "all"),
    "beyond_multiplier": ("multiplier", "all"),
    "beyond_floor": ("floor", "all"),
    "beyond_exponent": ("exponent", "all"),
    "exponent": ("all but exponent", "all"),
    "floor": ("all but floor", "all"),
    "exponent_floor_shared": ("multiplier", "exponent"),
}
DECISIVE = ("any_shift", "beyond_multiplier", "exponent", "floor")  # these get simulated p-values


def shift(whole: Comparison, level: str, settings: Settings, replicates: int) -> ShiftTest:
    """Test one level against the baseline of a comparison. `replicates` 0 skips the simulated p-values."""
    equal = level in settings.same_floor
    pair = _pair(whole, level, settings.law, equal)
    rng = np.random.default_rng(settings.seed)
    contrasts = {name: _contrast(whole, pair, name, replicates, rng) for name in CONTRASTS}
    column, confidences = _difference(pair.grouped, "beta", level), (settings.confidence, 0.9)
    se = float(pair.estimate("all").errors()[column])
    identified = bool(np.isfinite(se))
    profiled = profile(pair.estimate("all"), column, confidences)
    k = _difference(whole.grouped, "beta", level)
    drawn = [percentile(float(whole.theta_P[k]), whole.theta_RP[:, k], c, corrected=False) for c in confidences]
    beta, beta_90 = profiled if equal else (hull(one, other) for one, other in zip(profiled, drawn, strict=True))
    (shared,) = profile(pair.estimate("exponent"), column, confidences[:1])
    multiplier, multiplier_90 = _multiplier(whole, pair, level, confidences, rng)
    margin, margin_multiplier = settings.margin, settings.multiplier_margin
    p_beta = tost(beta.value, se, margin, whole.df) if identified else 1.0
    equivalence = Equivalence(
        margin,
        p_beta,
        p_beta < 0.05 and -margin < beta_90.low and beta_90.high < margin,
        margin_multiplier,
        1.0 / (1.0 + margin_multiplier) < multiplier_90.low and multiplier_90.high < 1.0 + margin_multiplier,
    )
    pooled = beta if equal else _pooled(pair, column, settings.confidence)
    return ShiftTest(
        _hypotheses(pair), Contrasts(**contrasts), beta, shared, pooled, multiplier, equivalence, whole.df, identified,
        "equal" if equal else "free", se,
    )  # fmt: skip


def _pooled(pair: _Pair, column: int, confidence: float) -> Interval:
    """The difference of beta where log floors differ by a normal prior of standard deviation `FLOOR_SPREAD`: the estimate with
    floors free, updated by the prior as by one more measurement of each difference (generalised least squares)."""
    estimate = pair.estimate("all")
    cov_PP, identified = estimate.covariance()
    if not identified:
        return UNKNOWN
    floors = [k for k, (name, part) in enumerate(pair.grouped.columns) if name == "E" and part.kind == "difference"]
    prior_FF = FLOOR_SPREAD**2 * np.eye(len(floors))
    gain_F = np.linalg.solve(cov_PP[np.ix_(floors, floors)] + prior_FF, cov_PP[floors, column])
    value = float(estimate.theta_P[column] - gain_F @ estimate.theta_P[floors])
    reach = stdtrit(pair.df, (1 + confidence) / 2) * np.sqrt(cov_PP[column, column] - gain_F @ cov_PP[floors, column])
    return Interval(value, float(value - reach), float(value + reach))


def adjusted(tests: dict[str, ShiftTest]) -> dict[str, ShiftTest]:
    """The same tests with the p values that decide adjusted over the levels (Holm 1979)."""
    out = dict(tests)
    for name in ("any_shift", "exponent", "floor"):
        p_values = holm([getattr(test.contrasts, name).p for test in tests.values()])
        for level, p in zip(tests, p_values, strict=True):
            contrasts = out[level].contrasts
            contrasts = replace(contrasts, **{name: replace(getattr(contrasts, name), p_holm=p)})
            out[level] = replace(out[level], contrasts=contrasts)
    return out


def _contrast(whole: Comparison, pair: _Pair, name: str, replicates: int, rng: np.random.Generator) -> Contrast:
    null, alternative = CONTRASTS[name]
    n_pair = len(pair.grouped.problem.loss_N)
    q = int(pair.masks[alternative].sum() - pair.masks[null].sum())
    if not q:  # the floor alone, where it is held
        return Contrast(null, alternative, 0.0, 0, whole.df, 1.0, 0.0, 1.0, None, None)
    F = max(pair.rss[null] - pair.rss[alternative], 0.0) / q / pair.sigma2
    lr = float(max(n_pair * np.log(pair.rss[null] / pair.rss[alternative]), 0.0))
    p_sim = p_wild = None
    if replicates and name in DECISIVE:
        p_sim = _null_p(whole, pair, null, alternative, F, *_simulated_noise(whole, pair, replicates, rng))
        p_wild = _null_p(whole, pair, null, alternative, F, *_wild_noise(whole, pair, null, (replicates + 1) // 2, rng))
    return Contrast(
        null, alternative, F, q, whole.df, float(fdtrc(q, whole.df, F)), lr, float(chdtrc(q, lr)), p_sim, p_wild
    )  # fmt: skip


def _hypotheses(pair: _Pair) -> tuple[Hypothesis, ...]:
    """Every hypothesis with its criteria; Akaike weights over those that a level could follow."""
    n, rows = len(pair.grouped.problem.loss_N), []
    for name, mask in pair.masks.items():
        k, rss = int(mask.sum()) + 1, pair.rss[name]
        deviance = n * np.log(rss / n)
        aicc, bic = deviance + 2 * k + 2 * k * (k + 1) / max(n - k - 1, 1), deviance + k * np.log(n)
        rows.append(Hypothesis(name, k - 1, rss, rss / pair.sigma2, float(aicc), float(bic), 0.0, None))
    lowest = min(row.aicc for row in rows)
    distinct = {mask.tobytes(): name for name, mask in reversed(pair.masks.items()) if not name.startswith("all but")}
    likelihood = {row.name: float(np.exp(-0.5 * (row.aicc - lowest))) for row in rows if row.name in distinct.values()}
    total = sum(likelihood.values())
    return tuple(
        replace(row, delta_aicc=row.aicc - lowest, weight=likelihood[row.name] / total if row.name in likelihood else None)
        for row in rows
    )


def _difference(laid: Grouped[Cell], parameter: str, level: str) -> int:
    """The column of what a level's B or beta adds to the baseline's."""
    return laid.column(parameter, Part("difference", Cell(level)))


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
    # no simulated table spends degrees of freedom on a miss that two levels share
    df = max(whole.df, len(problem.loss_N) - len(theta))
    made = np.maximum(rss0 - rss1, 0.0) / q / ((rss1 + rest_R) / df)
    return float((1 + (made >= F).sum()) / (n + 1))


def _simulated_noise(whole: Comparison, pair: _Pair, n: int, rng: np.random.Generator) -> tuple[Array, Array | float]:
    """Trunk and row noise from the estimated variances, themselves uncertain: the parametric bootstrap."""
    trunks = pair.grouped.problem.trunks
    assert trunks is not None
    rest_df = whole.df - (len(pair.grouped.problem.loss_N) - len(pair.theta["all"]))
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
