"""Samples of the pool by hash of uid: the same documents whatever the shards, in bounded memory.

A sample is a search (curation.levels.search) for the hash below which the wanted weight lies: a few rounds of small
histograms over the shards, then every worker knows which of its documents belong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from curation.hashing import mix64, stream
from curation.levels import search
from curation.levels.expression import parse
from pipelines.signals.search_rounds import Rounds
from pipelines.signals.shards import Shard


@dataclass(frozen=True)
class Sample:
    """What to draw: per group a condition (first match wins; None: all that is left), among documents for which `among` holds.

    `weight` is the column summed towards the group's `targets` (None: count documents).
    """

    groups: Mapping[str, str | None]
    targets: Mapping[str, float]
    among: str
    weight: str | None
    seed: int

    @property
    def columns(self) -> list[str]:
        texts = [text for text in (*self.groups.values(), self.among) if text is not None]
        names = {column for text in texts for column in parse(text, Anything()).columns}
        return sorted(names | {"uid"} | ({self.weight} if self.weight else set()))


class Anything(tuple[str, ...]):
    """A collection that has every name: used where an expression was already checked against the known columns."""

    def __contains__(self, name: object) -> bool:
        return True


def candidates(sample: Sample, shard: Shard) -> tuple[pl.DataFrame, np.ndarray, pl.Series, np.ndarray]:
    """The shard's frame, every document's key and group (null: in none) and weight."""
    frame = shard.frame(sample.columns)
    group = pl.lit(None, pl.String)
    for name, text in reversed(list(sample.groups.items())):
        holds = pl.lit(True) if text is None else parse(text, Anything()).polars().fill_null(False)
        group = pl.when(holds).then(pl.lit(name)).otherwise(group)
    group = pl.when(parse(sample.among, Anything()).polars().fill_null(False)).then(group)
    weight = frame[sample.weight].to_numpy() if sample.weight else np.ones(len(frame), np.uint64)
    key = mix64(stream(sample.seed, "classifier examples"), frame["uid"].to_numpy())
    return frame, key, frame.select(g=group).to_series(), weight


def measure(sample: Sample, shard: Shard, state: search.Search) -> pl.DataFrame:
    """Map: the shard's part of the next round."""
    _, key, group, weight = candidates(sample, shard)
    inside = group.is_not_null().to_numpy()
    return search.histogram(state, key[inside], weight[inside], group.filter(group.is_not_null()))


def find_sample(sample: Sample, shards: Sequence[Shard]) -> Rounds[search.Search]:
    """The search for where each group's sample ends."""
    return Rounds(measure, [(sample, shard) for shard in shards], search.search(sample.targets), search.narrow)


def drawn(sample: Sample, shard: Shard, state: search.Search) -> pl.Series:
    """Which group each document of the shard was drawn for (null: not drawn)."""
    _, key, group, _ = candidates(sample, shard)
    inside = pl.Series(search.taken(state, key, group))
    return pl.select(pl.when(inside).then(group)).to_series()
