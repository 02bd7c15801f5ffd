"""A byte n-gram model of clean reference text, and how many bits it needs for each byte of another.

Orders are interpolated by Witten and Bell's rule (1991; Chen and Goodman 1998, section 2.3): after a context that was seen n
times with T different next bytes,

    p(byte | context) = (count(context, byte) + T * p(byte | context without its first byte)) / (n + T)

down to the uniform distribution over 256 bytes, so every text has a finite cross-entropy. The measure is CCNet's (Wenzek et al.
2020, section 3.3: perplexity under a model of Wikipedia) on bytes, which need no tokenizer and know no unknown word.

Shapes: N bytes, D documents, S slots of the hash table, L = ORDER + 1 lengths: where the n-grams that end at the byte before
stand in the table, which are the contexts of the next byte.
"""

from typing import NamedTuple

import numpy as np

from curation.compiled import inner, kernel

ORDER = 6  # bytes of the longest n-gram: with its length it fits a 64-bit key, so there are no collisions
MIX = np.uint64(0x9E3779B97F4A7C15)
FREE = np.uint64(0)
KEY, COUNT, FOLLOWED, FOLLOWERS = range(4)


class Model(NamedTuple):
    """The table of all n-grams of 0 to `ORDER` bytes: one row of four numbers each, side by side in memory."""

    row_S: np.ndarray  # uint64[S, 4]: key or 0; times seen; times a byte followed; different bytes that followed


def train(utf8_N: np.ndarray, bounds: np.ndarray) -> Model:
    """The model of documents in one buffer (`bounds` int64[D + 1]); no n-gram goes over the end of a document."""
    size = max(1 << 12, 1 << int((bounds[-1] - bounds[0]) // 2).bit_length())
    while True:
        row_S = np.zeros((size, 4), np.uint64)
        if _train(utf8_N, bounds, row_S, np.zeros(ORDER + 1, np.int64)):
            return Model(row_S)
        size *= 2  # distinct n-grams are some sixth of the bytes of English; of other text they may be more


def bits(model: Model, utf8_N: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Bits that the model needs for each document: float64[D]. Each begins without a context."""
    bits_D = np.zeros(len(bounds) - 1)
    _score(utf8_N, bounds, model.row_S, np.empty(ORDER + 1, np.int64), bits_D)
    return bits_D


@inner
def _find(row_S, key):
    """The row that holds `key`, or the free one where it belongs."""
    mask = np.uint64(len(row_S) - 1)
    s = (key * MIX) >> np.uint64(24) & mask
    while row_S[s, KEY] != key and row_S[s, KEY] != FREE:
        s = (s + np.uint64(1)) & mask
    return np.int64(s)


@inner
def _key(length, last):
    """The key of an n-gram: its length and its bytes."""
    return np.uint64(length + 1) << np.uint64(48) | last & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))


@kernel
def _train(utf8_N, bounds, row_S, context_L):
    """Count all n-grams; False where the table is half full before the end."""
    room = len(row_S) // 2 - 1
    empty = _find(row_S, _key(0, np.uint64(0)))
    row_S[empty, KEY] = _key(0, np.uint64(0))
    for d in range(len(bounds) - 1):
        last = np.uint64(0)
        for i in range(bounds[d], bounds[d + 1]):
            last = last << np.uint64(8) | np.uint64(utf8_N[i])
            c = empty
            for length in range(1, min(ORDER, i - bounds[d] + 1) + 1):
                s = _find(row_S, _key(length, last))
                row_S[c, FOLLOWED] += np.uint64(1)
                if row_S[s, KEY] == FREE:
                    row_S[s, KEY] = _key(length, last)
                    row_S[c, FOLLOWERS] += np.uint64(1)
                    room -= 1
                    if room == 0:
                        return False
                row_S[s, COUNT] += np.uint64(1)
                c, context_L[length] = context_L[length], s
    return True


@kernel
def _score(utf8_N, bounds, row_S, context_L, bits_D):
    empty = _find(row_S, _key(0, np.uint64(0)))
    for d in range(len(bounds) - 1):
        last = np.uint64(0)
        context_L[:] = -1
        for i in range(bounds[d], bounds[d + 1]):
            last = last << np.uint64(8) | np.uint64(utf8_N[i])
            p = 1.0 / 256.0
            c = empty
            for length in range(1, ORDER + 1):
                if c < 0 or row_S[c, FOLLOWED] == 0:  # the context was never seen, and so was no longer one
                    for longer in range(length, ORDER + 1):
                        context_L[longer] = -1
                    break
                s = _find(row_S, _key(length, last))
                followed, followers = float(row_S[c, FOLLOWED]), float(row_S[c, FOLLOWERS])
                p = (float(row_S[s, COUNT]) + followers * p) / (followed + followers)
                c, context_L[length] = context_L[length], s if row_S[s, KEY] != FREE else -1
            bits_D[d] -= np.log2(p)
