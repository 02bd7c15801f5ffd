"""One call from a table of runs to everything a report needs: `analyse(table, baseline="raw").to_json()`.

The keys of the result are documented in docs/fitting.md; every number in it is plain JSON (None where the data do not bound
a quantity), every loss in nats per token.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_fit.checks import Fault, check
from scaling_fit.instrument.repeats import trunk_noise
from scaling_fit.intervals import show
from scaling_fit.levels.compare import Comparison, compare
from scaling_fit.levels.sections import points_of, sections_of
from scaling_fit.observations import observations

Array = np.ndarray
VERSION = 1
FEW = 200  # replicates where no number of them could identify the law


@dataclass(frozen=True)
class Analysis:
    """`content` is the JSON of the result; `comparisons` the joint fit per evaluation set, for predictions."""

    content: dict
    comparisons: dict[str, Comparison]

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self.content, indent=indent, allow_nan=False)

    def summary(self) -> str:
        """Markdown: the verdict per level, what limits it, and the parameters on the primary evaluation set."""
        overall, one = self.content["overall"], self.content["sets"][self.content["primary"]]
        lines = [overall["sentence"], ""]
        lines += [f"- **{v['level']}: {v['kind']}.** {v['sentence']} {v['reading']}" for v in overall["verdicts"]]
        if one["available"]:
            lines += [
                "",
                f"{one['law']['formula']} on {self.content['primary']} ({one['law']['why']}).",
                "",
                f"| level | parameter | value | {100 * self.content['settings']['confidence']:g} % interval |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {r['level']} | {r['parameter']} | {show(r['value'])} | [{show(r['low'])}, {show(r['high'])}] |"
                for r in self.table()
                if r["eval_set"] == self.content["primary"]
            ]
            lines += [""] + [
                f"- {level}: {flag}" for level, entry in one["levels"].items() for flag in entry["identifiability"]["flags"]
            ]
            lines += [f"- {one['adequacy']['warning']}"] if one["adequacy"]["warning"] else []
        else:
            lines += ["", one["reason"]]
        lines += [f"- {fault['name']} ({fault['severity']}): {fault['message']}" for fault in self.content["faults"]]
        return "\n".join(lines + [f"- {note}" for note in self.content["notes"]])

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
    noise: Any = None,
    contenders: list[str] | None = None,
) -> Analysis:
    """Compare every level with the baseline on every evaluation set.

    table: anything `observations` reads. baseline: default "raw" if there, else the first level. eval_set: the one verdicts
    are read from (default "heldout" if there, else the first). margin: |delta beta| below which exponents count as equal;
    0.02 moves effective data by about 1.3x over two decades. replicates: simulated refits for intervals; test_replicates:
    simulated null tables per test (0: F distribution only). noise: a table of repeated runs (`assay noise`); where the table
    itself repeats no trunk, the trunks' noise is taken from it, set by set. contenders: the levels that may win a budget
    (default: all; a control or another arm is compared, but not chosen).
    Errors: ValueError naming rows for data that no fit can use (see `check`), an unknown baseline or set.
    """
    data = observations(table, columns=columns, parameters=parameters)
    faults = check(data)
    fatal = [fault for fault in faults if fault.severity == "error"]
    if fatal:
        raise ValueError("; ".join(f"{fault.name}: {fault.message}" for fault in fatal))
    baseline = baseline or ("raw" if "raw" in data.levels else data.levels[0])
    primary = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
    named = [(baseline, data.levels, "baseline"), (primary, data.eval_sets, "eval_set")]
    for value, known, what in named + [(level, data.levels, "contenders") for level in contenders or []]:
        if value not in known:
            raise ValueError(f"{what} {value!r} is not in the table; it has {', '.join(known)}")
    notes = list(data.notes)
    fresh = data.where(~data.repeated)
    if data.repeated.any():
        notes.append(f"{int(data.repeated.sum())} rows of repeated data are shown but not fitted: the law is of fresh data")
    fewest = min(len(np.unique(fresh.D[fresh.level == level])) for level in fresh.levels) if len(fresh) else 0
    if fewest < 4 and replicates > FEW:
        replicates, test_replicates = FEW, min(test_replicates, FEW // 2)
        notes.append(
            f"{fewest} distinct D in a level: floor, prefactor and exponent are saturated, so {FEW} replicates are made"
        )
    measured = trunk_noise(noise) if noise is not None else {}
    chosen = [primary, *(name for name in (eval_sets or data.eval_sets) if name != primary)]
    sets, comparisons = {}, {}
    for name in chosen:
        rows = fresh.where(fresh.eval_set == name)
        options = {
            "law": law,
            "confidence": confidence,
            "alpha": alpha,
            "margin": margin,
            "multiplier_margin": multiplier_margin,
            "test_replicates": test_replicates if name == primary else test_replicates // 2,
            "seed": seed,
            "primary": name == primary,
            "contenders": contenders,
        }
        try:
            whole = compare(rows, baseline, law=law, replicates=replicates, seed=seed, trunk_noise=measured.get(name))
        except ValueError as error:
            sets[name] = {
                "available": False,
                "reason": str(error),
                "points": points_of(data, name, None),
                "verdicts": {level: _no_verdict(level, str(error)) for level in data.levels if level != baseline},
            }
            continue
        comparisons[name] = whole
        sets[name] = {"available": True} | sections_of(data, name, whole, options)
    content = {
        "version": VERSION,
        "baseline": baseline,
        "primary": primary,
        "levels": [baseline, *(level for level in data.levels if level != baseline)],
        "shapes": [
            {"name": s, "N": n}
            for s, n in sorted({(s, float(n)) for s, n in zip(data.shape, data.N, strict=True)}, key=lambda x: x[1])
        ],
        "eval_sets": chosen,
        "settings": {
            "law": law,
            "objective": "least squares, log loss, summed, whitened by trunk",
            "confidence": confidence,
            "alpha": alpha,
            "margin": margin,
            "multiplier_margin": multiplier_margin,
            "replicates": replicates,
            "test_replicates": test_replicates,
            "seed": seed,
            "contenders": contenders,
        },
        "notes": notes,
        "faults": [fault.to_dict() for fault in faults],
        "overall": _overall(sets, primary, baseline),
        "sets": sets,
    }
    return Analysis(content, comparisons)


def _no_verdict(level: str, reason: str) -> dict:
    nothing = {"value": None, "low": None, "high": None}
    return {
        "level": level,
        "kind": "not identifiable",
        "direction": "unclear",
        "shifted": False,
        "difference_percent": nothing,
        "floor_nats": nothing,
        "detectable_beta": None,
        "sentence": f"Nothing can be said of {level}: {reason}.",
        "reading": "Add token counts (at least 4 over 1.5 decades) and seeds.",
    }


def _overall(sets: dict, primary: str, baseline: str) -> dict:
    verdicts = list(sets[primary]["verdicts"].values())
    if not verdicts:
        return {"sentence": f"Only {baseline} was run: there is no level to compare it with.", "verdicts": [], "agreement": {}}
    kinds = [v["kind"] for v in verdicts]
    better = sorted((v for v in verdicts if v["direction"] == "better"), key=lambda v: v["difference_percent"]["value"])
    told = [v for v in verdicts if v["kind"] != "not identifiable"]
    lead = f"No level has a lower loss than {baseline} on {primary} over the tested range."
    if better:
        gain = f"{better[0]['difference_percent']['value']:+.2g} % against {baseline}"
        lead = f"{better[0]['level']} has the lowest loss on {primary} over the tested range ({gain})."
    kind = " Whether exponent, prefactor or floor moved is not identifiable with this design for any level."
    if told:
        named = ", ".join(f"{v['level']} ({v['kind']})" for v in told)
        kind = f" What moved is told for {len(told)} of {len(verdicts)} levels: {named}."
    agreement = {
        v["level"]: {name: one["verdicts"][v["level"]]["kind"] for name, one in sets.items() if v["level"] in one["verdicts"]}
        for v in verdicts
    }
    return {
        "sentence": lead + kind,
        "verdicts": verdicts,
        "kinds": dict(zip([v["level"] for v in verdicts], kinds, strict=True)),
        "agreement": agreement,
    }


def faults_of(table: Any, **told: Any) -> tuple[Fault, ...]:
    """The design and data faults of a table, without fitting (`assay fit --check`)."""
    return check(observations(table, **told))
