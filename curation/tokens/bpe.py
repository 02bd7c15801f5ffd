"""Byte-level BPE in compiled loops over Arrow's bytes: the tokens of the `tokenizers` library at ten times its speed.

The split into pieces is GPT-2's pattern (Radford et al. 2019): ``'s|'t|'re|'ve|'m|'ll|'d`` or, each with one space before it
where there is one, a run of letters, of digits, or of what is neither nor white space; white space up to the last before
a word (``\\s+(?!\\S)|\\s+``). Each piece is merged by rank, leftmost first.
Documents that this cannot promise to cut alike are left to the library: those with a character that Python's Unicode tables
do not know yet (the library's are newer), or with a piece of more than `LONGEST` bytes (merging here is quadratic).

Shapes: N bytes of text, D documents, T tokens, M slots of the hash table of merges, C code points.
"""

import json
from functools import cache
from typing import NamedTuple
from unicodedata import category

import numba
import numpy as np

from curation.characters import TABLE_END, decode

LONGEST = 1024  # bytes of a piece
OTHER, LETTER, DIGIT, SPACE, UNKNOWN = range(5)
NO_RANK = 1 << 62  # above every rank << 32 | id
EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


class Merges(NamedTuple):
    """A tokenizer's vocabulary as arrays."""

    byte_ids: np.ndarray  # int64[256], the token of each byte
    pair_M: np.ndarray  # uint64[M], left id << 32 | right id; EMPTY where the slot is free
    merged_M: np.ndarray  # int64[M], rank << 32 | id of the merged token


def merges(tokenizer: str) -> Merges:
    """The tables of a tokenizer in JSON. Raises ValueError where it is not plain byte-level BPE with GPT-2's split."""
    content = json.loads(tokenizer)
    model, split = content["model"], content["pre_tokenizer"] or {}
    plain = not any(model.get(key) for key in ("dropout", "byte_fallback", "ignore_merges", "continuing_subword_prefix"))
    as_gpt2 = split.get("type") == "ByteLevel" and split.get("use_regex") and not split.get("add_prefix_space")
    if not (model["type"] == "BPE" and plain and as_gpt2 and content["normalizer"] is None):
        raise ValueError("the tokenizer is not plain byte-level BPE with GPT-2's split: train one with tokenizer.train")
    vocab = model["vocab"]
    byte_ids = np.array([vocab[character] for character in byte_characters()], np.int64)
    size = 1 << max(4 * len(model["merges"]), 16).bit_length()
    pair_M, merged_M = np.full(size, EMPTY, np.uint64), np.zeros(size, np.int64)
    for rank, (left, right) in enumerate(model["merges"]):
        pair = np.uint64(vocab[left] << 32 | vocab[right])
        slot = _slot(pair, pair_M)
        pair_M[slot], merged_M[slot] = pair, rank << 32 | vocab[left + right]
    return Merges(byte_ids, pair_M, merged_M)


def byte_characters() -> list[str]:
    """What stands for each byte in a byte-level vocabulary: its Latin-1 character, where printable, else one from U+0100."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(shown)]
    standing = {byte: chr(byte) for byte in shown} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return [standing[byte] for byte in range(256)]


def encode(utf8_N: np.ndarray, text_bounds: np.ndarray, merges: Merges) -> tuple[np.ndarray, np.ndarray]:
    """(ids_T uint32, n_tokens_D int64) of documents in one UTF-8 buffer; -1 tokens for a document left to the library."""
    ids_T = np.empty(int(text_bounds[-1] - text_bounds[0]), np.uint32)  # pages never written cost no memory
    n_tokens_D = np.zeros(len(text_bounds) - 1, np.int64)
    ids, ranks = np.empty(LONGEST + 1, np.int64), np.empty(LONGEST + 1, np.int64)
    n = _encode(utf8_N, text_bounds, kinds(), merges, ids, ranks, ids_T, n_tokens_D)
    return ids_T[:n], n_tokens_D


@cache
def kinds() -> np.ndarray:
    """What GPT-2's pattern takes each code point for: uint8[C]. White space is Unicode's, so not U+001C to U+001F."""
    kinds_C = np.zeros(TABLE_END, np.uint8)
    for code in range(TABLE_END):
        character = chr(code)
        kind = category(character)
        if character.isspace() and not 0x1C <= code <= 0x1F:
            kinds_C[code] = SPACE
        else:
            kinds_C[code] = {"L": LETTER, "N": DIGIT}.get(kind[0], UNKNOWN if kind == "Cn" else OTHER)
    return kinds_C


@numba.njit(cache=True)
def _slot(pair, pair_M):
    """Where a pair is in the table, or the free slot where it would be."""
    mask = np.uint64(len(pair_M) - 1)
    slot = (pair * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20) & mask
    while pair_M[slot] != pair and pair_M[slot] != EMPTY:
        slot = (slot + np.uint64(1)) & mask
    return slot


@numba.njit(_nrt=False)  # pyright: ignore[reportCallIssue]
def _merged(left, right, merges):
    """rank << 32 | id of the token that two make; NO_RANK where they make none."""
    pair = np.uint64(left) << np.uint64(32) | np.uint64(right)
    slot = _slot(pair, merges.pair_M)
    return merges.merged_M[slot] if merges.pair_M[slot] == pair else NO_RANK


@numba.njit(_nrt=False)  # pyright: ignore[reportCallIssue]
def _kind(utf8_N, i, end, kinds_C):
    """(kind, bytes) of the character at byte i < end."""
    code, width = np.int64(utf8_N[i]), 1
    if code >= 0x80:
        code, width = decode(code, utf8_N, i, end)
    return np.int64(kinds_C[code]) if code < len(kinds_C) else UNKNOWN, width


@numba.njit(_nrt=False)  # pyright: ignore[reportCallIssue]
def _contraction(utf8_N, i, end):
    """Bytes of the English ending that begins with the apostrophe at byte i; 0 for none."""
    if i + 1 < end:
        a = utf8_N[i + 1]
        if a == 0x73 or a == 0x74 or a == 0x6D or a == 0x64:  # 's 't 'm 'd
            return 2
        if i + 2 < end:
            b = utf8_N[i + 2]
            if (b == 0x65 and (a == 0x72 or a == 0x76)) or (a == 0x6C and b == 0x6C):  # 're 've 'll
                return 3
    return 0


@numba.njit(_nrt=False)  # pyright: ignore[reportCallIssue]
def _piece(utf8_N, i, end, kinds_C):
    """Bytes of the piece that begins at byte i < end; -1 where it meets a character of unknown kind."""
    kind, width = _kind(utf8_N, i, end, kinds_C)
    if utf8_N[i] == 0x27:
        n = _contraction(utf8_N, i, end)
        if n:
            return n
    j = i + width
    if kind == SPACE:
        if utf8_N[i] == 0x20 and j < end:
            kind, width = _kind(utf8_N, j, end, kinds_C)
            if kind != SPACE:
                j += width  # one space goes with what follows it
        if kind == SPACE:
            last = i  # where the last white space begins
            while j < end:
                kind, width = _kind(utf8_N, j, end, kinds_C)
                if kind != SPACE:
                    break
                last = j
                j += width
            if j == end or last == i:
                return j - i if kind != UNKNOWN else -1
            return last - i if kind != UNKNOWN else -1  # the last white space is left to what follows
    if kind == UNKNOWN:
        return -1
    run = kind
    while j < end:
        kind, width = _kind(utf8_N, j, end, kinds_C)
        if kind != run:
            break
        j += width
    return j - i if kind != UNKNOWN else -1


@numba.njit(cache=True, nogil=True, _nrt=False)  # pyright: ignore[reportCallIssue]
def _encode(utf8_N, text_bounds, kinds_C, merges, ids, ranks, ids_T, n_tokens_D):
    t = 0
    for d in range(len(text_bounds) - 1):
        first = t
        i, end = text_bounds[d], text_bounds[d + 1]
        while i < end:
            n = _piece(utf8_N, i, end, kinds_C)
            if n < 0 or n > LONGEST:
                t = first
                n_tokens_D[d] = -1
                break
            for k in range(n):
                ids[k] = merges.byte_ids[utf8_N[i + k]]
            i += n
            for k in range(n - 1):
                ranks[k] = _merged(ids[k], ids[k + 1], merges)
            while n > 1:
                best, at = NO_RANK, 0
                for k in range(n - 1):
                    if ranks[k] < best:
                        best, at = ranks[k], k
                if best == NO_RANK:
                    break
                ids[at] = best & 0xFFFFFFFF
                n -= 1
                for k in range(at + 1, n):
                    ids[k] = ids[k + 1]
                    ranks[k] = ranks[k + 1]
                if at > 0:
                    ranks[at - 1] = _merged(ids[at - 1], ids[at], merges)
                if at < n - 1:
                    ranks[at] = _merged(ids[at], ids[at + 1], merges)
            for k in range(n):
                ids_T[t] = ids[k]
                t += 1
        if n_tokens_D[d] == 0:
            n_tokens_D[d] = t - first
    return t
