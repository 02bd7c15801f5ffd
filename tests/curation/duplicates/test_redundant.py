"""Removals against brute force: what goes was compared with what stays, and the order alone decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.redundant import removals
from curation.duplicates.verify import Near, Sets, shared_shingles, verified_clusters
from tests.curation.duplicates.test_verify import corpora, flat


def greedy(sets: list[set[int]], keys: list[tuple[int, int]], ranks: list[int], threshold: float, contained: bool) -> list[set]:
    """The definition, over all pairs: best first, a document goes for one that stays, shares a key and is similar."""
    n = len(sets)
    exact = {d: k for k, d in keys if k % 2}
    groups = {d: min((e for e in range(n) if exact[e] == exact[d]), key=lambda e: ranks[e]) for d in range(n)}
    bands = {d: {k for k, e in keys if e == d and k % 2 == 0} for d in range(n)}
    order = sorted(set(groups.values()), key=lambda d: (-len(sets[d]) if contained else 0, ranks[d]))
    stays, by = [], {}
    for d in order:
        for s in stays:
            common = len(sets[d] & sets[s])
            whole = len(sets[d]) if contained else len(sets[d] | sets[s])
            if bands[d] & bands[s] and sets[d] and sets[s] and common >= threshold * whole:
                by.setdefault(d, set()).add(s)
        if d not in by:
            stays.append(d)
    return [by.get(groups[d], {groups[d]}) for d in range(n)]


@given(corpora(), st.sampled_from([0.3, 0.5, 0.7, 1.0]), st.booleans(), st.randoms())
@settings(max_examples=300, deadline=None)
def test_removals_equal_brute_force(corpus, threshold, contained, random):
    sets, keys = corpus
    ranks = list(range(len(sets)))
    random.shuffle(ranks)
    key_K, document_K = np.array([k for k, _ in keys], np.uint64), np.array([d for _, d in keys], np.int64)
    hash_S, bounds = flat(sets)
    found = removals(
        key_K,
        document_K,
        Sets(hash_S, bounds),
        np.array(ranks),
        near=Near(threshold, contained),
        longest_first=contained,
        evidence=True,
    )
    wanted = greedy(sets, keys, ranks, threshold, contained)
    assert all(by in some for by, some in zip(found.by_N.tolist(), wanted, strict=True))
    assert [d for d, by in enumerate(found.by_N.tolist()) if d == by] == [d for d, some in enumerate(wanted) if some == {d}]
    assert len(found.pairs.accepted_U) == found.tested
    common = shared_shingles(Sets(hash_S, bounds), found.pairs)
    assert common.tolist() == [len(sets[a] & sets[b]) for a, b in found.pairs.document_U2.tolist()]


def chain(step: int) -> list[set[int]]:
    return [set(range(start, start + 20)) for start in range(0, 60, step)]


def test_what_only_a_chain_links_stays():
    """0-1-2-...: each is near the next, the ends have nothing in common. All are one cluster; every second one stays."""
    sets = chain(4)
    hash_S, bounds = flat(sets)
    keys, documents = np.full(len(sets), 2, np.uint64), np.arange(len(sets))
    linked = verified_clusters(keys, documents, hash_S, bounds, threshold=0.6, evidence=True)
    assert set(linked.root_N.tolist()) == {0}
    found = removals(keys, documents, Sets(hash_S, bounds), np.arange(len(sets)), near=Near(0.6, False), longest_first=False)
    assert [d for d, by in enumerate(found.by_N.tolist()) if d == by] == list(range(0, len(sets), 2))
    assert linked.pairs.accepted_U.sum() == len(sets) - 1
    assert linked.tested == len(linked.pairs.accepted_U) > len(sets)


def test_only_the_shorter_of_two_goes_for_the_longer():
    sets = [set(range(10)), set(range(100)), set(range(95, 205))]  # 0 is in 1; 1 and 2 share 5 of 100
    hash_S, bounds = flat(sets)
    keys, documents = np.full(3, 2, np.uint64), np.arange(3)
    found = removals(keys, documents, Sets(hash_S, bounds), np.arange(3), near=Near(0.9, True), longest_first=True)
    assert found.by_N.tolist() == [1, 1, 2]


@pytest.mark.parametrize("size", [20_000])
def test_a_large_bucket_costs_no_square(size):
    """Every document of its own in one bucket: each is compared with `limit` others, and the rest are counted."""
    hash_S, bounds = flat([{10 * d, 10 * d + 1} for d in range(size)])
    keys, documents = np.full(size, 8, np.uint64), np.arange(size)
    found = removals(keys, documents, Sets(hash_S, bounds), documents, near=Near(0.5, False), longest_first=False, limit=64)
    assert found.tested <= 64 * size
    assert found.untested == size - 65
    assert (found.by_N == documents).all()
