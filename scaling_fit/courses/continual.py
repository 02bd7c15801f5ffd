"""Learning something new on top of something old: what is gained on the new and forgotten of the old, by replay."""

from collections.abc import Sequence
from dataclasses import dataclass

from scaling_fit.courses.effect import Course, effects
from scaling_fit.intervals import UNKNOWN, Interval
from scaling_fit.observations import Observations
from scaling_fit.wording import eval_words, interval, listed


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
class Frontier:
    """All courses that go from one level to another, by how much they replay. `gained` and `forgot`: the evaluation sets on
    which the loss of the course with least replay is surely lower, and surely higher."""

    old: str
    new: str
    replayed: tuple[Replayed, ...]
    gained: tuple[str, ...]
    forgot: tuple[str, ...]
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
        found.append(Frontier(old, new, tuple(replayed), gained, forgot, _answer(old, new, replayed, gained, forgot)))
    return tuple(found)


def _answer(old: str, new: str, replayed: Sequence[Replayed], gained: Sequence[str], forgot: Sequence[str]) -> str:
    told = [
        f"Reading {new} after {old}: the loss falls surely on {_sets(gained)} and rises surely on {_sets(forgot)}"
        f" ({replayed[0].replay:.0%} replay)."
    ]
    for one in replayed[1:]:
        parts = [f"{interval(one.on(name), '%+.1f')} % on {eval_words(name)}" for name in (*gained[:1], *forgot[:1])]
        if parts:
            told.append(f"With {one.replay:.0%} replay it is {listed(parts)}.")
    return " ".join(told)


def _sets(names: Sequence[str]) -> str:
    return listed([eval_words(name) for name in names]) if names else "no evaluation set"
