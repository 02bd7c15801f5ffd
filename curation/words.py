"""Words: one compiled scan of the UTF-8 bytes of many documents, read by every word-level signal.

A word is a run of Unicode letters and digits (general categories L and N; combining marks continue it); each Han, Kana, Thai,
Lao, Khmer or Burmese character is a word of its own, as those scripts are written without spaces. Words compare by the hash of
their lower-cased UTF-8 bytes; lower-casing is the simple one (a code point to a code point).

Shapes: N bytes of text, D documents, W words, C code points in a table.
"""

from dataclasses import dataclass
from functools import cache
from unicodedata import category

import numba
import numpy as np
import pyarrow as pa

OTHER, WORD, MARK, SINGLE = 0, 1, 2, 3
SINGLE_BLOCKS = (  # scripts without spaces between words
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana phonetic extensions
    (0x3400, 0x4DBF),  # CJK extension A
    (0x4E00, 0x9FFF),  # CJK unified
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1B000, 0x1B16F),  # Kana supplements
    (0x20000, 0x323AF),  # CJK extensions B to H
)
TABLE_END = 0x323B0  # above it only tags and variation selectors are assigned; they are no words


@dataclass(frozen=True)
class Words:
    """The words of D documents as flat arrays; words of document d are ``bounds[d]:bounds[d + 1]``."""

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
    return np.frombuffer(data if data is not None else b"", np.uint8), text_bounds


@cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """(kind_C uint8, lower_C int32): the kind of character and the simple lower case of every code point below TABLE_END."""
    kind_C = np.zeros(TABLE_END, np.uint8)
    lower_C = np.arange(TABLE_END, dtype=np.int32)
    kinds = {"L": WORD, "N": WORD, "M": MARK}
    for code in range(TABLE_END):
        kind_C[code] = kinds.get(category(chr(code))[0], OTHER)
        lower_C[code] = ord(chr(code).lower()[0])  # the one longer mapping, U+0130, starts with its simple one
    for first, last in SINGLE_BLOCKS:
        block = kind_C[first : last + 1]
        block[block == WORD] = SINGLE
    kind_C.flags.writeable = lower_C.flags.writeable = False  # one array type, hence one compiled kernel
    return kind_C, lower_C


def scan(text: pa.Array | pa.ChunkedArray) -> Words:
    """Find and hash the words of every document of a string array, in one pass."""
    utf8_N, text_bounds = utf8_buffer(text)
    # A word and its separator take two bytes at least. Pages never written cost no memory.
    capacity = int(text_bounds[-1] - text_bounds[0] + len(text_bounds)) // 2 + 1
    hash_W = np.empty(capacity, np.uint64)
    start_W = np.empty(capacity, np.int64)
    length_W = np.empty(capacity, np.int32)
    n_chars_W = np.empty(capacity, np.int32)
    bounds = np.zeros(len(text_bounds), np.int64)
    n = _scan(utf8_N, text_bounds, *tables(), hash_W, start_W, length_W, n_chars_W, bounds)
    return Words(utf8_N, text_bounds, hash_W[:n], start_W[:n], length_W[:n], n_chars_W[:n], bounds)


@numba.njit
def decode(lead, utf8_N, i, end):
    """(code point, bytes) of the character of several bytes at byte i; one cut short by `end` reads as one byte of U+FFFD."""
    width = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if i + width > end:
        return 0xFFFD, 1
    code = lead & 0x7F >> width
    for k in range(1, width):
        code = code << 6 | np.int64(utf8_N[i + k]) & 0x3F
    return code, width


@numba.njit
def read(utf8_N, i, end, kind_C):
    """(code point, bytes, kind) of the character at byte i."""
    code, width = np.int64(utf8_N[i]), 1
    if code >= 0x80:
        code, width = decode(code, utf8_N, i, end)
    return code, width, kind_C[code] if code < TABLE_END else np.uint8(OTHER)


@numba.njit
def fold(state, chunk):
    """Absorb eight bytes: one round of splitmix64's finaliser."""
    state = (state ^ chunk) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(32))


@numba.njit
def absorb(state, chunk, byte):
    """Absorb one byte; `chunk` holds those that do not make eight yet (no byte is zero)."""
    if chunk >= np.uint64(1) << np.uint64(56):
        state, chunk = fold(state, chunk), np.uint64(0)
    return state, chunk << np.uint64(8) | np.uint64(byte)


@numba.njit
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


@numba.njit(cache=True, nogil=True)
def _scan(utf8_N, text_bounds, kind_C, lower_C, hash_W, start_W, length_W, n_chars_W, bounds):
    w = 0
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        while i < end:
            code, width, kind = read(utf8_N, i, end, kind_C)
            if kind != WORD and kind != SINGLE:
                i += width
                continue
            begin, alone, chars = i, kind == SINGLE, 0
            state, chunk = np.uint64(0), np.uint64(0)
            while True:
                state, chunk = absorb_character(state, chunk, np.int64(lower_C[code]))
                chars += 1
                i += width
                if i >= end:
                    break
                code, width, kind = read(utf8_N, i, end, kind_C)
                if kind != MARK and (kind != WORD or alone):
                    break
            hash_W[w] = fold(state, chunk)
            start_W[w], length_W[w], n_chars_W[w] = begin, i - begin, chars
            w += 1
        bounds[d + 1] = w
    return w
