"""The verdict laid out for page, terminal and Markdown: rows of what scaling_fit worded, and the tables beside them."""

import math
from dataclasses import dataclass

from pipelines.report.facts import Facts
from scaling_fit.levels.decision import Tone, tone
from scaling_fit.levels.outlook import Crossing
from scaling_fit.levels.words import Words
from scaling_fit.result import Result
from scaling_fit.wording import count, interval, probability

TELLING = ("exponent", "floor", "exponent and floor", "multiplier", "none")
POOLS = {"finite": "the tokens there are", "endless": "endless"}


@dataclass(frozen=True)
class Row:
    """One level against the baseline. `tone`: its colour; `tells`: what moved is known, or that nothing did. `percent` and
    `strip` are (low, value, high) of the difference in loss, the second on an axis from 0 to 1 that all levels share, where
    `zero` is the baseline; an open end stands at the value."""

    level: str
    tone: Tone
    words: Words
    tells: bool
    percent: tuple[float, float, float]
    strip: tuple[float, float, float]
    zero: float


def rows(result: Result, eval_set: str, order: list[str]) -> list[Row]:
    """The levels against the baseline, in the order given."""
    answer, contenders = result.sets[eval_set].answer, result.settings.contenders(result.levels)
    percents = {level: _ends(result, eval_set, level) for level in order if level in answer.verdicts}
    low = min([0.0, *(min(ends) for ends in percents.values())])
    high = max([0.0, *(max(ends) for ends in percents.values())])
    span = (high - low) or 1.0
    return [
        Row(
            level,
            "plain" if answer.verdicts[level].overtaken else tone(answer.verdicts[level].direction, level in contenders),
            answer.words[level],
            answer.verdicts[level].kind in TELLING,
            ends,
            ((ends[0] - low) / span, (ends[1] - low) / span, (ends[2] - low) / span),
            -low / span,
        )
        for level, ends in percents.items()
    ]


def _ends(result: Result, eval_set: str, level: str) -> tuple[float, float, float]:
    mean = result.sets[eval_set].answer.verdicts[level].gap.mean
    value = mean.value if math.isfinite(mean.value) else 0.0
    return (mean.low if math.isfinite(mean.low) else value, value, mean.high if math.isfinite(mean.high) else value)


@dataclass(frozen=True)
class TestRow:
    """The nested tests of one level: p values of the three questions that decide, and the simple law that fits best."""

    level: str
    cells: tuple[str, str, str]
    delta: str
    best: str
    weight: float
    same: bool
    margin: float


def tests(facts: Facts, eval_set: str) -> list[TestRow]:
    out = []
    for level, test in facts.fit.fits[eval_set].tests.items():
        asked = test.contrasts
        any_shift, exponent, floor = (probability(c.p_adjusted) for c in (asked.any_shift, asked.exponent, asked.floor))
        best = max(test.hypotheses, key=lambda one: one.weight or 0.0)
        same, delta = test.equivalence, interval(test.delta_beta, "%+.3f")
        cells = (any_shift, exponent, floor)
        out.append(TestRow(level, cells, delta, best.name, best.weight or 0.0, same.beta_equivalent, same.margin_beta))
    return out


@dataclass(frozen=True)
class CrossingRow:
    """Where a level and the baseline change places, for one kind of pool or at one size. `bounded`: the place has an
    interval."""

    level: str
    pool: str
    at: str
    after: str
    share: str
    bounded: bool


def crossings(facts: Facts, eval_set: str) -> list[CrossingRow]:
    fit = facts.fit.fits[eval_set]
    out = []
    for pool, plan in fit.budget.plans.items():
        for level, crossing in plan.crossings.items():
            at = _place(crossing, "{:.1e}", " FLOPs")
            outside = "" if crossing.at is None or crossing.inside_observed else " (not tested so far out)"
            out.append(_crossing_row(facts, level, POOLS[pool], at, crossing, outside))
    for against in fit.against.values():
        for one in against.crossings:
            if one.crossing.at is not None:
                at = f"{count(one.crossing.at)} tokens{_interval(one.crossing, '{:.2g}')}"
                out.append(_crossing_row(facts, one.level, f"at matched size {one.shape}", at, one.crossing, ""))
    return out


def _crossing_row(facts: Facts, level: str, pool: str, at: str, crossing: Crossing, outside: str) -> CrossingRow:
    ahead = {"level": level, "baseline": facts.fit.baseline, None: ""}[crossing.after]
    return CrossingRow(level, pool, at, ahead + outside, f"{crossing.share:.0%}", crossing.low is not None)


def _place(crossing: Crossing, form: str, unit: str) -> str:
    return "no crossing" if crossing.at is None else form.format(crossing.at) + unit + (_interval(crossing, form) or " [open]")


def _interval(crossing: Crossing, form: str) -> str:
    if crossing.low is None or crossing.high is None:
        return ""
    return f" [{form.format(crossing.low)}, {form.format(crossing.high)}]"


def sensitivity(facts: Facts, eval_set: str) -> list[tuple[str, dict[str, float]]]:
    """The exponent by objective and level."""
    by_objective: dict[str, dict[str, float]] = {}
    for level, fit in facts.fit.fits[eval_set].levels.items():
        for one in fit.sensitivity:
            beta = one.parameters.get("beta")
            if beta is not None:
                by_objective.setdefault(one.objective, {})[level] = beta
    return list(by_objective.items())
