"""What a run reads, phase by phase, as numbers of windows: a pure function of the slot and of the run's length.

A run of S steps has S * B slots, one for each window of its batches. A phase covers a share of the steps, and slot i of a
phase that begins at slot s reads

    window (s + q) mod W of the phase's level,    q = how many slots of the phase before i read the level,

so a level read from start to end is the course of one phase, a course whose phases read one level is that level, and a cooldown
on another level reads what a whole run on it would read there. Where `replay` is r, every 1/r-th slot reads again what an
earlier slot read: the j-th of n such slots what slot floor(j * s / n) read, so they go once through all that was read before,
in its order (replay as Ibrahim et al., arXiv:2403.08763, section 3, but spread over the phase). Where `by` is set, the phase's
windows are the same, sorted by a signal.

Two runs of one course share their steps as long as both read the first phase at a constant rate: the run of S steps leaves the
common trunk where its cooldown begins, or where its second phase does, or, sorted, at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from training.schedule import branch_start


@dataclass(frozen=True)
class Phase:
    """`share` of the run's steps on `level`, of whose stream the first `unique_tokens` are read (None: all), up to `epochs`
    times; `replay`: the share of slots that read what was read before this phase; `by`: the order of the plan that the
    windows are sorted by, lowest first, with `smooth` the share of chance (1: the level's own order)."""

    level: str
    share: float = 1.0
    replay: float = 0.0
    epochs: float = 1.0
    unique_tokens: int | None = None
    by: str | None = None
    smooth: float = 0.0


Course = tuple[Phase, ...]


@dataclass(frozen=True)
class Reading:
    """Slot i reads window `window_N[i]` of the level `levels[level_N[i]]`."""

    levels: tuple[str, ...]
    level_N: np.ndarray
    window_N: np.ndarray


def alone(level: str) -> Course:
    """A level is the course that reads it alone."""
    return (Phase(level),)


def code_digest() -> str:
    """Hash of the modules that decide what a course reads."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("course", "reading", "branches", "trainers"):
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def borders(course: Course, steps: int) -> list[int]:
    """The steps at which the phases of a run of `steps` begin, and its end."""
    shares = np.cumsum([phase.share for phase in course[:-1]])
    return [0, *(round(steps * float(share)) for share in shares), steps]


def leaves(course: Course, steps: int, cooldown: float) -> int:
    """The step at which the run of `steps` leaves the trunk that it shares with the course's other runs."""
    if course[0].by is not None:
        return 0
    ends = branch_start(steps, cooldown)
    return min(ends, borders(course, steps)[1]) if len(course) > 1 else ends


def trunk_of(course: Course) -> Course:
    """What the trunk reads; courses with the same have one trunk."""
    return (Phase(course[0].level, unique_tokens=course[0].unique_tokens),)


def trained_steps(courses: Sequence[Course], ends: Sequence[int], cooldown: float) -> int:
    """Steps of all runs of `courses` (of one shape and seed), a branch to each of `ends`: what one trunk can serve is
    trained once."""
    trunks: dict[Course, int] = {}
    total = 0
    for course in courses:
        left = [leaves(course, end, cooldown) for end in ends]
        total += sum(ends) - sum(left)
        trunks[trunk_of(course)] = max(trunks.get(trunk_of(course), 0), *left)
    return total + sum(trunks.values())


def reading(
    course: Course, steps: int, batch: int, windows: Callable[[Phase], int], value: Callable[[Phase], np.ndarray]
) -> Reading:
    """What every slot of a run of `steps` steps of `batch` windows reads. `windows(phase)`: how many windows the phase may
    read; `value(phase)`: float64 of each, by which a sorted phase goes."""
    levels = tuple(dict.fromkeys(phase.level for phase in course))
    level_N, window_N = np.empty(steps * batch, np.int16), np.empty(steps * batch, np.int64)
    at = [border * batch for border in borders(course, steps)]
    for phase, (start, end) in zip(course, pairwise(at), strict=True):
        again = _spread(end - start, phase.replay)
        fresh = start + np.flatnonzero(~again)
        number = (start + np.arange(len(fresh))) % windows(phase)
        if phase.by is not None:
            number = number[_sorted(value(phase)[number], phase.smooth)]
        level_N[fresh], window_N[fresh] = levels.index(phase.level), number
        if again.any():
            earlier = np.arange(again.sum()) * start // again.sum()
            slots = start + np.flatnonzero(again)
            level_N[slots], window_N[slots] = level_N[earlier], window_N[earlier]
    return Reading(levels, level_N, window_N)


def _spread(slots: int, share: float) -> np.ndarray:
    """bool[slots]: true for a `share` of them, as evenly as can be: any run of n has it to within one."""
    return np.diff(np.floor(np.arange(slots + 1) * share)) > 0


def _sorted(value_N: np.ndarray, smooth: float) -> np.ndarray:
    """The order by value, lowest first, blended with the order that they stand in."""
    place_N = np.empty(len(value_N))
    place_N[np.argsort(value_N, kind="stable")] = np.arange(len(value_N))
    return np.argsort((1 - smooth) * place_N + smooth * np.arange(len(value_N)), kind="stable")


def read_tokens(course: Course, tokens: int) -> list[int]:
    """Tokens that each phase of a run to `tokens` reads of its own level."""
    return [round(phase.share * (1 - phase.replay) * tokens) for phase in course]


def times_read(course: Course, tokens: int, unique: Mapping[str, int]) -> list[float]:
    """How often each phase of a run to `tokens` goes through what it may read of its level."""
    return [read / _cap(phase, unique) for phase, read in zip(course, read_tokens(course, tokens), strict=True)]


def unique_tokens(course: Course, tokens: int, unique: Mapping[str, int]) -> int:
    """Tokens without repetition that a run to `tokens` may read: fewer than `tokens` where it reads some again. `unique`: those
    of each level."""
    pool: dict[str, int] = {}
    reads: dict[str, int] = {}
    for phase, read in zip(course, read_tokens(course, tokens), strict=True):
        pool[phase.level] = max(pool.get(phase.level, 0), _cap(phase, unique))
        reads[phase.level] = reads.get(phase.level, 0) + read
    fresh = sum(min(pool[level], reads[level]) for level in pool)
    again = any(phase.replay for phase in course) or any(reads[level] > pool[level] for level in pool)
    return fresh if again else sum(pool.values())


def too_long(course: Course, tokens: int, unique: Mapping[str, int]) -> str:
    """What is wrong with the first phase of a run to `tokens` that reads its level more often than it says; "" if nothing."""
    for number, (phase, read) in enumerate(zip(course, read_tokens(course, tokens), strict=True)):
        had, epochs = _cap(phase, unique), phase.epochs
        if read > epochs * had:
            return (
                f"phase {number + 1} reads {read:,} tokens of {phase.level!r}, which has {had:,}"
                + (f" for {epochs:g} epochs" if epochs > 1 else "")
                + f"; set epochs to {-(-read // had)}, give the phase a smaller share, or shorten the runs"
            )
    return ""


def _cap(phase: Phase, unique: Mapping[str, int]) -> int:
    return min(unique[phase.level], phase.unique_tokens or unique[phase.level])
