"""The rounds of a radix search over the pool's shards: measured on the workers, narrowed here, until it is done."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import polars as pl

from curation.levels import search
from pipelines.engine.run import Context
from pipelines.engine.step import Unit


class State(Protocol):
    """Where a search stands: a `curation.levels.search.Search`, or something that keeps several."""

    @property
    def done(self) -> bool: ...


StateT = TypeVar("StateT", bound=State)


def settle(
    context: Context,
    measure: Callable[..., pl.DataFrame],
    units: Sequence[Unit],
    state: StateT,
    narrow: Callable[[StateT, pl.DataFrame], StateT] = search.narrow,
) -> StateT:
    """All rounds of a search: `measure(*unit, state)` is a unit's histogram, `narrow` goes a round further with their sum."""
    while not state.done:
        parts = [part for _, part in context.executor.map(measure, [(*unit, state) for unit in units])]
        state = narrow(state, search.merge(parts))
    return state
