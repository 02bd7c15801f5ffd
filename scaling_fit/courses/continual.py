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

from scaling_fit.courses.effect import Course, effects, in_percent, jackknifed, mean_of, paired
from scaling_fit.intervals import UNKNOWN, Interval
from scaling_fit.observations import Observations
from scaling_fit.wording import WHOLE, eval_words, interval, listed

TENTH = 0.1


@dataclass(frozen=True)
class Change:
    """A course's loss minus that of the old level alone at the longest D, in percent: below zero gained, above it forgotten."""

    eval_set: str
    percent: Interval


@dataclass(frozen=True)
class Replayed:
    """One course: the share of its last phase that is replay, and its change on every evaluation set; `forgotten`: the mean
    over the sets that the course with least replay forgets of, sets of the same documents left out."""

    course: str
    replay: float
    changes: tuple[Change, ...]
    forgotten: Interval

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

    def law(self, eval_set: str) -> ChangeLaw | None:
        return next((law for law in self.laws if law.eval_set == eval_set), None)


def frontiers(
    data: Observations, courses: Sequence[Course], eval_sets: Sequence[str], confidence: float
) -> tuple[Frontier, ...]:
    """One frontier per pair of levels."""
    found = []
    own = [course for course in courses if course.kind == "continual"]
    for old, new in dict.fromkeys((course.against, course.last) for course in own):
        here = sorted((c for c in own if (c.against, c.last) == (old, new)), key=lambda course: course.replay)
        changes = [_changes(data, course, old, eval_sets, confidence) for course in here]
        gained = tuple(change.eval_set for change in changes[0] if change.percent.high < 0)
        forgot = tuple(change.eval_set for change in changes[0] if change.percent.low > 0)
        apart = [name for name in forgot if name not in WHOLE] or list(forgot)
        replayed = [
            Replayed(course.name, course.replay, own, _mean_change(data, course, old, apart, confidence))
            for course, own in zip(here, changes, strict=True)
        ]
        laws = [_law(data, here, old, eval_set, confidence) for eval_set in eval_sets if eval_set in {*gained, *forgot}]
        known = tuple(law for law in laws if law is not None)
        answer = _answer(old, new, replayed, gained, apart)
        found.append(Frontier(old, new, tuple(replayed), gained, forgot, known, answer))
    return tuple(found)


def _changes(data: Observations, course: Course, old: str, eval_sets: Sequence[str], confidence: float) -> tuple[Change, ...]:
    measured = [effects(data, course.name, old, eval_set, confidence) for eval_set in eval_sets]
    return tuple(Change(one.eval_set, one.longest.percent) for one in measured if one is not None)


def _mean_change(data: Observations, course: Course, old: str, eval_sets: Sequence[str], confidence: float) -> Interval:
    """At the longest D, the mean over evaluation sets, with its interval over pairs of shape and seed."""
    of_set = [paired(data, course.name, old, eval_set) for eval_set in eval_sets]
    pairs = [pair for pair in of_set[0] if all(pair in one for one in of_set)] if of_set else []
    return in_percent(mean_of([float(np.mean([one[pair][-1][1] for one in of_set])) for pair in pairs], confidence))


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
    by = ["without replay" if not one.replay else f"with {one.replay:.0%} replay" for one in replayed]
    told = []
    for name in gained:
        parts = [f"{interval(one.on(name), '%+.1f')} % {share}" for one, share in zip(replayed, by, strict=True)]
        told.append(f"On {eval_words(name)} the loss changes by {listed(parts)}.")
    if forgot:
        parts = [f"{interval(one.forgotten, '%+.1f')} % {share}" for one, share in zip(replayed, by, strict=True)]
        worst = max(forgot, key=lambda name: replayed[0].on(name).value)
        where = eval_words(worst) if len(forgot) == 1 else f"the {len(forgot)} sets that are forgotten of, on average,"
        most = f" The most on {eval_words(worst)}: {replayed[0].on(worst).value:+.1f} %." if len(forgot) > 1 else ""
        told.append(f"On {where} it changes by {listed(parts)}.{most}")
    if not gained:
        told.append("No evaluation set surely gains.")
    if not forgot:
        told.append("None is surely forgotten.")
    return f"Reading {new} after {old}: {' '.join(told)}"
