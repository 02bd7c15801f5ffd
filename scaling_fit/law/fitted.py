"""A fitted law as the record that a reader gets: its parameters, what it predicts, and both as JSON and Markdown.

Shape suffixes: R replicates, P global parameters, Q parameters of one group's law.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling_fit.checks import Fault
from scaling_fit.encoding import encode
from scaling_fit.intervals import Interval, finite, percentile, show
from scaling_fit.law.adequacy import Interaction, LackOfFit, checks
from scaling_fit.law.groups import Grouped
from scaling_fit.law.laws import Inputs, Law
from scaling_fit.law.objectives import Objective
from scaling_fit.law.search import Certificate
from scaling_fit.law.spread import Spread

Array = np.ndarray


@dataclass(frozen=True)
class Fit:
    """A fitted law. `objective_value` is the summed objective (a negative log likelihood where the objective is one); `notes`
    say what was assumed of the table, `flags` what its runs do not tell."""

    grouped: Grouped[str]
    theta_P: Array
    objective: Objective
    objective_value: float
    spread: Spread
    certificate: Certificate
    sensitivity: tuple[dict, ...]
    flags: tuple[str, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    lack_of_fit: LackOfFit | None
    interaction: Interaction | None

    @property
    def law(self) -> Law:
        return self.grouped.law

    @property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """By group and parameter, in the formula's own units."""
        return self.spread.intervals

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
        theta_RP = self.spread.theta_RP
        if theta_RP is None:
            raise ValueError(
                f"intervals={self.spread.method!r} kept no replicates; fit with row, trunk or wild to compare groups"
            )
        k = self.law.names.index(parameter)
        point, draws = (
            self.grouped.natural(t, group)[:, k] - self.grouped.natural(t, other)[:, k] for t in (self.theta_P[None], theta_RP)
        )
        share = min((draws <= 0).mean(), (draws >= 0).mean())
        return percentile(float(point[0]), draws, self.spread.confidence, corrected=False), float(
            min(1.0, 2 * (share * len(draws) + 1) / (len(draws) + 1))
        )

    def told(self) -> list[str]:
        """The exponents and the floor of the first group with their intervals, a sentence each."""
        names = {"beta": "The data exponent beta", "alpha": "The size exponent alpha", "E": "The floor E"}
        first = self.intervals[self.groups[0]]
        return [f"{said} is {one.value:.3g}{_ends(one)}." for name, said in names.items() if (one := first.get(name))]

    def table(self) -> list[dict]:
        """A row per group and parameter."""
        units = {p.name: p.unit for p in self.law.parameters}
        return [
            {
                "group": group,
                "parameter": name,
                **interval.to_dict(),
                "se": finite(self.spread.errors[group].get(name)),
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
                "method": self.spread.method,
                "confidence": self.spread.confidence,
                "replicates": 0 if self.spread.theta_RP is None else len(self.spread.theta_RP),
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
            f"| group | parameter | value | {100 * self.spread.confidence:g} % interval ({self.spread.method}) | unit |",
            "|---|---|---|---|---|",
        ]
        for row in self.table():
            ends = f"[{show(row['low'])}, {show(row['high'])}]"
            if row["low"] is None and row["high"] is None:
                ends = "-" if self.spread.method == "none" else "not identifiable"
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


def _ends(interval: Interval) -> str:
    """Its two ends; where the runs bound neither, that they do not."""
    if not (np.isfinite(interval.low) or np.isfinite(interval.high)):
        return ", which these runs do not bound"
    low, high = (f"{end:.3g}" if np.isfinite(end) else "open" for end in (interval.low, interval.high))
    return f" [{low}, {high}]"
