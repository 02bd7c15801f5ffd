"""Small tables of the report from large ones of the work directory. Each takes one shard or stack at a time and adds up."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from pipelines.report.facts import Bin, LengthBin, Overlap, Paired
from pipelines.report.frames import JsonObject

UNITS = ("documents", "bytes", "tokens")
LENGTH_EDGES = [2.0**k for k in range(18)]
CLUSTER_EDGES = [1.0, 2.0, 3.0, 5.0, 9.0, 17.0, 33.0, 65.0, 257.0, 1025.0]


def since_parent(parent: str, rows: list[Any], before: list[Any]) -> list[Any]:
    """A level's rows of a funnel (reason, None for what is kept, and `UNITS`), with those at the top that its parent has alike,
    two or more, as one: the parent's rows have them one by one."""
    seen = {row["reason"]: row for row in before}
    shared = [
        row for row in rows if row["reason"] in seen and row["reason"] and all(row[u] == seen[row["reason"]][u] for u in UNITS)
    ]
    if len(shared) < 2 or rows[: len(shared)] != shared:
        return rows
    return [{"reason": f"as in {parent}", **{u: sum(row[u] for row in shared) for u in UNITS}}, *rows[len(shared) :]]


def length_bins(level: str, n_tokens: Iterable[np.ndarray]) -> list[LengthBin]:
    """Documents by length, in bins that double from 1 token; the last bin holds all that are longer."""
    return [{"level": level, **bin_} for bin_ in _histogram(n_tokens, LENGTH_EDGES)]


def cluster_bins(cluster_size: Iterable[np.ndarray]) -> list[Bin]:
    """Documents by the size of the duplicate cluster they are in (1: no copy)."""
    return _histogram(cluster_size, CLUSTER_EDGES)


def _histogram(values: Iterable[np.ndarray], edges: list[float]) -> list[Bin]:
    count = np.zeros(len(edges), dtype=np.int64)
    for part in values:
        place = np.searchsorted(edges, np.maximum(part, edges[0]), side="right") - 1
        count += np.bincount(place, minlength=len(edges))
    last = int(np.flatnonzero(count).max(initial=0)) + 1
    highs = [*edges[1:], edges[-1] * 2]
    return [{"low": edges[i], "high": highs[i], "documents": int(count[i])} for i in range(last)]


def overlap(level: str, failed: Iterable[pl.Series], reasons: list[str]) -> Overlap:
    """How many documents fail each pair of rules. `failed`: per shard, every rule each document fails (list of text)."""
    total = np.zeros((len(reasons), len(reasons)), dtype=np.int64)
    for shard in failed:
        shard = shard.cast(pl.List(pl.String))
        fails_DR = np.stack([shard.list.contains(pl.lit(reason)).fill_null(False).to_numpy() for reason in reasons], axis=1)
        counts_DR = fails_DR.astype(np.int64)
        total += counts_DR.T @ counts_DR
    return {"level": level, "reasons": reasons, "documents": total.tolist()}


def paired(losses: pl.DataFrame, sets: pl.DataFrame, shape: str, baseline: str) -> list[Paired]:
    """Each level's losses minus the baseline's on the same documents, seed and D.

    losses: level, seed, tokens, doc_id, nats, n_tokens (a stack's losses.parquet); sets: doc_id, set, weight, a row for each
    document of each set. The difference is per token over the whole set, its standard error that of a ratio estimator over
    documents, both with the documents' weights; `better` and the quantiles are of documents, all alike.
    """
    key = ["seed", "tokens", "doc_id"]
    base = losses.filter(pl.col("level") == baseline).select(*key, base="nats")
    other = losses.filter(pl.col("level") != baseline).join(base, on=key).join(sets, on="doc_id")
    weight, difference = pl.col("weight"), pl.col("nats") - pl.col("base")
    whole = (weight * pl.col("n_tokens")).sum()
    ratio = (weight * difference).sum() / whole
    residual = weight * (difference - ratio * pl.col("n_tokens"))
    per_token = difference / pl.col("n_tokens")
    rows = (
        other.filter(~pl.col("set").str.starts_with("own:"))
        .group_by("set", "level", "seed", "tokens")
        .agg(
            difference=ratio,
            se=(residual**2).sum().sqrt() / whole * (pl.len() / (pl.len() - 1).clip(lower_bound=1)).sqrt(),
            documents=pl.len(),
            better=(difference < 0).mean(),
            quantiles=pl.concat_list(per_token.quantile(q, "linear") for q in (0.05, 0.25, 0.5, 0.75, 0.95)),
        )
        .sort("set", "level", "seed", "tokens")
    )
    return [
        {
            "eval_set": row["set"],
            "level": row["level"],
            "baseline": baseline,
            "shape": shape,
            "seed": row["seed"],
            "tokens": row["tokens"],
            "difference": row["difference"],
            "se": row["se"],
            "documents": row["documents"],
            "better": row["better"],
            "quantiles": row["quantiles"],
        }
        for row in rows.to_dicts()
    ]


def speed(lines: Iterable[JsonObject]) -> tuple[float, float | None, int]:
    """Median tokens per second and MFU (None where the device's peak is unknown) over the intervals of training that
    `lines` of metrics.jsonl tell of, and how many runs went together."""
    told = [line for line in lines if line["event"] == "train"]
    shares = [line["mfu"] for line in told if line["mfu"] is not None]
    tokens_per_second = float(np.median([line["tokens_per_second"] for line in told]))
    return tokens_per_second, float(np.median(shares)) if shares else None, max(len(line["loss"]) for line in told)


NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"


def margin(reason: pl.Expr, value: pl.Expr) -> pl.Expr:
    """How far a dropped document's value is from its rule's threshold, as a share of the threshold; infinite without numbers.

    reason: a conjunct such as `gopher_quality.n_words >= 50`; value: what the ledger says of the document, such as `47.0`.
    Sorting by it brings up the documents that a slightly different threshold would have kept.
    """
    limit = reason.str.extract(NUMBER + "$").cast(pl.Float64, strict=False)
    seen = value.str.extract(NUMBER + r"\D*$").cast(pl.Float64, strict=False)
    scale = pl.when(limit.abs() > 0).then(limit.abs()).otherwise(1.0)
    return ((seen - limit).abs() / scale).fill_null(float("inf"))
