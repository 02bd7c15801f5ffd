"""Beyond the data: forecasts averaged over law forms, with errors calibrated by forecasting what is already known.

Shape suffixes: R replicates, N points, P parameters, F forms.

Rolling origin: for every token count past the first few, each form is fitted to the runs up to there and asked for the
rest. The error grows with distance x = ln(D / last fitted D), so its scale is a rate per unit of x: sd(x) = rate * x.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from scaling_fit.intervals import Interval
from scaling_fit.law.laws import LAWS, Inputs, Law
from scaling_fit.law.search import search
from scaling_fit.levels.compare import Comparison
from scaling_fit.observations import Observations

Array = np.ndarray
MANY_SIZES = ("additive", "tied", "cross", "kaplan")
FEW_SIZES = ("data", "tied", "kaplan")


@dataclass(frozen=True)
class Fitted:
    """One form fitted to one level (per shape for the law in D alone)."""

    law: Law
    pivot: tuple[float, float]
    phi: dict[str, Array]

    def log_loss(self, shape: str, N: Array, D: Array) -> Array:
        phi_P = self.phi.get(shape, self.phi.get(""))
        assert phi_P is not None
        return self.law.design(Inputs(N, D, np.full(len(D), np.inf)), self.pivot).predict(phi_P[None])[0]


def fit_form(law: Law, table: Observations, pivot: tuple[float, float]) -> Fitted | None:
    """Least squares of one form on one level; None where it has as many parameters as distinct points."""
    per_shape = law.needs == "D"
    phi = {}
    for shape in dict.fromkeys(table.shape.tolist()) if per_shape else [""]:
        rows = np.flatnonzero(table.shape == shape) if per_shape else np.arange(len(table))
        points = {*zip(table.N[rows], table.D[rows], strict=True)}
        if len(points) <= len(law.names) or len(np.unique(table.D[rows])) < 3:
            return None
        inputs = table.inputs().take(rows)
        if not per_shape and len(np.unique(inputs.N)) < 2:
            return None
        phi[shape] = search(law.design(inputs, pivot), table.loss[rows], polish=3).phi_MP[0]
    return Fitted(law, pivot, phi)


@dataclass(frozen=True)
class Calibration:
    """Forecast errors found by rolling origin, per form and for their weighted mean; `rate` is the sd per unit of ln D."""

    forms: tuple[str, ...]
    weight_F: Array
    rate: float
    points: tuple[dict, ...]
    bias: float

    def to_dict(self) -> dict:
        per_form = {
            form: {
                "weight": float(weight),
                "rms_percent": _rms([p["errors"][form] for p in self.points if form in p["errors"]]),
            }
            for form, weight in zip(self.forms, self.weight_F, strict=True)
        }
        return {
            "forms": per_form,
            "rate_percent_per_e_fold": 100 * self.rate if np.isfinite(self.rate) else None,
            "bias_percent": 100 * self.bias if np.isfinite(self.bias) else None,
            "points": [
                p | {"errors": {k: 100 * v for k, v in p["errors"].items()}, "error": 100 * p["error"]} for p in self.points
            ],
        }


def _rms(errors: list[float]) -> float | None:
    return float(100 * np.sqrt(np.mean(np.square(errors)))) if errors else None


def calibrate(whole: Comparison) -> Calibration:
    """Roll the origin over the token counts of every level; errors are log predicted - log observed."""
    names = FEW_SIZES if whole.by_shape else MANY_SIZES
    raw: list[dict] = []
    for level in whole.levels:
        table = whole.table.where(whole.table.level == level)
        tokens = np.unique(table.D)
        for cut in tokens[3:-1]:
            known, ahead = table.where(cut >= table.D), table.where(cut < table.D)
            fits = {name: fit_form(LAWS[name], known, whole.grouped.pivot) for name in names}
            guess = {k: f.log_loss for k, f in fits.items() if f is not None}
            for k in range(len(ahead)):
                one = ahead.where(np.array([k]))
                if one.shape[0] not in known.shape:
                    continue
                errors = {n: float(g(one.shape[0], one.N, one.D)[0] - np.log(one.loss[0])) for n, g in guess.items()}
                if errors:
                    raw.append(
                        {
                            "level": level,
                            "shape": one.shape[0],
                            "cut": float(cut),
                            "D": float(one.D[0]),
                            "distance": float(np.log(one.D[0] / cut)),
                            "errors": errors,
                        }
                    )
    used = [n for n in names if any(n in p["errors"] for p in raw)]
    if not used:
        return Calibration(names[:1], np.ones(1), np.inf, (), np.nan)
    floor = max(whole.noise.row, 1e-5) ** 2
    mse = np.array([np.mean([p["errors"][n] ** 2 for p in raw if n in p["errors"]]) for n in used]) + floor
    weight = (1 / mse) / (1 / mse).sum()
    for p in raw:
        have = np.array([n in p["errors"] for n in used])
        values = np.array([p["errors"].get(n, 0.0) for n in used])
        p["error"] = float((weight * have * values).sum() / (weight * have).sum())
    excess = [(p["error"] ** 2 - whole.noise.row**2) / p["distance"] ** 2 for p in raw]
    rate = float(np.sqrt(max(np.mean(excess), 0.0)))
    return Calibration(tuple(used), weight, rate, tuple(raw), float(np.mean([p["error"] for p in raw])))


def forecast(whole: Comparison, calibration: Calibration, level: str, shape: str, D: Array, confidence: float = 0.95) -> dict:
    """Loss of one level and shape over a grid of D: mean over forms, interval from parameters, forms and calibration.

    Inside the observed range the forms and the calibration add nothing; beyond it they widen with distance. Without a
    calibration (too few token counts) the interval beyond the range is null: the data give no ground for one.
    """
    table = whole.table.where(whole.table.level == level)
    N = np.full(len(D), whole.shapes[shape])
    last = table.D[table.shape == shape].max()
    joint_RN = whole.log_loss(level, shape, N, D, np.concatenate([whole.theta_P[None], whole.theta_RP[:400]]))
    values, weights = [joint_RN[0]], [calibration.weight_F[0]]
    for name, weight in zip(calibration.forms[1:], calibration.weight_F[1:], strict=True):
        form = fit_form(LAWS[name], table, whole.grouped.pivot)
        if form is not None:
            values.append(form.log_loss(shape, N, D))
            weights.append(weight)
    w = np.array(weights) / np.sum(weights)
    beyond = np.maximum(np.log(D / last), 0.0)
    at_end = [np.interp(last, D, v) for v in values]
    moved = np.array([v - e + at_end[0] for v, e in zip(values, at_end, strict=True)])
    mean = np.where(beyond > 0, w @ moved, values[0])
    between = np.where(beyond > 0, np.sqrt(w @ (moved - mean) ** 2), 0.0)
    rate = calibration.rate if np.isfinite(calibration.rate) else np.nan
    sd = np.sqrt(joint_RN[1:].std(0) ** 2 + between**2 + np.where(beyond > 0, rate * beyond, 0.0) ** 2)
    half = stdtrit(max(whole.df, 3), 0.5 + confidence / 2) * sd
    clean = [None if np.isnan(x) else float(x) for x in np.exp(mean - half)]
    return {
        "level": level,
        "shape": shape,
        "N": float(N[0]),
        "D": D.tolist(),
        "loss": np.exp(mean).tolist(),
        "low": clean,
        "high": [None if np.isnan(x) else float(x) for x in np.exp(mean + half)],
        "observed": [float(table.D[table.shape == shape].min()), float(last)],
    }


def loss_at(whole: Comparison, calibration: Calibration, level: str, N: float, D: float, confidence: float = 0.95) -> Interval:
    """Forecast of the loss at one (N, D): parameters, spread of the law forms, and calibrated error by distance past the data.

    Errors: ValueError where floors are per shape and N is not a tested size (the table then says nothing of other sizes).
    """
    table = whole.table.where(whole.table.level == level)
    named = [shape for shape, size in whole.shapes.items() if abs(np.log(size / N)) < 1e-6]
    if whole.by_shape and not named:
        raise ValueError(
            f"N = {N:g} was not tested and {len(whole.shapes)} sizes fix no law in N; use one of "
            + ", ".join(f"{size:g}" for size in whole.shapes.values())
        )
    shape = named[0] if named else next(iter(whole.shapes))
    point, end = np.array([N]), np.array([table.D.max()])
    joint_R = whole.log_loss(level, shape, point, np.array([D]), np.concatenate([whole.theta_P[None], whole.theta_RP[:400]]))[
        :, 0
    ]
    beyond = max(np.log(D / table.D.max()), 0.0) + max(np.log(N / table.N.max()), np.log(table.N.min() / N), 0.0)
    base = whole.log_loss(level, shape, point, end)[0, 0]
    values, weights = [joint_R[0]], [calibration.weight_F[0]]
    for name, weight in zip(calibration.forms[1:], calibration.weight_F[1:], strict=True):
        form = fit_form(LAWS[name], table, whole.grouped.pivot)
        if form is not None and beyond > 0 and table.D.max() < D:
            values.append(form.log_loss(shape, point, np.array([D]))[0] - form.log_loss(shape, point, end)[0] + base)
            weights.append(weight)
    w = np.array(weights) / np.sum(weights)
    mean = float(w @ np.array(values))
    between = float(np.sqrt(w @ (np.array(values) - mean) ** 2))
    if beyond > 0 and not np.isfinite(calibration.rate):
        return Interval(float(np.exp(mean)), -np.inf, np.inf)
    sd = np.sqrt(joint_R[1:].std() ** 2 + between**2 + (calibration.rate * beyond if beyond > 0 else 0.0) ** 2)
    half = stdtrit(max(whole.df, 3), 0.5 + confidence / 2) * sd
    return Interval(*(float(np.exp(x)) for x in (mean, mean - half, mean + half)))
