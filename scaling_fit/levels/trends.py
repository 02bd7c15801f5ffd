"""Exponent, worth of a token, floor and loss of the levels over each quality axis: lines, their forms, and what matching
explains.

Shape suffixes: R replicates (row 0 the estimate), L levels.

The line is fitted to plain levels: a control has the quality of what it was drawn from, an arm other topics. All responses are
read from the law with everything free in every level; B is read at the middle of the data, where it can be told from beta. The
worth of a token is read at the most data tested: D tokens of a level make the loss that m D of the baseline's make.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import ndtri

from scaling_fit.intervals import Interval, holm, percentile
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.forms import Form, FormTest, forms
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.regression import regress
from scaling_fit.settings import Settings

Array = np.ndarray
Kind = Literal["exponent", "multiplier", "prefactor", "floor", "loss"]
LOSSES = 3  # token counts at which the loss is set against quality
MANY = 4  # levels from which a line says something of others: with three, t has one degree of freedom
ENOUGH = 5  # levels for a second covariate: two degrees of freedom are left
REPLICATES = 400
KINDS: tuple[Kind, ...] = ("exponent", "multiplier", "prefactor", "floor", "loss")
REACH = 100.0  # of a multiplier that is looked for
PLACES = 9  # on a drawn line


@dataclass(frozen=True)
class Response:
    """What is set against quality, per level. exponent: beta. multiplier: tokens of the baseline that one at D tokens of
    `shape` is worth (1 for itself). prefactor: B D^-beta at the middle of the data, nats/token. floor: E, nats/token, the mean
    where shapes have their own. loss: nats/token at D tokens of `shape`."""

    kind: Kind
    D: float | None
    shape: str | None
    estimates: dict[str, Interval]

    @property
    def key(self) -> str:
        return self.kind if self.D is None else f"{self.kind} {self.D:g}"


@dataclass(frozen=True)
class Matching:
    """The line with the level's coverage of the evaluation set as a second covariate: `correlation` of the two, the change over
    the axis that is left, and the part of it that goes with coverage (None where no change is shown)."""

    correlation: float
    left: Interval
    part: Interval | None


@dataclass(frozen=True)
class Trend:
    """A response along an axis, from the baseline's end of it to the other. `levels`: those fitted, `ends`: the quality there.
    `change`: of the response from end to end (a ratio for the multiplier and the loss), `within` the same at 90 %, for
    equivalence; `slope` per unit of the axis (of the logarithm where `change` is a ratio). `p`: of no slope, `p_axes` corrected
    for the number of axes (Holm). These are of levels at large, with the levels as clusters; where there are too `few` for that
    they are of these very levels, and only `at_large` is of others. `between`: standard deviation of levels about the line.
    `line`: places on the axis, with the line there."""

    levels: tuple[str, ...]
    ends: tuple[float, float]
    few: bool
    change: Interval
    at_large: Interval | None
    within: Interval
    slope: Interval
    p: float
    p_axes: float
    between: float
    line: tuple[tuple[float, Interval], ...]
    forms: tuple[Form, ...]
    tests: tuple[FormTest, ...]
    matching: Matching | None

    def test(self, null: str, alternative: str) -> FormTest:
        return next(one for one in self.tests if (one.null, one.alternative) == (null, alternative))


@dataclass(frozen=True)
class Estimates:
    """A response with its replicates, on the scale where lines are drawn: `log` of it, or itself. Of the multiplier each level
    has its own luck, the baseline too; `pairs_RL` are the replicates of it against the baseline's (row 0 the estimate)."""

    response: Response
    log: bool
    y_L: Array
    draws_RL: Array
    pairs_RL: Array | None = None


def estimates(whole: Comparison, parameters: dict[str, dict[str, Interval]], settings: Settings) -> list[Estimates]:
    """Every response of the levels, in the order of `whole.levels`. parameters: their intervals (`level_intervals`)."""
    levels, confidence = whole.levels, settings.confidence
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP[:REPLICATES]])
    of_level = {level: whole.parameters(level, theta_RP) for level in levels}
    beta_RL, B_RL = (np.stack([of_level[level][name] for level in levels], 1) for name in ("beta", "B"))
    told = {level: parameters[level]["beta"] for level in levels}
    out = [Estimates(Response("exponent", None, None, told), False, beta_RL[0], beta_RL[1:])]
    out += _at_shape(whole, theta_RP, confidence)
    middle = float(np.exp(np.log(whole.table.D).mean()))
    data_RL = np.log(np.maximum(B_RL, 1e-300)) - beta_RL * np.log(middle)
    out.append(_logged("prefactor", middle, None, levels, data_RL, confidence))
    floors = [name for name in of_level[whole.baseline] if name[0] == "E" and all(name in one for one in of_level.values())]
    if floors:
        floor_RL = np.stack([np.mean([of_level[level][name] for name in floors], 0) for level in levels], 1)
        told = _spans(levels, floor_RL, confidence)
        if len(floors) == 1:
            told = {level: parameters[level][floors[0]] for level in levels}
        out.append(Estimates(Response("floor", None, None, told), False, floor_RL[0], floor_RL[1:]))
    return sorted(out, key=lambda one: KINDS.index(one.response.kind))


def _spans(levels: tuple[str, ...], y_RL: Array, confidence: float) -> dict[str, Interval]:
    return {level: percentile(float(y[0]), y[1:], confidence) for level, y in zip(levels, y_RL.T, strict=True)}


def _logged(kind: Kind, D: float, shape: str | None, levels: tuple[str, ...], log_RL: Array, confidence: float) -> Estimates:
    return Estimates(Response(kind, D, shape, _spans(levels, np.exp(log_RL), confidence)), True, log_RL[0], log_RL[1:])


def _at_shape(whole: Comparison, theta_RP: Array, confidence: float) -> list[Estimates]:
    """Losses at token counts that were tested, and the worth of a token at the most, of the largest shape all levels have."""
    shapes = [shape for shape in whole.shapes if all(shape in whole.common_shapes(level) for level in whole.levels)]
    if not shapes:
        return []
    shape, out = shapes[-1], []
    tested = np.unique(whole.table.D[whole.table.shape == shape])
    chosen = tested[np.unique(np.linspace(0, len(tested) - 1, LOSSES).round().astype(int))]
    size = np.full(len(chosen), whole.shapes[shape])
    log_RLD = np.stack([whole.log_loss(level, shape, size, chosen, theta_RP) for level in whole.levels], 1)
    for k, D in enumerate(chosen.tolist()):
        out.append(_logged("loss", D, shape, whole.levels, log_RLD[:, :, k], confidence))
    D, last_RL = float(tested[-1]), log_RLD[:, :, -1]
    pairs_RL = worth(whole, shape, D, last_RL, theta_RP)
    told = Response("multiplier", D, shape, _spans(whole.levels, np.exp(pairs_RL), confidence))
    each_RL = worth(whole, shape, D, last_RL, np.repeat(theta_RP[:1], len(theta_RP), 0))
    return [Estimates(told, True, each_RL[0], each_RL[1:], pairs_RL), *out]


def worth(whole: Comparison, shape: str, D: float, log_loss_RL: Array, baseline_RP: Array) -> Array:
    """ln m by level, [R, L]: the baseline makes the loss that the level makes with D tokens with m D. Within a factor `REACH`,
    which stands for more where the baseline never gets there. baseline_RP: the laws in which the baseline is read."""
    grid = D * np.geomspace(1 / REACH, REACH, 241)
    size = np.full(len(grid), whole.shapes[shape])
    base_RG = whole.log_loss(whole.baseline, shape, size, grid, baseline_RP)
    log_m = np.log(grid / D)[::-1]
    return np.stack([np.interp(own_L, base_G[::-1], log_m) for own_L, base_G in zip(log_loss_RL, base_RG, strict=True)])


def trends(
    whole: Comparison, made: list[Estimates], axes: Axes, eval_set: str, settings: Settings
) -> dict[str, tuple[Trend | None, ...]]:
    """Every response on every axis, in the order of `made`; None where fewer than two levels differ on the axis."""
    plain = settings.plain(whole.levels)
    covered = axes.overlap.get(eval_set, {})
    out: dict[str, list[Trend | None]] = {}
    for axis, numbers in axes.values.items():
        quality = {level: value for level, value in numbers.items() if level in plain}
        out[axis] = [_trend(whole, one, quality, covered, settings.confidence) for one in made]
    for k in range(len(made)):
        there = {axis: found for axis, row in out.items() if (found := row[k]) is not None}
        for (axis, found), p in zip(there.items(), holm([one.p for one in there.values()]), strict=True):
            out[axis][k] = replace(found, p_axes=p)
    return {axis: tuple(row) for axis, row in out.items()}


def _trend(
    whole: Comparison, made: Estimates, quality: dict[str, float], covered: dict[str, float], confidence: float
) -> Trend | None:
    sd_L = spread(made)
    usable = [k for k, level in enumerate(whole.levels) if level in quality and np.isfinite(sd_L[k]) and sd_L[k] > 0]
    levels = tuple(whole.levels[k] for k in usable)
    q_L = np.array([quality[level] for level in levels])
    if len(levels) < 2 or np.ptp(q_L) == 0:
        return None
    y_L, draws_RL = made.y_L[usable], made.draws_RL[:, usable]
    V_LL = covariance(draws_RL, sd_L[usable])
    low, high = float(q_L.min()), float(q_L.max())
    start, end = (low, high) if quality.get(whole.baseline, low) <= (low + high) / 2 else (high, low)
    X_LK = np.stack([np.ones(len(levels)), (q_L - start) / (end - start)], 1)
    line, along, many = regress(y_L[None], V_LL, X_LK, whole.df), np.array([0.0, 1.0]), len(levels) >= MANY
    matching = None
    if len(levels) >= ENOUGH and all(level in covered for level in levels):
        covered_L = np.array([covered[level] for level in levels])
        matching = _matching(made, usable, V_LL, X_LK, covered_L, whole.df, confidence) if np.ptp(covered_L) > 0 else None
    compared, tests = forms(y_L, draws_RL, sd_L[usable], q_L, len(whole.table), whole.df)
    change = line.interval(along, confidence, many)
    slope = [one / (end - start) for one in (change.value, change.low, change.high)]
    places = [(x, np.array([1.0, x])) for x in np.linspace(0, 1, PLACES).tolist()]
    return Trend(
        levels=levels,
        ends=(start, end),
        few=not many,
        change=_scaled(change, made.log),
        at_large=_scaled(line.interval(along, confidence), made.log) if len(levels) > 2 else None,
        within=_scaled(line.interval(along, 0.9, many), made.log),
        slope=Interval(slope[0], min(slope), max(slope)),
        p=float(line.p(1, many)[0]),
        p_axes=1.0,
        between=float(np.sqrt(line.tau2_R[0])),
        line=tuple((start + x * (end - start), _scaled(line.interval(x_K, confidence, many), made.log)) for x, x_K in places),
        forms=compared,
        tests=tests,
        matching=matching,
    )


def spread(made: Estimates) -> Array:
    """Standard deviations of the estimates, shape [L]: of the replicates, or what the interval that is told of a level says
    where that is wider; infinite where it is open."""
    low_L, high_L = np.quantile(made.draws_RL, [0.025, 0.975], axis=0)
    sd_L = (high_L - low_L) / (2 * ndtri(0.975))
    if made.log:
        return sd_L
    width_L = np.array([one.high - one.low for one in made.response.estimates.values()])
    return np.maximum(sd_L, width_L / (2 * ndtri(0.975)))


def covariance(draws_RL: Array, sd_L: Array) -> Array:
    """Covariance of the estimates: their standard deviations, and the correlations of the replicates without their tails."""
    low_L, high_L = np.quantile(draws_RL, [0.025, 0.975], axis=0)
    correlation_LL = np.corrcoef(np.clip(draws_RL, low_L, high_L), rowvar=False)
    return correlation_LL * np.outer(sd_L, sd_L)


def _scaled(one: Interval, log: bool) -> Interval:
    return Interval(*(float(np.exp(np.clip(end, -50, 50))) for end in (one.value, one.low, one.high))) if log else one


def _matching(
    made: Estimates, usable: list[int], V_LL: Array, X_LK: Array, covered_L: Array, df: float, confidence: float
) -> Matching:
    """The line again beside coverage: what is left of the change along the axis, and the part that is not."""
    y_L, draws_RL = made.y_L[usable], made.draws_RL[:, usable]
    made_RL = np.concatenate([y_L[None], y_L + draws_RL - draws_RL.mean(0)])
    both_LK = np.column_stack([X_LK, (covered_L - covered_L.min()) / np.ptp(covered_L)])
    alone, both = regress(made_RL, V_LL, X_LK, df), regress(made_RL, V_LL, both_LK, df)
    part_R = 1 - both.b_RK[:, 1] / alone.b_RK[:, 1]
    moved = alone.p(1)[0] < 1 - confidence
    part = percentile(float(part_R[0]), part_R[1:], confidence, corrected=False) if moved else None
    left = _scaled(both.interval(np.array([0.0, 1.0, 0.0]), confidence), made.log)
    return Matching(float(np.corrcoef(X_LK[:, 1], covered_L)[0, 1]), left, part)
