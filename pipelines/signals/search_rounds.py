"""The rounds of radix searches over the pool's shards: measured on the workers, narrowed here, until they are done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import polars as pl

from curation.levels import search
from pipelines.engine.run import Context
from pipelines.engine.step import Unit
from pipelines.engine.workdir import reading_once


class State(Protocol):
    """Where a search stands: a `curation.levels.search.Search`, or something that keeps several."""

    @property
    def done(self) -> bool: ...


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


def settle_together(context: Context, searches: Mapping[str, Rounds[StateT]]) -> dict[str, StateT]:
    """All rounds of several searches over the same shards; a shard is measured for all of them in one task."""
    found = dict(searches)
    while begun := [name for name, rounds in found.items() if not rounds.state.done]:
        by_shard = zip(*(found[name].units for name in begun), strict=True)
        calls = [([(found[n].measure, (*unit, found[n].state)) for n, unit in zip(begun, of, strict=True)],) for of in by_shard]
        measured = [histograms for _, histograms in context.executor.map(measure_together, calls)]
        for place, name in enumerate(begun):
            total = search.merge([histograms[place] for histograms in measured])
            found[name] = replace(found[name], state=found[name].narrow(found[name].state, total))
    return {name: rounds.state for name, rounds in found.items()}


def measure_together(calls: Sequence[tuple[Callable[..., pl.DataFrame], Unit]]) -> list[pl.DataFrame]:
    """One shard's histogram of every search. Runs on a worker."""
    with reading_once():
        return [measure(*unit) for measure, unit in calls]
