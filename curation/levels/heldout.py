"""Evaluation documents, carved out of the pool before any level is made.

A whole duplicate cluster is held out or none of it: it is when the hash of the cluster falls under the fraction, so the
choice needs no list, and no near duplicate of an evaluation document is left to train on. Sources declared as references
are kept out of every level as well, with every cluster that one of their documents belongs to.

The evaluation set takes one document of each held-out cluster, its survivor, where it is long enough to score, and of each
domain at most a number of tokens, in hash order. References are evaluated as they are, with the same cap per source.

Frames have `doc_id`, `uid`, `source`, `domain`, `n_tokens`, `n_bytes`, `duplicates.cluster` and `duplicates.survivor`;
`withheld` and `reference_clusters` read the source and the cluster only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from curation.hashing import mix64, stream
from curation.levels.level import CLUSTER
from curation.levels.search import Search, histogram, taken

REFERENCE = "reference"
NEAR_REFERENCE = "duplicate of a reference"
HELD_OUT = "held out"
EXAMPLES = "classifier examples"
EMPTY = "no tokens"
WITHHELD = (REFERENCE, NEAR_REFERENCE, HELD_OUT, EXAMPLES, EMPTY)


@dataclass(frozen=True)
class Heldout:
    """`fraction` of the clusters is held out; `references` are sources that no level trains on.

    Of a domain or reference about `tokens_per_set` tokens are evaluated, in documents of `min_tokens` or more.
    """

    seed: int
    fraction: float
    tokens_per_set: int
    min_tokens: int = 32
    references: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()  # sources that only give classifiers their examples


def reference_clusters(frame: pl.DataFrame, heldout: Heldout) -> pl.Series:
    """Map: the clusters that a shard's reference documents belong to (uint64, sorted).

    Their union goes to `withheld`. It grows with the references, not with the pool.
    """
    return frame.filter(pl.col("source").is_in(heldout.references))[CLUSTER].unique().sort()


def union(clusters: Iterable[pl.Series]) -> pl.Series:
    """Reduce: the clusters of all shards."""
    return pl.concat([pl.Series([], dtype=pl.UInt64), *clusters]).unique().sort().alias("clusters")


def withheld(frame: pl.DataFrame, heldout: Heldout, clusters: pl.Series) -> pl.Series:
    """Why a document is in no level: one of `WITHHELD`, or null where it is in the pool of all levels. Enum[D].

    `EMPTY` is not said here but by `select.select`: nothing is known of tokens yet where tokenisers are trained.
    """
    limit = np.uint64(min(int(heldout.fraction * 2**64), 2**64 - 1))
    held_D = mix64(stream(heldout.seed, "held-out clusters"), frame[CLUSTER].to_numpy()) < limit
    kind = pl.Enum(WITHHELD)
    reason = (
        pl.when(pl.col("source").is_in(heldout.references))
        .then(pl.lit(REFERENCE, kind))
        .when(pl.col(CLUSTER).is_in(clusters.implode()))
        .then(pl.lit(NEAR_REFERENCE, kind))
        .when(pl.Series(held_D))
        .then(pl.lit(HELD_OUT, kind))
        .when(pl.col("source").is_in(heldout.examples))
        .then(pl.lit(EXAMPLES, kind))
    )
    return frame.select(withheld=reason).to_series()


def evaluation_search(heldout: Heldout) -> Search:
    """The search for each set's last document: `measure` it over all shards and `search.narrow` it until done."""
    return Search(weight=heldout.tokens_per_set)


def measure(state: Search, frame: pl.DataFrame, heldout: Heldout, clusters: pl.Series) -> pl.DataFrame:
    """Map: the shard's evaluation candidates by set and hash."""
    rows, key_E = _candidates(frame, heldout, clusters)
    return histogram(state, key_E, rows["n_tokens"].to_numpy(), rows["set"])


def evaluation(state: Search, frame: pl.DataFrame, heldout: Heldout, clusters: pl.Series) -> pl.DataFrame:
    """The shard's evaluation documents: `doc_id`, `uid`, `domain`, `n_tokens`, `n_bytes`, `sets`.

    `sets` has `heldout` and `domain:<its domain>`, or `reference:<its source>`. The evaluation set is those of all shards, in
    the order of `uid`. `own:<level>` is for the shell to add, by `select.passes`, beside them: it changes with the level.
    """
    rows, key_E = _candidates(frame, heldout, clusters)
    rows = rows.filter(pl.Series(taken(state, key_E, rows["set"])))
    is_reference = pl.col("set").str.starts_with("reference:")
    sets = pl.when(is_reference).then(pl.concat_list("set")).otherwise(pl.concat_list(pl.lit("heldout"), "set"))
    return rows.select("doc_id", "uid", "domain", "n_tokens", "n_bytes", sets=sets)


def _candidates(frame: pl.DataFrame, heldout: Heldout, clusters: pl.Series) -> tuple[pl.DataFrame, np.ndarray]:
    why = withheld(frame, heldout, clusters)
    candidate = (why == REFERENCE) | ((why == HELD_OUT) & frame["duplicates.survivor"])
    rows = frame.with_columns(why=why).filter(candidate & (frame["n_tokens"] >= heldout.min_tokens))
    reference = pl.col("why") == REFERENCE
    name = pl.when(reference).then(pl.format("reference:{}", "source")).otherwise(pl.format("domain:{}", "domain"))
    rows = rows.with_columns(set=name)
    return rows, mix64(stream(heldout.seed, "evaluation passages"), rows["uid"].to_numpy())
