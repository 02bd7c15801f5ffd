"""Repeated lines and n-grams of one document: a hash table in arrays, and the compiled loops that fill it.

Keys are 64-bit hashes of bytes, so equality is exact but for chance collisions (about n**2 / 2**65 for n items of one
document). A table is cleared and reused for every document and n; it is as long as that document needs, so that short
documents stay in cache.

Shapes: N bytes, W words, P words of one document, S slots of the table.
"""

from typing import NamedTuple

import numpy as np

from curation.characters import count_characters
from curation.compiled import inner
from curation.words import Words, fold, hash_bytes

BASE = np.uint64(0x9E3779B97F4A7C55)  # of the polynomial hash: odd, otherwise arbitrary
SMALLEST = 16  # slots


class Grams(NamedTuple):
    """The n-grams of one document, counted in a table, as kernels go from each n to the next."""

    slot_S: np.ndarray  # uint64, a key or 0
    count_S: np.ndarray  # int32
    gram_P: np.ndarray  # uint64, the hash of the n-gram that begins at each word
    live_P: np.ndarray  # int64, the places whose n-gram may occur again, in order
    slot_P: np.ndarray  # int64, where in the table the n-gram of each of these stands


def room(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """(slot_S uint64, count_S int32): a table long enough for the words, and for the lines, of any one document."""
    most = int(np.diff(words.text_bounds).max(initial=0)) + 1  # a word or a line takes a byte; untouched pages cost nothing
    size = max(SMALLEST, 1 << (2 * most).bit_length())
    return np.empty(size, np.uint64), np.empty(size, np.int32)


def gram_room(words: Words) -> Grams:
    """Room for the n-grams of any one document."""
    most = int(np.diff(words.bounds).max(initial=0))
    return Grams(*room(words), np.empty(most, np.uint64), *np.empty((2, most), np.int64))


@inner
def clear(slot_S, items):
    """Empty a table for `items` keys; returns its mask."""
    size = SMALLEST
    while size < 2 * items:
        size *= 2
    for s in range(size):
        slot_S[s] = 0
    return size - 1


@inner
def find(slot_S, mask, key):
    """The slot that holds `key`, or the empty one where it belongs."""
    s = np.int64(key & np.uint64(mask))
    while slot_S[s] != 0 and slot_S[s] != key:
        s = (s + 1) & mask
    return s


@inner
def seen(slot_S, mask, key):
    """Whether `key` is there; it is afterwards."""
    s = find(slot_S, mask, key)
    if slot_S[s] == key:
        return True
    slot_S[s] = key
    return False


@inner
def repeated_pieces(utf8_N, begin, end, breaks, slot_S):
    """Split begin:end at runs of `breaks` (1 or 2) line feeds or more: (pieces, those that stood before, their characters)."""
    most = 1
    for i in range(begin, end - breaks + 1):
        most += utf8_N[i] == 0x0A and utf8_N[i + breaks - 1] == 0x0A
    if most == 1:
        return 1, 0, 0
    mask = clear(slot_S, most)
    pieces = repeats = chars = 0
    i = piece = begin
    while i <= end:
        if i < end and utf8_N[i] != 0x0A:
            i += 1
            continue
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


@inner
def key_of(state):
    """A key of the table, never 0, from a polynomial hash."""
    return fold(np.uint64(0), state) | np.uint64(1) << np.uint64(63)


@inner
def one_grams(grams, hash_W, first, words):
    """Begin with the words of one document: 1-grams, and every place live."""
    for p in range(words):
        grams.gram_P[p] = hash_W[first + p]
        grams.live_P[p] = p


@inner
def count_n_grams(grams, live, hash_W, first, words, n):
    """Go from (n - 1)-grams to n-grams at the live places and count them: (live places, the highest count).

    Only where the (n - 1)-gram occurs again can the n-gram: those places are live, the others hold n-grams that occur once.
    """
    slot_S, count_S, gram_P, live_P, slot_P = grams
    mask = clear(slot_S, live)
    highest = kept = 0
    for k in range(live):
        p = live_P[k]
        if p + n > words:
            break
        gram_P[p] = gram_P[p] * BASE + hash_W[first + p + n - 1]
        key = key_of(gram_P[p])
        s = find(slot_S, mask, key)
        if slot_S[s] == 0:
            slot_S[s], count_S[s] = key, 0
        count_S[s] += 1
        slot_P[k] = s
        highest = max(highest, count_S[s])
        kept += 1
    return kept, highest


@inner
def keep_repeated(grams, live):
    """Keep live the places whose n-gram occurs more than once; returns how many."""
    kept = 0
    for k in range(live):
        if abs(grams.count_S[grams.slot_P[k]]) > 1:
            grams.live_P[kept] = grams.live_P[k]
            kept += 1
    return kept


@inner
def sum_of(n_chars_W, first, last):
    total = 0
    for w in range(first, last):
        total += n_chars_W[w]
    return total
