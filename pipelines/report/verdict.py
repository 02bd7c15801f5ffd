"""The answer in words: what to train on, what moved, and how sure we are, per evaluation set."""

import math
from dataclasses import dataclass
from typing import Any

from pipelines.report import law_tables
from pipelines.report.facts import Facts
from pipelines.report.wording import count, eval_words, interval, probability, times

MOVED = {
    "exponent": "the exponent moved",
    "floor": "the floor moved",
    "exponent and floor": "exponent and floor moved",
    "multiplier": "a constant discount",
    "none": "no difference, shown",
    "undetected": "no difference found",
    "not identifiable": "what moved cannot be told",
}
"""Kinds of verdict as scaling_fit gives them, in a few plain words."""


DIRECTION = {
    "better": ("lower loss", "moved"),
    "worse": ("higher loss", "worse"),
    "unclear": ("no clear difference", "unclear"),
}


ROLE = {
    "level": ("", ""),
    "control": ("control", "A control says how far luck and size reach; it is no choice."),
    "arm": ("another mixture of domains", "Its domains have other shares, so that the difference is one of topics as well."),
}
"""What a level is for where it is no level of the main arm, and what to read into it in place of advice."""


UNKNOWN = 30.0
"""An interval of a ratio that spans more than this factor says nothing worth printing."""


@dataclass(frozen=True)
class Answer:
    """One level against the baseline on one evaluation set. Strips are (low, value, high) placed on a shared 0 to 1 axis."""

    level: str
    role: str
    kind: str
    word: str
    direction: str
    tone: str
    finding: str
    full: str
    reading: str
    big: str
    small: str
    percent: tuple[float, float, float]
    strip: tuple[float, float, float]
    zero: float


def answers(facts: Facts, eval_set: str) -> list[Answer]:
    """The levels against the baseline, in the order of the study."""
    fit = facts.fit["sets"][eval_set]
    order = [level["name"] for level in facts.levels if level["name"] in fit["verdicts"]]
    found = {level: _ends(fit["verdicts"][level]["difference_percent"]) for level in order}
    lowest = min((min(ends) for ends in found.values()), default=-1.0)
    highest = max((max(ends) for ends in found.values()), default=1.0)
    low, high = min(lowest, 0.0), max(highest, 0.0)
    span = (high - low) or 1.0
    made, roles = [], {level["name"]: ROLE[level["kind"]] for level in facts.levels}
    for level in order:
        verdict = fit["verdicts"][level]
        big, small = _worth(facts, fit, level)
        role, instead = roles[level]
        direction, tone = DIRECTION.get(verdict["direction"], DIRECTION["unclear"])
        made.append(
            Answer(
                level,
                role,
                verdict["kind"],
                MOVED.get(str(verdict["kind"]), str(verdict["kind"])),
                direction,
                tone,
                _finding(facts, fit, level),
                verdict["sentence"],
                instead or " ".join(part for part in (_reading(fit, level), crossing_words(facts, fit, level)) if part),
                big,
                small,
                found[level],
                _place(found[level], low, span),
                (0.0 - low) / span,
            )
        )
    return made


def _reading(fit: dict[str, Any], level: str) -> str:
    """The practical reading, without the caution that holds for every level: the page says that once."""
    caution = fit["adequacy"]["warning"]
    return (
        fit["verdicts"][level]["reading"].replace(f" Caution: {caution}", "") if caution else fit["verdicts"][level]["reading"]
    )


def recommended(facts: Facts, eval_set: str) -> str | None:
    """The contender with the lowest loss among those that are shown to have a lower one than the baseline."""
    better = _better(facts, eval_set)
    return min(better, key=lambda answer: answer.percent[1]).level if better else None


def _better(facts: Facts, eval_set: str) -> list[Answer]:
    return [answer for answer in _contending(facts, eval_set) if answer.percent[2] < 0]


def _contending(facts: Facts, eval_set: str) -> list[Answer]:
    """The answers on levels that may be recommended: no control, and no other mixture where one mixture is compared."""
    contenders = facts.fit["settings"]["contenders"]
    return [answer for answer in answers(facts, eval_set) if contenders is None or answer.level in contenders]


def _finding(facts: Facts, fit: dict[str, Any], level: str) -> str:
    """What moved, with its interval and its test, in one short sentence."""
    verdict, test = fit["verdicts"][level], fit["tests"][level]
    asked = {contrast["name"]: contrast for contrast in test["contrasts"]}
    beta, floor = interval(test["delta_beta"], "%+.3f"), interval(verdict["floor_nats"], "%+.2f")
    worth = interval(test["multiplier"], "%.2f")
    p, p_any = _cell(asked.get("exponent, floor free")), _cell(asked.get("any shift"))
    within = f"the exponents agree to within {test['equivalence']['margin_beta']:g}"
    span = _span(test["delta_beta"]["low"], test["delta_beta"]["high"])
    told = {
        "exponent": f"The exponent moved by {beta}, with the floor left free ({p}).",
        "floor": f"The floor moved by {floor} nats/token ({_cell(asked.get('floor, exponent free'))}); {within}.",
        "exponent and floor": f"The exponent moved by {beta} ({p}) and the floor by {floor} nats/token.",
        "multiplier": f"A constant discount ({p_any}): one token is worth {worth} of {facts.baseline} at every "
        f"scale tested; {within}.",
        "none": f"The same law as {facts.baseline}: {within}, and one token is worth {worth}.",
        "undetected": f"No difference is shown ({p_any}); {within}, but one token may be worth {worth} of {facts.baseline}.",
        "not identifiable": f"The loss differs ({p_any}), but what moved cannot be told: the exponent may differ by {span}."
        if verdict["shifted"]
        else f"No difference is shown ({p_any}), nor could a small one have been: the exponent may differ by {span}."
        if verdict["direction"] == "unclear"
        else f"On average its loss is {DIRECTION[verdict['direction']][0].split()[0]}, but the joint test does not confirm a "
        f"shift of the law ({p_any}): the exponent may differ by {span}.",
    }
    return told.get(str(verdict["kind"]), str(verdict["sentence"]))


def _span(low: float | None, high: float | None) -> str:
    """What a difference may be: `anything between -0.02 and +0.03`, or as much of that as the data say."""
    if low is None or high is None:
        return "anything" + (f" from {low:+.3f} up" if low is not None else f" up to {high:+.3f}" if high is not None else "")
    return f"anything between {low:+.3f} and {high:+.3f}"


def _ends(found: dict[str, Any]) -> tuple[float, float, float]:
    value = found["value"] or 0.0
    return (value if found["low"] is None else found["low"], value, value if found["high"] is None else found["high"])


def _place(ends: tuple[float, float, float], low: float, span: float) -> tuple[float, float, float]:
    first, middle, last = ((x - low) / span for x in ends)
    return first, middle, last


def _worth(facts: Facts, fit: dict[str, Any], level: str) -> tuple[str, str]:
    """What one token is worth at the largest tested D of the largest shape: a number and what it means."""
    curve = _last(fit["multiplier"].get(level, {}).get("fitted", []))
    if curve is None:
        return "", ""
    D, value, low, high = (curve[key][-1] for key in ("D", "multiplier", "low", "high"))
    if value is None:
        return "∞", f"{facts.baseline} never reaches its loss at {count(D)} tokens"
    if low is None or high is None or high > UNKNOWN * max(low, 1e-9):
        return "", f"how many tokens {facts.baseline} needs to match it cannot be told"
    ends = f" [{low:.2f}, {high:.2f}]"
    return times(value), f"the tokens{ends} for {facts.baseline} to match it at {count(D)}"


def _last(curves: list[dict[str, Any]]) -> dict[str, Any] | None:
    return curves[-1] if curves else None


def crossing_words(facts: Facts, fit: dict[str, Any], level: str) -> str:
    """Where the level and the baseline change places, by training budget with the tokens there are."""
    plan = fit["budget"].get("finite") or fit["budget"]["endless"]
    crossing = plan["crossings"].get(level)
    if crossing is None or crossing["at"] is None or crossing["share"] < 0.5 or None in (crossing["low"], crossing["high"]):
        return ""
    ahead = level if crossing["after"] == "level" else facts.baseline
    ends = f" [{crossing['low']:.1e}, {crossing['high']:.1e}]"
    outside = "" if crossing["inside_observed"] else ", beyond what was tested,"
    return f"Past {crossing['at']:.1e} FLOPs{ends}{outside} {ahead} is ahead."


def headline(facts: Facts, eval_set: str | None = None) -> tuple[str, str]:
    """The page's first two sentences on one evaluation set (default: the primary one): the choice, then what moved."""
    if not law_tables.eval_sets(facts):
        return "No verdict: the law could not be fitted.", facts.fit["overall"]["sentence"]
    if len(facts.fit["levels"]) < 2:
        return f"One level, {facts.baseline}: there is nothing to compare it with.", "The law fitted to it is below."
    eval_set = eval_set or law_tables.eval_sets(facts)[0]
    fit, base = facts.fit["sets"][eval_set], facts.baseline
    told = _contending(facts, eval_set)
    better, practical = _better(facts, eval_set), ""
    if better:
        best = min(better, key=lambda answer: answer.percent[1])
        near = [a.level for a in better if a.level != best.level and a.percent[0] < best.percent[2]]
        tie = f", not clearly ahead of {_listed(near)}" if near else ""
        choice = f"Train on {best.level}" if fit["verdicts"][best.level]["shifted"] else f"Lean to {best.level}"
        head = f"{choice}{tie}: {-best.percent[1]:.1f}% lower loss than {base} at the budgets tested."
        practical = _needs(facts, fit, best.level)
    elif any(answer.percent[0] > 0 for answer in told):
        head = f"Stay with {base}: no level has a lower loss at the budgets tested."
    else:
        head = f"No level is shown to differ from {base} at the budgets tested."
    parts = (practical, _elsewhere(facts, eval_set), _moved(told, base), _planned(facts, fit))
    return head, " ".join(part for part in parts if part)


def _elsewhere(facts: Facts, eval_set: str) -> str:
    """Which other level the other evaluation sets would choose, and which sets those are."""
    here, others = recommended(facts, eval_set), {}
    for name in law_tables.eval_sets(facts):
        best = recommended(facts, name)
        if best != here and not name.startswith("own:"):
            others.setdefault(best or facts.baseline, []).append(eval_words(name).removesuffix(" (held out)"))
    parts = [f"{level} on {_listed(names)}" for level, names in others.items()]
    return f"Judged on other text the choice differs: {'; '.join(parts)}." if parts else ""


def _needs(facts: Facts, fit: dict[str, Any], level: str) -> str:
    """How many tokens the baseline needs to match the level where most was tested."""
    big, _ = _worth(facts, fit, level)
    curve = _last(fit["multiplier"][level]["fitted"])
    if not big or curve is None:
        return ""
    base, D = facts.baseline, count(curve["D"][-1])
    if curve["multiplier"][-1] is None:
        return f"By the fitted law {base} never reaches its loss at {D} tokens."
    ends = f"[{curve['low'][-1]:.2f}, {curve['high'][-1]:.2f}]"
    if curve["high"][-1] < 1:
        return f"At {D} tokens {base} has caught up: it needs only {big} {ends} the tokens to match it."
    return f"To match it at {D} tokens, {base} needs {big} {ends} as many."


def _moved(told: list[Answer], base: str) -> str:
    """One sentence on the part of the law that moved, levels with the same answer together."""
    groups: dict[str, list[str]] = {}
    for answer in told:
        groups.setdefault(answer.kind, []).append(answer.level)
    phrases = {
        "exponent": "the exponent moved with {}",
        "floor": "the floor moved with {}",
        "exponent and floor": "exponent and floor both moved with {}",
        "multiplier": "a constant discount in tokens, with the same exponent, for {}",
        "none": f"the same law as {base}, within the margin, for {{}}",
        "undetected": f"no difference from {base} was found for {{}}",
        "not identifiable": "this design cannot tell whether exponent, prefactor or floor moved with {}",
    }
    parts = [phrases.get(kind, kind + " for {}").format(_listed(levels)) for kind, levels in groups.items()]
    sentence = "; ".join(parts)
    return sentence[:1].upper() + sentence[1:] + "." if parts else ""


def _planned(facts: Facts, fit: dict[str, Any]) -> str:
    """Who wins at larger budgets, when that changes within ten times what was tested."""
    plan = fit["budget"].get("finite") or fit["budget"]["endless"]
    limit = fit["budget"]["observed_budget"][1] * 10
    runs: list[tuple[str, float, float]] = []
    for level, C, sure in zip(plan["winner"], plan["budgets"], plan["winner_share"], strict=True):
        if limit >= C and (not runs or runs[-1][0] != level):
            runs.append((level, C, sure))
    level, C, _ = runs[-1]
    sure = next(s for c, s in zip(plan["budgets"][::-1], plan["winner_share"][::-1], strict=True) if c <= limit)
    if len(runs) < 2 or sure < 0.6:
        return ""
    where = "" if limit / 10 >= C else " (beyond the tested range)"
    return f"Past {C:.0e} FLOPs{where} {level} is expected to win, in {sure:.0%} of the resamples."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def tests(facts: Facts, eval_set: str) -> list[dict[str, Any]]:
    """The nested-test table: per level, the three questions that decide, and the weights of the hypotheses."""
    rows = []
    for level, one in facts.fit["sets"][eval_set]["tests"].items():
        asked = {c["name"]: c for c in one["contrasts"]}
        cells = [_cell(asked.get(name)) for name in ("any shift", "exponent, floor free", "floor, exponent free")]
        weights = [(h["hypothesis"], h["weight"]) for h in one["hypotheses"] if h["weight"] is not None]
        best = max(weights, key=lambda pair: pair[1], default=("", 0.0))
        rows.append(
            {
                "level": level,
                "cells": cells,
                "delta": one["delta_beta"],
                "best": best[0],
                "weight": best[1],
                "same": one["equivalence"]["beta_equivalent"],
                "margin": one["equivalence"]["margin_beta"],
            }
        )
    return rows


def _cell(contrast: dict[str, Any] | None) -> str:
    if contrast is None:
        return "not tested"
    p = next((contrast[key] for key in ("p_holm", "p_simulated", "p_F") if contrast[key] is not None), None)
    return probability(p) if p is None or math.isfinite(p) else "not tested"


def crossings(facts: Facts, eval_set: str) -> list[dict[str, str]]:
    """Where each level and the baseline change places, for each kind of pool."""
    rows = []
    for pool in ("finite", "endless"):
        plan = facts.fit["sets"][eval_set]["budget"].get(pool)
        for level, one in (plan or {"crossings": {}})["crossings"].items():
            found = one["at"] is not None
            known = found and one["low"] is not None and one["high"] is not None
            at = f"{one['at']:.1e} FLOPs" if found else "no crossing"
            rows.append(
                {
                    "level": level,
                    "pool": "the tokens there are" if pool == "finite" else "endless",
                    "at": f"{at} [{one['low']:.1e}, {one['high']:.1e}]" if known else f"{at} [open]" if found else at,
                    "after": {"level": level, "baseline": facts.baseline}.get(one["after"], "")
                    + ("" if not found or one["inside_observed"] else " (not tested so far out)"),
                    "share": f"{one['share']:.0%}",
                }
            )
    for one in facts.fit["sets"][eval_set]["crossovers"]:
        if one["at"] is not None:
            ends = f" [{one['low']:.2g}, {one['high']:.2g}]" if one["low"] is not None and one["high"] is not None else ""
            rows.append(
                {
                    "level": one["level"],
                    "pool": f"at matched size {one['shape']}",
                    "at": f"{count(one['at'])} tokens{ends}",
                    "after": {"level": one["level"], "baseline": facts.baseline}.get(one["after"], ""),
                    "share": f"{one['share']:.0%}",
                }
            )
    return rows


def sensitivity(facts: Facts, eval_set: str) -> list[tuple[str, dict[str, float]]]:
    """The exponent by objective and level."""
    by_objective: dict[str, dict[str, float]] = {}
    for level, one in facts.fit["sets"][eval_set]["levels"].items():
        for row in one["sensitivity"]:
            if row.get("beta") is not None:
                by_objective.setdefault(row["objective"], {})[level] = row["beta"]
    return list(by_objective.items())
