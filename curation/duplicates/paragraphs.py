"""Paragraphs: the lines of documents, their hashes, which of them repeat, and the text without some of them.

A paragraph is what a newline ends, the newline included, so that a document is its paragraphs in order and an edited one some
of them. What is cut of a document is a list of byte ranges in it, with its share recorded; the pool's text stays as it is.

Shapes: D documents, Q paragraphs, N bytes, K occurrences of lines, C cuts.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.signals.signatures import sequence_hashes
from curation.words import Words, utf8_buffer

CUTS = pa.schema(
    [
        ("cuts", pa.list_(pa.uint32())),  # start, end, start, end, ...: bytes of the document, ascending, apart
        ("n_bytes", pa.uint32()),
        ("removed_bytes", pa.uint32()),
        ("removed_share", pa.float32()),  # of the bytes; 0 for an empty document
    ]
)


@dataclass(frozen=True)
class Paragraphs:
    """The paragraphs of D documents; those of document d are ``bounds[d]:bounds[d + 1]``, in order."""

    start_Q: np.ndarray  # int64[Q + 1], byte where each begins; the last is where the text ends
    word_Q: np.ndarray  # int64[Q + 1], its first word
    bounds: np.ndarray  # int64[D + 1]

    @property
    def n_words(self) -> np.ndarray:
        return np.diff(self.word_Q)


def paragraphs(words: Words) -> Paragraphs:
    """Split the scanned documents at their newlines."""
    first, end = int(words.text_bounds[0]), int(words.text_bounds[-1])
    breaks = np.flatnonzero(words.utf8_N[first:end] == 0x0A) + first + 1
    start_Q = np.sort(np.concatenate([words.text_bounds, breaks]))  # ends with `end`
    start_Q = start_Q[np.concatenate([[True], start_Q[1:] != start_Q[:-1]])]
    return Paragraphs(start_Q, np.searchsorted(words.start_W, start_Q), np.searchsorted(start_Q, words.text_bounds))


def line_hashes(words: Words, cut: Paragraphs) -> np.ndarray:
    """uint64[Q]: the hash of each paragraph's lower-cased words (of its bytes where it has none)."""
    return sequence_hashes(words, cut.word_Q, cut.start_Q)


def repeats(hash_K: np.ndarray, uid_K: np.ndarray, line_K: np.ndarray) -> np.ndarray:
    """bool[K]: every occurrence of a line but its first, by (uid of the document, number of the line)."""
    order = np.lexsort((line_K, uid_K, hash_K))
    again = np.zeros(len(hash_K), bool)
    again[order[1:]] = hash_K[order[1:]] == hash_K[order[:-1]]
    return again


def cut_table(cut: Paragraphs, keep_Q: np.ndarray) -> pa.Table:
    """The rows of `CUTS` that remove the paragraphs where `keep_Q` is false; neighbours make one cut."""
    size_Q = np.diff(cut.start_Q)
    document_Q = np.repeat(np.arange(len(cut.bounds) - 1), np.diff(cut.bounds))
    base_D = cut.start_Q[cut.bounds[:-1]] if len(document_Q) else np.zeros(len(cut.bounds) - 1, np.int64)
    bytes_D = np.bincount(document_Q, size_Q, len(base_D)).astype(np.int64)
    removed_D = np.bincount(document_Q, size_Q * ~keep_Q, len(base_D)).astype(np.int64)
    follows_Q = np.zeros(len(size_Q), bool)  # goes on with the cut before it
    follows_Q[1:] = ~keep_Q[1:] & ~keep_Q[:-1] & (document_Q[1:] == document_Q[:-1])
    opens = np.flatnonzero(~keep_Q & ~follows_Q)
    closes_Q = ~keep_Q & ~np.append(follows_Q[1:], False)
    ends = np.flatnonzero(closes_Q) + 1
    offsets_C = np.stack([cut.start_Q[opens], cut.start_Q[ends]], axis=1) - base_D[document_Q[opens]][:, None]
    bounds = np.concatenate([[0], np.cumsum(2 * np.bincount(document_Q[opens], minlength=len(base_D)))])
    columns = [
        pa.ListArray.from_arrays(bounds.astype(np.int32), offsets_C.astype(np.uint32).ravel()),
        bytes_D.astype(np.uint32),
        removed_D.astype(np.uint32),
        (removed_D / np.maximum(bytes_D, 1)).astype(np.float32),
    ]
    return pa.table(columns, schema=CUTS)


def without(text: pa.Array | pa.ChunkedArray, cuts: pa.ChunkedArray) -> pa.LargeStringArray:
    """The texts with their `cuts` (a column of `CUTS`) taken out."""
    utf8_N, text_bounds = utf8_buffer(text)
    lists = cuts.combine_chunks()
    flat = lists.flatten().to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    flat = flat + text_bounds[owner] - text_bounds[0]
    change_N = np.zeros(int(text_bounds[-1] - text_bounds[0]) + 1, np.int8)
    np.add.at(change_N, flat[0::2], 1)
    np.add.at(change_N, flat[1::2], -1)
    keep_N = np.cumsum(change_N[:-1], dtype=np.int8) == 0
    kept = utf8_N[text_bounds[0] : text_bounds[-1]][keep_N]
    removed_D = np.bincount(owner[0::2], flat[1::2] - flat[0::2], len(lists)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.diff(text_bounds) - removed_D)])
    return pa.LargeStringArray.from_buffers(len(lists), pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(kept))
