"""Substrings: paragraphs whose word n-grams were mostly seen before, by a Bloom filter over the pool in order.

After BFF, the deduplication of DCLM (Li et al. 2024, "DataComp-LM", section 4.2; github.com/mlfoundations/dclm): n = 13, a
paragraph is removed when at least 0.8 of its n-grams are in the filter, a whole document when at least 0.8 of all of its are.
Stated where the original leaves it open or its modes differ: paragraphs of fewer than n words are kept, n-grams do not cross
paragraphs, and the filter learns the n-grams of what was kept, once, when the document ends (learning them twice made one mode
of BFF remove over 90 %: mlfoundations/dclm issue 83).

The filter is blocked (Putze, Sanders, Singler 2007, "Cache-, Hash- and Space-Efficient Bloom Filters"): all bits of an n-gram
lie in one cache line, chosen by the upper half of its hash, so a look-up costs one miss.

Shapes: Q paragraphs, W words, G n-grams.
"""

from dataclasses import dataclass

import numba
import numpy as np

from curation.duplicates.paragraphs import Paragraphs
from curation.signals.signatures import hash_block
from curation.words import Words

BITS_PER_GRAM = 16  # one in some 700 n-grams is then taken for seen when it was not (measured in the tests)
PROBES = 6


@dataclass(frozen=True)
class Filter:
    """A Bloom filter for about `capacity` n-grams: 2 bytes each. It is changed by `unseen`."""

    bits_LX: np.ndarray  # uint64[lines, 8], a cache line a row

    @classmethod
    def of_capacity(cls, capacity: int) -> "Filter":
        return cls(np.zeros((max(1, -(-capacity * BITS_PER_GRAM // 512)), 8), np.uint64))

    @property
    def fill(self) -> float:
        """Share of bits set: above one half the filter is too small for what it was fed."""
        return float(np.bitwise_count(self.bits_LX).sum() / (self.bits_LX.size * 64))


def unseen(filter_: Filter, words: Words, cut: Paragraphs, *, ngram: int = 13, threshold: float = 0.8) -> np.ndarray:
    """bool[Q]: the paragraphs to keep, of documents in order; the filter then knows them.

    The result depends on all that the filter was fed before: it is the order of the pool that makes it reproducible.
    """
    keep_Q = np.ones(len(cut.word_Q) - 1, bool)
    longest = int(np.diff(cut.word_Q[cut.bounds]).max(initial=0))
    _unseen(words.hash_W, cut.word_Q, cut.bounds, ngram, threshold, filter_.bits_LX, np.empty(longest, np.uint64), keep_Q)
    return keep_Q


@numba.njit
def _probe(bits_LX, h, learn):
    """Whether all bits of hash h are set; sets them if `learn`."""
    line = ((h >> np.uint64(32)) * np.uint64(len(bits_LX))) >> np.uint64(32)
    bits = h * np.uint64(0x9E3779B97F4A7C15)
    bits ^= bits >> np.uint64(29)
    seen = True
    for _ in range(PROBES):
        place = bits & np.uint64(511)
        bits >>= np.uint64(9)
        mask = np.uint64(1) << (place & np.uint64(63))
        if not bits_LX[line, place >> np.uint64(6)] & mask:
            seen = False
            if learn:
                bits_LX[line, place >> np.uint64(6)] |= mask
            else:
                break
    return seen


@numba.njit(cache=True, nogil=True)
def _unseen(hash_W, word_Q, bounds, ngram, threshold, bits_LX, h_G, keep_Q):
    for d in range(len(bounds) - 1):
        total = 0
        seen_total = 0
        for q in range(bounds[d], bounds[d + 1]):
            size = max(word_Q[q + 1] - word_Q[q] - ngram + 1, 0)
            hash_block(hash_W, word_Q[q], ngram, h_G[total : total + size])
            seen = 0
            for g in range(total, total + size):
                seen += _probe(bits_LX, h_G[g], False)
            keep_Q[q] = size == 0 or seen < threshold * size
            total += size
            seen_total += seen
        if total > 0 and seen_total >= threshold * total:
            keep_Q[bounds[d] : bounds[d + 1]] = False
        g = 0
        for q in range(bounds[d], bounds[d + 1]):
            size = max(word_Q[q + 1] - word_Q[q] - ngram + 1, 0)
            if keep_Q[q]:
                for i in range(g, g + size):
                    _probe(bits_LX, h_G[i], True)
            g += size
