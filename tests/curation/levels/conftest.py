"""A made-up pool of documents with signals, and the whole of the levels step run in this process over any shards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from curation.hashing import mix64
from curation.levels import heldout, layout, ledger, search, select
from curation.levels.level import Level
from curation.levels.mixture import Budget, Mixture, budget
from curation.tokens.shards import schema

HELDOUT = heldout.Heldout(seed=5, fraction=0.05, tokens_per_set=400, min_tokens=8, references=("wiki",))


def make_pool(n: int, seed: int, domains: Sequence[str] = ("code", "news", "web")) -> pl.DataFrame:
    """`n` documents; some in clusters, some of the source `wiki`, a few without tokens or without a score."""
    rng = np.random.default_rng(seed)
    uid = mix64(seed, np.arange(n, dtype=np.uint64))
    cluster = np.where(rng.random(n) < 0.3, uid[rng.integers(0, max(1, n // 20), n)], uid)
    n_tokens = np.where(rng.random(n) < 0.03, 0, rng.geometric(0.02, n)).astype(np.uint32)
    frame = pl.DataFrame(
        {
            "doc_id": np.arange(n, dtype=np.uint64),
            "uid": uid,
            "source": np.where(rng.random(n) < 0.03, "wiki", "crawl"),
            "domain": rng.choice(list(domains), n, p=np.arange(1, len(domains) + 1) / sum(range(len(domains) + 1))),
            "n_tokens": n_tokens,
            "n_bytes": (n_tokens * 4 + rng.integers(0, 4, n)).astype(np.uint32),
            "duplicates.cluster": cluster,
            "heuristics.n_words": rng.integers(0, 100, n),
            "quality.score": np.where(rng.random(n) < 0.05, np.nan, np.round(rng.random(n), 2)).astype(np.float32),
        }
    )
    lowest = pl.col("uid") == pl.col("uid").min().over("duplicates.cluster")
    return frame.with_columns(
        lowest.alias("duplicates.survivor"), (lowest | (pl.col("uid") % 2 == 0)).alias("duplicates.exact_survivor")
    )


def split(frame: pl.DataFrame, cuts: Sequence[int]) -> list[pl.DataFrame]:
    bounds = [0, *sorted(cuts), len(frame)]
    return [frame[low:high] for low, high in pairwise(bounds)]


@dataclass(frozen=True)
class Outcome:
    ledger: pl.DataFrame
    funnel: pl.DataFrame
    stream: pl.DataFrame
    budget: Budget
    available: dict[str, int]


def tokens_of(kept: pl.DataFrame) -> pa.LargeListArray:
    """Made-up tokens that tell whose they are: uid % 50000, then a count."""
    lengths = kept["n_tokens"].to_numpy().astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    values = (
        np.arange(bounds[-1])
        - np.repeat(bounds[:-1], lengths)
        + np.repeat(kept["uid"].to_numpy() % 50_000, lengths).astype(np.int64)
    )
    return pa.LargeListArray.from_arrays(bounds, (values % 65_536).astype(np.uint16))


def find_thresholds(level: Level, shards: list[pl.DataFrame], clusters: pl.Series) -> select.Thresholds:
    thresholds = select.Thresholds.of(level)
    while not thresholds.done:
        parts = [select.measure(level, s, thresholds, heldout.withheld(s, HELDOUT, clusters)) for s in shards]
        thresholds = select.settle(level, thresholds, search.merge(parts))
    return thresholds


def lay_out(shards: list[pl.DataFrame], kept: list[pl.DataFrame], amount: Budget, cut: layout.Cut, n_partitions: int):
    state = layout.boundary_search(amount, n_partitions)
    while not state.done:
        state = search.narrow(state, search.merge([layout.measure(state, k, amount, cut) for k in kept]))
    boundaries = layout.Boundaries.of(state, amount, n_partitions)
    laid = [layout.lay(k, tokens_of(k), amount, boundaries, cut) for k in kept]
    arranged = []
    for partition in range(n_partitions):
        parts = [part.partitions[partition] for part in laid if partition in part.partitions]
        if parts:
            pieces = pa.concat_tables(parts)
            arranged.append(pieces.take(layout.order(pieces, partition, amount, boundaries)).select(schema(pa.uint16()).names))
    return laid, pl.DataFrame(pa.concat_tables(arranged))


def run_level(
    level: Level,
    shards: list[pl.DataFrame],
    mixture: Mixture | None = None,
    pinned: dict[str, int] | None = None,
    n_partitions: int = 1,
    cut: layout.Cut | None = None,
    length: int | None = None,
) -> Outcome:
    """One level from frames to stream, as `curation.levels` says that a shell should run it; of `length` tokens, if given."""
    clusters = heldout.union([heldout.reference_clusters(s, HELDOUT) for s in shards])
    thresholds = find_thresholds(level, shards, clusters)
    ledgers = [select.select(level, s, thresholds, heldout.withheld(s, HELDOUT, clusters)) for s in shards]
    kept = [s.filter(rows["keep"]) for s, rows in zip(shards, ledgers, strict=True)]
    available = dict(pl.concat(kept).group_by("domain").agg(pl.col("n_tokens").cast(pl.Int64).sum()).sort("domain").iter_rows())
    amount = budget(level.name, mixture or Mixture("natural"), available, pinned or available)
    amount = replace(amount, length=Fraction(length)) if length else amount
    laid, stream = lay_out(shards, kept, amount, cut or layout.Cut(9, 64), n_partitions)
    final = [ledger.settle_mixture(rows, k, part, amount) for rows, k, part in zip(ledgers, kept, laid, strict=True)]
    funnel = ledger.merge([ledger.funnel(rows, s, amount) for rows, s in zip(final, shards, strict=True)])
    return Outcome(pl.concat(final), funnel, stream, amount, available)


@pytest.fixture(scope="session", name="make_pool")
def _make_pool():
    return make_pool


@pytest.fixture(scope="session", name="split")
def _split():
    return split


@pytest.fixture(scope="session", name="run_level")
def _run_level():
    return run_level


@pytest.fixture(scope="session", name="find_thresholds")
def _find_thresholds():
    return find_thresholds


@pytest.fixture(scope="session", name="lay_out")
def _lay_out():
    return lay_out


@pytest.fixture(scope="session", name="held")
def _held():
    return HELDOUT


@pytest.fixture(scope="session", name="tokens_of")
def _tokens_of():
    return tokens_of
