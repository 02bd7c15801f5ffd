"""Sequences of words looked for in documents: decontamination against evaluation texts, and lists of words.

A sequence matches where its words, lower-cased, follow one another, whatever stands between them but letters and digits. Each
is a 64-bit hash of its words' hashes, so a match is certain but for collisions (about sequences * words / 2**64).

Shapes: W words, D documents, S slots of a hash table, K lengths of sequences.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from curation.compiled import inner, kernel
from curation.document import Batch
from curation.signals.repeats import BASE, SMALLEST, clear, find, key_of
from curation.sources.plan import slices
from curation.sources.readers import read
from curation.sources.source import COMPRESSED, SUFFIXES, Fields, Malformed, Source
from curation.words import Words, scan

SHORTEST = 8  # words of an evaluation text that is looked for whole, being shorter than the n-grams
CONTAMINATION_RULES = "contamination.n_matches == 0"


@dataclass(frozen=True)
class Phrases:
    """Sequences to look for: for each length (in words) a hash table of their keys."""

    tables: tuple[tuple[int, np.ndarray, int], ...]  # (length, slot_S uint64, mask)


def contamination(batch: Batch, texts: Sequence[str] = (), n: int = 13, field: str = "text") -> pa.Table:
    """Overlap with evaluation texts, by word n-grams (Brown et al. 2020, appendix C: n = 13).

    Columns: n_matches int32 (n-grams of the document that stand in a text), overlap float64 (fraction of the document's words
    in any of them), span_start and span_end int64 (bytes of `text`, of the longest run of such words; null without a match).
    `texts` are files (JSON lines or Parquet with their text in `field`, or plain text; compressed or not; local or remote). A
    text shorter than n words is looked for whole if it has at least 8; shorter ones are not looked for. Raises ValueError if
    nothing is left to look for.
    """
    ngrams = _evaluation(tuple(texts), n, field)
    words = batch.words
    matches_D, covered_D, longest_DV = _match(words, ngrams)
    n_words_D = np.maximum(np.diff(words.bounds), 1)
    spans = {
        name: pa.array(longest_DV[:, v] - words.text_bounds[:-1], mask=matches_D == 0)
        for v, name in enumerate(("span_start", "span_end"))
    }
    return pa.table({"n_matches": matches_D, "overlap": covered_D / n_words_D, **spans})


def word_list(batch: Batch, path: str | None = None) -> pa.Table:
    """How often entries of a list stand in each document (toxicity, by whatever list a study trusts).

    Columns: n_matches int32, and matched_words float64: the fraction of the document's words in any of them. The list has one
    entry a line, of one word or several; empty lines and lines that begin with # are left out; case does not count. An entry
    matches whole words only. Raises ValueError without a list, or without entries in it.
    """
    if path is None:
        raise ValueError("word_list: no list is given; set `path` to a text file with one entry a line")
    words = batch.words
    matches_D, covered_D, _ = _match(words, _list(path))
    return pa.table({"n_matches": matches_D, "matched_words": covered_D / np.maximum(np.diff(words.bounds), 1)})


@lru_cache(maxsize=4)
def _evaluation(texts: tuple[str, ...], n: int, field: str) -> Phrases:
    words = scan(pa.array([text for path in texts for text in _texts(path, field)], pa.large_string()))
    lengths = np.diff(words.bounds)
    whole = {length: n_gram_keys(words, length)[words.bounds[:-1][lengths == length]] for length in range(min(SHORTEST, n), n)}
    n_grams = n_gram_keys(words, n)
    phrases = _phrases([(n, n_grams[n_grams != 0]), *whole.items()])
    if not phrases.tables:
        raise ValueError(f"contamination: no text of {', '.join(texts) or 'an empty list'} has {SHORTEST} words; check `texts`")
    return phrases


@lru_cache(maxsize=4)
def _list(path: str) -> Phrases:
    words = scan(pa.array(list(lines_of(path)), pa.large_string()))
    lengths = np.diff(words.bounds)
    first = {int(k): words.bounds[:-1][lengths == k] for k in np.unique(lengths[lengths > 0])}
    phrases = _phrases((k, n_gram_keys(words, k)[first_K]) for k, first_K in first.items())
    if not phrases.tables:
        raise ValueError(f"word_list: {path} has no entry; it needs one a line")
    return phrases


def lines_of(path: str) -> Iterator[str]:
    """The entries of a list in a text file: its lines, stripped, but for empty ones and those that begin with #."""
    lines = (line.strip() for text in _texts(path, "text") for line in text.splitlines())
    return (line for line in lines if line and not line.startswith("#"))


def _texts(path: str, field: str) -> Iterator[str]:
    """The texts of a file; raises ValueError for a kind of file that is not known, or for damage in it."""
    stem = path
    for suffix in COMPRESSED:
        stem = stem.removesuffix(suffix)
    kinds = [kind for kind in ("jsonl", "parquet", "text") if stem.endswith(SUFFIXES[kind])]
    if not kinds:
        raise ValueError(f"{path}: not a kind of file that holds texts; use .jsonl, .parquet or .txt, compressed or not")
    for piece in slices(Source("texts", kinds[0], (path,), Fields(text=field))):
        for record in read(piece):
            if isinstance(record, Malformed):
                raise ValueError(f"{path}: {record.place}: {record.reason}")
            yield record.text


def n_gram_keys(words: Words, n: int) -> np.ndarray:
    """A key of the n words from each word on: uint64[W], 0 where the document has fewer left."""
    key_W = np.zeros(len(words.hash_W), np.uint64)
    _hash_n_grams(words.hash_W, words.bounds, n, key_W)
    return key_W


def _phrases(keys: Iterable[tuple[int, np.ndarray]]) -> Phrases:
    tables = []
    for length, key_K in keys:
        if len(key_K):
            slot_S = np.empty(max(SMALLEST, 1 << (2 * len(key_K)).bit_length()), np.uint64)
            tables.append((length, slot_S, _fill(slot_S, key_K)))
    return Phrases(tuple(tables))


def _match(words: Words, phrases: Phrases) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(matches_D int32, words covered by any int64[D], byte range of the longest run of them int64[D, 2])."""
    documents = len(words.bounds) - 1
    matches_D, count_D = np.zeros(documents, np.int32), np.zeros(documents, np.int64)
    longest_DV = np.zeros((documents, 2), np.int64)
    covered_W = np.zeros(len(words.hash_W), np.bool_)
    for length, slot_S, mask in phrases.tables:
        _mark(words.hash_W, words.bounds, length, slot_S, mask, covered_W, matches_D)
    _runs(words.start_W, words.length_W, words.bounds, covered_W, count_D, longest_DV)
    return matches_D, count_D, longest_DV


@inner
def roll(hash_W, w, n, state, power):
    """The polynomial hash of the n words from w on, from that of the words one before (or from scratch if power is 0)."""
    if power:
        return (state - hash_W[w - 1] * power) * BASE + hash_W[w + n - 1]
    for k in range(w, w + n):
        state = state * BASE + hash_W[k]
    return state


@inner
def leading_power(n):
    """BASE to the n - 1: what the first of n words weighs."""
    power = np.uint64(1)
    for _ in range(n - 1):
        power *= BASE
    return power


@kernel
def _hash_n_grams(hash_W, bounds, n, key_W):
    power = leading_power(n)
    for d in range(len(bounds) - 1):
        state = np.uint64(0)
        for w in range(bounds[d], bounds[d + 1] - n + 1):
            state = roll(hash_W, w, n, state, power if w > bounds[d] else np.uint64(0))
            key_W[w] = key_of(state)


@kernel
def _fill(slot_S, key_K):
    mask = clear(slot_S, len(key_K))
    for key in key_K:
        slot_S[find(slot_S, mask, key)] = key
    return mask


@kernel
def _mark(hash_W, bounds, n, slot_S, mask, covered_W, matches_D):
    power = leading_power(n)
    for d in range(len(bounds) - 1):
        state = np.uint64(0)
        done = np.int64(0)
        for w in range(bounds[d], bounds[d + 1] - n + 1):
            state = roll(hash_W, w, n, state, power if w > bounds[d] else np.uint64(0))
            key = key_of(state)
            if slot_S[find(slot_S, mask, key)] == key:
                matches_D[d] += 1
                for k in range(max(w, done), w + n):
                    covered_W[k] = True
                done = w + n


@kernel
def _runs(start_W, length_W, bounds, covered_W, count_D, longest_DV):
    for d in range(len(bounds) - 1):
        first = bounds[d]
        for w in range(bounds[d], bounds[d + 1]):
            if not covered_W[w]:
                first = w + 1
                continue
            count_D[d] += 1
            begin, end = start_W[first], start_W[w] + length_W[w]
            if end - begin > longest_DV[d, 1] - longest_DV[d, 0]:
                longest_DV[d, 0], longest_DV[d, 1] = begin, end
