"""What going through a level again is worth: its own runs and its repeated ones under the two laws of repetition.

Muennighoff et al. (arXiv:2305.16264, eq. 5): tokens read again are worth less, 1/e after R* repeats; the added term of
overfitting (arXiv:2605.01640) lets the loss rise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.courses.effect import Course, Effects, effects
from scaling_fit.encoding import open_as
from scaling_fit.intervals import UNKNOWN, Interval
from scaling_fit.law.fit import fit
from scaling_fit.observations import Observations
from scaling_fit.settings import FitSettings
from scaling_fit.wording import count, interval, listed

LAWS = ("repetition", "overfitting")
VAGUE = 30.0  # times the estimate: an upper end beyond it says nothing worth printing, or planning with


@dataclass(frozen=True)
class RepeatLaw:
    """One law on a level's runs: its parameters, and its sum of squares in log loss; `reason`: why there is none."""

    law: str
    parameters: dict[str, Interval]
    squares: float = open_as(float("nan"))
    reason: str = ""


@dataclass(frozen=True)
class Repetition:
    """A level's own runs and its repeated ones. `r_star`: repeats after which a token is worth 1/e of a fresh one; `against`:
    the repeated runs beside every other level's own, by course."""

    level: str
    courses: tuple[str, ...]
    laws: tuple[RepeatLaw, ...]
    r_star: Interval
    against: dict[str, tuple[Effects, ...]]
    answer: str


def repetition(
    data: Observations, courses: Sequence[Course], alone: Sequence[str], eval_set: str, settings: FitSettings
) -> tuple[Repetition, ...]:
    """One reading per level that some course repeats; `alone`: the levels with runs of their own."""
    found = []
    for level in dict.fromkeys(course.last for course in courses if course.kind == "repetition"):
        own = [course.name for course in courses if course.kind == "repetition" and course.last == level]
        runs = data.where(np.isin(data.level.astype(str), [level, *own]) & (data.eval_set == eval_set))
        laws = tuple(_law(runs, replace(settings, law=law)) for law in LAWS)
        r_star = _told(laws[0].parameters.get("R_star", UNKNOWN))
        against = {
            name: tuple(filter(None, (effects(data, name, other, eval_set, settings.confidence) for other in alone)))
            for name in own
        }
        answer = _answer(level, r_star, laws[0].reason, against)
        found.append(Repetition(level, tuple(own), laws, r_star, against, answer))
    return tuple(found)


def _told(r_star: Interval) -> Interval:
    """R* with its upper end open where the data hardly bound it: repeats that are worth as much as fresh text for ever."""
    return replace(r_star, high=math.inf) if r_star.high > VAGUE * r_star.value else r_star


def _law(runs: Observations, settings: FitSettings) -> RepeatLaw:
    try:
        found = fit(_one_law(runs), settings)
    except ValueError as error:
        return RepeatLaw(settings.law, {}, float("nan"), str(error))
    predicted = found.predict(runs.N, runs.D, runs.unique)
    squares = float(((runs.loss / predicted - 1) ** 2).sum())
    return RepeatLaw(settings.law, found.intervals["all"], squares, "")


def _one_law(runs: Observations) -> Observations:
    """The rows under one name: the law says what of them is repeated."""
    level = runs.level.copy()
    level[:] = "all"
    return replace(runs, level=level)


def _answer(level: str, r_star: Interval, reason: str, against: dict[str, tuple[Effects, ...]]) -> str:
    first = f"No law of repetition could be fitted on {level}: {reason}."
    if not reason:
        first = f"On {level} a token read again is worth 1/e of a fresh one after {interval(r_star, '%.3g')} repeats (R*)."
    told = []
    for name, others in against.items():
        loses = [f"{one.against} from {count(D)} tokens on" for one in others if (D := _loses_from(one)) is not None]
        told.append(f"{name} loses to {listed(loses)}." if loses else f"{name} is shown to lose to no level.")
    return " ".join([first, *told])


def _loses_from(effects: Effects) -> float | None:
    """The least D from which the other level is better at every D, beyond its interval at the longest."""
    if not effects.longest.percent.low > 0:
        return None
    worse = [effect.percent.value > 0 for effect in effects.at]
    first = len(worse) - next((k for k, one in enumerate(reversed(worse)) if not one), len(worse))
    return effects.at[first].D
