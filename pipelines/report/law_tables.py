"""The fit as flat tables, one row per mark on a chart. `eval_set` is in every row, so that the page's selector is a filter."""

import math
from typing import Any

import numpy as np

from pipelines.report.facts import Facts
from pipelines.report.frames import Rows


def eval_sets(facts: Facts) -> list[str]:
    """Sets with a fit, the primary one first, each level's own distribution last (no verdict is drawn from it)."""
    sets = facts.fit.get("sets", {})
    primary = facts.fit.get("primary")
    return sorted(
        (name for name in sets if sets[name]["available"]), key=lambda name: (name != primary, name.startswith("own:"))
    )


def _fits(facts: Facts) -> list[tuple[str, dict[str, Any]]]:
    return [(name, facts.fit["sets"][name]) for name in eval_sets(facts)]


def shapes(facts: Facts) -> list[str]:
    """Shapes by size, smallest first."""
    return [shape["name"] for shape in sorted(facts.fit["shapes"], key=lambda shape: shape["N"])]


def curves(facts: Facts) -> Rows:
    """Fitted loss over D with its band, and the percent difference from the baseline's. `beyond`: outside the tested D."""
    rows: Rows = []
    for name, fit in _fits(facts):
        base = {c["shape"]: c for c in fit["curves"] if c["level"] == facts.baseline}
        for curve in fit["curves"]:
            low_D, high_D = curve["observed"]
            percents = _against(curve, base.get(curve["shape"]))
            for D, loss, low, high, percent in zip(
                curve["D"], curve["loss"], curve["low"], curve["high"], percents, strict=True
            ):
                rows.append(
                    {
                        "eval_set": name,
                        "level": curve["level"],
                        "shape": curve["shape"],
                        "D": D,
                        "loss": loss,
                        "low": low,
                        "high": high,
                        "percent": percent,
                        "beyond": not low_D * 0.999 <= D <= high_D * 1.001,
                    }
                )
    return rows


def _against(curve: dict[str, Any], base: dict[str, Any] | None) -> list[float | None]:
    """Percent difference from the baseline's curve at the level's own D (log-log between grid points), or None outside."""
    if base is None:
        return [None] * len(curve["D"])
    at = np.interp(np.log(curve["D"]), np.log(base["D"]), np.log(base["loss"]), left=np.nan, right=np.nan)
    percents = 100 * (np.log(curve["loss"]) - at)
    return [None if math.isnan(p) else float(p) for p in percents]


def points(facts: Facts) -> Rows:
    """Observed losses, what the law says there, and the residual in percent and in standard deviations."""
    keep = ("level", "shape", "seed", "D", "loss", "predicted", "residual_percent", "z", "used", "repeated")
    return [{"eval_set": name, **{key: p[key] for key in keep}} for name, fit in _fits(facts) for p in fit["points"]]


def exponents(facts: Facts) -> Rows:
    """The data exponent of every level on every set."""
    return [
        {"eval_set": name, "level": level, **values["parameters"]["beta"]}
        for name, fit in _fits(facts)
        for level, values in fit["levels"].items()
        if "beta" in values["parameters"]
    ]


def forest(facts: Facts) -> Rows:
    """Differences from the baseline by quantity: exponent, multiplier, floor, loss."""
    return [{"eval_set": name, **row} for name, fit in _fits(facts) for row in fit["forest"]]


def multiplier_points(facts: Facts) -> Rows:
    """Loss-matched D_baseline / D_level without a law."""
    return [
        {"eval_set": name, "level": level, **point}
        for name, fit in _fits(facts)
        for level, both in fit["multiplier"].items()
        for point in both["matched_loss"]["points"]
    ]


def multiplier_curves(facts: Facts) -> Rows:
    """The same multiplier from the fitted laws; rows where the baseline never reaches the loss are left out."""
    rows: Rows = []
    for name, fit in _fits(facts):
        for level, both in fit["multiplier"].items():
            for curve in both["fitted"]:
                for D, value, low, high in zip(curve["D"], curve["multiplier"], curve["low"], curve["high"], strict=True):
                    if value is not None:
                        rows.append(
                            {
                                "eval_set": name,
                                "level": level,
                                "shape": curve["shape"],
                                "D": D,
                                "multiplier": value,
                                "low": low,
                                "high": high,
                            }
                        )
    return rows


def seeds(facts: Facts) -> Rows:
    """Level minus baseline at the same shape, D and seed."""
    return [
        {"eval_set": name, "level": level, **point}
        for name, fit in _fits(facts)
        for level, both in fit["seeds"].items()
        for point in both["points"]
    ]


def documents(facts: Facts) -> Rows:
    """Per-document differences at the largest D of each shape, averaged over seeds."""
    last: dict[str, int] = {}
    for row in facts.paired:
        last[row["shape"]] = max(last.get(row["shape"], 0), row["tokens"])
    cells: dict[tuple[str, str, str], list[Any]] = {}
    for row in facts.paired:
        if row["tokens"] == last[row["shape"]]:
            cells.setdefault((row["eval_set"], row["level"], row["shape"]), []).append(row)
    return [
        {
            "eval_set": eval_set,
            "level": level,
            "shape": shape,
            "D": last[shape],
            "documents": group[0]["documents"],
            "seeds": len(group),
            "better": _mean(r["better"] for r in group),
            "difference": _mean(r["difference"] for r in group),
            "se": _mean(r["se"] for r in group),
            **{key: _mean(r["quantiles"][i] for r in group) for i, key in enumerate(("p5", "p25", "p50", "p75", "p95"))},
        }
        for (eval_set, level, shape), group in cells.items()
    ]


def budget(facts: Facts) -> Rows:
    """Best loss at a training budget, as percent of the baseline's best, for an endless pool and for the one there is."""
    rows: Rows = []
    for name, fit in _fits(facts):
        for pool in ("finite", "endless"):
            plan = fit["budget"].get(pool)
            if plan is None:
                continue
            low_C, high_C = fit["budget"]["observed_budget"]
            base = plan["frontier"][facts.baseline]
            for level, frontier in plan["frontier"].items():
                for k, C in enumerate(plan["budgets"]):
                    rows.append(
                        {
                            "eval_set": name,
                            "pool": pool,
                            "level": level,
                            "flops": C,
                            "loss": frontier["loss"][k],
                            "percent": 100 * math.log(frontier["loss"][k] / base["loss"][k]),
                            "N": frontier["N"][k],
                            "D": frontier["D"][k],
                            "beyond": not low_C * 0.999 <= C <= high_C * 1.001,
                            "best": plan["winner"][k] == level,
                            "sure": plan["winner_share"][k],
                        }
                    )
    return rows


def extrapolation(facts: Facts) -> Rows:
    """How wrong the law was about token counts it had not seen: fitted up to `cut`, asked about D."""
    return [
        {
            "eval_set": name,
            "level": p["level"],
            "shape": p["shape"],
            "cut": p["cut"],
            "D": p["D"],
            "factor": math.exp(p["distance"]),
            "error": p["error"],
        }
        for name, fit in _fits(facts)
        for p in (fit["extrapolation"] or {}).get("points", [])
    ]


def _mean(values: Any) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
