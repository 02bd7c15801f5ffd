"""Repeated lines and n-grams of one document: a hash table in arrays, and the compiled loops that fill it.

Keys are 64-bit hashes of bytes, so equality is exact but for chance collisions (about n**2 / 2**65 for n items of one
document). A table is cleared and reused for every document and n; it is as long as that document needs, so that short
documents stay in cache.

Shapes: N bytes, W words, P words of one document, S slots of the table.
"""

import numba
import numpy as np

from curation.characters import count_characters
from curation.words import Words, absorb, fold

BASE = np.uint64(0x9E3779B97F4A7C55)  # of the polynomial hash: odd, otherwise arbitrary
SMALLEST = 16  # slots
SPACER = np.uint64(257)  # stands for the space between joined words; no byte has this value


def room(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """(slot_S uint64, count_S int32): a table long enough for the words, and for the lines, of any one document."""
    most = int(np.diff(words.text_bounds).max(initial=0)) + 1  # a word or a line takes a byte; untouched pages cost nothing
    size = max(SMALLEST, 1 << (2 * most).bit_length())
    return np.empty(size, np.uint64), np.empty(size, np.int32)


@numba.njit(_nrt=False)
def clear(slot_S, items):
    """Empty a table for `items` keys; returns its mask."""
    size = SMALLEST
    while size < 2 * items:
        size *= 2
    for s in range(size):
        slot_S[s] = 0
    return size - 1


@numba.njit(_nrt=False)
def find(slot_S, mask, key):
    """The slot that holds `key`, or the empty one where it belongs."""
    s = np.int64(key & np.uint64(mask))
    while slot_S[s] != 0 and slot_S[s] != key:
        s = (s + 1) & mask
    return s


@numba.njit(_nrt=False)
def seen(slot_S, mask, key):
    """Whether `key` is there; it is afterwards."""
    s = find(slot_S, mask, key)
    if slot_S[s] == key:
        return True
    slot_S[s] = key
    return False


@numba.njit(_nrt=False)
def hash_bytes(utf8_N, begin, end):
    """A key of the bytes begin:end, never 0."""
    state, chunk = np.uint64(end - begin), np.uint64(0)
    for i in range(begin, end):
        state, chunk = absorb(state, chunk, utf8_N[i])
    return fold(state, chunk) | np.uint64(1) << np.uint64(63)


@numba.njit(_nrt=False)
def repeated_pieces(utf8_N, begin, end, breaks, slot_S):
    """Split begin:end at runs of at least `breaks` line feeds: (pieces, pieces that stood before, characters of these)."""
    lines = 1
    for i in range(begin, end):
        lines += utf8_N[i] == 0x0A
    mask = clear(slot_S, lines)
    pieces = repeats = chars = 0
    i = piece = begin
    while i <= end:
        feeds = 0
        while i + feeds < end and utf8_N[i + feeds] == 0x0A:
            feeds += 1
        if i == end or feeds >= breaks:
            pieces += 1
            if seen(slot_S, mask, hash_bytes(utf8_N, piece, i)):
                repeats += 1
                chars += count_characters(utf8_N, piece, i)
            piece = i + feeds
        i += max(feeds, 1)
    return pieces, repeats, chars


@numba.njit(_nrt=False)
def hash_words(utf8_N, start_W, length_W, first, last, hash_P, power_P):
    """Polynomial hashes of the words first:last and BASE to their lengths, so that hashes of joined words compose."""
    for w in range(first, last):
        state, power = np.uint64(0), np.uint64(1)
        for i in range(start_W[w], start_W[w] + length_W[w]):
            state = state * BASE + np.uint64(utf8_N[i]) + np.uint64(1)
            power *= BASE
        hash_P[w - first], power_P[w - first] = state, power


@numba.njit(_nrt=False)
def extend(gram_P, hash_P, power_P, words, n, spacer):
    """Make the hashes of all (n - 1)-grams those of all n-grams, joined with `spacer` or nothing (0). Begins at n = 2."""
    for p in range(words - n + 1):
        state = hash_P[p] if n == 2 else gram_P[p]
        if spacer:
            state = state * BASE + spacer
        gram_P[p] = state * power_P[p + n - 1] + hash_P[p + n - 1]


@numba.njit(_nrt=False)
def key_of(gram):
    """A key of the table, never 0, from a polynomial hash."""
    return fold(np.uint64(0), gram) | np.uint64(1) << np.uint64(63)


@numba.njit(_nrt=False)
def count_n_grams(gram_P, n_grams, slot_S, count_S, slot_P):
    """Count equal hashes; slot_P is where each n-gram stands in the table. Returns the highest count."""
    mask = clear(slot_S, n_grams)
    highest = 0
    for p in range(n_grams):
        key = key_of(gram_P[p])
        s = find(slot_S, mask, key)
        if slot_S[s] == 0:
            slot_S[s] = key
            count_S[s] = 0
        count_S[s] += 1
        slot_P[p] = s
        highest = max(highest, count_S[s])
    return highest


@numba.njit(_nrt=False)
def top_n_gram(n_chars_W, first, n_grams, n, highest, count_S, slot_P):
    """Characters, spaces included, of all occurrences of the most frequent n-gram (of several the one that came first)."""
    for p in range(n_grams):
        if count_S[slot_P[p]] == highest:
            return (n - 1 + sum_of(n_chars_W, first + p, first + p + n)) * highest
    return 0


@numba.njit(_nrt=False)
def repeated_n_grams(gram_P, n_chars_W, first, n_grams, n, slot_S):
    """Characters of n-grams that stood before; after a repeat the search goes on behind it (so none counts twice)."""
    mask = clear(slot_S, n_grams)
    chars = p = 0
    while p < n_grams:
        if seen(slot_S, mask, key_of(gram_P[p])):
            chars += sum_of(n_chars_W, first + p, first + p + n)
            p += n
        else:
            p += 1
    return chars


@numba.njit(_nrt=False)
def sum_of(n_chars_W, first, last):
    total = 0
    for w in range(first, last):
        total += n_chars_W[w]
    return total
