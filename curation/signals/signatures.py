"""Signatures: MinHash of word or character shingles, and the hashes of the normalised text and of the URL.

A signature equals, bit for bit, ``datasketch.MinHash(num_perm, seed, scheme="affine32")`` fed the same 32-bit shingle hashes,
so ``datasketch.MinHash(hashvalues=row, seed=seed, scheme="affine32")`` loads one.

A shingle is `n` consecutive units of the text in Unicode's composed form (NFC): words (`curation.words`), or characters with
ASCII letters lower-cased and runs of white space read as one space. Its hash is the upper half of a polynomial of the units'
64-bit hashes, which are uniform.

Shapes: D documents, U units (words or characters), P permutations, S shingles in sets, N bytes.
"""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from curation.compiled import widest
from curation.document import Batch
from curation.words import Words

AT_ONCE = 8  # shingles that meet a permutation while its minimum is in a register
BASE = np.uint64(0xD6E8FEB86659FD93)  # of the shingle polynomial; 3 modulo 4, so that swapped units do not meet
EMPTY = np.uint32(0xFFFFFFFF)  # every value of the signature of a document without shingles, as in datasketch

Unit = Literal["word", "character"]


@dataclass(frozen=True)
class Units:
    """The sequence that shingles are cut from; units of document d are ``bounds[d]:bounds[d + 1]``."""

    hash_U: np.ndarray  # uint64
    bounds: np.ndarray  # int64[D + 1]


def units(words: Words, unit: Unit) -> Units:
    """The words, or the normalised characters, of every document."""
    if unit == "word":
        return Units(words.hash_W, words.bounds)
    hash_U = np.empty(int(words.text_bounds[-1] - words.text_bounds[0]), np.uint64)
    bounds = np.zeros(len(words.text_bounds), np.int64)
    n = _characters(words.utf8_N, words.text_bounds, hash_U, bounds)
    return Units(hash_U[:n], bounds)


def permutations(num_perm: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(a_P, b_P) uint32, the maps ``a * h + b mod 2**32`` of datasketch's affine32 scheme for this seed."""
    draw = np.random.RandomState(seed)  # datasketch's generator
    a_P = draw.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a_P, draw.randint(0, 1 << 32, num_perm, dtype=np.uint32)


def minhash(batch: Batch, *, num_perm: int = 112, seed: int = 1, ngram: int = 5, unit: Unit = "word") -> pa.Table:
    """The signal `minhash`: `signature` fixed_size_list<uint32>[num_perm] and `n_shingles` int32 (positions, not distinct).

    A document of fewer than `ngram` units has no shingle: n_shingles 0, a signature of `EMPTY`, and it is a duplicate of exact
    copies only.
    """
    cut = units(batch.composed, unit)
    signature_DP = np.empty((len(cut.bounds) - 1, num_perm), np.uint32)
    _signatures(cut.hash_U, cut.bounds, ngram, *permutations(num_perm, seed), signature_DP)
    n_shingles = np.maximum(np.diff(cut.bounds) - ngram + 1, 0).astype(np.int32)
    signature = pa.FixedSizeListArray.from_arrays(pa.array(signature_DP.ravel()), num_perm)
    return pa.table({"signature": signature, "n_shingles": pa.array(n_shingles)})


def exact(batch: Batch) -> pa.Table:
    """The signal `exact`: `hash` uint64 of the lower-cased words in order; case, punctuation, white space and whether
    letters and marks are composed do not count.

    A document without words is hashed by its bytes, so that "!" and "?" differ.
    """
    words = batch.composed
    return pa.table({"hash": sequence_hashes(words, words.bounds, words.text_bounds)})


def sequence_hashes(words: Words, bounds: np.ndarray, text_bounds: np.ndarray) -> np.ndarray:
    """uint64 per stretch of text: of its words ``bounds[i]:bounds[i + 1]``, or, where it has none, of its bytes."""
    hash_D = np.empty(len(bounds) - 1, np.uint64)
    _exact(words.hash_W, bounds, words.utf8_N, text_bounds, hash_D)
    return hash_D


def url(batch: Batch) -> pa.Table:
    """The signal `url`: `hash` uint64 of the normalised URL; null for a document without one.

    Scheme, `www.`, default port, fragment, closing slash and the case of the host do not count; path and query do.
    """
    address = pl.Series(batch.documents["url"]).str.strip_chars().str.replace(r"^[A-Za-z][\w+.-]*://", "")
    parts = address.str.replace(r"#.*$", "").str.extract_groups(r"^([^/?]*)(.*)$")
    host = parts.struct.field("1").str.to_lowercase().str.replace(r"^www\.", "").str.replace(r":(80|443)$", "")
    normal = (host + parts.struct.field("2").str.strip_chars_end("/")).to_list()
    hashes = [xxhash.xxh3_64_intdigest(text.encode()) if text else None for text in normal]
    return pa.table({"hash": pa.array(hashes, pa.uint64())})


def shingle_hashes(cut: Units, document: int, ngram: int) -> np.ndarray:
    """The 32-bit hashes of one document's shingles in order, repeats included: uint32."""
    first, last = int(cut.bounds[document]), int(cut.bounds[document + 1])
    key_S = np.empty(max(last - first - ngram + 1, 0), np.uint64)
    _keyed_shingles(cut.hash_U, np.array([first, last]), ngram, key_S)
    return key_S.astype(np.uint32)


def shingle_sets(cut: Units, ngram: int) -> tuple[np.ndarray, np.ndarray]:
    """(hash_S uint32, bounds int64[D + 1]): every document's distinct shingle hashes, ascending."""
    count_D = np.maximum(np.diff(cut.bounds) - ngram + 1, 0)
    key_S = np.empty(int(count_D.sum()), np.uint64)  # document << 32 | hash, so that one sort serves all documents
    _keyed_shingles(cut.hash_U, cut.bounds, ngram, key_S)
    key_S.sort()
    key_S = key_S[np.concatenate([[True], key_S[1:] != key_S[:-1]])] if len(key_S) else key_S
    bounds = np.searchsorted(key_S, np.arange(len(cut.bounds), dtype=np.uint64) << np.uint64(32))
    return key_S.astype(np.uint32), bounds.astype(np.int64)


@numba.njit
def opening(hash_U, first, ngram):
    """The hash of the shingle at unit `first`, and what `following` needs for the others: BASE**ngram, and a constant."""
    h, top = np.uint64(ngram), np.uint64(1)
    for i in range(first, first + ngram):
        h = h * BASE + hash_U[i]
        top *= BASE
    return h, top, np.uint64(ngram) * top * (np.uint64(1) - BASE)


@numba.njit
def following(h, hash_U, i, ngram, top, constant):
    """The hash of the shingle after the one at unit i, whose hash is h: a unit goes and a unit comes."""
    i = np.uint64(i)  # an index that may be negative counts from the end, and is slower
    return h * BASE + (hash_U[i + np.uint64(ngram)] - hash_U[i] * top + constant)


@numba.njit
def hash_block(hash_U, first, ngram, h_B):
    """The 64-bit hashes of the shingles that begin at units first, first + 1, ..."""
    if len(h_B):
        h_B[0], top, constant = opening(hash_U, first, ngram)
        for i in range(1, len(h_B)):
            h_B[i] = following(h_B[i - 1], hash_U, first + i - 1, ngram, top, constant)


@numba.njit(cache=True, nogil=True)
def _keyed_shingles(hash_U, bounds, ngram, key_S):
    s = 0
    for d in range(len(bounds) - 1):
        size = max(bounds[d + 1] - bounds[d] - ngram + 1, 0)
        hash_block(hash_U, bounds[d], ngram, key_S[s : s + size])
        for i in range(s, s + size):
            key_S[i] = np.uint64(d) << np.uint64(32) | key_S[i] >> np.uint64(32)
        s += size


@numba.njit
def mixed(h):
    """MurmurHash3's finaliser of the upper half: datasketch mixes its input once more."""
    h = np.uint32(h >> np.uint64(32))
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return h ^ (h >> np.uint32(16))


@numba.njit(cache=True, nogil=True)
def _signatures(hash_U, bounds, ngram, a_P, b_P, signature_DP):
    widest()
    block = np.empty(AT_ONCE, np.uint32)
    for d in range(len(bounds) - 1):
        low_P = signature_DP[d]
        low_P[:] = EMPTY
        first, end = bounds[d], bounds[d + 1] - ngram + 1
        if first >= end:
            continue
        h, top, constant = opening(hash_U, first, ngram)
        for start in range(first, end, AT_ONCE):
            # So few at a time that the processor goes on to the next hashes while its vector units are busy with these.
            rolls = min(AT_ONCE, end - 1 - start)
            for k in range(rolls):
                block[k] = mixed(h)
                h = following(h, hash_U, start + k, ngram, top, constant)
            block[rolls:] = mixed(h)  # the document's last shingle; again and again, it changes no minimum
            for p in range(len(a_P)):  # the vector loop: neighbours are permutations, so that no minimum is taken across it
                a, b, low = a_P[p], b_P[p], low_P[p]
                for k in range(AT_ONCE):
                    low = min(low, np.uint32(a * block[k] + b))
                low_P[p] = low


@numba.njit(cache=True, nogil=True)
def _exact(hash_W, bounds, utf8_N, text_bounds, hash_D):
    for d in range(len(bounds) - 1):
        h = np.uint64(bounds[d + 1] - bounds[d])
        for w in range(bounds[d], bounds[d + 1]):
            h = (h ^ hash_W[w]) * BASE
            h ^= h >> np.uint64(32)
        if bounds[d + 1] == bounds[d]:
            for i in range(text_bounds[d], text_bounds[d + 1]):
                h = (h ^ np.uint64(utf8_N[i] + 1)) * BASE
                h ^= h >> np.uint64(32)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hash_D[d] = h ^ (h >> np.uint64(31))


@numba.njit
def _mix(code):
    """Splitmix64's finaliser of a code point: shingle polynomials want 64 random bits of every unit."""
    h = np.uint64(code + 1) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _characters(utf8_N, text_bounds, hash_U, bounds):
    u = 0
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        blank = True  # white space at the start is dropped
        while i < end:
            code, width = np.int64(utf8_N[i]), 1
            if code >= 0x80:  # Arrow's text is valid UTF-8
                width = 2 if code < 0xE0 else (3 if code < 0xF0 else 4)
                code &= 0x7F >> width
                for k in range(1, width):
                    code = code << 6 | np.int64(utf8_N[i + k]) & 0x3F
            i += width
            if code == 0x20 or 0x09 <= code <= 0x0D or code == 0xA0 or code == 0x3000 or 0x2000 <= code <= 0x200A:
                if not blank:
                    hash_U[u] = _mix(0x20)
                    u += 1
                blank = True
                continue
            blank = False
            hash_U[u] = _mix(code + 32 if 0x41 <= code <= 0x5A else code)
            u += 1
        if blank and u > bounds[d]:
            u -= 1  # white space at the end
        bounds[d + 1] = u
    return u
