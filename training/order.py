"""The order in which a run reads its level: windows of the context T, each run's by a key of its own.

A document is cut at the multiples of T. A whole part is a window of its own, with the token before it (an end-of-text at a
document's beginning) as first input, so what a document has of whole contexts stays whole. What is left at the ends of
documents is put end to end, in the same order, and cut into windows too; nothing is cropped. Part j of a document has the key

    mix64(key of the run, uid) + j * 2^64 / golden ratio    (modulo 2^64)

which spreads a document's parts evenly over the whole, in any prefix as in all of it (Fibonacci hashing: Knuth, The Art of
Computer Programming 3, 6.4). The parts of a domain stand in the order of their keys, and a part's place in the stream is

    (tokens of its domain before it + offset of the domain * its tokens) / tokens of its domain

so every prefix has the domains' shares to within a window for each domain, consecutive windows are of as many domains and
documents as can be, and what two levels share stands in one order in both: a part's key depends on nothing else of its level.

Shapes: R rows (pieces of documents), P parts, W windows, T context, U = T + 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

RULE = "parts of documents by hash, spread over the stream; whole contexts kept whole; domains in proportion"
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
PARTS_AT_ONCE = 1 << 16  # so that the positions of tokens take some 100 MB, not eight times a stream


@dataclass(frozen=True)
class Rows:
    """A level's rows as laid out: row r covers tokens[start_R[r] : start_R[r + 1]], an end-of-text before its text and one
    after it where the document ends. `piece_R` is its number in the document uid_R, whose other rows have `piece_tokens`;
    domain_R indexes `domains`, which are sorted."""

    tokens: np.ndarray
    start_R: np.ndarray
    doc_id_R: np.ndarray
    uid_R: np.ndarray
    piece_R: np.ndarray
    domain_R: np.ndarray
    domains: tuple[str, ...]
    piece_tokens: int


def run_key(order_key: int, shape: str, seed: int) -> int:
    """The key of the order that (shape, seed) reads, on every level the same; independent of every other shape's and seed's."""
    return _hash(f"{order_key}\0{shape}\0{seed}")


@dataclass(frozen=True)
class Order:
    """Parts in the order of reading: part p has size_P[p] tokens, which follow tokens[before_P[p]] of the `rows`."""

    rows: Rows
    context: int
    row_P: np.ndarray
    before_P: np.ndarray
    size_P: np.ndarray

    @classmethod
    def of(cls, rows: Rows, key: int, context: int) -> Order:
        """All parts of a level in the order of a run's `key`; `piece_tokens` is a multiple of `context`."""
        size_R = np.diff(rows.start_R) - 1
        count_R = -(-size_R // context)
        row_P = np.repeat(np.arange(len(size_R)), count_R)
        part_P = np.arange(len(row_P)) - np.repeat(np.cumsum(count_R) - count_R, count_R)
        size_P = np.minimum(context, size_R[row_P] - part_P * context)
        number_P = rows.piece_R[row_P].astype(np.uint64) * np.uint64(rows.piece_tokens // context) + part_P.astype(np.uint64)
        key_P = _mix64(key, rows.uid_R)[row_P] + number_P * GOLDEN
        domain_P = rows.domain_R[row_P]
        order_P = np.lexsort((key_P, _epoch(rows)[row_P], domain_P))
        size, domain = size_P[order_P], domain_P[order_P]
        total_D = np.bincount(domain, size, len(rows.domains))
        before = np.cumsum(size) - size - (np.cumsum(total_D) - total_D)[domain]
        offset_D = np.array([_hash(f"{key}\0{name}") for name in rows.domains], np.uint64) * 2.0**-64
        place = (before + offset_D[domain] * size) / total_D[domain]
        order_P = order_P[np.argsort(place, kind="stable")]
        return cls(rows, context, row_P[order_P], (rows.start_R[row_P] + part_P * context)[order_P], size_P[order_P])

    def windows(self, most: int) -> np.ndarray:
        """The first `most` windows, or all there are: [W, U]; what the last whole window leaves is not read."""
        complete_P, tokens, T = self.complete_P[:most], self.rows.tokens, self.context
        windows = np.empty((len(complete_P), T + 1), tokens.dtype)
        whole_W = self.size_P[complete_P] == T
        for w in _blocks(np.flatnonzero(whole_W)):
            windows[w] = tokens[self.before_P[complete_P[w]][:, None] + np.arange(T + 1)]
        packed_W = np.flatnonzero(~whole_W)
        left = np.empty(len(packed_W) * T + 1, tokens.dtype)
        left[0], filled = tokens[0], 1  # an end-of-text
        for p in _blocks(np.flatnonzero(self.size_P[: np.max(complete_P[packed_W], initial=-1) + 1] < T)):
            size = self.size_P[p]
            position = np.repeat(self.before_P[p] + 1 - (np.cumsum(size) - size), size) + np.arange(size.sum())
            position = position[: len(left) - filled]
            left[filled : filled + len(position)] = tokens[position]
            filled += len(position)
        windows[packed_W, 0] = left[:-1:T]
        windows[packed_W, 1:] = left[1:].reshape(-1, T)
        return windows

    def documents(self, windows: np.ndarray) -> list[int]:
        """doc_id of every document with a token to predict in these windows, each once; their numbers wrap."""
        whole_W = self.size_P[self.complete_P] == self.context
        packed_W = np.cumsum(~whole_W) - 1
        parts = []
        for w in windows % len(self.complete_P):
            first, end = packed_W[w] * self.context, (packed_W[w] + 1) * self.context
            inside_P = (self.size_P < self.context) & (self.left_P > first) & (self.left_P - self.size_P < end)
            parts.append(self.complete_P[[w]] if whole_W[w] else np.flatnonzero(inside_P))
        return list(dict.fromkeys(self.rows.doc_id_R[self.row_P[np.concatenate(parts)]].tolist()))

    @cached_property
    def left_P(self) -> np.ndarray:  # noqa: N802
        """Tokens of the parts that are not whole, up to and including each part."""
        return np.cumsum(np.where(self.size_P < self.context, self.size_P, 0))

    @cached_property
    def complete_P(self) -> np.ndarray:  # noqa: N802
        """int64[W]: the part that completes each window."""
        packed_P = np.diff(self.left_P // self.context, prepend=0)
        return np.flatnonzero(packed_P | (self.size_P == self.context))


def _epoch(rows: Rows) -> np.ndarray:
    """How many times each row stands in the level before it: int64[R]; more than 0 where a domain is gone through again."""
    same = np.lexsort((rows.piece_R, rows.uid_R))
    uid, piece = rows.uid_R[same], rows.piece_R[same]
    first = np.concatenate(([True], (uid[1:] != uid[:-1]) | (piece[1:] != piece[:-1])))
    at = np.arange(len(same))
    epoch_R = np.empty(len(same), np.int64)
    epoch_R[same] = at - np.maximum.accumulate(np.where(first, at, 0))
    return epoch_R


def _blocks(index: np.ndarray) -> list[np.ndarray]:
    return [index[i : i + PARTS_AT_ONCE] for i in range(0, len(index), PARTS_AT_ONCE)]


def _mix64(key: int, x: np.ndarray) -> np.ndarray:
    """Splitmix64's finaliser (Steele, Lea, Flood 2014) of x + key: uint64 in, uint64 out."""
    z = x + np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
