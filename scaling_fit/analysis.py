"""One call from a table of runs to everything a report needs: `analyse(table, baseline="raw").to_json()`.

The keys of the result are documented in docs/fitting.md; every number in it is plain JSON (None where the data do not bound
a quantity), every loss in nats per token.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_fit.adequacy import adequacy
from scaling_fit.budget import budget_report, crossing
from scaling_fit.checks import Fault, check
from scaling_fit.companions import fitted_multiplier, multiplier_curve, paired_differences
from scaling_fit.compare import Comparison, compare
from scaling_fit.forecast import calibrate, forecast
from scaling_fit.identify import certificates, identifiability, sensitivity
from scaling_fit.intervals import finite, holm, percentile
from scaling_fit.observations import Observations, observations
from scaling_fit.shift import Shift, shift
from scaling_fit.verdict import Verdict, judge

Array = np.ndarray
VERSION = 1
BEYOND = 10.0  # curves are drawn this far past the last observed token count


@dataclass(frozen=True)
class Analysis:
    """`content` is the JSON of the result; `comparisons` the joint fit per evaluation set, for predictions."""

    content: dict
    comparisons: dict[str, Comparison]

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self.content, indent=indent, allow_nan=False)

    def summary(self) -> str:
        """The verdicts in words, a line per level."""
        overall = self.content["overall"]
        return "\n".join([overall["sentence"], *(f"- {v['sentence']} {v['reading']}" for v in overall["verdicts"])])

    def table(self) -> list[dict]:
        """A row per (evaluation set, level, parameter) with its interval."""
        return [
            {"eval_set": name, "level": level, "parameter": parameter, **values}
            for name, one in self.content["sets"].items()
            for level, entry in one.get("levels", {}).items()
            for parameter, values in entry["parameters"].items()
        ]

    def predict(self, level: str, shape: str, D: Any, eval_set: str | None = None) -> Array:
        """Predicted loss (nats/token) of a level and tested shape at D tokens."""
        whole = self.comparisons[eval_set or self.content["primary"]]
        D = np.atleast_1d(np.asarray(D, float))
        return np.exp(whole.log_loss(level, shape, np.full(len(D), whole.shapes[shape]), D)[0])


def analyse(
    table: Any,
    *,
    baseline: str | None = None,
    eval_set: str | None = None,
    eval_sets: list[str] | None = None,
    law: str = "auto",
    confidence: float = 0.95,
    alpha: float = 0.05,
    margin: float = 0.02,
    multiplier_margin: float = 0.1,
    replicates: int = 1000,
    test_replicates: int = 400,
    seed: int = 0,
    columns: dict[str, str] | None = None,
    parameters: str = "auto",
) -> Analysis:
    """Compare every level with the baseline on every evaluation set.

    table: anything `observations` reads. baseline: default "raw" if there, else the first level. eval_set: the one verdicts
    are read from (default "heldout" if there, else the first). margin: |delta beta| below which exponents count as equal;
    0.02 moves effective data by about 1.3x over two decades. replicates: simulated refits for intervals; test_replicates:
    simulated null tables per test (0: F distribution only).
    Errors: ValueError naming rows for data that no fit can use (see `check`), an unknown baseline or set.
    """
    data = observations(table, columns=columns, parameters=parameters)
    faults = check(data)
    fatal = [fault for fault in faults if fault.severity == "error"]
    if fatal:
        raise ValueError("; ".join(f"{fault.name}: {fault.message}" for fault in fatal))
    baseline = baseline or ("raw" if "raw" in data.levels else data.levels[0])
    primary = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
    for value, known, what in ((baseline, data.levels, "baseline"), (primary, data.eval_sets, "eval_set")):
        if value not in known:
            raise ValueError(f"{what} {value!r} is not in the table; it has {', '.join(known)}")
    notes = list(data.notes)
    fresh = data.where(~data.repeated)
    if data.repeated.any():
        notes.append(f"{int(data.repeated.sum())} rows of repeated data are shown but not fitted: the law is of fresh data")
    chosen = [primary, *(name for name in (eval_sets or data.eval_sets) if name != primary)]
    sets, comparisons = {}, {}
    for name in chosen:
        rows = fresh.where(fresh.eval_set == name)
        options = dict(law=law, confidence=confidence, alpha=alpha, margin=margin, multiplier_margin=multiplier_margin,
                       replicates=replicates, test_replicates=test_replicates if name == primary else test_replicates // 2, seed=seed)
        try:
            whole = compare(rows, baseline, law=law, replicates=replicates, seed=seed)
        except ValueError as error:
            sets[name] = {"available": False, "reason": str(error), "points": _points(data, name, None),
                          "verdicts": {level: _no_verdict(level, str(error)) for level in data.levels if level != baseline}}
            continue
        comparisons[name] = whole
        sets[name] = {"available": True} | _one_set(data, name, whole, options)
    content = {
        "version": VERSION,
        "baseline": baseline,
        "primary": primary,
        "levels": [baseline, *(level for level in data.levels if level != baseline)],
        "shapes": [{"name": s, "N": n} for s, n in sorted({(s, float(n)) for s, n in zip(data.shape, data.N, strict=True)}, key=lambda x: x[1])],
        "eval_sets": chosen,
        "settings": {"law": law, "objective": "least squares, log loss, summed, whitened by trunk", "confidence": confidence,
                     "alpha": alpha, "margin": margin, "multiplier_margin": multiplier_margin, "replicates": replicates,
                     "test_replicates": test_replicates, "seed": seed},
        "notes": notes,
        "faults": [fault.to_dict() for fault in faults],
        "overall": _overall(sets, primary, baseline),
        "sets": sets,
    }
    return Analysis(content, comparisons)


def _one_set(data: Observations, name: str, whole: Comparison, options: dict) -> dict:
    confidence, others = options["confidence"], whole.levels[1:]
    checks = adequacy(whole)
    shifts = {level: shift(whole, level, law=options["law"], confidence=confidence, replicates=options["test_replicates"],
                           seed=options["seed"]) for level in others}
    adjusted = _holm(shifts)
    verdicts = {level: judge(whole, shifts[level], adjusted[level], alpha=options["alpha"], margin=options["margin"],
                             multiplier_margin=options["multiplier_margin"], confidence=confidence, caveat=checks["warning"])
                for level in others}
    calibration = calibrate(whole)
    curves = []
    for level in whole.levels:
        for shape in whole.shapes:
            seen = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
            if len(seen):
                grid = np.unique(np.concatenate([np.geomspace(seen.min(), seen.max(), 25), np.geomspace(seen.max(), seen.max() * BEYOND, 12)]))
                curves.append(forecast(whole, calibration, level, shape, grid, confidence))
    law, found, rows = whole.grouped.law, certificates(whole), sensitivity(whole)
    return {
        "law": {"name": law.name, "formula": law.formula, "source": law.source, "why": whole.why, "floor_per_shape": whole.by_shape,
                "parameters": [{"name": p.name, "unit": p.unit, "meaning": p.meaning} for p in law.parameters]},
        "noise": whole.noise.to_dict(),
        "levels": {level: _level(whole, level, confidence) | {"certificate": found[level], "sensitivity": rows[level]} for level in whole.levels},
        "curves": curves,
        "points": _points(data, name, whole),
        "tests": {level: _tests(one, adjusted[level], options) for level, one in shifts.items()},
        "forest": [row for level, one in shifts.items() for row in _forest(one, verdicts[level])],
        "multiplier": {level: _multiplier(whole, level, confidence, options["seed"]) for level in others},
        "seeds": {level: paired_differences(whole, level, confidence) for level in others},
        "adequacy": checks,
        "extrapolation": calibration.to_dict(),
        "budget": budget_report(whole, confidence),
        "crossovers": [_crossover(whole, level, shape, confidence) for level in others for shape in _common_shapes(whole, level)],
        "verdicts": {level: one.to_dict() for level, one in verdicts.items()},
    }


def _holm(shifts: dict[str, Shift]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {level: {} for level in shifts}
    for contrast in ("any shift", "exponent, floor free", "floor, exponent free"):
        raw = [c["p_F"] if c["p_simulated"] is None else c["p_simulated"] for c in (s.contrasts[contrast] for s in shifts.values())]
        for level, p in zip(shifts, holm(raw), strict=True):
            out[level][contrast] = p
    return out


def _level(whole: Comparison, level: str, confidence: float) -> dict:
    point, draws = whole.parameters(level, whole.theta_P[None]), whole.parameters(level, whole.theta_RP)
    rows = whole.table.level == level
    return {
        "parameters": {name: percentile(float(point[name][0]), draws[name], confidence).to_dict() for name in point},
        "identifiability": identifiability(whole, level),
        "runs": int(rows.sum()),
        "D": [float(whole.table.D[rows].min()), float(whole.table.D[rows].max())],
        "N": [float(whole.table.N[rows].min()), float(whole.table.N[rows].max())],
    }


def _tests(one: Shift, adjusted: dict[str, float], options: dict) -> dict:
    contrasts = [{"name": name, **values, "p_holm": adjusted.get(name)} for name, values in one.contrasts.items()]
    return {"hypotheses": list(one.table), "contrasts": contrasts,
            "delta_beta": one.beta.to_dict() | {"se": finite(one.beta_se), "identified": one.identified},
            "delta_beta_floor_shared": one.beta_floor_shared.to_dict(), "multiplier": one.multiplier.to_dict(),
            "equivalence": one.equivalence(options["margin"], options["multiplier_margin"])}


def _forest(one: Shift, verdict: Verdict) -> list[dict]:
    rows = (("delta_beta", "difference in beta, floors free", one.beta), ("delta_beta_floor_shared", "difference in beta, floors equal", one.beta_floor_shared),
            ("multiplier", "effective-data multiplier, exponents equal", one.multiplier), ("floor", "difference in floor, nats/token", verdict.floor_nats),
            ("loss", "difference in loss over the tested range, percent", verdict.difference_percent))
    return [{"level": one.level, "quantity": key, "label": label, "null": 1.0 if key == "multiplier" else 0.0, **interval.to_dict()}
            for key, label, interval in rows]


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
    return {"level": level, "shape": shape, "N": whole.shapes[shape], **met,
            "inside_observed": bool(met["at"] is not None and met["at"] <= seen.max())}


def _multiplier(whole: Comparison, level: str, confidence: float, seed: int) -> dict:
    fitted = []
    for shape in _common_shapes(whole, level) if whole.by_shape or "alpha" in whole.grouped.law.names else []:
        seen = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
        if len(seen):
            fitted.append(fitted_multiplier(whole, level, shape, np.geomspace(seen.min(), seen.max(), 15), confidence))
    return {"matched_loss": multiplier_curve(whole, level, confidence=confidence, seed=seed), "fitted": fitted}


def _points(data: Observations, name: str, whole: Comparison | None) -> list[dict]:
    used = {}
    if whole is not None:
        problem = whole.grouped.problem
        log_loss = problem.predict(whole.theta_P[None])[0]
        residual = np.log(problem.loss_N) - log_loss
        assert problem.trunks is not None
        z = problem.trunks.whiten(residual) / whole.noise.row if whole.noise.row > 0 else residual
        used = {int(row): (float(np.exp(f)), float(100 * r), float(s)) for row, f, r, s in zip(whole.table.row, log_loss, residual, z, strict=True)}
    out = []
    one = data.where(data.eval_set == name)
    for k in range(len(one)):
        predicted, residual_percent, z_value = used.get(int(one.row[k]), (None, None, None))
        out.append({"level": one.level[k], "shape": one.shape[k], "seed": one.seed[k], "trunk": one.trunk[k], "N": float(one.N[k]),
                    "D": float(one.D[k]), "loss": float(one.loss[k]), "repeated": bool(one.repeated[k]), "used": predicted is not None,
                    "predicted": predicted, "residual_percent": residual_percent, "z": z_value})
    return out


def _no_verdict(level: str, reason: str) -> dict:
    nothing = {"value": None, "low": None, "high": None}
    return {"level": level, "kind": "not identifiable", "direction": "unclear", "shifted": False, "difference_percent": nothing,
            "floor_nats": nothing, "detectable_beta": None, "sentence": f"Nothing can be said of {level}: {reason}.",
            "reading": "Add token counts (at least 4 over 1.5 decades) and seeds."}


def _overall(sets: dict, primary: str, baseline: str) -> dict:
    verdicts = list(sets[primary]["verdicts"].values())
    if not verdicts:
        return {"sentence": f"Only {baseline} was run: there is no level to compare it with.", "verdicts": [], "agreement": {}}
    kinds = [v["kind"] for v in verdicts]
    better = sorted((v for v in verdicts if v["direction"] == "better"), key=lambda v: v["difference_percent"]["value"])
    told = [v for v in verdicts if v["kind"] != "not identifiable"]
    lead = (f"{better[0]['level']} has the lowest loss on {primary} over the tested range ({better[0]['difference_percent']['value']:+.2g} % against {baseline})."
            if better else f"No level has a lower loss than {baseline} on {primary} over the tested range.")
    kind = (f" What moved is told for {len(told)} of {len(verdicts)} levels: " + ", ".join(f"{v['level']} ({v['kind']})" for v in told) + "."
            if told else " Whether exponent, prefactor or floor moved is not identifiable with this design for any level.")
    agreement = {v["level"]: {name: one["verdicts"][v["level"]]["kind"] for name, one in sets.items() if v["level"] in one["verdicts"]} for v in verdicts}
    return {"sentence": lead + kind, "verdicts": verdicts, "kinds": dict(zip([v["level"] for v in verdicts], kinds, strict=True)), "agreement": agreement}


def faults_of(table: Any, **told: Any) -> tuple[Fault, ...]:
    """The design and data faults of a table, without fitting (`assay fit --check`)."""
    return check(observations(table, **told))
