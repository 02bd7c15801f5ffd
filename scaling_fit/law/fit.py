"""Fit one law to one table, alone or in groups: `fit(table, law="additive")`.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law, G groups.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling_fit.checks import Fault, check
from scaling_fit.encoding import encode
from scaling_fit.intervals import Interval, finite, percentile, show
from scaling_fit.law import held
from scaling_fit.law.bootstrap import bootstrap
from scaling_fit.law.groups import Grouped, Rule, grouped
from scaling_fit.law.laws import Inputs, Law, law_named
from scaling_fit.law.objectives import SENSITIVITY, Objective, objective_named
from scaling_fit.law.profile import profile_fit
from scaling_fit.law.search import Certificate, Search, minimise
from scaling_fit.observations import observations

Array = np.ndarray
OUTLIER = 6
MOST_ROWS = 100_000  # fitted; of a larger table a random part
REPEAT_LAWS = ("repetition", "overfitting")


@dataclass(frozen=True)
class Fit:
    """A fitted law. `intervals[group][parameter]`, in the formula's own units; `errors` their standard errors over replicates;
    `objective_value` the summed objective (a negative log likelihood where the objective is one)."""

    law: Law
    objective: Objective
    method: str
    confidence: float
    grouped: Grouped
    theta_P: Array
    theta_RP: Array | None
    objective_value: float
    intervals: dict[str, dict[str, Interval]]
    errors: dict[str, dict[str, float]]
    certificate: Certificate
    sensitivity: tuple[dict, ...]
    flags: tuple[str, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        return self.grouped.groups

    def values(self, group: str | None = None) -> dict[str, float]:
        return {name: interval.value for name, interval in self.intervals[group or self.groups[0]].items()}

    def predict(self, N: Any, D: Any, U: Any = np.inf, group: str | None = None) -> Array:
        """Loss (nats/token) at N parameters and D tokens, of which U unique; broadcasts."""
        N, D, U = (np.asarray(x, float) for x in np.broadcast_arrays(N, D, U))
        design = self.law.design(Inputs(N.ravel(), D.ravel(), U.ravel()), self.grouped.pivot)
        phi_RQ = self.grouped.phi(self.theta_P[None], group or self.groups[0])
        return np.exp(design.predict(phi_RQ)[0]).reshape(N.shape)

    def difference(self, parameter: str, group: str, other: str) -> tuple[Interval, float]:
        """`parameter` of group minus other: its interval over replicates, and the two-sided bootstrap p of being zero.

        Errors: ValueError without replicates (intervals="none" or "profile")."""
        if self.theta_RP is None:
            raise ValueError(f"intervals={self.method!r} kept no replicates; fit with row, trunk or wild to compare groups")
        k = self.law.names.index(parameter)
        point, draws = (
            self.grouped.natural(t, group)[:, k] - self.grouped.natural(t, other)[:, k]
            for t in (self.theta_P[None], self.theta_RP)
        )
        share = min((draws <= 0).mean(), (draws >= 0).mean())
        return percentile(float(point[0]), draws, self.confidence, corrected=False), float(
            min(1.0, 2 * (share * len(draws) + 1) / (len(draws) + 1))
        )

    def table(self) -> list[dict]:
        """A row per group and parameter."""
        units = {p.name: p.unit for p in self.law.parameters}
        return [
            {
                "group": group,
                "parameter": name,
                **interval.to_dict(),
                "se": finite(self.errors[group].get(name)),
                "unit": units[name],
            }
            for group, entry in self.intervals.items()
            for name, interval in entry.items()
        ]

    def to_dict(self) -> dict:
        return {
            "version": 1,
            "law": {"name": self.law.name, "formula": self.law.formula, "source": self.law.source},
            "objective": self.objective.describe(),
            "objective_value": finite(self.objective_value),
            "rows": len(self.grouped.problem.loss_N),
            "intervals": {
                "method": self.method,
                "confidence": self.confidence,
                "replicates": 0 if self.theta_RP is None else len(self.theta_RP),
            },
            "parameters": self.table(),
            "certificate": encode(self.certificate),
            "sensitivity": list(self.sensitivity),
            "flags": list(self.flags),
            "faults": [fault.to_dict() for fault in self.faults],
            "notes": list(self.notes),
        }

    def to_json(self, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def summary(self) -> str:
        """Markdown: the law, its parameters with intervals, the sensitivity row, and every flag."""
        lines = [
            f"**{self.law.formula}** by {self.objective.describe()}; {len(self.grouped.problem.loss_N)} runs.",
            "",
            f"| group | parameter | value | {100 * self.confidence:g} % interval ({self.method}) | unit |",
            "|---|---|---|---|---|",
        ]
        for row in self.table():
            ends = "-" if row["low"] is None and row["high"] is None else f"[{show(row['low'])}, {show(row['high'])}]"
            lines.append(f"| {row['group']} | {row['parameter']} | {show(row['value'])} | {ends} | {row['unit']} |")
        names = [p.name for p in self.law.parameters]
        lines += ["", "| objective | group | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
        lines += [
            f"| {row['objective']} | {row['group']} | " + " | ".join(show(row[n]) for n in names) + " |"
            for row in self.sensitivity
        ]
        found = self.certificate
        lines += [
            "",
            f"Search: {found.map_points} points mapped, {found.starts_polished} starts polished, "
            f"{found.distinct_minima} distinct minimum(s).",
        ]
        lines += [f"- **{flag}**" for flag in self.flags] + [f"- {f.severity}: {f.message}" for f in self.faults]
        return "\n".join(lines + [f"- {note}" for note in self.notes])


def fit(
    table: Any,
    *,
    law: str = "additive",
    objective: str | Objective = "huber",
    groups: str | None = None,
    sharing: Mapping[str, Rule] | None = None,
    fixed: Mapping[str, float] | None = None,
    baseline: str | None = None,
    intervals: str = "auto",
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    columns: Mapping[str, str] | None = None,
    parameters: str = "auto",
) -> Fit:
    """Fit `law` to a table of runs.

    objective: "huber[:delta]", "lad", "least-squares", "linear" (nats), "likelihood" (free scale), or an `Objective`.
    groups: a column of `Observations` ("level", "shape") whose values are fitted jointly; `sharing` then says per parameter
        "shared" (default), "free", or {group: covariate} for linear in a covariate (logs of coefficients).
    fixed: parameters held at a value, in the formula's own units, and tested against the law with all free (one group).
    intervals: "row", "trunk", "wild", "profile" (least squares only), "none"; "auto" is trunk where 8 or more are known.
    Errors: ValueError for tables no fit can use (see `check`) or fewer distinct points than parameters.
    """
    data = observations(table, columns=columns, parameters=parameters)
    chosen = law_named(law)
    goal = objective if isinstance(objective, Objective) else objective_named(objective)
    faults = check(data, len(chosen.names))
    fatal = [fault for fault in faults if fault.severity == "error"]
    if len(data.eval_sets) > 1:
        fatal.append(
            Fault(
                "many-eval-sets",
                "error",
                f"{len(data.eval_sets)} evaluation sets ({', '.join(data.eval_sets[:4])} ...): pick one with --eval-set",
            )
        )
    if fatal:
        raise ValueError("; ".join(f"{fault.name}: {fault.message}" for fault in fatal))
    if law not in REPEAT_LAWS and data.repeated.any():
        data = data.where(~data.repeated).noted(f"{int(data.repeated.sum())} rows of repeated data left out")
    data = data.thinned(MOST_ROWS, seed)
    labels = np.full(len(data), "all", dtype=object) if groups is None else getattr(data, groups)
    if fixed and (groups or intervals == "profile"):
        raise ValueError("fixed holds parameters of one law with intervals row, trunk or wild; leave groups and profile out")
    _enough(chosen, data, labels, sharing, len(fixed or {}))
    center = held.pivot(chosen, data.inputs(), fixed) if fixed else None
    laid = grouped(chosen, data, labels, sharing or {}, baseline=baseline or str(labels[0]), pivot=center)
    found = laid.search(goal)
    if fixed:
        free, theta_P = laid.problem, found.phi_MP[0]
        laid, found = held.search_held(laid, fixed, goal)
        data = data.noted(held.tested(fixed, laid.problem, found.phi_MP[0], free, theta_P))
    theta_P = found.phi_MP[0]
    method = intervals
    if intervals == "auto":
        method = "trunk" if "row 0" not in data.trunk and len(set(data.trunk.tolist())) >= 8 * len(laid.groups) else "row"
    theta_RP = None
    if method == "profile":
        if goal.exact_curvature or goal.space != "log" or len(laid.groups) > 1:
            raise ValueError(
                "--intervals profile needs one group and --objective least-squares (a likelihood); use row, trunk or wild"
            )
        spans, errors = profile_fit(laid, theta_P, confidence)
    elif method == "none":
        spans = {
            g: {
                n: Interval(float(v), -np.inf, np.inf)
                for n, v in zip(chosen.names, laid.natural(theta_P[None], g)[0], strict=True)
            }
            for g in laid.groups
        }
        errors = {g: {} for g in laid.groups}
    else:
        theta_RP = bootstrap(laid.problem, theta_P, goal, method, replicates, data.trunk[laid.rows], seed)
        spans, errors = _spans(laid, theta_P, theta_RP, confidence)
    return Fit(
        chosen,
        goal,
        method,
        confidence,
        laid,
        theta_P,
        theta_RP,
        float(found.objective_M[0]),
        spans,
        errors,
        found.certificate(),
        _sensitivity(laid, theta_P),
        _flags(laid, theta_P, theta_RP, found, data.row[laid.rows]),
        faults,
        data.notes,
    )


def _enough(law: Law, data, labels: Array, sharing: Mapping[str, Rule] | None, n_held: int) -> None:
    for axis in law.needs:
        if len(np.unique(getattr(data, axis))) < 2:
            raise ValueError(
                f"law {law.name!r} needs at least two distinct {axis}; the table has one "
                f"({float(getattr(data, axis)[0]):.4g}): use --law {'data' if axis == 'N' else 'size'} or vary {axis}"
            )
    points = len({*zip(labels, data.N, data.D, data.unique, strict=True)})
    n_groups = len(set(labels.tolist()))
    n = sum(n_groups if (sharing or {}).get(name) == "free" else 1 for name in law.names) - n_held
    if points < n:
        raise ValueError(f"{points} distinct points for {n} parameters of law {law.name!r}: add runs or fit a smaller law")


def _spans(laid: Grouped, theta_P: Array, theta_RP: Array, confidence: float) -> tuple[dict, dict]:
    spans, errors = {}, {}
    for group in laid.groups:
        point_Q, draws_RQ = laid.natural(theta_P[None], group)[0], laid.natural(theta_RP, group)
        spans[group] = {
            n: percentile(float(point_Q[k]), draws_RQ[:, k], confidence, corrected=False) for k, n in enumerate(laid.law.names)
        }
        errors[group] = {n: float(draws_RQ[:, k].std()) for k, n in enumerate(laid.law.names)}
    return spans, errors


def _sensitivity(laid: Grouped, theta_P: Array) -> tuple[dict, ...]:
    rows = []
    for goal in SENSITIVITY:
        theta_RP, _ = minimise(laid.problem, theta_P[None], goal, tolerance=1e-12)
        for group in laid.groups:
            values = dict(zip(laid.law.names, laid.natural(theta_RP, group)[0], strict=True))
            rows.append({"objective": goal.describe(), "group": group} | {k: finite(float(v)) for k, v in values.items()})
    return tuple(rows)


def _flags(laid: Grouped, theta_P: Array, theta_RP: Array | None, found: Search, row_N: Array) -> tuple[str, ...]:
    flags = []
    J = laid.problem.jacobian(theta_P)[:, slice(None) if laid.problem.free_P is None else laid.problem.free_P]
    s = np.linalg.svd(J / np.maximum(np.linalg.norm(J, axis=0), 1e-12), compute_uv=False)
    condition = (s[0] / max(s[-1], 1e-12)) ** 2
    if condition > 1e6:
        flags.append(
            f"Hessian condition {condition:.1g} in centred coordinates: these runs do not tell some combination of parameters"
        )
    residual_N = np.log(laid.problem.loss_N) - laid.problem.predict(theta_P[None])[0]
    spread = 1.4826 * np.median(np.abs(residual_N))
    far = row_N[np.abs(residual_N) > OUTLIER * spread]
    if 0 < len(far) <= 0.1 * len(residual_N):
        flags.append(
            f"rows {', '.join(str(r) for r in sorted(far)[:8])} lie over {OUTLIER} robust standard deviations off the law "
            f"(up to {100 * np.abs(residual_N).max():.0f} % of loss): refit without them and see whether it matters"
        )
    lowest = float(laid.problem.loss_N.min())
    for group in laid.groups:
        values = dict(zip(laid.law.names, laid.natural(theta_P[None], group)[0], strict=True))
        if "E" in values and values["E"] < 0.01 * lowest:
            flags.append(f"{group}: E = {values['E']:.2g} is at its bound, zero: these runs show no floor")
        if theta_RP is None:
            continue
        draws = laid.natural(theta_RP, group)
        for k, name in enumerate(laid.law.names):
            low, high = np.quantile(draws[:, k], [0.025, 0.975])
            size = abs(values[name])
            if name == "E" and low < 0.01 * lowest <= size:
                flags.append(f"{group}: E is open below (more than 2.5 % of replicates put it at zero)")
            elif k >= len(laid.law.coefficients) and high - low > 2 * size:
                flags.append(f"{group}: {name} is hardly bounded, 95 % of replicates in [{low:.2g}, {high:.2g}]")
        if {"E", "beta"} <= set(laid.law.names):
            names = laid.law.names
            with np.errstate(divide="ignore", invalid="ignore"):
                pair = np.corrcoef(np.log(np.maximum(draws[:, names.index("B")], 1e-300)), draws[:, names.index("beta")])[0, 1]
                floor = np.corrcoef(draws[:, names.index("E")], draws[:, names.index("beta")])[0, 1]
            if abs(pair) > 0.99 or abs(floor) > 0.95:
                flags.append(
                    f"{group}: correlations ln B-beta {pair:.3f}, E-beta {floor:.3f}: quote them together or not at all"
                )
    if len(found.objective_M) > 1 and found.objective_M[0] > 0 and found.objective_M[1] < 1.02 * found.objective_M[0]:
        flags.append("a second, different minimum lies within 2 % of the best: the parameters are not settled by these runs")
    return tuple(flags)
