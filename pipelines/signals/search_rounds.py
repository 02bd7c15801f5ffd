"""Radix searches over the pool's shards, and the steps that must know first where they end.

A round is measured on the workers and narrowed here, until the search is done.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import polars as pl

from curation.levels import search
from pipelines.engine.run import Context, run_side_by_side
from pipelines.engine.step import Manifest, Step, Unit
from pipelines.engine.workdir import reading_once


class State(Protocol):
    """Where a search stands: a `curation.levels.search.Search`, or something that keeps several."""

    @property
    def done(self) -> bool: ...


LEAST, MOST, TASKS = 4, 16, 64  # shards that a task measures, and tasks that there are before it measures more

StateT = TypeVar("StateT", bound=State)


@dataclass(frozen=True)
class Rounds(Generic[StateT]):
    """A search to be made: `measure(*unit, state)` is a unit's histogram, `narrow` goes a round further with their sum."""

    measure: Callable[..., pl.DataFrame]
    units: Sequence[Unit]
    state: StateT
    narrow: Callable[[StateT, pl.DataFrame], StateT]


def settle(context: Context, rounds: Rounds[StateT]) -> StateT:
    """All rounds of one search."""
    return settle_together(context, {"": rounds})[""]


@dataclass(frozen=True)
class Searched(Generic[StateT]):
    """A step over the pool's shards that must know where a search ends: `rounds()` is the search, and `step(found)` the step,
    whose units ask `found()`."""

    name: str
    rounds: Callable[[], Rounds[StateT]]
    step: Callable[[Callable[[], StateT]], Step]


def run_searched(context: Context, label: str, searched: Sequence[Searched]) -> dict[str, Manifest]:
    """Manifests by name. Shards are searched for all that is missing together, and one task makes all that is missing of a
    shard."""
    found: dict[str, object] = {}

    def step(each: Searched) -> Step:
        return each.step(lambda: found[each.name])

    def find(missing: Sequence[Step]) -> None:
        names = {step.name for step in missing}
        found.update(settle_together(context, {each.name: each.rounds() for each in searched if each.name in names}))

    return run_side_by_side(context, label, [step(each) for each in searched], find)


def settle_together(context: Context, searches: Mapping[str, Rounds[StateT]]) -> dict[str, StateT]:
    """All rounds of several searches over the same shards; a few shards are measured for all of them in one task."""
    found = dict(searches)
    while begun := [name for name, rounds in found.items() if not rounds.state.done]:
        by_shard = zip(*(found[name].units for name in begun), strict=True)
        of_shards = [
            [(found[n].measure, (*unit, found[n].state)) for n, unit in zip(begun, of, strict=True)] for of in by_shard
        ]
        size = shards_a_task(len(of_shards))
        tasks = [(of_shards[i : i + size],) for i in range(0, len(of_shards), size)]
        totals: list[pl.DataFrame] = []
        for _, histograms in context.executor.map(measure_together, tasks, names=["searches"] * len(tasks)):
            totals = _merged([totals, histograms]) if totals else histograms
        for name, total in zip(begun, totals, strict=True):
            found[name] = replace(found[name], state=found[name].narrow(found[name].state, total))
    return {name: rounds.state for name, rounds in found.items()}


def shards_a_task(n_shards: int) -> int:
    """Shards that one task measures: narrow columns of some are quickly read, and tasks enough are left for many cores."""
    return max(LEAST, min(MOST, n_shards // TASKS))


def measure_together(shards: Sequence[Sequence[tuple[Callable[..., pl.DataFrame], Unit]]]) -> list[pl.DataFrame]:
    """The histogram of every search over some shards; their columns are read side by side. Runs on a worker."""
    with ThreadPoolExecutor(len(shards)) as threads:
        return _merged(list(threads.map(_measure_shard, shards)))


def _measure_shard(calls: Sequence[tuple[Callable[..., pl.DataFrame], Unit]]) -> list[pl.DataFrame]:
    with reading_once():
        return [measure(*unit) for measure, unit in calls]


def _merged(parts: Sequence[Sequence[pl.DataFrame]]) -> list[pl.DataFrame]:
    """The histogram of every search, of all `parts` together."""
    return [search.merge(of) for of in zip(*parts, strict=True)]
