"""Segments: text cut into words *and* punctuation marks, as spaCy's English rules cut it, in one compiled scan.

Gopher's and FineWeb's thresholds, as datatrove applies them, are ratios over such segments ("words" of spaCy's blank English
pipeline, case kept), so a fraction over plain words would not be comparable with the published ones. The rules are those of
spaCy 3.8 (lang/punctuation.py, lang/en/punctuation.py, Tokenizer._split_affixes): white space separates; marks are split off
both ends; inside, ellipses, symbols, hyphens, slashes and commas between letters separate; a web address stays whole;
contractions split ("do|n't"). Its table of exceptions is reproduced for abbreviations, emoticons and contractions; the rest of
that table, its units after a number (except %) and its address pattern for bare numbers are not.

Shapes: N bytes, D documents, W segments, C code points, E slots of the table of exceptions.
"""

import numpy as np
import pyarrow as pa

from curation.abbreviations import exception, exceptions, look_up
from curation.characters import (
    AFFIX,
    ALPHA,
    CURRENCY,
    ICON,
    LOWER,
    QUOTE,
    SPACE,
    UPPER,
    before,
    count_characters,
    flags,
    flags_at,
    read,
)
from curation.compiled import inner, kernel
from curation.words import Words, blank, first_words, hash_bytes

NONE = np.uint64(0)


def segments(text: pa.Array | pa.ChunkedArray) -> Words:
    """Segments of every document: the arrays of `words.scan`, but `hash_W` is of the bytes as they stand, case and all."""
    words = blank(text, 1)
    return first_words(words, _segments(words, flags(), *exceptions()))


@inner
def digit(byte):
    return 48 <= byte <= 57


@inner
def run(utf8_N, i, end, byte):
    """How many times `byte` stands at i and after."""
    n = 0
    while i + n < end and utf8_N[i + n] == byte:
        n += 1
    return n


@inner
def prefix(utf8_N, begin, end, flags_C):
    """Bytes of the mark that is split off the front, or 0."""
    byte = utf8_N[begin]
    if byte == ord("."):
        dots = run(utf8_N, begin, end, byte)
        return dots if dots > 1 else 0
    if byte == ord("+"):
        return 0 if begin + 1 < end and digit(utf8_N[begin + 1]) else 1
    code, width, kind = read(utf8_N, begin, end, flags_C)
    return width if kind & (AFFIX | CURRENCY) or code == 0x25 or code == 0x3D or code == 0xA7 else 0


@inner
def apostrophe(utf8_N, i, end):
    """Bytes of the apostrophe (' or U+2019) at byte i, or 0."""
    if i < end and utf8_N[i] == 0x27:
        return 1
    if i + 2 < end and utf8_N[i] == 0xE2 and utf8_N[i + 1] == 0x80 and utf8_N[i + 2] == 0x99:
        return 3
    return 0


@inner
def suffix(utf8_N, begin, end, flags_C):
    """Bytes of the mark that is split off the back, or 0."""
    last = before(utf8_N, end, begin)
    byte = utf8_N[last]
    kind = flags_at(utf8_N, last, end, flags_C)
    if byte == ord("s") or byte == ord("S"):
        for width in (1, 3):
            if last - width >= begin and apostrophe(utf8_N, last - width, last) == width:
                return width + 1
        return 0
    if kind & AFFIX:
        return end - last
    if last == begin:
        return 0
    previous = before(utf8_N, last, begin)
    behind = flags_at(utf8_N, previous, end, flags_C)
    if byte == ord("."):
        start = last
        while start > begin and utf8_N[start - 1] == byte:
            start -= 1
        if start < last:
            return end - start
        mark = utf8_N[previous]
        if (
            digit(mark)
            or behind & (LOWER | AFFIX)
            or mark == ord("%")
            or mark == ord("-")
            or mark == ord("+")
            or mark == ord("|")
        ):
            return 1
        if behind & UPPER and previous > begin and flags_at(utf8_N, before(utf8_N, previous, begin), end, flags_C) & UPPER:
            return 1
        return 0
    if digit(utf8_N[previous]) and (byte == ord("+") or byte == ord("%") or kind & CURRENCY):
        return end - last
    return 0


@inner
def host(utf8_N, begin, end, flags_C):
    """Whether begin:end is a host name with a top-level domain, then perhaps a port and a path."""
    i, dot = begin, np.int64(-1)
    lower = 0  # characters since the last dot, if all are lower-case letters; else -1
    while i < end:
        byte = utf8_N[i]
        if byte == ord("/") or byte == ord("?") or byte == ord("#") or byte == ord(":"):
            break
        if byte == ord("."):
            if i == begin or utf8_N[i - 1] == byte:
                return False
            dot, lower = i, 0
            i += 1
            continue
        _, width, kind = read(utf8_N, i, end, flags_C)
        if byte < 0x80 and not kind & ALPHA and not digit(byte) and byte != ord("-") and byte != ord("_"):
            return False
        lower = lower + 1 if lower >= 0 and kind & LOWER else -1
        i += width
    if dot < 0 or lower < 2:
        return False
    if i < end and utf8_N[i] == ord(":"):
        port = i + 1
        while port < end and digit(utf8_N[port]):
            port += 1
        if not 3 <= port - i <= 6:
            return False
        i = port
    return i == end or utf8_N[i] == ord("/") or utf8_N[i] == ord("?") or utf8_N[i] == ord("#")


@inner
def address(utf8_N, begin, end, flags_C):
    """Whether begin:end is a web or mail address, which stays whole."""
    first, at, dotted = begin, np.int64(-1), False
    for i in range(begin, end):
        byte = utf8_N[i]
        dotted |= byte == ord(".")
        if byte == ord(":") and first == begin and i + 2 < end and utf8_N[i + 1] == ord("/") and utf8_N[i + 2] == ord("/"):
            first = i + 3
        if byte == ord("@"):
            at = i
    return dotted and (host(utf8_N, first, end, flags_C) or (at >= 0 and host(utf8_N, at + 1, end, flags_C)))


@inner
def infix(utf8_N, i, begin, end, flags_C):
    """Bytes of the mark at byte i that separates what is before it from what follows, or 0."""
    byte = utf8_N[i]
    if (byte | 0x20) - 97 < 26 and byte >= 65:  # a letter of ASCII: the common case
        return 0
    code, width, kind = read(utf8_N, i, end, flags_C)
    if code == 0x2026 or kind & ICON:
        return width
    dots = run(utf8_N, i, end, np.uint8(46))
    if dots > 1:
        return dots
    if i == begin or i + width >= end:
        return 0
    left_at = before(utf8_N, i, begin)
    left = flags_at(utf8_N, left_at, end, flags_C)
    right_byte = utf8_N[i + width]
    right = flags_at(utf8_N, i + width, end, flags_C)
    left_digit = digit(utf8_N[left_at])
    if (
        left_digit
        and (code == 0x2B or code == 0x2D or code == 0x2A or code == 0x5E)
        and (digit(right_byte) or right_byte == 0x2D)
    ):
        return 1
    if code == 0x2E:
        return 1 if left & (LOWER | QUOTE) and right & (UPPER | QUOTE) else 0
    if code == 0x2C:
        return 1 if left & ALPHA and right & ALPHA else 0
    if not (left & ALPHA or left_digit):
        return 0
    if code == 0x2D or code == 0x2014:
        if right & ALPHA:
            return width
        length = width  # --, --- and two em dashes
        while i + length < end and utf8_N[i + length] == byte and length < (3 if code == 0x2D else 6):
            length += width
        return length if length > width and flags_at(utf8_N, i + length, end, flags_C) & ALPHA else 0
    if code == 0x2013 or code == 0x7E or code == 0x3A or code == 0x3C or code == 0x3E or code == 0x3D or code == 0x2F:
        return width if right & ALPHA else 0
    return 0


@inner
def contraction(utf8_N, begin, end, flags_C):
    """After how many bytes a word that ends in n't, 'll, 're, 've, 'd or 'm is cut, or 0."""
    i = begin
    while i < end:
        _, width, kind = read(utf8_N, i, end, flags_C)
        if not kind & ALPHA:
            break
        i += width
    tail = i + apostrophe(utf8_N, i, end)
    if i == begin or tail == i:
        return 0
    first, last = utf8_N[tail] if tail < end else np.uint8(0), utf8_N[end - 1]
    if tail + 1 == end:
        if first == ord("t"):
            return i - 1 - begin if utf8_N[i - 1] == ord("n") and i - 1 > begin else 0
        return i - begin if first == ord("d") or first == ord("m") else 0
    if tail + 2 == end and (first == ord("l") or first == ord("r") or first == ord("v")):
        return i - begin if last == (ord("l") if first == ord("l") else ord("e")) else 0
    return 0


@inner
def emit(words, begin, end, w):
    """Write the segment begin:end as number w; returns the next number."""
    words.hash_W[w] = hash_bytes(words.utf8_N, begin, end)
    words.start_W[w], words.length_W[w] = begin, end - begin
    words.n_chars_W[w] = count_characters(words.utf8_N, begin, end)
    return w + 1


@inner
def cut(words, begin, end, flags_C, key_E, cut_E, w):
    """Cut what stands between two white spaces; returns the number of segments so far."""
    utf8_N = words.utf8_N
    at = exception(utf8_N, begin, end, key_E, cut_E)
    while at < 0:
        width = prefix(utf8_N, begin, end, flags_C)
        if width == 0:
            break
        w = emit(words, begin, begin + width, w)
        begin += width
        if begin == end:
            return w
        at = exception(utf8_N, begin, end, key_E, cut_E)
    stop = end
    while at < 0:
        width = suffix(utf8_N, begin, stop, flags_C)
        if width == 0:
            break
        stop -= width
        if stop == begin:
            break
        at = exception(utf8_N, begin, stop, key_E, cut_E)
    if at < 0 and stop > begin:
        at = contraction(utf8_N, begin, stop, flags_C)
        if at == 0 and not address(utf8_N, begin, stop, flags_C):
            i = begin
            while i < stop:
                if utf8_N[i] & 0xC0 == 0x80:  # inside a character
                    i += 1
                    continue
                width = infix(utf8_N, i, begin, stop, flags_C)
                if width:
                    if i > begin:
                        w = emit(words, begin, i, w)
                    w = emit(words, i, i + width, w)
                    i += width
                    begin = i
                else:
                    i += 1
    if at > 0:
        w = emit(words, begin, begin + at, w)
        begin += at
    if stop > begin:
        w = emit(words, begin, stop, w)
    while stop < end:  # the marks of the back, in reading order
        width = run(utf8_N, stop, end, np.uint8(46))
        if width == 0:
            width = apostrophe(utf8_N, stop, end)
            if width and stop + width < end and utf8_N[stop + width] | 0x20 == ord("s"):
                width += 1
            else:
                width = read(utf8_N, stop, end, flags_C)[1]
        w = emit(words, stop, stop + width, w)
        stop += width
    return w


@inner
def splits_plainly(last, previous):
    """Whether a last mark is split off a word of ASCII letters that ends in `previous`, whatever the word."""
    if last == ord("."):
        return 97 <= previous <= 122
    return last == ord(",") or last == ord(";") or last == ord(":") or last == ord("!") or last == ord("?") or last == ord(")")


@kernel
def _segments(words, flags_C, key_E, cut_E):
    """Fills `words`; answers how many segments there are."""
    utf8_N, text_bounds, hash_W, start_W, length_W, n_chars_W, bounds = words
    w = 0
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        begin, letters = i, 0  # ASCII letters that it begins with
        while i <= end:
            width, kind = 1, SPACE
            if i < end:
                _, width, kind = read(utf8_N, i, end, flags_C)
            if kind & SPACE:
                # Most of what stands between spaces is a word, or a word and one mark: these need no general rules.
                marks = i - begin - letters
                key = hash_bytes(utf8_N, begin, begin + letters) if letters and marks < 2 else NONE
                plain = key != NONE and look_up(key, key_E, cut_E) <= 0
                if plain and marks == 0:
                    hash_W[w], start_W[w], length_W[w], n_chars_W[w] = key, begin, letters, letters
                    w += 1
                elif (
                    plain and splits_plainly(utf8_N[i - 1], utf8_N[i - 2])
                    and exception(utf8_N, begin, i, key_E, cut_E) < 0
                ):  # fmt: skip
                    hash_W[w], start_W[w], length_W[w], n_chars_W[w] = key, begin, letters, letters
                    w = emit(words, i - 1, i, w + 1)
                elif i > begin:
                    w = cut(words, begin, i, flags_C, key_E, cut_E, w)
                begin, letters = i + width, 0
            elif letters == i - begin and width == 1 and kind & ALPHA:
                letters += 1
            i += width
        bounds[d + 1] = w
    return w
