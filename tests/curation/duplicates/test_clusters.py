"""Components against a plain union-find, over partitions against in memory, and the declared survivor."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.clusters import (
    best_of,
    both_ways,
    components,
    downwards,
    edge_sum,
    forest,
    large_star,
    partition_of,
    ranks,
    small_star,
)  # fmt: skip

edges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda e: e[0] != e[1]), max_size=60)


def arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, np.uint64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def union_find(pairs: list[tuple[int, int]]) -> dict[int, int]:
    root: dict[int, int] = {}

    def find(x: int) -> int:
        while root.setdefault(x, x) != x:
            x = root[x]
        return x

    for a, b in pairs:
        a, b = find(a), find(b)
        root[max(a, b)] = min(a, b)
    return {x: find(x) for x in root}


def over_partitions(a: np.ndarray, b: np.ndarray, partitions: int) -> tuple[dict[int, int], int]:
    """Alternate the two stars with the rows exchanged between partitions, until nothing moves."""
    total, rounds = None, 0
    while total != (total := edge_sum(a, b)):
        rounds += 1
        for star, rows in ((large_star, both_ways), (small_star, downwards)):
            u, v = rows(a, b)
            parts = [star(u[partition_of(u, partitions) == p], v[partition_of(u, partitions) == p]) for p in range(partitions)]
            a, b = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    nodes = {int(r): int(r) for r in b}
    return nodes | dict(zip(a.tolist(), b.tolist(), strict=True)), rounds


@given(edges)
def test_components_are_union_find_s(pairs):
    node, root = components(*arrays(pairs))
    assert dict(zip(node.tolist(), root.tolist(), strict=True)) == union_find(pairs)


@given(edges, st.integers(1, 4))
@settings(deadline=None)
def test_stars_over_partitions_give_the_same_components(pairs, partitions):
    assert over_partitions(*arrays(pairs), partitions)[0] == union_find(pairs)


def test_stars_take_few_rounds_on_a_long_path():
    path = [(i, i + 1) for i in range(2000)]
    found, rounds = over_partitions(*arrays(path), 3)
    assert set(found.values()) == {0}
    assert rounds <= 12


@given(edges)
def test_forest_keeps_the_components_with_fewest_edges(pairs):
    whole, smaller = union_find(pairs), forest(*arrays(pairs))
    assert dict(zip(*(x.tolist() for x in components(*smaller)), strict=True)) == whole
    assert len(smaller[0]) == len(whole) - len(set(whole.values()))


def test_edge_sum_ignores_order_and_sees_every_edge():
    a, b = arrays([(1, 2), (3, 4), (5, 6)])
    assert edge_sum(a, b) == edge_sum(a[::-1], b[::-1])
    assert edge_sum(a, b) != edge_sum(a[:2], b[:2])
    assert edge_sum(a, b) != edge_sum(b, a)


def test_survivor_follows_the_declared_order_then_the_lowest_uid():
    cluster = np.array([1, 1, 1, 2, 2, 3, 4, 4], np.uint64)
    uid = np.array([1, 5, 9, 2, 7, 3, 4, 8], np.uint64)
    columns = pa.table({"quality": [0.1, 0.9, 0.9, None, 0.2, None, float("nan"), None], "date": list("abcdefgh")})

    def survivors(cluster, uid, columns, order):
        return best_of(cluster, ranks(uid, columns, order)) == np.arange(len(uid))

    assert np.flatnonzero(survivors(cluster, uid, columns, ["quality"])).tolist() == [1, 4, 5, 6]
    assert np.flatnonzero(survivors(cluster, uid, columns, ["quality", "date"])).tolist() == [2, 4, 5, 7]
    assert np.flatnonzero(survivors(cluster, uid, columns, ["-date"])).tolist() == [0, 3, 5, 6]
    assert np.flatnonzero(survivors(cluster, uid, columns, [])).tolist() == [0, 3, 5, 6]
    assert np.flatnonzero(survivors(cluster, uid, columns, ["date: z > c > g > e > b", "quality"])).tolist() == [2, 4, 5, 6]
    shuffled = np.random.default_rng(0).permutation(8)
    again = survivors(cluster[shuffled], uid[shuffled], columns.take(shuffled), ["quality"])
    assert sorted(uid[shuffled][again].tolist()) == [3, 4, 5, 7]


def test_survivor_order_names_an_unknown_column():
    with pytest.raises(ValueError, match=r"survivor order '-rank': there is no column 'rank'"):
        ranks(np.array([1]), pa.table({"n_bytes": [1]}), ["-rank"])
