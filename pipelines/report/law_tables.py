"""The fit as flat tables, one row per mark on a chart. `eval_set` is in every row, so that the page's selector is a filter."""

import math
from statistics import fmean

import numpy as np

from pipelines.report.facts import Paired
from pipelines.report.frames import Rows
from scaling_fit.intervals import Interval, finite
from scaling_fit.levels.outlook import Curve
from scaling_fit.result import Result


def eval_sets(result: Result) -> list[str]:
    """Sets with a fit, the primary one first, each level's own distribution last (no verdict is drawn from it)."""
    return list(result.fits)


def shapes(result: Result) -> list[str]:
    """Shapes by size, smallest first."""
    return [shape.name for shape in result.shapes]


def ends(interval: Interval) -> dict[str, float | None]:
    """Value, low and high; None where open."""
    return {"value": finite(interval.value), "low": finite(interval.low), "high": finite(interval.high)}


def curves(result: Result) -> Rows:
    """Loss to expect over D with a run's interval, and the percent difference from the baseline's. `beyond`: outside the tested
    D; `past`: how far beyond the level's runs."""
    rows: Rows = []
    for name, fit in result.fits.items():
        base = {curve.shape: curve for curve in fit.curves if curve.level == result.baseline}
        for curve in fit.curves:
            low_D, high_D = curve.observed
            percents = _against(curve, base.get(curve.shape))
            columns = zip(curve.D, curve.loss, curve.low, curve.high, curve.beyond, percents, strict=True)
            rows += [
                {
                    "eval_set": name, "level": curve.level, "shape": curve.shape, "D": D, "loss": loss, "low": low,
                    "high": high, "percent": percent, "beyond": not low_D * 0.999 <= D <= high_D * 1.001,
                    "past": past.words(),
                }
                for D, loss, low, high, past, percent in columns
            ]  # fmt: skip
    return rows


def _against(curve: Curve, base: Curve | None) -> list[float | None]:
    """Percent difference from the baseline's curve at the level's own D (log-log between grid points), or None outside."""
    if base is None:
        return [None] * len(curve.D)
    at = np.interp(np.log(curve.D), np.log(base.D), np.log(base.loss), left=np.nan, right=np.nan)
    return [finite(percent) for percent in (100 * (np.log(curve.loss) - at)).tolist()]


def points(result: Result) -> Rows:
    """Observed losses, what the law says there, and the residual in percent and in standard deviations."""
    keep = ("level", "shape", "seed", "D", "loss", "predicted", "residual_percent", "z", "used", "repeated")
    return [
        {"eval_set": name, **{key: getattr(point, key) for key in keep}}
        for name in result.fits
        for point in result.sets[name].points
    ]


def exponents(result: Result) -> Rows:
    """The data exponent of every level on every set."""
    return [
        {"eval_set": name, "level": level, **ends(of_level.parameters["beta"])}
        for name, fit in result.fits.items()
        for level, of_level in fit.levels.items()
        if "beta" in of_level.parameters
    ]


QUANTITIES = {
    "delta_beta": ("difference in beta, floors free", 0.0),
    "delta_beta_floor_shared": ("difference in beta, floors equal", 0.0),
    "multiplier": ("effective-data multiplier, exponents equal", 1.0),
    "floor": ("difference in floor, nats/token", 0.0),
    "loss": ("difference in loss over the tested range, percent", 0.0),
}
"""What can differ from the baseline: the label, and the value where nothing moved."""


def forest(result: Result) -> Rows:
    """Differences from the baseline by quantity: exponent, multiplier, floor, loss."""
    rows: Rows = []
    for name, fit in result.fits.items():
        for level, test in fit.tests.items():
            verdict = result.sets[name].answer.verdicts[level]
            found = (test.delta_beta, test.delta_beta_floor_shared, test.multiplier, verdict.floor_nats, verdict.gap.mean)
            rows += [
                {"eval_set": name, "level": level, "quantity": quantity, "label": label, "null": null, **ends(one)}
                for (quantity, (label, null)), one in zip(QUANTITIES.items(), found, strict=True)
                if test.floors == "free" or quantity != "delta_beta"  # of a level whose floor is the baseline's, they are one
            ]
    return rows


def multiplier_points(result: Result) -> Rows:
    """Loss-matched D_baseline / D_level without a law."""
    return [
        {
            "eval_set": name, "level": level, "shape": point.shape, "N": point.N, "D": point.D, "loss": point.loss,
            "multiplier": point.multiplier.value, "low": finite(point.multiplier.low), "high": finite(point.multiplier.high),
        }
        for name, fit in result.fits.items()
        for level, against in fit.against.items()
        for point in against.matched
    ]  # fmt: skip


def multiplier_curves(result: Result) -> Rows:
    """The same multiplier from the fitted laws; rows where the baseline never reaches the loss are left out."""
    return [
        {"eval_set": name, "level": level, "shape": curve.shape, "D": D, "multiplier": value, "low": low, "high": high}
        for name, fit in result.fits.items()
        for level, against in fit.against.items()
        for curve in against.fitted
        for D, value, low, high in zip(curve.D, curve.multiplier, curve.low, curve.high, strict=True)
        if value is not None
    ]


def seeds(result: Result) -> Rows:
    """Level minus baseline at the same shape, D and seed."""
    return [
        {"eval_set": name, "level": level, **vars(pair)}
        for name, fit in result.fits.items()
        for level, against in fit.against.items()
        for pair in against.seeds
    ]


def documents(paired: list[Paired]) -> Rows:
    """Per-document differences at the largest D of each shape, averaged over seeds."""
    last: dict[str, int] = {}
    for row in paired:
        last[row["shape"]] = max(last.get(row["shape"], 0), row["tokens"])
    cells: dict[tuple[str, str, str], list[Paired]] = {}
    for row in paired:
        if row["tokens"] == last[row["shape"]]:
            cells.setdefault((row["eval_set"], row["level"], row["shape"]), []).append(row)
    return [
        {
            "eval_set": eval_set, "level": level, "shape": shape, "D": last[shape], "documents": group[0]["documents"],
            "seeds": len(group), "better": fmean(r["better"] for r in group),
            "difference": fmean(r["difference"] for r in group), "se": fmean(r["se"] for r in group),
            **{key: fmean(r["quantiles"][i] for r in group) for i, key in enumerate(("p5", "p25", "p50", "p75", "p95"))},
        }
        for (eval_set, level, shape), group in cells.items()
    ]  # fmt: skip


def budget(result: Result) -> Rows:
    """Best loss at a training budget, as percent of the baseline's best, for an endless pool and for the one there is."""
    rows: Rows = []
    for name, fit in result.fits.items():
        low_C, high_C = fit.budget.observed
        for pool, plan in fit.budget.plans.items():
            base = plan.frontier[result.baseline].loss
            rows += [
                {
                    "eval_set": name, "pool": pool, "level": level, "flops": C, "loss": best.loss[k],
                    "percent": 100 * math.log(best.loss[k] / base[k]), "N": best.N[k], "D": best.D[k],
                    "beyond": not low_C * 0.999 <= C <= high_C * 1.001, "low": best.low[k], "high": best.high[k],
                    "past": best.beyond[k].words(),
                    "place": "best" if level == plan.winner[k] else "tie" if level in plan.tied[k] else "",
                }
                for level, best in plan.frontier.items()
                for k, C in enumerate(plan.budgets)
            ]  # fmt: skip
    return rows


def extrapolation(result: Result) -> Rows:
    """How wrong forecasts were about runs they had not seen: fitted up to `cut` FLOPs, asked about D, `factor` beyond."""
    return [
        {
            "eval_set": name, "level": one.level, "shape": one.shape, "cut": one.cut, "D": one.D,
            "factor": math.exp(one.distance), "error": one.error,
        }
        for name, fit in result.fits.items()
        for one in fit.extrapolation.points
    ]  # fmt: skip
