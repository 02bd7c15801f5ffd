"""Clusters: connected components of edges between documents, in memory or over partitions, and the survivor of each.

Over partitions the components come from large-star and small-star (Kiveris, Lattanzi, Mirrokni, Rastogi, Vassilvitskii,
"Connected Components in MapReduce and Beyond", SoCC 2014), alternated until the edges stand still. Both are functions of one
partition's rows; whoever runs them sends every row to the partition of its first column (`partition_of`) in between.

Shapes: E edges, N nodes (documents with an edge), R rows of a partition.
"""

import numpy as np
import polars as pl
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from curation.hashing import mix64

Edges = tuple[np.ndarray, np.ndarray]  # (uint64[E], uint64[E])


def components(a_E: np.ndarray, b_E: np.ndarray) -> Edges:
    """(node_N ascending, root_N): every node of an edge and the lowest node of its component. O(E log E) time, O(E) memory."""
    node_N, index = np.unique(np.concatenate([a_E, b_E]), return_inverse=True)
    if len(node_N) == 0:
        return node_N, node_N
    index = index.astype(np.int32) if len(node_N) < 2**31 else index
    graph = coo_array((np.ones(len(a_E), np.int8), (index[: len(a_E)], index[len(a_E) :])), shape=(len(node_N),) * 2)
    _, label_N = connected_components(graph, directed=False)
    _, lowest = np.unique(label_N, return_index=True)  # nodes ascend, so a label's first node is its lowest
    return node_N, node_N[lowest[label_N]]


def forest(a_E: np.ndarray, b_E: np.ndarray) -> Edges:
    """(root, node): the same components with one edge per node but the root, ascending by node: fewest edges to send."""
    node_N, root_N = components(a_E, b_E)
    leaf = node_N != root_N
    return root_N[leaf], node_N[leaf]


def both_ways(a_E: np.ndarray, b_E: np.ndarray) -> Edges:
    """Every edge from both of its ends: the rows that `large_star` reads."""
    return np.concatenate([a_E, b_E]), np.concatenate([b_E, a_E])


def downwards(a_E: np.ndarray, b_E: np.ndarray) -> Edges:
    """Every edge from its higher end: the rows that `small_star` reads."""
    return np.maximum(a_E, b_E), np.minimum(a_E, b_E)


def partition_of(node: np.ndarray, partitions: int) -> np.ndarray:
    """int64: the partition whose task sees all rows of a node."""
    return (mix64(0, node) % np.uint64(partitions)).astype(np.int64)


def large_star(u_R: np.ndarray, v_R: np.ndarray) -> Edges:
    """For each node u with neighbours v: join every v > u to the lowest of u and its neighbours."""
    u_R, v_R, lowest_R = _lowest_neighbour(u_R, v_R)
    larger = v_R > u_R
    return _distinct(v_R[larger], lowest_R[larger])


def small_star(u_R: np.ndarray, v_R: np.ndarray) -> Edges:
    """For each node u with neighbours v < u: join u and every v to the lowest v."""
    u_R, v_R, lowest_R = _lowest_neighbour(u_R, v_R)
    other = v_R != lowest_R
    return _distinct(np.concatenate([v_R[other], u_R]), np.concatenate([lowest_R[other], lowest_R]))


def edge_sum(a_E: np.ndarray, b_E: np.ndarray) -> int:
    """A checksum of a set of edges that does not depend on order or partitions: the sum of mixed pairs modulo 2**64."""
    return int(mix64(1, mix64(2, a_E) + b_E).sum(dtype=np.uint64)) if len(a_E) else 0


def survivor_column(rule: str) -> str:
    """The column that one rule of a survivor order reads."""
    return rule.removeprefix("-").partition(":")[0].strip()


def ranks(uid_N: np.ndarray, columns: pa.Table, order: list[str]) -> np.ndarray:
    """int64[N]: the place of every document in the survivor order, the best first, then the lowest uid.

    A rule of `order` is a column of `columns` (N rows), highest first; `-column`, lowest first; or `column: a > b > c`, these
    values first, in this order. Nulls and NaNs come last. Raises ValueError for a column that is not there.
    """
    keys = pl.DataFrame({"uid": uid_N})
    names, descending = [], []
    for i, rule in enumerate(order):
        column, _, ranking = rule.removeprefix("-").partition(":")
        if column.strip() not in columns.column_names:
            raise ValueError(
                f"survivor order {rule!r}: there is no column {column.strip()!r} (there are: {', '.join(columns.column_names)})"
            )
        values = pl.Series(columns[column.strip()])
        if ranking:
            wanted = [value.strip() for value in ranking.split(">")]
            values = values.replace_strict(wanted, range(len(wanted)), default=None, return_dtype=pl.Int32)
        elif values.dtype.is_float():
            values = values.fill_nan(None)
        keys = keys.with_columns(values.alias(f"key {i}"))
        names.append(f"key {i}")
        descending.append(not ranking and not rule.startswith("-"))
    ranked = (
        keys.with_row_index("row").sort([*names, "uid"], descending=[*descending, False], nulls_last=True)["row"].to_numpy()
    )
    rank_N = np.empty(len(uid_N), np.int64)
    rank_N[ranked] = np.arange(len(uid_N))
    return rank_N


def best_of(cluster_N: np.ndarray, rank_N: np.ndarray) -> np.ndarray:
    """int64[N]: of every document the best one of its cluster, by index."""
    if len(cluster_N) == 0:
        return np.zeros(0, np.int64)
    ranked = np.lexsort((rank_N, cluster_N))
    starts = np.flatnonzero(np.concatenate([[True], cluster_N[ranked][1:] != cluster_N[ranked][:-1]]))
    best_N = np.empty(len(cluster_N), np.int64)
    best_N[ranked] = np.repeat(ranked[starts], np.diff(np.append(starts, len(ranked))))
    return best_N


def _lowest_neighbour(u_R: np.ndarray, v_R: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows sorted by u, with the lowest of u and its neighbours at each."""
    order = np.argsort(u_R)
    u_R, v_R = u_R[order], v_R[order]
    if len(u_R) == 0:
        return u_R, v_R, v_R
    first = np.flatnonzero(np.concatenate([[True], u_R[1:] != u_R[:-1]]))
    lowest = np.minimum(u_R[first], np.minimum.reduceat(v_R, first))
    return u_R, v_R, np.repeat(lowest, np.diff(np.append(first, len(u_R))))


def _distinct(a_E: np.ndarray, b_E: np.ndarray) -> Edges:
    """The edges without repeats, ascending."""
    order = np.lexsort((b_E, a_E))
    a_E, b_E = a_E[order], b_E[order]
    new = np.concatenate([[True], (a_E[1:] != a_E[:-1]) | (b_E[1:] != b_E[:-1])]) if len(a_E) else np.zeros(0, bool)
    return a_E[new], b_E[new]
