"""Which members of a cluster go: of all that are linked, only those that were compared with a document that stays.

A cluster is a chain of true pairs, so its ends may have little in common, and one survivor for all of them loses what only the
chain joined. Here documents are taken in order, the best first. One goes if it is similar enough to a document that has stayed
and shares a bucket with it; else it stays. So every document that goes has been compared with one that stays, and no two that
stay are a true pair that shares a bucket (but for buckets over the limit). The result depends on the order alone.

With containment (the share of the shorter one's shingles that the other has: Broder 1997, section 2) and the longest first, a
document goes only where a longer one that stays holds it.

Shapes: N documents, K keys, M members of buckets, G buckets, F first documents of exact copies.
"""

from typing import NamedTuple

import numpy as np

from curation.compiled import kernel
from curation.duplicates.candidates import EXACT, star_edges
from curation.duplicates.verify import LIMIT, Near, Pairs, Sets, buckets, similar


class Removals(NamedTuple):
    """For every document the one that stays in its place (itself where it stays), and what it took."""

    by_N: np.ndarray  # int64
    tested: int  # pairs
    untested: int  # documents that met more staying ones in a bucket than the limit and matched none
    pairs: Pairs  # that were tested; with `evidence` only


def removals(
    key_K: np.ndarray,
    document_K: np.ndarray,
    sets: Sets,
    rank_N: np.ndarray,
    near: Near,
    *,
    longest_first: bool,
    evidence: bool = False,
    limit: int = LIMIT,
) -> Removals:
    """Which documents go, for which others, by rank (`rank_N`, lowest first; `longest_first`: after the number of shingles).

    Keys and sets are those of `verified_clusters`. Exact copies go for the best of them, or with it.
    """
    n = len(rank_N)
    first_N = np.arange(n, dtype=np.int64)  # of its exact copies; its set stands for theirs
    exact = (key_K & EXACT) == 1
    first, copy = star_edges(key_K[exact], document_K[exact])
    first_N[copy] = first
    by_rank = np.argsort(rank_N)
    best_N = np.empty(n, np.int64)  # of the copies of each first document, the one of the best rank
    best_N[first_N[by_rank[::-1]]] = by_rank[::-1]

    firsts = np.flatnonzero(first_N == np.arange(n))
    size_F = np.diff(sets.bounds)[firsts] if longest_first else np.zeros(len(firsts), np.int64)
    order_F = firsts[np.lexsort((rank_N[best_N[firsts]], -size_F))]
    band = ~exact & (first_N == np.arange(n))[document_K]
    member_M, bucket_bounds = buckets(key_K[band], document_K[band])
    bucket_M = np.repeat(np.arange(len(bucket_bounds) - 1), np.diff(bucket_bounds))
    by_member = np.argsort(member_M, kind="stable")
    place = np.searchsorted(member_M[by_member], np.arange(n + 1))

    def removed(n_pairs: int) -> Removals:
        by_N, counts, pairs = np.arange(n, dtype=np.int64), np.zeros(2, np.int64), Pairs.of(n_pairs)
        filled_G, seen_N = np.zeros(len(bucket_bounds) - 1, np.int64), np.full(n, -1, np.int64)
        staying = Staying(bucket_bounds, np.empty(len(member_M), np.int64), filled_G, seen_N, limit)
        _remove(order_F, BucketsOf(bucket_M[by_member], place), staying, sets, near, by_N, counts, pairs)
        return Removals(best_N[by_N[first_N]], int(counts[0]), int(counts[1]), pairs)

    found = removed(0)
    return removed(found.tested) if evidence else found


class BucketsOf(NamedTuple):
    """The buckets of every document x: ``bucket_M[place[x] : place[x + 1]]``."""

    bucket_M: np.ndarray
    place: np.ndarray


class Staying(NamedTuple):
    """Of each bucket g the documents that stay, ``document_M[bounds[g]:][:filled_G[g]]``; the first `limit` are compared."""

    bounds: np.ndarray
    document_M: np.ndarray
    filled_G: np.ndarray
    seen_N: np.ndarray  # the last document that each was compared with
    limit: int


@kernel
def _remove(order_F, own, staying, sets, near, by_N, counts, pairs):
    """`counts`: pairs tested, documents not compared with all."""
    for x in order_F:
        full = False
        for m in range(own.place[x], own.place[x + 1]):
            g = own.bucket_M[m]
            full |= staying.filled_G[g] > staying.limit
            for j in range(min(staying.filled_G[g], staying.limit)):
                y = staying.document_M[staying.bounds[g] + j]
                if staying.seen_N[y] == x:
                    continue
                staying.seen_N[y] = x
                found = similar(sets, x, y, near)
                if counts[0] < len(pairs.accepted_U):
                    pairs.document_U2[counts[0], 0], pairs.document_U2[counts[0], 1] = y, x
                    pairs.accepted_U[counts[0]] = found
                counts[0] += 1
                if found:
                    by_N[x] = y
                    break
            if by_N[x] != x:
                break
        if by_N[x] == x:
            counts[1] += full
            for m in range(own.place[x], own.place[x + 1]):
                g = own.bucket_M[m]
                staying.document_M[staying.bounds[g] + staying.filled_G[g]] = x
                staying.filled_G[g] += 1
