"""Verification against brute force: the clusters are the components of the graph of true pairs that share a bucket."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.clusters import components
from curation.duplicates.verify import buckets, verified_clusters


def flat(sets: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    bounds = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    return np.array([h for s in sets for h in sorted(s)], np.uint32), bounds


def similarity(a: set[int], b: set[int], kind: str) -> float:
    whole = min(len(a), len(b)) if kind == "containment" else len(a | b)
    return len(a & b) / whole if whole and a and b else 0.0


def brute_force(sets: list[set[int]], keys: list[tuple[int, int]], threshold: float, kind: str) -> np.ndarray:
    """Lowest member of each document's cluster, by testing every pair that shares a key."""
    by_key: dict[int, set[int]] = {}
    for key, document in keys:
        by_key.setdefault(key, set()).add(document)
    edges = [(d, d) for d in range(len(sets))]
    for key, members in by_key.items():
        for a, b in combinations(sorted(members), 2):
            if key % 2 or similarity(sets[a], sets[b], kind) >= threshold:
                edges.append((a, b))
    a, b = np.array(edges, np.uint64).T
    return components(a, b)[1].astype(np.int64)


@st.composite
def corpora(draw):
    """Up to 12 documents of overlapping sets; equal exact keys imply equal sets, as they do for real text."""
    pool = draw(st.lists(st.sets(st.integers(0, 15), max_size=10), min_size=1, max_size=6))
    choice = draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=12))
    keys = [(2 * key, document) for document in range(len(choice)) for key in draw(st.sets(st.integers(0, 3)))]
    # Copies share their signature, hence their band keys.
    bands = {c: [k for k, d in keys if d == choice.index(c)] for c in set(choice)}
    keys = [(k, d) for d, c in enumerate(choice) for k in bands[c]]
    return [pool[c] for c in choice], keys + [(2 * c + 101, d) for d, c in enumerate(choice)]


@given(corpora(), st.sampled_from([0.3, 0.5, 0.7, 1.0]), st.sampled_from(["jaccard", "containment"]))
@settings(max_examples=300, deadline=None)
def test_clusters_equal_brute_force(corpus, threshold, kind):
    sets, keys = corpus
    key_K, document_K = np.array([k for k, _ in keys], np.uint64), np.array([d for _, d in keys], np.int64)
    hash_S, bounds = flat(sets)
    found = verified_clusters(key_K, document_K, hash_S, bounds, threshold=threshold, similarity=kind)
    np.testing.assert_array_equal(found.root_N, brute_force(sets, keys, threshold, kind))
    assert found.oversized == found.untested == 0


def test_true_pair_is_kept_when_its_centre_is_false():
    """The star joins 0-1 and 0-2, both false; 1-2 is true and shares the bucket, so it must be found."""
    sets = [set(range(100, 120)), set(range(10)), set(range(1, 11))]
    hash_S, bounds = flat(sets)
    found = verified_clusters(np.array([2, 2, 2], np.uint64), np.arange(3), hash_S, bounds, threshold=0.7)
    assert found.root_N.tolist() == [0, 1, 1]


def test_component_is_split_and_chains_are_followed():
    """0-1 and 1-2 are true, 0-2 is not: one cluster; 3 came in by a false candidate and leaves."""
    sets = [set(range(20)), set(range(2, 22)), set(range(4, 24)), set(range(50, 70))]
    hash_S, bounds = flat(sets)
    keys = np.array([2, 2, 4, 4, 6, 6], np.uint64)
    found = verified_clusters(keys, np.array([0, 1, 1, 2, 2, 3]), hash_S, bounds, threshold=0.8)
    assert found.root_N.tolist() == [0, 0, 0, 3]
    assert (found.tested, found.joined) == (3, 2)


def test_copies_need_no_sets():
    hash_S, bounds = flat([set(range(9)), set(), set(range(9))])
    keys, documents = np.array([1, 1, 2, 2, 2], np.uint64), np.array([0, 1, 0, 1, 2])
    assert verified_clusters(keys, documents, hash_S, bounds, threshold=0.9).root_N.tolist() == [0, 0, 0]


@pytest.mark.parametrize("size", [2_000, 20_000])
def test_oversized_bucket_costs_its_size_and_not_its_square(size):
    """`size` documents of 20 families in one bucket: at most 20 tests each, and every family is found."""
    family = np.arange(size) % 20
    sets = [set(range(f * 100, f * 100 + 10)) for f in family.tolist()]
    hash_S, bounds = flat(sets)
    found = verified_clusters(np.full(size, 8, np.uint64), np.arange(size), hash_S, bounds, threshold=0.9, limit=64)
    np.testing.assert_array_equal(found.root_N, family)
    assert found.tested <= 20 * size
    assert (found.oversized, found.untested) == (1, 0)


def test_documents_beyond_the_limit_are_counted():
    sets = [{10 * d, 10 * d + 1} for d in range(100)]
    hash_S, bounds = flat(sets)
    found = verified_clusters(np.full(100, 8, np.uint64), np.arange(100), hash_S, bounds, threshold=0.5, limit=30)
    assert found.untested == 70
    np.testing.assert_array_equal(found.root_N, np.arange(100))


def test_buckets_hold_each_document_once():
    member_M, bounds = buckets(np.array([4, 2, 4, 4, 6], np.uint64), np.array([3, 1, 3, 0, 2]))
    assert member_M.tolist() == [0, 3]
    assert bounds.tolist() == [0, 2]
