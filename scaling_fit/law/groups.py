"""One law over several groups of runs: any parameter shared, free, or linear in a covariate of the group.

Shape suffixes: R replicates, N points, P global parameters, Q parameters of one group's law, G groups.

Free parameters are coded as a baseline value plus a difference per group, so a nested hypothesis is the same problem with
some differences held at zero, and all hypotheses of all replicates are one batch (`solve(..., free_RP=...)`).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from scaling_fit.law.laws import Law
from scaling_fit.law.objectives import LEAST_SQUARES, Objective
from scaling_fit.law.search import Search, distinct, minimise, search, start
from scaling_fit.law.solve import Block, Problem, Trunks
from scaling_fit.observations import Observations

Array = np.ndarray
G = TypeVar("G", bound=Hashable)  # what names a group of runs


@dataclass(frozen=True)
class Part(Generic[G]):
    """A number of which groups' parameters are sums: the value `of` a group (None: of all that share it), the difference
    that a group adds to it, or the slope along a covariate of the groups."""

    kind: Literal["value", "difference", "slope"]
    of: G | None = None


SHARED = Part("value")
Rule = str | Mapping[G, float] | Callable[[G], tuple[Part[G], ...]]


@dataclass(frozen=True)
class Grouped(Generic[G]):
    """A grouped law ready to solve. `rows` takes the table's rows to problem order; `columns` says what theta's entries are:
    which part of which parameter."""

    law: Law
    problem: Problem
    pivot: tuple[float, float]
    groups: tuple[G, ...]
    columns: tuple[tuple[str, Part[G]], ...]
    rows: Array

    def column(self, parameter: str, part: Part[G] = SHARED) -> int:
        return self.columns.index((parameter, part))

    def phi(self, theta_RP: Array, group: G) -> Array:
        """One group's parameters in solver coordinates, shape [R, Q]."""
        return theta_RP @ self.problem.blocks[self.groups.index(group)].M_QP.T

    def natural(self, theta_RP: Array, group: G) -> Array:
        return self.law.natural(self.phi(theta_RP, group), self.pivot)

    def start(self, objective: Objective = LEAST_SQUARES) -> Array:
        """Theta from each group's own start, projected on the sharing pattern, shape [P]."""
        return self._projected(
            [start(block.design, self.problem.loss_N[block.rows], objective) for block in self.problem.blocks]
        )

    def search(self, objective: Objective) -> Search:
        """Distinct minima under any objective. One group: its whole exponent map. Several: from every group's own start,
        from one law for all, and from both jittered."""
        blocks = self.problem.blocks
        if len(blocks) == 1:
            return search(blocks[0].design, self.problem.loss_N, objective)
        phi_GQ = [start(block.design, self.problem.loss_N[block.rows]) for block in blocks]
        start_RP = np.array([self._projected(phi_GQ), *(self._projected([phi_Q] * len(blocks)) for phi_Q in phi_GQ)])
        jitter_RP = 0.15 * np.random.default_rng(0).standard_normal((3 * len(start_RP), start_RP.shape[1]))
        start_RP = np.concatenate([start_RP, np.repeat(start_RP, 3, 0) + jitter_RP])
        theta_RP, value_R = minimise(self.problem, start_RP, objective)
        return distinct(self.problem, theta_RP, value_R, 0)

    def _projected(self, phi_GQ: Sequence[Array]) -> Array:
        """Theta nearest to laws given group by group, shape [P]."""
        M_GP = np.concatenate([block.M_QP for block in self.problem.blocks])
        return np.linalg.lstsq(M_GP, np.concatenate(phi_GQ), rcond=None)[0]


def grouped(
    law: Law,
    table: Observations,
    labels: Sequence[G] | Array,
    sharing: Mapping[str, Rule[G]],
    *,
    baseline: G,
    ratio: float = 0.0,
    pivot: tuple[float, float] | None = None,
) -> Grouped[G]:
    """Lay `law` over groups of rows.

    labels: group of each row. sharing: per parameter "shared", "free", a dict group -> covariate value (linear in it,
    on the log for coefficients), or a function group -> the parts it adds up.
    ratio: trunk variance over row variance, for whitening. Errors: ValueError for an unknown parameter.
    """
    unknown = set(sharing) - set(law.names)
    if unknown:
        raise ValueError(f"sharing names {sorted(unknown)}, which law {law.name!r} does not have; it has {law.names}")
    groups: tuple[G, ...] = tuple(sorted(dict.fromkeys(labels), key=lambda group: group != baseline))
    place = {group: g for g, group in enumerate(groups)}
    group_N = np.array([place[label] for label in labels])
    parts = {name: [_parts(sharing.get(name, "shared"), group, baseline) for group in groups] for name in law.names}
    columns = [(name, part) for name in law.names for part in dict.fromkeys(part for entry in parts[name] for part in entry)]
    pivot = pivot or table.inputs().pivot()
    order, blocks, at = [], [], 0
    for g in range(len(groups)):
        rows = np.flatnonzero(group_N == g)
        rows = rows[np.argsort(table.trunk[rows].astype(str), kind="stable")]
        M_QP = np.zeros((len(law.names), len(columns)))
        for q, name in enumerate(law.names):
            for part, weight in parts[name][g].items():
                M_QP[q, columns.index((name, part))] = weight
        blocks.append(Block(slice(at, at + len(rows)), law.design(table.inputs().take(rows), pivot), M_QP))
        order.append(rows)
        at += len(rows)
    rows = np.concatenate(order)
    problem = Problem(tuple(blocks), table.loss[rows], trunks(table.trunk[rows], group_N[rows], ratio))
    return Grouped(law, problem, pivot, groups, tuple(columns), rows)


def _parts(rule: Rule[G], group: G, baseline: G) -> dict[Part[G], float]:
    """The parts that a group's parameter adds up, and how often it counts each."""
    if rule == "shared":
        return {SHARED: 1.0}
    if rule == "free":
        return {SHARED: 1.0} if group == baseline else {SHARED: 1.0, Part("difference", group): 1.0}
    if isinstance(rule, Mapping):
        return {SHARED: 1.0, Part("slope"): float(rule[group])}
    if callable(rule):
        return dict.fromkeys(rule(group), 1.0)
    raise ValueError(f"sharing {rule!r} is not known; use shared, free, a dict group -> covariate, or a function")


def trunks(trunk_N: Array, group_N: Array, ratio: float) -> Trunks:
    """Trunks of rows already in block order (a trunk's rows adjacent)."""
    change = np.append(True, (trunk_N[1:] != trunk_N[:-1]) | (group_N[1:] != group_N[:-1]))
    starts_C = np.flatnonzero(change)
    return Trunks(starts_C, np.cumsum(change) - 1, np.diff(np.append(starts_C, len(trunk_N))), ratio)


def hold(laid: Grouped[G], free: Sequence[str]) -> Array:
    """Mask [P] of what a hypothesis leaves free: every value, and what groups add to the parameters named `free`."""
    return np.array([part.kind == "value" or name in free for name, part in laid.columns])
