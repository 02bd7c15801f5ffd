"""The sections of one evaluation set's result, as plain JSON (keys in docs/fitting.md)."""

import numpy as np

from scaling_fit.intervals import finite, holm
from scaling_fit.levels.adequacy import adequacy
from scaling_fit.levels.budget import budget_report, crossing
from scaling_fit.levels.companions import fitted_multiplier, matched_beta, multiplier_curve, paired_differences
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.forecast import calibrate, forecast
from scaling_fit.levels.identify import certificates, identifiability, sensitivity
from scaling_fit.levels.parameters import level_intervals
from scaling_fit.levels.shift import Shift, shift
from scaling_fit.levels.verdict import Verdict, judge
from scaling_fit.observations import Observations

BEYOND = 10.0  # curves are drawn this far past the last observed token count


def sections_of(data: Observations, name: str, whole: Comparison, options: dict) -> dict:
    confidence, others = options["confidence"], whole.levels[1:]
    checks = adequacy(whole)
    shifts = {
        level: shift(
            whole, level, law=options["law"], confidence=confidence, replicates=options["test_replicates"], seed=options["seed"]
        )
        for level in others
    }
    adjusted = _holm(shifts)
    verdicts = {
        level: judge(
            whole,
            shifts[level],
            adjusted[level],
            alpha=options["alpha"],
            margin=options["margin"],
            multiplier_margin=options["multiplier_margin"],
            confidence=confidence,
            caveat=checks["warning"],
        )
        for level in others
    }
    calibration = calibrate(whole)
    curves = []
    for level in whole.levels:
        for shape in whole.shapes:
            seen = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
            if len(seen):
                grid = np.unique(
                    np.concatenate(
                        [np.geomspace(seen.min(), seen.max(), 25), np.geomspace(seen.max(), seen.max() * BEYOND, 12)]
                    )
                )
                curves.append(forecast(whole, calibration, level, shape, grid, confidence))
    law, found, rows = whole.grouped.law, certificates(whole), sensitivity(whole, options["primary"])
    return {
        "law": {
            "name": law.name,
            "formula": law.formula,
            "source": law.source,
            "why": whole.why,
            "floor_per_shape": whole.by_shape,
            "parameters": [{"name": p.name, "unit": p.unit, "meaning": p.meaning} for p in law.parameters],
        },
        "noise": whole.noise.to_dict(),
        "levels": {
            level: _level(whole, level, confidence) | {"certificate": found[level], "sensitivity": rows[level]}
            for level in whole.levels
        },
        "curves": curves,
        "points": points_of(data, name, whole),
        "tests": {level: _tests(one, adjusted[level], options) for level, one in shifts.items()},
        "forest": [row for level, one in shifts.items() for row in _forest(one, verdicts[level])],
        "multiplier": {level: _multiplier(whole, level, confidence, options["seed"]) for level in others},
        "matched_beta": {level: matched_beta(whole, level, confidence) for level in others},
        "seeds": {level: paired_differences(whole, level, confidence) for level in others},
        "adequacy": checks,
        "extrapolation": calibration.to_dict(),
        "budget": budget_report(whole, confidence, contenders=options["contenders"]),
        "crossovers": [
            _crossover(whole, level, shape, confidence) for level in others for shape in _common_shapes(whole, level)
        ],
        "verdicts": {level: one.to_dict() for level, one in verdicts.items()},
    }


def _holm(shifts: dict[str, Shift]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {level: {} for level in shifts}
    for contrast in ("any shift", "exponent, floor free", "floor, exponent free"):
        raw = [
            c["p_F"] if c["p_simulated"] is None else c["p_simulated"] for c in (s.contrasts[contrast] for s in shifts.values())
        ]
        for level, p in zip(shifts, holm(raw), strict=True):
            out[level][contrast] = p
    return out


def _level(whole: Comparison, level: str, confidence: float) -> dict:
    intervals = level_intervals(whole, level, confidence)
    rows = whole.table.level == level
    return {
        "parameters": {name: interval.to_dict() for name, interval in intervals.items()},
        "identifiability": identifiability(whole, level, intervals),
        "runs": int(rows.sum()),
        "D": [float(whole.table.D[rows].min()), float(whole.table.D[rows].max())],
        "N": [float(whole.table.N[rows].min()), float(whole.table.N[rows].max())],
    }


def _tests(one: Shift, adjusted: dict[str, float], options: dict) -> dict:
    contrasts = [{"name": name, **values, "p_holm": adjusted.get(name)} for name, values in one.contrasts.items()]
    return {
        "hypotheses": list(one.table),
        "contrasts": contrasts,
        "delta_beta": one.beta.to_dict() | {"se": finite(one.beta_se), "identified": one.identified},
        "delta_beta_floor_shared": one.beta_floor_shared.to_dict(),
        "multiplier": one.multiplier.to_dict(),
        "equivalence": one.equivalence(options["margin"], options["multiplier_margin"]),
    }


def _forest(one: Shift, verdict: Verdict) -> list[dict]:
    rows = (
        ("delta_beta", "difference in beta, floors free", one.beta),
        ("delta_beta_floor_shared", "difference in beta, floors equal", one.beta_floor_shared),
        ("multiplier", "effective-data multiplier, exponents equal", one.multiplier),
        ("floor", "difference in floor, nats/token", verdict.floor_nats),
        ("loss", "difference in loss over the tested range, percent", verdict.difference_percent),
    )
    return [
        {"level": one.level, "quantity": key, "label": label, "null": 1.0 if key == "multiplier" else 0.0, **interval.to_dict()}
        for key, label, interval in rows
    ]


def _common_shapes(whole: Comparison, level: str) -> list[str]:
    have = [set(whole.table.shape[whole.table.level == name]) for name in (whole.baseline, level)]
    return [shape for shape in whole.shapes if all(shape in one for one in have)]


def _crossover(whole: Comparison, level: str, shape: str, confidence: float) -> dict:
    """Tokens at which a level's curve meets the baseline's, at one shape, from the observed range to 100 times past it."""
    seen = whole.table.D[whole.table.shape == shape]
    grid = np.geomspace(seen.min(), seen.max() * 100, 81)
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP[:400]])
    N = np.full(len(grid), whole.shapes[shape])
    gap_RC = whole.log_loss(level, shape, N, grid, theta_RP) - whole.log_loss(whole.baseline, shape, N, grid, theta_RP)
    met = crossing(gap_RC, np.log(grid), confidence)
    return {
        "level": level,
        "shape": shape,
        "N": whole.shapes[shape],
        **met,
        "inside_observed": bool(met["at"] is not None and met["at"] <= seen.max()),
    }


def _multiplier(whole: Comparison, level: str, confidence: float, seed: int) -> dict:
    fitted = []
    for shape in _common_shapes(whole, level) if whole.by_shape or "alpha" in whole.grouped.law.names else []:
        seen = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
        if len(seen):
            fitted.append(fitted_multiplier(whole, level, shape, np.geomspace(seen.min(), seen.max(), 15), confidence))
    return {"matched_loss": multiplier_curve(whole, level, confidence=confidence, seed=seed), "fitted": fitted}


def points_of(data: Observations, name: str, whole: Comparison | None) -> list[dict]:
    used = {}
    if whole is not None:
        problem = whole.grouped.problem
        log_loss = problem.predict(whole.theta_P[None])[0]
        residual = np.log(problem.loss_N) - log_loss
        assert problem.trunks is not None
        z = problem.trunks.whiten(residual) / whole.noise.row if whole.noise.row > 0 else residual
        used = {
            int(row): (float(np.exp(f)), float(100 * r), float(s))
            for row, f, r, s in zip(whole.table.row, log_loss, residual, z, strict=True)
        }
    out = []
    one = data.where(data.eval_set == name)
    for k in range(len(one)):
        predicted, residual_percent, z_value = used.get(int(one.row[k]), (None, None, None))
        out.append(
            {
                "level": one.level[k],
                "shape": one.shape[k],
                "seed": one.seed[k],
                "trunk": one.trunk[k],
                "N": float(one.N[k]),
                "D": float(one.D[k]),
                "loss": float(one.loss[k]),
                "repeated": bool(one.repeated[k]),
                "used": predicted is not None,
                "predicted": predicted,
                "residual_percent": residual_percent,
                "z": z_value,
            }
        )
    return out
