"""Verification: from candidate components to clusters whose every link is a true pair.

The graph that is wanted has an edge between two documents exactly when they share a bucket *and* are similar enough.
Candidate components (the star edges of `candidates`, closed) contain it: a component splits, and never grows. So all
documents of a component are brought together once, their buckets are rebuilt from their keys, and within a bucket *every* pair
not yet joined is tested, not only pairs with the bucket's centre. A true pair whose only link in the star ran through a false
centre is therefore found; the clusters are the connected components of the wanted graph, whatever the order of documents.

Only in a bucket of more than `limit` documents is this given up, for otherwise it is quadratic: there a document is tested
against the first `limit` clusters of the bucket, each by its first document (by uid). What is never tested is counted.

Shapes: N documents, sorted by uid; S shingles in sets; M members of buckets; G buckets; U pairs tested.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from curation.compiled import inner, kernel
from curation.duplicates.candidates import EXACT, star_edges

LIMIT = 512  # documents of a bucket that are all tested against each other

Similarity = Literal["jaccard", "containment"]


@dataclass(frozen=True)
class Verified:
    """Clusters, and what it took to find them."""

    root_N: np.ndarray  # int64: the first document (lowest uid) of each document's cluster
    tested: int  # pairs whose similarity was computed
    joined: int  # of these, pairs similar enough
    oversized: int  # buckets above the limit
    untested: int  # documents of these that met more clusters than the limit and matched none
    pairs: "Pairs"  # that were tested; with `evidence` only

    def counts(self) -> dict[str, int]:
        return {"tested": self.tested, "joined": self.joined, "oversized": self.oversized, "untested": self.untested}


class Near(NamedTuple):
    """When two sets are near: what they share is at least `threshold` of the smaller (`containment`) or of both (Jaccard)."""

    threshold: float
    containment: bool


class Pairs(NamedTuple):
    """Pairs of documents that were tested, and whether they were similar enough."""

    document_U2: np.ndarray  # int64[U, 2]
    accepted_U: np.ndarray  # bool

    @classmethod
    def of(cls, n: int) -> "Pairs":
        """Room for `n` of them; with 0 none is kept (kernels allocate nothing)."""
        return cls(np.empty((n, 2), np.int64), np.empty(n, np.bool_))


class Sets(NamedTuple):
    """The shingle hashes of N documents, ascending: those of document d are ``hash_S[bounds[d]:bounds[d + 1]]``."""

    hash_S: np.ndarray  # uint32
    bounds: np.ndarray  # int64[N + 1]


def buckets(key_K: np.ndarray, document_K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(member_M int64, bounds int64[G + 1]): the documents of every bucket of two or more, ascending within a bucket.

    A document may give a key twice; it is a member once.
    """
    order = np.argsort(key_K)
    key_K = key_K[order]
    repeated = np.zeros(len(key_K), bool)  # most keys stand alone: only the others are worth the slower sort
    repeated[1:] = key_K[1:] == key_K[:-1]
    repeated[:-1] |= repeated[1:]
    key_K, document_K = key_K[repeated], document_K[order[repeated]]
    order = np.lexsort((document_K, key_K))
    key_K, document_K = key_K[order], document_K[order]
    same = np.zeros(len(key_K), bool)
    same[1:] = key_K[1:] == key_K[:-1]
    again = same.copy()
    again[1:] &= document_K[1:] == document_K[:-1]
    document_K, same = document_K[~again], same[~again]
    shared = same.copy()
    shared[:-1] |= same[1:]
    document_K, same = document_K[shared], same[shared]
    return document_K.astype(np.int64), np.append(np.flatnonzero(~same), len(same)).astype(np.int64)


def verified_clusters(
    key_K: np.ndarray,
    document_K: np.ndarray,
    hash_S: np.ndarray,
    bounds: np.ndarray,
    *,
    threshold: float,
    similarity: Similarity = "jaccard",
    limit: int = LIMIT,
    evidence: bool = False,
) -> Verified:
    """Clusters of N documents from their keys (`key_K` of document `document_K`, an index below N) and shingle sets.

    `hash_S[bounds[d]:bounds[d + 1]]` are document d's distinct shingle hashes, ascending (uint32). Exact keys join without a
    test; of exact copies only the first is compared with others, so the sets of the rest may be left empty. A document with an
    empty set is joined by nothing else. Jaccard is |A & B| / |A | B|, containment |A & B| / min(|A|, |B|). Documents stand in
    order of uid, for the roots and for the oversized buckets. With `evidence` the pairs that were tested are kept, for
    twice the time; two documents that others had joined before are not tested.
    """
    root_N = np.arange(len(bounds) - 1, dtype=np.int64)
    exact = (key_K & EXACT) == 1
    first, copy = star_edges(key_K[exact], document_K[exact])
    root_N[copy] = first
    band = ~exact & (root_N == np.arange(len(root_N)))[document_K]
    member_M, bucket_bounds = buckets(key_K[band], document_K[band])
    sets, leaders = Sets(hash_S, bounds), np.empty(limit, np.int64)
    near = Near(threshold, similarity == "containment")

    def joined(n_pairs: int) -> Verified:
        pairs, roots, counts = Pairs.of(n_pairs), root_N.copy(), np.zeros(4, np.int64)
        _join(member_M, bucket_bounds, sets, near, leaders, roots, counts, pairs)
        tested, accepted, oversized, untested = counts.tolist()
        return Verified(roots, tested, accepted, oversized, untested, pairs)

    found = joined(0)
    return joined(found.tested) if evidence else found


def shared_shingles(sets: Sets, pairs: Pairs) -> np.ndarray:
    """int64[U]: how many shingles the two documents of each pair have in common."""
    common_U = np.empty(len(pairs.accepted_U), np.int64)
    _shared(sets, pairs.document_U2, common_U)
    return common_U


@inner
def _find(root_N, x):
    """The root of x; halves the path on the way."""
    while root_N[x] != x:
        root_N[x] = root_N[root_N[x]]
        x = root_N[x]
    return x


@inner
def similar(sets, x, y, near):
    """Whether the sets of documents x and y are near. Stops as soon as they cannot be."""
    threshold, containment = near
    hash_S = sets.hash_S
    a, a_end, b, b_end = sets.bounds[x], sets.bounds[x + 1], sets.bounds[y], sets.bounds[y + 1]
    size_a, size_b = a_end - a, b_end - b
    smaller = min(size_a, size_b)
    if smaller == 0:
        return False
    total = size_a + size_b
    # The least intersection that will do; a hair lower than the exact quotient, which decides at the end.
    need = threshold * smaller if containment else threshold / (1.0 + threshold) * total
    need -= 1e-6
    common = 0
    if smaller < need:
        return False
    while a < a_end and b < b_end:
        x, y = hash_S[a], hash_S[b]
        common += x == y
        a += x <= y
        b += y <= x
        if common + min(a_end - a, b_end - b) < need:
            return False
    return common >= threshold * smaller if containment else common >= threshold * (total - common)


@kernel
def _shared(sets, pair_U2, common_U):
    hash_S, bounds = sets.hash_S, sets.bounds
    for u in range(len(pair_U2)):
        a, b = bounds[pair_U2[u, 0]], bounds[pair_U2[u, 1]]
        a_end, b_end = bounds[pair_U2[u, 0] + 1], bounds[pair_U2[u, 1] + 1]
        common = 0
        while a < a_end and b < b_end:
            x, y = hash_S[a], hash_S[b]
            common += x == y
            a += x <= y
            b += y <= x
        common_U[u] = common


@kernel
def _join(member_M, bucket_bounds, sets, near, leaders, root_N, counts, pairs):
    limit, room = len(leaders), len(pairs.accepted_U)
    for g in range(len(bucket_bounds) - 1):
        first, end = bucket_bounds[g], bucket_bounds[g + 1]
        oversized = end - first > limit
        counts[2] += oversized
        n_leaders = 0
        for i in range(first, end):
            x, matched = member_M[i], False
            for j in range(n_leaders if oversized else i - first):
                y = leaders[j] if oversized else member_M[first + j]
                low, high = _find(root_N, y), _find(root_N, x)
                if low != high:
                    found = similar(sets, x, y, near)
                    if counts[0] < room:
                        pairs.document_U2[counts[0], 0], pairs.document_U2[counts[0], 1] = y, x
                        pairs.accepted_U[counts[0]] = found
                    counts[0] += 1
                    if not found:
                        continue
                    counts[1] += 1
                    root_N[max(low, high)] = min(low, high)
                matched = True
                if oversized:
                    break
            if oversized and not matched:
                if n_leaders < limit:
                    leaders[n_leaders] = x
                    n_leaders += 1
                else:
                    counts[3] += 1
    for x in range(len(root_N)):
        root_N[x] = _find(root_N, x)
