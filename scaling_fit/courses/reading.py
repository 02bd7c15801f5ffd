"""All that a study says of its courses: one frozen record, and the whole content of courses.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.courses.annealing import Annealing, annealing
from scaling_fit.courses.continual import Frontier, frontiers
from scaling_fit.courses.effect import Course, Effects, effects
from scaling_fit.courses.repetition import Repetition, repetition
from scaling_fit.encoding import Json, decode, encode
from scaling_fit.levels.analysis import analyse
from scaling_fit.observations import Observations, observations
from scaling_fit.settings import FitSettings, Settings
from scaling_fit.wording import count, eval_words, interval

VERSION = 2


@dataclass(frozen=True)
class LawMoved:
    """The course's law beside that of the level it is compared with: what moved in a few words, the finding, what it means, and
    how the law fails these runs ("": it does not); all "" and a `reason` where no law could be fitted."""

    badge: str
    finding: str
    reading: str
    caution: str
    reason: str


@dataclass(frozen=True)
class CourseReading:
    """One course against the level it is compared with, on every evaluation set, the primary one first."""

    course: Course
    effects: tuple[Effects, ...]
    law: LawMoved
    answer: str


@dataclass(frozen=True)
class Reading:
    """Everything about courses. `eval_set`: the one that sentences are of."""

    eval_set: str
    confidence: float
    courses: tuple[CourseReading, ...]
    annealing: tuple[Annealing, ...]
    repetition: tuple[Repetition, ...]
    continual: tuple[Frontier, ...]
    version: int = VERSION

    def r_star(self, baseline: str) -> float | None:
        """The R* that was measured, of the baseline where it was repeated, else of the first level; None where the data bound
        none from both sides."""
        known = {one.level: one.r_star.value for one in self.repetition if one.r_star.bounded}
        return known.get(baseline, next(iter(known.values()), None))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader must know, the questions in turn."""
        alone = [one.answer for one in self.courses if one.course.kind in ("order", "level")]
        return (
            *(one.answer for one in self.annealing), *alone, *(one.answer for one in self.repetition),
            *(one.answer for one in self.continual),
        )  # fmt: skip

    def to_json(self) -> str:
        return json.dumps(encode(self) | {"sentences": list(self.sentences)}, indent=1, allow_nan=False)  # pyright: ignore

    @classmethod
    def from_json(cls, text: str | bytes) -> "Reading":
        """Errors: ValueError for another version, or naming the place that does not fit."""
        body: Json = json.loads(text)
        if not isinstance(body, dict) or body.get("version") != VERSION:
            raise ValueError(f"courses.json is of another version than {VERSION}; run `assay fit` again")
        return decode(cls, {key: value for key, value in body.items() if key != "sentences"}, "courses.json")


def read(table: object, courses: Sequence[Course], settings: Settings) -> Reading:
    """Compare every course with its level, and answer what each kind of course asks.

    table: anything `observations` reads, with courses under their names among the levels. settings: as of `analyse`, its
    `eval_set` and `eval_sets` given. Errors: ValueError as of `observations`.
    """
    data = observations(table)
    sets = (settings.eval_set, *(name for name in settings.eval_sets if name != settings.eval_set))
    names = [course.name for course in courses]
    alone = [level for level in data.levels if level not in names]
    laws = _laws(data, courses, settings)
    read_courses = []
    for course in courses:
        other = course.against or course.last  # what is repeated stands beside its level read fresh
        measured = [effects(data, course.name, other, eval_set, settings.confidence) for eval_set in sets]
        found = tuple(one for one in measured if one is not None)
        if found:
            law = laws.get(course.name, LawMoved("", "", "", "", "laws of repetition stand apart"))
            read_courses.append(CourseReading(course, found, law, _answer(course, found[0], law)))
    of_fit = FitSettings(replicates=settings.replicates, confidence=settings.confidence, seed=settings.seed)
    return Reading(
        settings.eval_set, settings.confidence, tuple(read_courses),
        annealing(data, courses, sets, settings.confidence),
        repetition(data, courses, alone, settings.eval_set, of_fit),
        frontiers(data, courses, sets, settings.confidence),
    )  # fmt: skip


def _laws(data: Observations, courses: Sequence[Course], settings: Settings) -> dict[str, LawMoved]:
    """What the joint law of each level and its courses says of each course, on the primary set."""
    found: dict[str, LawMoved] = {}
    for baseline in dict.fromkeys(course.against for course in courses if course.against):
        own = [course.name for course in courses if course.against == baseline]
        rows = np.isin(data.level.astype(str), [baseline, *own]) & (data.eval_set == settings.eval_set)
        mine = data.where(np.flatnonzero(rows))
        # a replayed phase is part of the course, and a law in D is what is asked for
        fresh = replace(mine, repeated=np.zeros(len(mine), bool), unique=np.full(len(mine), np.inf))
        asked = replace(
            settings, baseline=baseline, eval_sets=(settings.eval_set,), roles={}, random_parts=(), same_floor=()
        )  # fmt: skip
        try:
            result = analyse(fresh, asked)
            one, caution = result.sets[settings.eval_set], result.fits[settings.eval_set].adequacy.warning
            reason = one.reason
        except (ValueError, KeyError) as error:
            one, caution, reason = None, "", str(error)
        for name in own:
            told = one.answer.words.get(name) if one is not None and not one.reason else None
            words = (told.badge, told.finding, told.reading, caution, "") if told else ("", "", "", "", reason)
            found[name] = LawMoved(*words)
    return found


def _answer(course: Course, effects: Effects, law: LawMoved) -> str:
    """The difference at the longest D, how it grows, and what of the law moved."""
    last = effects.longest
    sure = "" if last.percent.low > 0 or last.percent.high < 0 else ", which may be chance"
    first = (
        f"At {count(last.D)} tokens {course.name} differs from {course.against} by {interval(last.percent, '%+.2f')} % of loss "
        f"on {eval_words(effects.eval_set)}{sure}."
    )
    grows = effects.per_tenfold
    if grows.low > 0 or grows.high < 0:
        first += f" Ten times the tokens add {interval(grows, '%+.2f')} %."
    told = law.finding or f"No law was fitted: {law.reason}."
    if law.caution:
        told += " The law misses these runs by more than their noise: what moved is said of these tokens alone."
    return f"{first} {told}"
