"""What a level's training stream is made of: its documents with the tokens that each has in it, and their signals.

A pool shard gives its `documents`. Their sums, score histograms and duplicate clusters are small tables that add up over
shards, so nowhere do the documents of a whole level come together.

Shapes: D documents of the stream that come from one pool shard.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from math import sqrt
from typing import TypedDict

import numpy as np
import polars as pl

from curation.hashing import mix64, stream
from curation.levels.heldout import WITHHELD
from curation.levels.ledger import ADDED, EDITED_AWAY, IN, KEPT
from curation.levels.level import DUPLICATE_REASONS
from curation.quality.axes import QUANTILES, REMOVED, Measure

SCORE_BITS = 11  # of a float32's 23 fraction bits that a histogram forgets: quantiles are right to one part in 8,192


class Counts(TypedDict):
    """Sums over documents of the stream; a repeated pass counts in `tokens` alone, an added copy not in `pool_tokens`."""

    documents: int
    tokens: int
    first_tokens: int
    pool_tokens: int


def documents(pieces: pl.DataFrame) -> pl.DataFrame:
    """The documents of a shard's pieces: `doc_id`, `uid` (a copy has its own), `tokens` of all passes, `first_tokens` of one.

    `pieces` has doc_id, uid, epoch and n_tokens. Rows are in the order of doc_id and uid.
    """
    tokens = pl.col("n_tokens").cast(pl.Int64)
    return (
        pieces.group_by("doc_id", "uid")
        .agg(tokens=tokens.sum(), first_tokens=tokens.filter(pl.col("epoch") == 0).sum())
        .sort("doc_id", "uid")
    )


def counts(rows: pl.DataFrame, original_D: pl.Series) -> Counts:
    """The sums of some `documents`; `original_D` says which of them are no copies."""
    return {
        "documents": len(rows),
        "tokens": int(rows["tokens"].sum()),
        "first_tokens": int(rows["first_tokens"].sum()),
        "pool_tokens": int(rows.filter(original_D)["first_tokens"].sum()),
    }


def add(parts: Iterable[Counts]) -> Counts:
    """The counts of several shards together."""
    listed = list(parts)
    documents, tokens, first, pool = (
        sum(part[key] for part in listed) for key in ("documents", "tokens", "first_tokens", "pool_tokens")
    )
    return {"documents": documents, "tokens": tokens, "first_tokens": first, "pool_tokens": pool}


def sizes(counts: Counts, pool_tokens: int) -> dict[str, Measure]:
    """`kept`, `document_tokens`, `epochs`."""
    return {
        "kept": Measure(counts["pool_tokens"] / max(pool_tokens, 1)),
        "document_tokens": Measure(counts["first_tokens"] / max(counts["documents"], 1)),
        "epochs": Measure(counts["tokens"] / max(counts["first_tokens"], 1)),
    }


def score_bins(name: str, score_D: np.ndarray, tokens_D: np.ndarray) -> pl.DataFrame:
    """A shard's histogram of one score (0 or more): `name`, `bin`, `tokens`, and `sum`, the token-weighted scores."""
    bits = np.asarray(score_D, np.float32).view(np.uint32) >> np.uint32(SCORE_BITS)
    rows = pl.DataFrame({"bin": bits, "tokens": tokens_D, "sum": score_D.astype(np.float64) * tokens_D})
    return merge_bins([rows.filter(pl.Series(np.isfinite(score_D))).select(pl.lit(name).alias("name"), pl.all())])


def merge_bins(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The histograms of several shards together, rows in order, sums in the order of the shards."""
    bins = pl.concat(parts).group_by("name", "bin", maintain_order=True).agg(pl.col("tokens", "sum").sum())
    return bins.sort("name", "bin")


def scores(bins: pl.DataFrame) -> dict[str, Measure]:
    """`NAME.score`, the mean over tokens, and `NAME.score.p10` and so on: below it is that share of the tokens."""
    found = {}
    for (name,), rows in bins.group_by("name", maintain_order=True):
        tokens = rows["tokens"].to_numpy()
        if not (whole := int(tokens.sum())):
            continue
        middle = (rows["bin"].to_numpy().astype(np.uint32) << np.uint32(SCORE_BITS)) | np.uint32(1 << (SCORE_BITS - 1))
        found[f"{name}.score"] = Measure(float(rows["sum"].sum()) / whole)
        through = np.cumsum(tokens)
        for label, q in QUANTILES.items():
            at = int(np.searchsorted(through, q * whole, side="left"))
            found[f"{name}.score.{label}"] = Measure(float(middle[at].view(np.float32)))
    return found


def drawn_clusters(rows: pl.DataFrame, rate: float, seed: int) -> pl.DataFrame:
    """Documents (`cluster`, `exact`, `tokens`) of the clusters that are drawn by their hash, `rate` of all."""
    limit = np.uint64(min(int(rate * 2**64), 2**64 - 1))
    return rows.filter(pl.Series(mix64(stream(seed, "quality clusters"), rows["cluster"].to_numpy()) <= limit))


def duplicates(drawn: pl.DataFrame, rate: float, tokens: int) -> dict[str, Measure]:
    """`duplicates.near` and `.exact`: the share of the stream's `tokens` that are in any but the longest document of their
    cluster, or of their exact copies.

    Estimated from `rate` of the clusters by Horvitz and Thompson (1952), with their variance for draws independent of each
    other: the error is 0 where all clusters are read.
    """
    found = {}
    for axis, alike in (("duplicates.exact", ["cluster", "exact"]), ("duplicates.near", ["cluster"])):
        again = drawn.group_by(alike).agg(pl.col("tokens").sum() - pl.col("tokens").max())
        by_cluster = again.group_by("cluster").agg(pl.col("tokens").sum())["tokens"].sort().to_numpy().astype(np.float64)
        error = sqrt(float((by_cluster**2).sum()) * (1 - rate)) / rate
        found[axis] = Measure(float(by_cluster.sum()) / rate / max(tokens, 1), error / max(tokens, 1))
    return found


def removed(funnel: Iterable[Mapping[str, object]], signals: Collection[str]) -> dict[str, Measure]:
    """`removed.FAMILY`: the share of the pool's tokens that each family of rules took, in the order of the rules."""
    rows = [(str(row["reason"]), int(str(row["tokens"]))) for row in funnel]
    entered = dict(rows)[IN]
    taken: dict[str, int] = {}
    for reason, tokens in rows:
        if reason not in (IN, ADDED, KEPT):
            name = family(reason, signals)
            taken[name] = taken.get(name, 0) + tokens
    return {f"{REMOVED}{name}": Measure(tokens / max(entered, 1)) for name, tokens in taken.items() if tokens}


def family(reason: str, signals: Collection[str]) -> str:
    """The family of a ledger's reason: the first signal that the rule reads, or one of `axes.FAMILIES`."""
    if reason in WITHHELD:
        return "withheld"
    if reason in DUPLICATE_REASONS:
        return "duplicates"
    if reason == EDITED_AWAY:
        return "edits"
    for begin, name in (("top ", "top"), ("random: ", "random"), ("mixture: ", "mixture")):
        if reason.startswith(begin):
            return name
    read = (match for match in re.findall(r"\b([A-Za-z][\w-]*)\.\w", reason))
    return next((name for name in read if name in signals), "other")
