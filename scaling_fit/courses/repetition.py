"""What going through a level again is worth: its own runs and its repeated ones under the two laws of repetition.

Muennighoff et al. (arXiv:2305.16264, eq. 5): tokens read again are worth less, 1/e after R* repeats; the added term of
overfitting (arXiv:2605.01640) lets the loss rise.

No R* makes a loss rise, so the first law is fitted to runs up to the least loss of their trunk, where one would have stopped.
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
WORSE = 1.2  # times what the other law misses: no longer luck of some tens of runs
VAGUE = 30.0  # times the estimate: an upper end beyond it says nothing worth printing, or planning with


@dataclass(frozen=True)
class RepeatLaw:
    """One law on `runs` of a level: its parameters, and how far it misses a run, in percent (root mean square); `reason`: why
    there is none."""

    law: str
    parameters: dict[str, Interval]
    runs: int
    miss: float = open_as(float("nan"))
    reason: str = ""


@dataclass(frozen=True)
class Repetition:
    """A level's own runs and its repeated ones. `r_star`: repeats after which a token is worth 1/e of a fresh one; `against`:
    the repeated runs beside every level's own, by course; `fresh`: the level's own beside every other's."""

    level: str
    courses: tuple[str, ...]
    laws: tuple[RepeatLaw, ...]
    r_star: Interval
    against: dict[str, tuple[Effects, ...]]
    fresh: tuple[Effects, ...]
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

        def beside(name: str, others: Sequence[str]) -> tuple[Effects, ...]:
            return tuple(filter(None, (effects(data, name, other, eval_set, settings.confidence) for other in others)))

        against, fresh = {name: beside(name, alone) for name in own}, beside(level, [one for one in alone if one != level])
        answer = _answer(level, r_star, laws, against, fresh)
        found.append(Repetition(level, tuple(own), laws, r_star, against, fresh, answer))
    return tuple(found)


def _told(r_star: Interval) -> Interval:
    """R* with its upper end open where the data hardly bound it: repeats that are worth as much as fresh text for ever."""
    return replace(r_star, high=math.inf) if r_star.high > VAGUE * r_star.value else r_star


def _law(runs: Observations, settings: FitSettings) -> RepeatLaw:
    if settings.law == "repetition":
        runs = runs.where(np.flatnonzero(_until_least(runs)))
    try:
        found = fit(_one_law(runs), settings)
    except ValueError as error:
        return RepeatLaw(settings.law, {}, len(runs), float("nan"), str(error))
    miss = np.log(runs.loss / found.predict(runs.N, runs.D, runs.unique))
    return RepeatLaw(settings.law, found.intervals["all"], len(runs), 100 * float(np.sqrt(np.mean(miss**2))), "")


def _until_least(runs: Observations) -> np.ndarray:
    """Which runs have no more tokens than the one of least loss on their trunk: bool[runs]."""
    least: dict[str, tuple[float, float]] = {}
    for trunk, loss, D in zip(runs.trunk, runs.loss, runs.D, strict=True):
        least[trunk] = min(least.get(trunk, (math.inf, math.inf)), (loss, D))
    return np.array([least[trunk][1] >= D for trunk, D in zip(runs.trunk, runs.D, strict=True)])


def _one_law(runs: Observations) -> Observations:
    """The rows under one name: the law says what of them is repeated."""
    level = runs.level.copy()
    level[:] = "all"
    return replace(runs, level=level)


def _answer(
    level: str, r_star: Interval, laws: Sequence[RepeatLaw], against: dict[str, tuple[Effects, ...]], fresh: tuple[Effects, ...]
) -> str:
    """R*, how well its law does beside the other, and when each repeated course loses to what the level itself does not."""
    first = f"No law of repetition could be fitted on {level}: {laws[0].reason}."
    if not laws[0].reason:
        first = f"On {level} a token read again is worth 1/e of a fresh one after {interval(r_star, '%.3g')} repeats (R*)."
        if laws[0].miss > WORSE * laws[1].miss:
            misses = f"That law misses a run by {laws[0].miss:.2f} %, the law of overfitting by {laws[1].miss:.2f} %"
            first += f" {misses}: trust R* less."
    told, beaten = [], {one.against for one in fresh if one.longest.percent.low > 0}
    for name, others in against.items():
        loses = {one.against: D for one in others if one.against not in beaten and (D := _loses_from(one)) is not None}
        itself = [f"the level read fresh from {count(loses.pop(level))} tokens on"] if level in loses else []
        parts = itself + [f"{other} from {count(D)} on" for other, D in loses.items()]
        told.append(
            f"{name} loses to {listed(parts)}." if parts else f"{name} loses to no level that {level} does not lose to."
        )
    if beaten:
        told.append(f"{level} read fresh loses to {listed(sorted(beaten))}.")
    return " ".join([first, *told])


def _loses_from(effects: Effects) -> float | None:
    """The least D from which on the other level is better at every D, beyond its interval."""
    sure = [effect.percent.low > 0 for effect in effects.at]
    first = len(sure) - next((k for k, one in enumerate(reversed(sure)) if not one), len(sure))
    return effects.at[first].D if first < len(sure) else None
