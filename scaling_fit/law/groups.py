"""One law over several groups of runs: any parameter shared, free, or linear in a covariate of the group.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law, G groups.

Free parameters are coded as a baseline value plus a difference per group, so a nested hypothesis is the same problem with
some differences held at zero, and all hypotheses of all replicates are one batch (`solve(..., free_RP=...)`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_fit.law.laws import Law
from scaling_fit.law.objectives import LEAST_SQUARES, Objective
from scaling_fit.law.search import Search, distinct, minimise, search
from scaling_fit.law.solve import Block, Problem, Trunks
from scaling_fit.observations import Observations

Array = np.ndarray
Rule = str | Mapping[str, float] | Callable[[str], tuple[str, ...]]


@dataclass(frozen=True)
class Grouped:
    """A grouped law ready to solve. `rows` takes the table's rows to problem order; `columns` names theta's entries as
    (parameter, key): key "" is the baseline's or the shared value, otherwise the difference it adds (or "per q")."""

    law: Law
    problem: Problem
    pivot: tuple[float, float]
    groups: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    rows: Array

    def column(self, parameter: str, key: str = "") -> int:
        return self.columns.index((parameter, key))

    def phi(self, theta_RP: Array, group: str) -> Array:
        """One group's parameters in solver coordinates, shape [R, Q]."""
        return theta_RP @ self.problem.blocks[self.groups.index(group)].M_QP.T

    def natural(self, theta_RP: Array, group: str) -> Array:
        return self.law.natural(self.phi(theta_RP, group), self.pivot)

    def start(self, objective: Objective = LEAST_SQUARES) -> Array:
        """Theta from each group's own global search, projected on the sharing pattern, shape [P]."""
        phi_GQ = []
        for block in self.problem.blocks:
            loss_N = self.problem.loss_N[block.rows]
            phi_GQ.append(search(block.design, loss_N, objective, polish=4).phi_MP[0])
        M_GQP = np.concatenate([block.M_QP for block in self.problem.blocks])
        return np.linalg.lstsq(M_GQP, np.concatenate(phi_GQ), rcond=None)[0]

    def search(self, objective: Objective) -> Search:
        """Distinct minima under any objective. One group: its whole exponent map. Several: from every group's own minimum,
        from one law for all, and from both jittered."""
        blocks = self.problem.blocks
        if len(blocks) == 1:
            return search(blocks[0].design, self.problem.loss_N, objective)
        M_GQP = np.concatenate([block.M_QP for block in blocks])
        starts = [self.start()]
        for block in blocks:
            phi_P = search(block.design, self.problem.loss_N[block.rows], polish=3).phi_MP[0]
            starts.append(np.linalg.lstsq(M_GQP, np.tile(phi_P, len(blocks)), rcond=None)[0])
        start_RP = np.array(starts)
        jitter_RP = 0.15 * np.random.default_rng(0).standard_normal((3 * len(start_RP), start_RP.shape[1]))
        start_RP = np.concatenate([start_RP, np.repeat(start_RP, 3, 0) + jitter_RP])
        theta_RP, value_R = minimise(self.problem, start_RP, objective)
        return distinct(self.problem, theta_RP, value_R, 0)


def grouped(
    law: Law,
    table: Observations,
    labels: Array,
    sharing: Mapping[str, Rule],
    *,
    baseline: str,
    ratio: float = 0.0,
    pivot: tuple[float, float] | None = None,
) -> Grouped:
    """Lay `law` over groups of rows.

    labels: group of each row. sharing: per parameter "shared", "free", a dict group -> covariate value (linear in it,
    on the log for coefficients), or a function group -> tuple of keys (baseline keys first) naming the values it adds up.
    ratio: trunk variance over row variance, for whitening. Errors: ValueError for an unknown parameter.
    """
    unknown = set(sharing) - set(law.names)
    if unknown:
        raise ValueError(f"sharing names {sorted(unknown)}, which law {law.name!r} does not have; it has {law.names}")
    groups = tuple(sorted(dict.fromkeys(labels.tolist()), key=lambda g: (g != baseline, list(labels).index(g))))
    keys = {name: [_keys(sharing.get(name, "shared"), group, baseline) for group in groups] for name in law.names}
    columns: list[tuple[str, str]] = []
    for name in law.names:
        columns += dict.fromkeys((name, key) for entry in keys[name] for key in entry)
    pivot = pivot or table.inputs().pivot()
    order, blocks, at = [], [], 0
    for g, group in enumerate(groups):
        rows = np.flatnonzero(labels == group)
        rows = rows[np.argsort(table.trunk[rows].astype(str), kind="stable")]
        M_QP = np.zeros((len(law.names), len(columns)))
        for q, name in enumerate(law.names):
            for key, value in keys[name][g].items():
                M_QP[q, columns.index((name, key))] = value
        blocks.append(Block(slice(at, at + len(rows)), law.design(table.inputs().take(rows), pivot), M_QP))
        order.append(rows)
        at += len(rows)
    rows = np.concatenate(order)
    problem = Problem(tuple(blocks), table.loss[rows], trunks(table.trunk[rows], labels[rows], ratio))
    return Grouped(law, problem, pivot, groups, tuple(columns), rows)


def _keys(rule: Rule, group: str, baseline: str) -> dict[str, float]:
    if rule == "shared":
        return {"": 1.0}
    if rule == "free":
        return {"": 1.0} if group == baseline else {"": 1.0, group: 1.0}
    if isinstance(rule, Mapping):
        return {"": 1.0, "per q": float(rule[group])}
    if callable(rule):
        return dict.fromkeys(rule(group), 1.0)
    raise ValueError(f"sharing {rule!r} is not known; use shared, free, a dict group -> covariate, or a function")


def trunks(trunk_N: Array, label_N: Array, ratio: float) -> Trunks:
    """Trunks of rows already in block order (a trunk's rows adjacent)."""
    keys = [f"{label}\0{trunk}" for label, trunk in zip(label_N, trunk_N, strict=True)]
    change = np.array([True] + [a != b for a, b in zip(keys[1:], keys[:-1], strict=True)])
    starts_C = np.flatnonzero(change)
    index_N = np.cumsum(change) - 1
    return Trunks(starts_C, index_N, np.diff(np.append(starts_C, len(keys))), ratio)


def hold(grouped_law: Grouped, free: Sequence[str], level: str | None = None) -> Array:
    """Mask [P] of what a hypothesis leaves free: every baseline value, and differences (of `level`, or all) of `free`."""
    return np.array(
        [
            key == "" or key.startswith("=") or (name in free and (level is None or key.split("\0")[0] == level))
            for name, key in grouped_law.columns
        ]
    )
