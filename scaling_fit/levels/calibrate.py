"""What forecasts of known runs teach about forecasts of unknown ones: which forms to trust, how errors grow, and their bias.

Shape suffixes: F forms, K origins, N runs, M points asked about, G rates tried.

Distance x is in e-folds (`Beyond.distance`). The error of a forecast is taken as Student t of variance

    scatter^2 + parameters^2 + between forms^2 + (rate * misfit * x)^2

where misfit is the part of the scatter that neighbouring runs share: luck does not grow with distance, a wrong form does.
The rate's prior and the constants below were set on simulated laws that are none of the forms and on four published
collections (benchmarks/fit/coverage.py); its posterior comes from the table's own rolling errors.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from scaling_fit.intervals import finite
from scaling_fit.levels.beyond import beyond
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.price import Price, price
from scaling_fit.levels.rolling import FAR, MOST_RUNS, Form, Rolled, forms_for, origins_of, roll
from scaling_fit.observations import Observations

Array = np.ndarray
FEWEST_ORIGINS = 3  # below which nothing is calibrated and no interval is given beyond the data
FEWEST_LATE = 5  # origins of the later half that must agree before a bias is corrected
SHARPNESS = 6.0  # a form's weight falls with this power of its rolling error
SHARED_LEAST = 0.05  # of the scatter's variance, taken as misfit where neighbours show none
RATES = np.geomspace(0.03, 30.0, 41)  # growth per e-fold, in units of misfit
RATE, RATE_SD = 1.0, 0.5  # prior of the rate: median, and standard deviation of its log
CURVE_RATE = 2.0  # its median for curves in D alone: their few forms differ in the floor, so what they share goes unseen
ROLLING_TAILS = 4.0  # of rolling errors, so that a few odd runs do not set the rate
MOST_ERRORS = 600  # rolling errors that a report lists


@dataclass(frozen=True)
class RolledLevel:
    """One level's forms at every origin (log FLOPs), which of its runs (`table`) each is asked for and how far beyond it they
    are, and `misfit`: the part of the scatter, in log loss, that neighbouring runs share."""

    table: Observations
    forms: list[Rolled]
    origins_K: Array
    ahead_KN: Array
    distance_KN: Array
    misfit: float = 0.0

    def ask(self, shape: Array, N: Array, D: Array) -> list[tuple[Array, Array]]:
        """Of every form: log loss and its standard deviation by the parameters' error, [K, M] each."""
        return [form.at(shape, N, D) for form in self.forms]

    def rolling_sizes(self, asked: list[tuple[Array, Array]]) -> tuple[Array, float]:
        """Mean size of the forms' errors about the runs hidden at each origin [F, K], and the smallest scatter of a form."""
        size_FKN = np.abs(np.stack([f_KN for f_KN, _ in asked]) - np.log(self.table.loss))
        sizes = [size_FKN[:, k, ahead].mean(1) for k, ahead in enumerate(self.ahead_KN[:-1])]
        return np.stack(sizes, axis=1), float(min(form.scatter_K[-1] for form in self.forms))


@dataclass(frozen=True)
class Calibration:
    """What rolling forecasts taught: form weights, the rate's posterior, and the bias (log loss per e-fold) where it is
    stable. `errors`: the average's, log predicted - log observed. Without `levels` there were too few origins."""

    cost: Price
    forms: tuple[str, ...] = ()
    weight_F: Array = field(default_factory=lambda: np.ones(1))
    rms_F: Array = field(default_factory=lambda: np.full(1, np.nan))
    chance_G: Array = field(default_factory=lambda: np.ones(len(RATES)) / len(RATES))
    bias: float = np.nan
    levels: dict[str, RolledLevel] | None = None
    errors: tuple[dict, ...] = ()

    @property
    def rate(self) -> float:
        """Mean growth of the error beyond what forms and parameters tell, log loss per e-fold; infinite where uncalibrated."""
        if self.levels is None:
            return np.inf
        return float(self.chance_G @ RATES * np.mean([level.misfit for level in self.levels.values()]))

    def to_dict(self) -> dict:
        return {
            "forms": {
                form: {"weight": float(weight), "rms_percent": finite(100 * rms)}
                for form, weight, rms in zip(self.forms, self.weight_F, self.rms_F, strict=False)
            },
            "rate_percent_per_e_fold": finite(100 * self.rate),
            "bias_percent": finite(100 * self.bias),
            "points": list(self.errors[:: max(1, len(self.errors) // MOST_ERRORS)]),
        }


def calibrate(whole: Comparison) -> Calibration:
    """Roll the origin over the compute of every level. Levels share the forms' weights, the rate and the bias."""
    cost = price(whole)
    tables = {level: _thinned(whole.runs.where(whole.runs.level == level), cost) for level in whole.levels}
    forms = min((forms_for(table, whole.by_shape) for table in tables.values()), key=len)
    levels = {}
    for name, table in tables.items():
        log_C = np.log(table.D * cost.per_token(table.N))
        origins_K = origins_of(table, log_C, forms)
        known_KN = log_C[None] <= origins_K[:, None]
        # A shape that has a parameter of its own says nothing before its first run.
        ahead_KN = np.array([~known & (np.isin(table.shape, table.shape[known]) | (not whole.by_shape)) for known in known_KN])
        some_K = np.append(ahead_KN[:-1].any(1), True)
        if some_K.sum() > FEWEST_ORIGINS:
            distance_KN = np.array([beyond(table.where(known), cost, table.N, table.D).distance for known in known_KN[some_K]])
            rolled = roll(table, log_C, origins_K[some_K], forms)
            levels[name] = RolledLevel(table, rolled, origins_K[some_K], ahead_KN[some_K], distance_KN)
    if len(levels) < len(tables):
        return Calibration(cost)
    return _learn(cost, forms, levels)


def _thinned(table: Observations, cost: Price) -> Observations:
    if len(table) <= MOST_RUNS:
        return table
    order = np.argsort(table.D * cost.per_token(table.N), kind="stable")
    return table.where(order[np.linspace(0, len(table) - 1, MOST_RUNS).astype(int)])


def _learn(cost: Price, forms: tuple[Form, ...], rolled: dict[str, RolledLevel]) -> Calibration:
    """Weights by rolling error, then the average's own errors: its rate and bias."""
    asked = {name: level.ask(level.table.shape, level.table.N, level.table.D) for name, level in rolled.items()}
    weight_F, rms_F = _weigh([level.rolling_sizes(asked[name]) for name, level in rolled.items()])
    median = CURVE_RATE if all(form.law.needs == "D" for form in forms) else RATE
    log_chance_G, late, errors, levels = -0.5 * (np.log(RATES / median) / RATE_SD) ** 2, [], [], {}
    for name, level in rolled.items():
        mean_KN, variance_KN, scatter_K = average(asked[name], level, weight_F)
        error_KN = mean_KN - np.log(level.table.loss)
        levels[name] = replace(level, misfit=scatter_K[-1] * _shared(level.table, error_KN[-1]))
        for k, ahead in enumerate(level.ahead_KN[:-1]):
            e, x = error_KN[k, ahead], level.distance_KN[k, ahead]
            sd_GM = np.sqrt(scatter_K[-1] ** 2 + variance_KN[k, ahead] + (RATES[:, None] * levels[name].misfit * x) ** 2)
            log_t_GM = -(ROLLING_TAILS + 1) / 2 * np.log1p((e / sd_GM) ** 2 / ROLLING_TAILS) - np.log(sd_GM)
            log_chance_G = log_chance_G + log_t_GM.mean(1) / len(rolled)
            errors += _listed(name, level.table.where(ahead), level.origins_K[k], x, e)
            if 2 * k >= len(level.origins_K) - 1:
                late.append(_slope(e, x))
    chance_G = np.exp(log_chance_G - log_chance_G.max())
    names = tuple(form.name for form in forms)
    return Calibration(cost, names, weight_F, rms_F, chance_G / chance_G.sum(), _stable(np.array(late)), levels, tuple(errors))


def _weigh(sizes: list[tuple[Array, float]]) -> tuple[Array, Array]:
    """Weights and rolling error (root mean square) of the forms, from mean sizes of error [F, K] and the scatter per level.

    Forms are compared origin by origin, because forms of many parameters are not tried at the early ones."""
    size_FK = np.concatenate([size for size, _ in sizes], axis=1)
    log_FK = np.concatenate([np.log(np.hypot(size, scatter)) for size, scatter in sizes], axis=1)
    tried_F: Array = np.asarray(np.isfinite(log_FK).any(1))
    against_FK = np.where(tried_F[:, None], log_FK - np.nanmedian(log_FK, axis=0), 0.0)
    score_F = np.where(tried_F, np.nanmean(against_FK, axis=1), np.inf)
    weight_F = np.exp(-SHARPNESS * (score_F - score_F.min()))
    rms_F = np.sqrt(np.nanmean(np.where(tried_F[:, None], size_FK, 0.0) ** 2, axis=1))
    return weight_F / weight_F.sum(), np.where(tried_F, rms_F, np.nan)


def average(asked: list[tuple[Array, Array]], level: RolledLevel, weight_F: Array) -> tuple[Array, Array, Array]:
    """Mean over forms [K, M], its variance by parameters and between forms [K, M], and the scatter [K]; forms not usable
    at an origin are left out there."""
    f_FKM, sd_FKM = (np.stack(parts) for parts in zip(*asked, strict=True))
    usable_FK = np.stack([form.usable_K for form in level.forms])
    w_FK = weight_F[:, None] * usable_FK + 1e-12 * usable_FK
    w_FK = w_FK / w_FK.sum(0)
    f_FKM, w_FK1 = np.nan_to_num(f_FKM), w_FK[:, :, None]
    mean_KM = (w_FK1 * f_FKM).sum(0)
    variance_KM = (w_FK1 * (sd_FKM**2 + (f_FKM - mean_KM) ** 2)).sum(0)
    return mean_KM, variance_KM, (w_FK * np.stack([form.scatter_K for form in level.forms])).sum(0)


def _shared(table: Observations, residual_N: Array) -> float:
    """Standard deviation of what a run's residual shares with its two nearest others in (ln N, ln D), as a part of all."""
    place_N2 = np.stack([np.log(table.N), np.log(table.D)], axis=1)
    apart_NN = ((place_N2[:, None] - place_N2) ** 2).sum(-1)
    np.fill_diagonal(apart_NN, np.inf)
    near_N2 = np.argsort(apart_NN, axis=1, kind="stable")[:, :2]
    limit = FAR * 1.4826 * np.median(np.abs(residual_N))
    r_N = np.clip(residual_N, -limit, limit)
    shared = (r_N[:, None] * r_N[near_N2]).mean() / max(float((r_N**2).mean()), 1e-300)
    return float(np.sqrt(SHARED_LEAST + max(shared, 0.0)))


def _slope(error_M: Array, distance_M: Array) -> float:
    """Error per e-fold: the median of error/distance, weighted by distance; nan where nothing lies ahead."""
    far = distance_M > 1e-6
    if not far.any():
        return np.nan
    ratio, weight = error_M[far] / distance_M[far], distance_M[far]
    order = np.argsort(ratio, kind="stable")
    return float(ratio[order][np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())])


def _stable(slopes: Array) -> float:
    """The smallest of the slopes where all agree in sign, else 0: a bias is corrected only as far as every late origin had
    it, and a few that share most of their runs prove nothing by agreeing."""
    slopes = slopes[np.isfinite(slopes)]
    agree = len(slopes) >= FEWEST_LATE and (np.sign(slopes) == np.sign(slopes[0])).all()
    return float(np.sign(slopes[0]) * np.abs(slopes).min()) if agree else 0.0


def _listed(level: str, ahead: Observations, log_cut: float, distance_M: Array, error_M: Array) -> list[dict]:
    return [
        {
            "level": level,
            "shape": s,
            "cut": float(np.exp(log_cut)),
            "N": float(n),
            "D": float(d),
            "distance": float(x),
            "error": 100 * float(e),
        }
        for s, n, d, x, e in zip(ahead.shape, ahead.N, ahead.D, distance_M, error_M, strict=True)
    ]
