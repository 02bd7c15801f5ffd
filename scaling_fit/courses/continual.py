"""Learning something new on top of something old: what is gained on the new and forgotten of the old, by replay.

At D tokens and a share r of replay the loss differs from that of the old level alone by

    100 * log ratio = c * (D / D_longest)^gamma / (1 + B * r)

on each evaluation set: after Bethune et al. (arXiv:2502.06042), whose forgetting goes as D^beta / ((1 + B * r) * N)^alpha;
gains by the same form. Shapes are averaged over, since two or three say nothing of a law in N.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from scaling_fit.courses.effect import Course, effects, in_percent, jackknifed, paired
from scaling_fit.intervals import UNKNOWN, Interval
from scaling_fit.observations import Observations
from scaling_fit.wording import eval_words, interval, listed

TENTH = 0.1


@dataclass(frozen=True)
class Change:
    """A course's loss minus that of the old level alone at the longest D, in percent: below zero gained, above it forgotten."""

    eval_set: str
    percent: Interval


@dataclass(frozen=True)
class Replayed:
    """One course: the share of its last phase that is replay, and its change on every evaluation set."""

    course: str
    replay: float
    changes: tuple[Change, ...]

    def on(self, eval_set: str) -> Interval:
        return next((change.percent for change in self.changes if change.eval_set == eval_set), UNKNOWN)


@dataclass(frozen=True)
class ChangeLaw:
    """The law on one evaluation set: `change` at the longest D without replay, in percent; `gamma`: it grows with D to this
    power; `left`: the share of it that stays where a tenth is replayed (1 / (1 + B / 10))."""

    eval_set: str
    change: Interval
    gamma: Interval
    left: Interval


@dataclass(frozen=True)
class Frontier:
    """All courses that go from one level to another, by how much they replay. `gained` and `forgot`: the evaluation sets on
    which the loss of the course with least replay is surely lower, and surely higher; `laws`: of these, where there are two
    shares of replay and two D."""

    old: str
    new: str
    replayed: tuple[Replayed, ...]
    gained: tuple[str, ...]
    forgot: tuple[str, ...]
    laws: tuple[ChangeLaw, ...]
    answer: str


def frontiers(
    data: Observations, courses: Sequence[Course], eval_sets: Sequence[str], confidence: float
) -> tuple[Frontier, ...]:
    """One frontier per pair of levels."""
    found = []
    own = [course for course in courses if course.kind == "continual"]
    for old, new in dict.fromkeys((course.against, course.last) for course in own):
        here = sorted((c for c in own if (c.against, c.last) == (old, new)), key=lambda course: course.replay)
        replayed = []
        for course in here:
            measured = [effects(data, course.name, old, eval_set, confidence) for eval_set in eval_sets]
            changes = tuple(Change(one.eval_set, one.longest.percent) for one in measured if one is not None)
            replayed.append(Replayed(course.name, course.replay, changes))
        first = replayed[0].changes
        gained = tuple(change.eval_set for change in first if change.percent.high < 0)
        forgot = tuple(change.eval_set for change in first if change.percent.low > 0)
        laws = [_law(data, here, old, eval_set, confidence) for eval_set in eval_sets if eval_set in {*gained, *forgot}]
        known = tuple(law for law in laws if law is not None)
        found.append(Frontier(old, new, tuple(replayed), gained, forgot, known, _answer(old, new, replayed, gained, forgot)))
    return tuple(found)


def _law(data: Observations, courses: Sequence[Course], old: str, eval_set: str, confidence: float) -> ChangeLaw | None:
    """By least squares on the means over pairs of shape and seed that all courses have; the error is over these pairs."""
    measured = [paired(data, course.name, old, eval_set) for course in courses]
    pairs = [key for key in measured[0] if all(key in one and len(one[key]) == len(measured[0][key]) for one in measured)]
    if len({course.replay for course in courses}) < 2 or not pairs or len(measured[0][pairs[0]]) < 2:
        return None
    log_D = np.log([[D for D, _ in one[pairs[0]]] for one in measured])
    change_PCD = np.array([[[percent for _, percent in one[pair]] for one in measured] for pair in pairs])
    replay = np.array([[course.replay] for course in courses])

    def predicted(c: float, gamma: float, B: float) -> np.ndarray:
        return c * np.exp(gamma * (log_D - log_D.max())) / (1 + B * replay)

    def fitted(chosen: np.ndarray) -> np.ndarray:
        mean = change_PCD[chosen].mean(0)
        start = [float(mean[0, -1]), 0.5, 1.0]
        c, gamma, B = least_squares(
            lambda x: (predicted(*x) - mean).ravel(), start, bounds=([-np.inf, -5, -1], [np.inf, 5, 1e3])
        ).x
        return np.array([c, gamma, 1 / (1 + TENTH * B)])

    change, gamma, left = jackknifed(fitted, len(pairs), confidence)
    return ChangeLaw(eval_set, in_percent(change), gamma, left)


def _answer(old: str, new: str, replayed: Sequence[Replayed], gained: Sequence[str], forgot: Sequence[str]) -> str:
    told = [f"{new} after {old}, by {one.replay:.0%} replay: {_said(one, gained, forgot)}." for one in replayed]
    if not gained:
        told.append("No evaluation set surely gains.")
    if not forgot:
        told.append("None is surely forgotten.")
    return " ".join(told)


def _said(one: Replayed, gained: Sequence[str], forgot: Sequence[str]) -> str:
    """The gains each, and what is forgotten from the least to the most."""
    parts = [f"{interval(one.on(name), '%+.1f')} % of loss on {eval_words(name)}" for name in gained]
    lost = sorted((one.on(name).value, name) for name in forgot)
    if len(lost) == 1:
        parts.append(f"{interval(one.on(lost[0][1]), '%+.1f')} % on {eval_words(lost[0][1])}")
    elif lost:
        ends = (f"{value:+.1f} % on {eval_words(name)}" for value, name in (lost[0], lost[-1]))
        parts.append(f"from {' to '.join(ends)} over the {len(lost)} sets that it forgets of")
    return listed(parts) if parts else "no sure change"
