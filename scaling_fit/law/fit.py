"""Fit one law to one table, alone or in groups: `fit(table, law="additive")`.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law, G groups.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from scaling_fit.checks import Fault, check
from scaling_fit.encoding import encode
from scaling_fit.intervals import Interval, finite, percentile, show
from scaling_fit.law import held
from scaling_fit.law.adequacy import Interaction, LackOfFit, along_ray, checks, lack_of_fit, nested, not_identifiable, warnings
from scaling_fit.law.bootstrap import bootstrap
from scaling_fit.law.groups import Grouped, Rule, grouped
from scaling_fit.law.laws import Inputs, Law, law_named
from scaling_fit.law.noise import RATIOS, estimate_noise, reml
from scaling_fit.law.objectives import SENSITIVITY, Objective, objective_named
from scaling_fit.law.profile import profile_fit
from scaling_fit.law.robust import pseudo_observations
from scaling_fit.law.search import Certificate, Search, minimise
from scaling_fit.law.solve import solve
from scaling_fit.observations import Observations, observations

Array = np.ndarray
OUTLIER = 6
MOST_ROWS = 100_000  # fitted; of a larger table a random part
SHARED = 6.63  # of deviance: chi-square of one degree of freedom at 1 %
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
    lack_of_fit: LackOfFit | None
    interaction: Interaction | None

    @property
    def groups(self) -> tuple[str, ...]:
        return self.grouped.groups

    def values(self, group: str | None = None) -> dict[str, float]:
        return {name: interval.value for name, interval in self.intervals[group or self.groups[0]].items()}

    def predict(self, N: ArrayLike, D: ArrayLike, U: ArrayLike = np.inf, group: str | None = None) -> Array:
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
            "lack_of_fit": encode(self.lack_of_fit),
            "interaction": encode(self.interaction),
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
            ends = f"[{show(row['low'])}, {show(row['high'])}]"
            if row["low"] is None and row["high"] is None:
                ends = "-" if self.method == "none" else "not identifiable"
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
        lines += [f"- {c.question} {c.answer}. {c.meaning}" for c in checks(self.lack_of_fit, self.interaction)]
        lines += [f"- **{flag}**" for flag in self.flags] + [f"- {f.severity}: {f.message}" for f in self.faults]
        return "\n".join(lines + [f"- {note}" for note in self.notes])


def fit(
    table: object,
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
    if data.trunk[0].startswith("row ") and groups is None and not fixed:
        curves = _curves(laid, data, theta_P)
        if curves is not None:
            laid, data = (
                curves[0],
                curves[1].noted(
                    "runs of one size share their luck: read as checkpoints of one curve each, and so are the intervals"
                ),
            )
    method = intervals
    if intervals == "auto":
        n_trunks = len(set(data.trunk.tolist()))
        method = "row" if n_trunks == len(data) else "trunk" if n_trunks >= 8 * len(laid.groups) else "noise"
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
    elif method == "noise":
        theta_RP = _from_noise(laid, theta_P, goal, replicates, seed)
        spans, errors = _spans(laid, theta_P, theta_RP, confidence)
    else:
        theta_RP = bootstrap(laid.problem, theta_P, goal, method, replicates, data.trunk[laid.rows], seed)
        spans, errors = _spans(laid, theta_P, theta_RP, confidence)
    unknown = _open(laid, data, theta_P)
    if unknown and method != "none":
        spans = {
            group: {name: Interval(one.value, -np.inf, np.inf) if name in unknown else one for name, one in of_group.items()}
            for group, of_group in spans.items()
        }
    flags = _flags(laid, data, theta_P, theta_RP, found)
    if chosen.needs == "ND" and groups is None and not fixed and along_ray(data):
        ray = fit(
            data, law="data", objective=goal, intervals=intervals, replicates=replicates, confidence=confidence, seed=seed
        )
        values = [f"{n} {show(one.value)} [{show(one.low)}, {show(one.high)}]" for n, one in ray.intervals["all"].items()]
        along = f"{ray.law.formula} with {', '.join(values)}"
        flags = (f"N and D lie on one ray: these runs show only the law along it, {along}", *flags)
    misfit, inter = _adequacy(laid, data, theta_P)
    flags += tuple(warnings(misfit, inter))
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
        flags,
        faults,
        data.notes,
        misfit,
        inter,
    )


def _curves(laid: Grouped, data: Observations, theta_P: Array) -> tuple[Grouped, Observations] | None:
    """The table with one trunk for each size, where runs of a size share more luck than chance gives: most often they are
    checkpoints of one curve. By the restricted likelihood of a shared part, at 1 %."""
    trunk_N = np.array([f"N = {size:g}" for size in data.N], dtype=object)
    if len(set(trunk_N.tolist())) < 3 or len(data) < 3 * len(set(trunk_N.tolist())):
        return None
    shared = replace(data, trunk=trunk_N)
    again = grouped(laid.law, shared, np.full(len(data), "all", dtype=object), {}, baseline="all", pivot=laid.pivot)
    fitted = solve(again.problem, theta_P[None], tolerance=1e-10).theta_RP[0]
    residual_N = np.log(again.problem.loss_N) - again.problem.predict(fitted[None])[0]
    J_NP = again.problem.jacobian(fitted)
    assert again.problem.trunks is not None
    deviance = [one[0] for one in reml(residual_N, J_NP / np.maximum(np.abs(J_NP).max(0), 1e-12), again.problem.trunks, RATIOS)]
    return (again, shared) if deviance[0] - min(deviance) > SHARED else None


def _from_noise(laid: Grouped, theta_P: Array, goal: Objective, replicates: int, seed: int) -> Array:
    """Refits to tables simulated from the fit with the noise of rows and trunks: resampling a few trunks is much too narrow."""
    sizes_N = np.concatenate([block.design.logs["N"] for block in laid.problem.blocks])
    cells_N = np.array([f"{size:.6f}" for size in sizes_N], dtype=object)
    noise, _ = estimate_noise(laid.problem, theta_P, cells_N, len(laid.groups))
    assert laid.problem.trunks is not None
    draws_RN = noise.simulate(np.random.default_rng(seed), replicates, laid.problem.trunks)
    start_RP = np.repeat(theta_P[None], replicates, 0)
    target_RN = laid.problem.predict(theta_P[None]) + draws_RN
    return minimise(laid.problem, start_RP, goal, target_RN=target_RN, tolerance=1e-9)[0]


def _open(laid: Grouped, data: Observations, theta_P: Array) -> list[str]:
    """Parameters that no run tells apart from others, where one whole law is fitted to one group: both terms and the floor
    along a ray, a term of an axis with two values (two numbers, three parameters with the floor), and flat directions."""
    law = laid.law
    if len(laid.groups) > 1 or laid.problem.free_P is not None:
        return []
    if law.needs == "ND" and along_ray(data):
        return list(law.names)
    flat_P = not_identifiable(laid.problem.jacobian(theta_P))
    unknown = {name for name, flat in zip(law.names, flat_P, strict=True) if flat}
    for axis in law.needs:
        if len(np.unique(getattr(data, axis))) < 3:
            terms = [term for term in law.terms if any(variable == axis for _, variable in term.powers.values())]
            unknown |= {"E", *(name for term in terms for name in (term.coefficient, *term.powers))}
    return [name for name in law.names if name in unknown]


def _adequacy(laid: Grouped, data: Observations, theta_P: Array) -> tuple[LackOfFit | None, Interaction | None]:
    """The tests of the law's form, by least squares on pseudo-observations."""
    if len(laid.groups) > 1 or laid.problem.free_P is not None or len(data) <= laid.problem.n_parameters + 3:
        return None, None
    robust = pseudo_observations(laid.problem, theta_P)
    problem = replace(laid.problem, loss_N=np.exp(robust.log_loss_N))
    fitted = solve(problem, theta_P[None], tolerance=1e-12)
    table = replace(data.where(laid.rows), loss=problem.loss_N)
    misfit = lack_of_fit(table, problem, fitted.theta_RP[0])
    if laid.law.name != "additive":
        return misfit, None
    labels = np.full(len(data), "all", dtype=object)
    wide = grouped(law_named("cross"), table, labels, {}, baseline="all", pivot=laid.pivot)
    found = nested(laid, fitted.theta_RP[0], 2.0 * float(fitted.objective_R[0]), wide)
    if found is None:
        return misfit, None
    F, q, df, theta_RP = found
    kappa = {"all": float(wide.natural(theta_RP, "all")[0, wide.law.names.index("kappa")])}
    return misfit, Interaction("cross law: B grows as N^kappa", F, q, df, float(fdtrc(q, df, F)), kappa)


def _enough(law: Law, data, labels: Array, sharing: Mapping[str, Rule] | None, n_held: int) -> None:
    for axis in law.needs:
        if len(np.unique(getattr(data, axis))) < 2:
            raise ValueError(
                f"law {law.name!r} needs at least two distinct {axis}; the table has one "
                f"({float(getattr(data, axis)[0]):.4g}): use --law {'data' if axis == 'N' else 'size'} or vary {axis}"
            )
    for axis in sorted(set("ND") - set(law.needs)):
        values = getattr(data, axis)
        apart = any(np.ptp(np.log(values[labels == label])) > 0.1 for label in dict.fromkeys(labels.tolist()))
        if apart and not along_ray(data):
            raise ValueError(
                f"law {law.name!r} has no {axis}, but {axis} goes from {values.min():.4g} to {values.max():.4g} in these runs: "
                f"fit one {axis} at a time, or a law that has it (additive)"
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
        with np.errstate(invalid="ignore"):  # draws that the data do not bound
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


def _flags(laid: Grouped, data: Observations, theta_P: Array, theta_RP: Array | None, found: Search) -> tuple[str, ...]:
    flags, row_N = [], data.row[laid.rows]
    J = laid.problem.jacobian(theta_P)[:, slice(None) if laid.problem.free_P is None else laid.problem.free_P]
    s = np.linalg.svd(J / np.maximum(np.linalg.norm(J, axis=0), 1e-12), compute_uv=False)
    condition, unknown = (s[0] / max(s[-1], 1e-12)) ** 2, _open(laid, data, theta_P)
    if unknown:
        flags.append(f"not identifiable from these runs: {', '.join(unknown)}; vary N and D apart, over more values")
    elif condition > 1e6:
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
            elif k >= len(laid.law.coefficients) and high - low > 2 * size and name not in unknown:
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
