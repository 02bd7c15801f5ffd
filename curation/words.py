"""Words: one compiled scan of the UTF-8 bytes of many documents, read by every word-level signal.

A word is a run of Unicode letters and digits (general categories L and N; combining marks continue it); each Han, Kana, Thai,
Lao, Khmer or Burmese character is a word of its own, as those scripts are written without spaces. Words compare by the hash of
their lower-cased UTF-8 bytes; lower-casing is the simple one (a code point to a code point).

Shapes: N bytes of text, D documents, W words, C code points in a table.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba.cpython.unsafe.numbers import leading_zeros

from curation.characters import ALONE, ALPHA, MARK, NUMBER, flags, lower_case, read
from curation.compiled import inner, kernel

PERHAPS_NOT_COMPOSED = r"[^\x00-\x{2FF}\x{2010}-\x{205E}]"  # none of Latin letters and common marks has another form
EACH = np.uint64(0x0101010101010101)  # times a byte: that byte eight times
HIGH_BITS = EACH * np.uint64(0x80)
HIGH_BIT = np.uint64(1 << 63)


class Words(NamedTuple):
    """The words of D documents as flat arrays, which kernels read; words of document d are ``bounds[d]:bounds[d + 1]``."""

    utf8_N: np.ndarray  # uint8, the Arrow data buffer (read-only, not copied)
    text_bounds: np.ndarray  # int64[D + 1], byte range of each document in utf8_N
    hash_W: np.ndarray  # uint64, of the lower-cased UTF-8 bytes
    start_W: np.ndarray  # int64, byte offset in utf8_N
    length_W: np.ndarray  # int32, bytes
    n_chars_W: np.ndarray  # int32, code points
    bounds: np.ndarray  # int64[D + 1]

    def spelled(self, document: int) -> list[str]:
        """The words of one document as they stand in its text."""
        first, last = self.bounds[document], self.bounds[document + 1]
        spans = zip(self.start_W[first:last].tolist(), self.length_W[first:last].tolist(), strict=True)
        return [self.utf8_N[start : start + length].tobytes().decode() for start, length in spans]


def utf8_buffer(text: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(utf8_N uint8, text_bounds int64[D + 1]): the bytes under an Arrow string array (one chunk of large_string: no copy).

    Raises ValueError for null texts (an empty document is an empty string).
    """
    if text.null_count:
        raise ValueError(f"{text.null_count} of {len(text)} texts are null; give an empty document as an empty string")
    if isinstance(text, pa.ChunkedArray):
        text = text.chunk(0) if text.num_chunks == 1 else text.combine_chunks()
    text = text.cast(pa.large_string())
    if len(text) == 0:
        return np.frombuffer(b"", np.uint8), np.frombuffer(bytes(8), np.int64)
    _, offsets, data = text.buffers()
    text_bounds = np.frombuffer(offsets, np.int64, len(text) + 1, text.offset * 8)
    utf8_N = np.frombuffer(data if data is not None else b"", np.uint8)
    utf8_N.flags.writeable = text_bounds.flags.writeable = False  # one array type, hence one compiled version of each kernel
    return utf8_N, text_bounds


def composed(text: pa.Array | pa.ChunkedArray) -> pa.Array | None:
    """The texts in Unicode's composed form (NFC), which text from macOS and from PDFs often is not; None where no text may
    differ from it."""
    text = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    changes = pc.match_substring_regex(text, PERHAPS_NOT_COMPOSED)
    if not pc.any(changes).as_py():
        return None
    return pc.replace_with_mask(text, changes, pc.utf8_normalize(text.filter(changes), form="NFC"))


def scan(text: pa.Array | pa.ChunkedArray) -> Words:
    """Find and hash the words of every document of a string array, in one pass."""
    words = blank(text, 2)  # a word and its separator
    return first_words(words, _scan(words, flags(), lower_case()))


def blank(text: pa.Array | pa.ChunkedArray, least: int) -> Words:
    """Room for all words of some texts, each of which takes `least` bytes or more (the last of a text one less)."""
    utf8_N, text_bounds = utf8_buffer(text)
    capacity = int(text_bounds[-1] - text_bounds[0] + len(text_bounds)) // least + 1  # pages never written cost no memory
    hash_W, start_W = np.empty(capacity, np.uint64), np.empty(capacity, np.int64)
    length_W, n_chars_W = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    return Words(utf8_N, text_bounds, hash_W, start_W, length_W, n_chars_W, np.zeros(len(text_bounds), np.int64))


def first_words(words: Words, n: int) -> Words:
    """The first n words: those that a kernel has written where there was room for more."""
    flat = {name: getattr(words, name)[:n] for name in ("hash_W", "start_W", "length_W", "n_chars_W")}
    return words._replace(**flat)


@inner
def fold(state, chunk):
    """Absorb eight bytes: one round of splitmix64's finaliser."""
    state = (state ^ chunk) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(32))


@inner
def eight(utf8_N, i):
    """Eight bytes from byte i on as a number, the first one highest: one load, once compiled.

    The index is unsigned, or each byte would be looked up on its own: a negative one counts from the end.
    """
    first, chunk = np.uint64(i), np.uint64(0)
    for k in range(8):
        chunk = chunk << np.uint64(8) | np.uint64(utf8_N[first + np.uint64(k)])
    return chunk


@inner
def hash_bytes(utf8_N, begin, end):
    """A hash of the bytes begin:end, never 0; not that of `Words.hash_W`, which is of lower-cased words."""
    state = np.uint64(end - begin)
    while begin + 8 <= end:
        state = fold(state, eight(utf8_N, begin))
        begin += 8
    chunk = np.uint64(0)
    if begin < end and begin + 8 <= len(utf8_N):
        chunk = eight(utf8_N, begin) >> np.uint64(64 - 8 * (end - begin))
    else:
        for i in range(begin, end):
            chunk = chunk << np.uint64(8) | np.uint64(utf8_N[i])
    return fold(state, chunk) | np.uint64(1) << np.uint64(63)


@inner
def absorb(state, chunk, byte):
    """Absorb one byte; `chunk` holds those that do not make eight yet (no byte is zero)."""
    if chunk >= np.uint64(1) << np.uint64(56):
        state, chunk = fold(state, chunk), np.uint64(0)
    return state, chunk << np.uint64(8) | np.uint64(byte)


@inner
def absorb_character(state, chunk, code):
    """Absorb the UTF-8 bytes of a code point."""
    if code < 0x80:
        return absorb(state, chunk, code)
    if code < 0x800:
        state, chunk = absorb(state, chunk, 0xC0 | code >> 6)
    else:
        if code < 0x10000:
            state, chunk = absorb(state, chunk, 0xE0 | code >> 12)
        else:
            state, chunk = absorb(state, chunk, 0xF0 | code >> 18)
            state, chunk = absorb(state, chunk, 0x80 | code >> 12 & 0x3F)
        state, chunk = absorb(state, chunk, 0x80 | code >> 6 & 0x3F)
    return absorb(state, chunk, 0x80 | code & 0x3F)


@inner
def ascii_words(chunk):
    """(where: 0x80 in every byte that is an ASCII letter or digit, the eight bytes with ASCII letters lower-cased)."""
    low = chunk & ~HIGH_BITS  # so that no sum below carries into the next byte
    folded = low | EACH * np.uint64(0x20)
    letters = (folded + EACH * np.uint64(0x80 - 0x61)) & ~(folded + EACH * np.uint64(0x80 - 0x7B))
    digits = (low + EACH * np.uint64(0x80 - 0x30)) & ~(low + EACH * np.uint64(0x80 - 0x3A))
    ascii_letters = letters & ~chunk & HIGH_BITS
    return ascii_letters | digits & ~chunk & HIGH_BITS, chunk | ascii_letters >> np.uint64(2)


@inner
def leading_bytes(marks):
    """How many bytes of a number, from the highest on, are zero before the first that is not: 8 for zero."""
    return np.int64(leading_zeros(marks)) >> 3  # pyright: ignore[reportCallIssue]


@kernel
def _scan(words, flags_C, lower_C):
    """Fills `words`; answers how many there are."""
    utf8_N, text_bounds, hash_W, start_W, length_W, n_chars_W, bounds = words
    last = len(utf8_N) - 8  # beyond it eight bytes cannot be loaded
    w = np.uint64(0)
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        while i < end:
            if i <= last:  # a word of ASCII, eight bytes at a time
                chunk = eight(utf8_N, i)
                where, lowered = ascii_words(chunk)
                stop, state = i, np.uint64(0)
                n = leading_bytes(where ^ HIGH_BITS)
                if n == 0 and chunk < HIGH_BIT:  # no word begins here, nor a character of several bytes
                    i += leading_bytes(where | chunk & HIGH_BITS)
                    continue
                while n == 8 and stop + 8 <= min(end, last):
                    state = fold(state, lowered)
                    stop += 8
                    where, lowered = ascii_words(eight(utf8_N, stop))
                    n = leading_bytes(where ^ HIGH_BITS)
                n = min(n, end - stop)
                if n:
                    state = fold(state, lowered >> np.uint64(64 - 8 * n))
                    stop += n
                # What follows ends the word but where it is a character of several bytes, which may belong to it.
                if stop > i and n < 8 and (stop == end or utf8_N[np.uint64(stop)] < 0x80):
                    hash_W[w] = state
                    start_W[w], length_W[w], n_chars_W[w] = i, stop - i, stop - i
                    w += np.uint64(1)
                    i = stop + 1
                    continue
            code, width, kind = read(utf8_N, i, end, flags_C)
            if not kind & (ALPHA | NUMBER):
                i += width
                continue
            begin, alone, chars = i, kind & ALONE, 0
            state, chunk = np.uint64(0), np.uint64(0)
            while True:
                state, chunk = absorb_character(state, chunk, np.int64(lower_C[code]))
                chars += 1
                i += width
                if i >= end:
                    break
                code, width, kind = read(utf8_N, i, end, flags_C)
                if not kind & MARK and (alone or kind & ALONE or not kind & (ALPHA | NUMBER)):
                    break
            hash_W[w] = fold(state, chunk)
            start_W[w], length_W[w], n_chars_W[w] = begin, i - begin, chars
            w += np.uint64(1)
        bounds[d + 1] = w
    return w
