"""Searches over shards: the same answer however many shards a task measures."""

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from curation.levels import search
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.signals import search_rounds
from pipelines.signals.search_rounds import Rounds, settle_together, shards_a_task


class Counting(InProcess):
    def __init__(self):
        self.tasks: list[int] = []

    def map(self, function, arguments, resources=None, names=(), done=None):
        self.tasks.append(len(arguments))
        return super().map(function, arguments)


def measure(shard: np.ndarray, state: search.Search) -> pl.DataFrame:
    return search.histogram(state, shard, np.ones(len(shard)), pl.repeat("all", len(shard), eager=True))


@pytest.mark.parametrize("least", [1, 4, 100])
def test_a_search_finds_the_same_key_whatever_a_task_measures(tmp_path, monkeypatch, least):
    monkeypatch.setattr(search_rounds, "LEAST", least)
    rng = np.random.default_rng(0)
    shards = [rng.integers(0, 2**40, 50, np.uint64) for _ in range(10)]
    workdir = Workdir(str(tmp_path))
    context = Context(workdir, Counting(), Progress(workdir, Console(quiet=True)))
    wanted = {"few": 3.0, "half": 250.0}
    searches = {
        name: Rounds(measure, [(s,) for s in shards], search.search({"all": n}), search.narrow) for name, n in wanted.items()
    }
    found = settle_together(context, searches)
    keys = np.sort(np.concatenate(shards))
    assert {name: state.keys()["all"] for name, state in found.items()} == {"few": keys[2], "half": keys[249]}
    assert set(context.executor.tasks) == {-(-10 // least)}


def test_a_task_measures_more_shards_where_there_are_many():
    assert [shards_a_task(n) for n in (1, 100, 640, 39_000)] == [4, 4, 10, 16]
