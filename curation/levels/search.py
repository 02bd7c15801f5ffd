"""Exact thresholds over a pool of any size: a radix selection on 64-bit keys, 16 bits a round.

Sorting the whole pool to find "the best 10 % of the tokens" would need memory that grows with it. Instead every shard
sends the weight of its keys by their next 16 bits (`histogram`, the map), the sums tell which of the 65,536 bins each
target falls into (`narrow`, the reduce), and the next round looks inside those bins only. After at most four rounds each
target is one exact key. Rounds end early once every chosen bin holds a single key. The answer depends on neither the
boundaries nor the order of the shards.

Keys ascend: the documents taken first have the smallest keys. What is taken for a target is every key k with

    weight of the group's keys strictly below k  <  target

so that what is taken reaches the target, passing it by less than the last key's weight, and is never empty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from curation.hashing import mix64, stream

DIGIT_BITS = 16
KEY_BITS = 64


@dataclass(frozen=True)
class Search:
    """Where a selection stands: how much is wanted, and what of the keys is known.

    Where no targets are given, the first round makes one for every group there is: `share` of the group's weight, `weight` (the
    same for each group), or `total`, divided among the groups in proportion to their weight. `targets` has one row per target,
    several per group allowed: `group` string, `target` float64, in weight; after a round `head` uint64, the key's leading
    `bits` bits, and `before`, the weight of keys below `head`; once done `key` uint64, the last key taken, and `through`, the
    weight of the keys up to and including it.
    """

    targets: pl.DataFrame | None = None
    share: float | None = None
    weight: float | None = None
    total: float | None = None
    bits: int = 0
    done: bool = False

    def keys(self) -> dict[str, int]:
        """The last key taken in each group. For searches with one target per group; a group without documents has none."""
        assert self.done
        assert self.targets is not None
        return dict(self.targets.select("group", "key").iter_rows())


def search(targets: Mapping[str, float]) -> Search:
    """A search for the given weight in each group."""
    schema = {"group": pl.String, "target": pl.Float64}
    return Search(pl.DataFrame({"group": list(targets), "target": list(targets.values())}, schema))


def histogram(state: Search, key_N: np.ndarray, weight_N: np.ndarray, group_N: pl.Series) -> pl.DataFrame:
    """Map: one shard's weight by group and the leading ``state.bits + 16`` bits of its keys, inside the bins still searched.

    Columns `group`, `head` (uint64), `weight` (uint64), `low`, `high` (smallest and largest key). At most 65,536 rows per
    target, and never more than documents.
    """
    heads_N = key_N >> np.uint64(KEY_BITS - DIGIT_BITS - state.bits)
    rows = pl.DataFrame({"group": group_N, "head": heads_N, "key": key_N, "weight": weight_N.astype(np.uint64)})
    if state.targets is not None:
        if state.bits:
            rows = rows.with_columns(parent=pl.col("head") // 2**DIGIT_BITS)
            rows = rows.join(state.targets.select("group", parent="head").unique(), on=["group", "parent"], how="semi")
        else:
            rows = rows.join(state.targets.select("group").unique(), on="group", how="semi")
    return _total(rows.with_columns(low="key", high="key"))


def merge(histograms: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The histogram of several shards together, in any order and grouping."""
    return _total(pl.concat(histograms))


def narrow(state: Search, bins: pl.DataFrame) -> Search:
    """Reduce: one round further, given the merged histogram of all shards.

    A group that no shard has leaves the search: there is nothing to take.
    """
    bins = bins.sort("group", "head").with_columns(parent=pl.col("head") // 2**DIGIT_BITS)
    if state.targets is None:
        targets = bins.group_by("group").agg(target=_wanted(state, float(bins["weight"].sum())).cast(pl.Float64)).sort("group")
    else:
        targets = state.targets
    within = ["group", "parent"] if state.bits else ["group"]
    targets = targets.rename({"head": "parent"}) if state.bits else targets.with_columns(before=pl.lit(0, pl.UInt64))
    bins = bins.with_columns(inside=pl.col("weight").cum_sum().over(within) - pl.col("weight"))
    candidates = targets.with_row_index("order").join(bins, on=within)
    candidates = candidates.with_columns(below=pl.col("before") + pl.col("inside"))
    # of the bins that begin under the target, the last; of a target of nothing, the first bin
    under = pl.col("below") < pl.col("target")
    chosen = candidates.filter(under | (pl.col("head") == pl.col("head").min().over("order")))
    chosen = chosen.sort("order", "head").group_by("order", maintain_order=True).last()
    done = state.bits + DIGIT_BITS == KEY_BITS or bool((chosen["low"] == chosen["high"]).all())
    columns = [pl.col("group"), pl.col("target"), pl.col("head"), pl.col("below").alias("before")]
    if done:
        columns += [pl.col("low").alias("key"), (pl.col("below") + pl.col("weight")).alias("through")]
    return Search(chosen.select(columns), bits=state.bits + DIGIT_BITS, done=done)


def _wanted(state: Search, whole: float) -> pl.Expr:
    """The weight wanted of each group, by its bins; `whole` is the weight of all groups."""
    if state.weight is not None:
        return pl.lit(state.weight)
    share = pl.lit(state.share) if state.share is not None else pl.lit(state.total) / max(whole, 1)
    return share * pl.col("weight").sum()


def taken(state: Search, key_N: np.ndarray, group_N: pl.Series) -> np.ndarray:
    """Which keys are taken: bool[N], for searches with one target per group."""
    last = group_N.replace_strict(state.keys(), default=None, return_dtype=pl.UInt64)
    return (pl.Series(key_N) <= last).fill_null(False).to_numpy()


def ranking_key(score_N: np.ndarray, uid_N: np.ndarray) -> np.ndarray:
    """Keys for the best score first, ties by hash of `uid`: uint64.

    The complement of the float32 score's order in the upper 32 bits, the upper half of the hash below.
    """
    order_N = ~_ascending((np.asarray(score_N, np.float32) + np.float32(0)).view(np.uint32), np.uint32(31))
    return order_N.astype(np.uint64) << np.uint64(32) | mix64(stream(0, "ties in a ranking"), uid_N) >> np.uint64(32)


def ranking_score(key: int) -> float:
    """The float32 score of a `ranking_key`."""
    order = ~np.uint32(key >> 32)
    sign = np.uint32(1 << 31)
    bits = order ^ sign if order & sign else ~order
    return float(bits.view(np.float32))


def value_key(value_N: np.ndarray) -> np.ndarray:
    """Keys in the order of float64 values: uint64, undone by `key_value`."""
    return _ascending((np.asarray(value_N, np.float64) + 0.0).view(np.uint64), np.uint64(63))


def key_value(key: int) -> float:
    """The float64 value of a `value_key`."""
    sign = 1 << 63
    bits = key ^ sign if key & sign else ~key & 0xFFFFFFFFFFFFFFFF
    return float(np.uint64(bits).view(np.float64))


def _ascending(bits: np.ndarray, sign_bit: np.unsignedinteger) -> np.ndarray:
    """IEEE bit patterns as unsigned integers in the order of the numbers (Herf 2001, radix tricks)."""
    one = bits.dtype.type(1)
    negative = (bits >> sign_bit).astype(bool)
    return np.where(negative, ~bits, bits | (one << sign_bit))


def _total(bins: pl.DataFrame) -> pl.DataFrame:
    return bins.group_by("group", "head").agg(pl.col("weight").sum(), pl.col("low").min(), pl.col("high").max())
