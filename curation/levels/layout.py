"""The order of a level's training stream: a pure function of what the level kept, whatever the shards and workers.

A document is cut into pieces of at most `piece_tokens`; a piece's key is a hash of (order seed, uid, piece). Within its
group (a domain, or the pooled small ones) the pieces stand in key order, and a piece's place in the stream is

    tokens of its group before it / share of its group

so every prefix of the stream has the groups' shares to within about one piece per group, nested levels keep a group's pieces in
the same relative order, and a shorter stream of a level is a prefix of a longer one.

A shell runs:
    state = boundary_search(budget, n_partitions)
    while not state.done:
        state = narrow(state, merge([measure(state, kept, budget, cut) for each shard]))      # map, reduce
    boundaries = Boundaries.of(state, budget, n_partitions)
    laid = [lay(kept, tokens, budget, boundaries, cut) for each shard]                        # map: pieces by partition
    rows = [order(partition p of all laid, p, budget, boundaries) for each p]                 # reduce: one token shard each

Shapes: K kept documents of a shard, P pieces.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.hashing import mix64, piece_uid, stream
from curation.levels.mixture import Budget
from curation.levels.search import Search, histogram


@dataclass(frozen=True)
class Cut:
    """How documents become ordered pieces: of at most `piece_tokens` tokens, ordered by `order_seed`."""

    order_seed: int
    piece_tokens: int

    @classmethod
    def of(cls, order_seed: int, context: int) -> "Cut":
        """Pieces of whole contexts, of some 2,048 tokens or one context: a run reads whole ones (`training.order`)."""
        return cls(order_seed, context * max(1, 2048 // context))


@dataclass(frozen=True)
class Pieces:
    """Arrays over pieces: the document's row in the frame, number in the document, first token, tokens, bytes, key, whether the
    document ends in it, group.

    A piece's bytes are the document's in proportion to its tokens, rounded so that they add up.
    """

    row_P: np.ndarray
    piece_P: np.ndarray
    start_P: np.ndarray
    n_tokens_P: np.ndarray
    n_bytes_P: np.ndarray
    key_P: np.ndarray
    last_P: np.ndarray
    group_P: pl.Series


def pieces(kept: pl.DataFrame, budget: Budget, cut: Cut) -> Pieces:
    """Cut the kept documents of a shard (`doc_id`, `uid`, `domain`, `n_tokens`, `n_bytes`)."""
    n_tokens_K = kept["n_tokens"].to_numpy().astype(np.int64)
    n_bytes_K = kept["n_bytes"].to_numpy().astype(np.int64)
    count_K = -(-n_tokens_K // cut.piece_tokens)
    row_P = np.repeat(np.arange(len(kept)), count_K)
    piece_P = np.arange(len(row_P)) - np.repeat(np.cumsum(count_K) - count_K, count_K)
    start_P = piece_P * cut.piece_tokens
    end_P = np.minimum(start_P + cut.piece_tokens, n_tokens_K[row_P])
    # bytes x tokens of one document stay below 2**63 up to 2 GB
    bytes_before = lambda token_P: n_bytes_K[row_P] * token_P // np.maximum(n_tokens_K[row_P], 1)  # noqa: E731
    uid_P = kept["uid"].to_numpy()[row_P]
    return Pieces(
        row_P=row_P,
        piece_P=piece_P.astype(np.uint32),
        start_P=start_P,
        n_tokens_P=end_P - start_P,
        n_bytes_P=bytes_before(end_P) - bytes_before(start_P),
        key_P=mix64(stream(cut.order_seed, "training order"), piece_uid(uid_P, piece_P)),
        last_P=end_P == n_tokens_K[row_P],
        group_P=kept["domain"].replace_strict(budget.group, return_dtype=pl.String).gather(row_P),
    )


def boundary_search(budget: Budget, n_partitions: int) -> Search:
    """The search for the piece that ends each group's part of each partition."""
    rows = [(group, target) for group, _, target, _ in _targets(budget, n_partitions)]
    return Search(pl.DataFrame(rows, {"group": pl.String, "target": pl.Float64}, orient="row"))


def measure(state: Search, kept: pl.DataFrame, budget: Budget, cut: Cut) -> pl.DataFrame:
    """Map: the tokens of a shard's pieces by group and leading bits of their keys."""
    cuts = pieces(kept, budget, cut)
    return histogram(state, cuts.key_P, cuts.n_tokens_P, cuts.group_P)


@dataclass(frozen=True)
class Boundaries:
    """Where the groups' parts of the partitions end: one row of `ends` per group and partition, in this order.

    `group`, `partition`, `epoch` uint32 and `key` uint64 of the last piece taken, `through`: the group's tokens in the stream
    up to and including it. Partition `n_partitions`, past the last row, is what the stream has no room for.
    """

    ends: pl.DataFrame
    n_partitions: int

    @classmethod
    def of(cls, state: Search, budget: Budget, n_partitions: int) -> "Boundaries":
        assert state.done
        assert state.targets is not None
        wanted = pl.DataFrame(
            _targets(budget, n_partitions),
            {"group": pl.String, "partition": pl.UInt32, "target": pl.Float64, "epoch": pl.UInt32},
            orient="row",
        )
        stock = pl.col("group").replace_strict(budget.available, return_dtype=pl.UInt64)
        found = state.targets.select("key", through=pl.col("through").cast(pl.UInt64))
        ends = pl.concat([wanted.drop("target"), found], how="horizontal")
        return cls(ends.with_columns(through=pl.col("through") + pl.col("epoch") * stock), n_partitions)

    def partition(self, group: str, epoch: int, key_P: np.ndarray) -> np.ndarray:
        """The partition of each of a group's pieces in an epoch: int64[P]."""
        mine = self.ends.filter(group=group)
        if mine.is_empty():
            return np.full(len(key_P), self.n_partitions)
        earlier = int((mine["epoch"] < epoch).sum())
        return earlier + np.searchsorted(mine.filter(epoch=epoch)["key"].to_numpy(), key_P, side="left")

    def before(self, group: str, partition: int) -> int:
        """The group's tokens in the stream before a partition."""
        if partition == 0:
            return 0
        return int(self.ends.filter(group=group, partition=partition - 1)["through"].item())


@dataclass(frozen=True)
class Laid:
    """A shard's part of the stream.

    `partitions` maps a partition to its pieces, for `arrange`; `tokens_K` and `bytes_K` count what each kept document has
    in the stream (once, however many epochs).
    """

    partitions: dict[int, pa.Table]
    tokens_K: np.ndarray
    bytes_K: np.ndarray


def lay(kept: pl.DataFrame, tokens: pa.ListArray | pa.LargeListArray, budget: Budget, boundaries: Boundaries, cut: Cut) -> Laid:
    """Map: the pieces of a shard's kept documents, by partition; `tokens` has a list per row of `kept`."""
    cuts = pieces(kept, budget, cut)
    partition_P = np.empty(len(cuts.row_P), np.int64)
    found = []
    tokens_K = bytes_K = np.zeros(len(kept), np.int64)
    grouped = cuts.group_P.to_frame("group").with_row_index("row").group_by("group", maintain_order=True).agg("row")
    rows_by_group = [(group, rows.to_numpy()) for group, rows in zip(grouped["group"], grouped["row"], strict=True)]
    for epoch in range(_epochs(budget)):
        for group, here in rows_by_group:
            partition_P[here] = boundaries.partition(group, epoch, cuts.key_P[here])
        inside_P = partition_P < boundaries.n_partitions
        if epoch == 0:
            tokens_K = np.bincount(cuts.row_P, cuts.n_tokens_P * inside_P, len(kept)).astype(np.int64)
            bytes_K = np.bincount(cuts.row_P, cuts.n_bytes_P * inside_P, len(kept)).astype(np.int64)
        found += [
            (int(partition), _rows(kept, tokens, cuts, np.flatnonzero(partition_P == partition), epoch))
            for partition in np.unique(partition_P[inside_P])
        ]
    partitions = {p: pa.concat_tables([table for q, table in found if q == p]) for p in sorted({p for p, _ in found})}
    return Laid(partitions, tokens_K, bytes_K)


def order(parts: pa.Table, partition: int, budget: Budget, boundaries: Boundaries) -> pa.Array:
    """Reduce: the training order of a partition's pieces of all shards, as row numbers: token shard number `partition`."""
    rows = pl.DataFrame(parts.select(["group", "epoch", "key", "uid", "piece"]))
    # not by polars, which would copy the tokens to count them
    lengths = pc.list_value_length(parts["tokens"])  # pyright: ignore[reportAttributeAccessIssue]
    rows = rows.with_columns(n=pl.Series(lengths).cast(pl.Int64))
    groups = rows["group"].unique().to_list()
    start = pl.col("group").replace_strict({g: boundaries.before(g, partition) for g in groups}, return_dtype=pl.Int64)
    share = pl.col("group").replace_strict({g: float(budget.shares[g]) for g in groups}, return_dtype=pl.Float64)
    rows = rows.with_row_index("row").sort("group", "epoch", "key", "uid", "piece")
    before = start + pl.col("n").cum_sum().over("group") - pl.col("n")
    rows = rows.with_columns(place=before / share).sort("place", "key", "uid", "piece", "epoch")
    return rows["row"].to_arrow()


def _targets(budget: Budget, n_partitions: int) -> list[tuple[str, int, float, int]]:
    """For each group and partition: group, partition, tokens of the group's last epoch there up to its end, that epoch."""
    rows = []
    for group, share in budget.shares.items():
        for partition in range(n_partitions):
            through = ceil(share * budget.length * (partition + 1) / n_partitions)
            epoch = ceil(through / budget.available[group]) - 1
            rows.append((group, partition, through - epoch * budget.available[group], epoch))
    return rows


def _epochs(budget: Budget) -> int:
    return max(ceil(tokens / budget.available[group]) for group, tokens in budget.tokens.items())


def _rows(
    kept: pl.DataFrame, tokens: pa.ListArray | pa.LargeListArray, cuts: Pieces, chosen_P: np.ndarray, epoch: int
) -> pa.Table:
    row_P = cuts.row_P[chosen_P]
    uid_P, doc_P = (kept[name].to_numpy()[row_P] for name in ("uid", "doc_id"))
    # views into the shard's tokens, copied once: an index for every token would take eight times the tokens' own memory
    start_P = tokens.offsets.to_numpy().astype(np.int64)[row_P] + cuts.start_P[chosen_P]
    n_tokens_P = cuts.n_tokens_P[chosen_P]
    views = pa.LargeListViewArray.from_arrays(pa.array(start_P), pa.array(n_tokens_P), tokens.values)
    bounds_P = pa.array(np.concatenate([[0], np.cumsum(n_tokens_P)]))
    return pa.table(
        {
            "group": pl.Series(cuts.group_P.gather(chosen_P)).to_arrow(),
            "epoch": pa.array(np.full(len(chosen_P), epoch, np.uint32)),
            "key": cuts.key_P[chosen_P],
            "uid": uid_P,
            "doc_id": doc_P,
            "piece": cuts.piece_P[chosen_P],
            "last": cuts.last_P[chosen_P],
            "domain": kept["domain"].gather(row_P).to_arrow(),
            "tokens": pa.LargeListArray.from_arrays(bounds_P, views.flatten()),
            "n_bytes": cuts.n_bytes_P[chosen_P].astype(np.uint32),
        }
    )
