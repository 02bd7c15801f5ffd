"""Gopher's document rules (Rae et al. 2021, arXiv 2112.11446, section A1.1 and table A1) as datatrove 0.10 computes them.

Everything is counted over segments (`curation.segments`): words and punctuation marks, case kept. Every raw value is a column;
the published thresholds are the rules below. A ratio whose denominator is zero is zero.

Shapes: N bytes, D documents, W segments, C code points, V values per document, S slots of a hash table.
"""

import numpy as np
import pyarrow as pa

from curation.characters import ALPHA, LINE_BREAK, SPACE, SYMBOL, count_characters, flags, read, strip
from curation.compiled import inner, kernel
from curation.document import Batch
from curation.signals.repeats import count_n_grams, gram_room, keep_repeated, one_grams, repeated_pieces, sum_of

QUALITY_RULES = """
    gopher_quality.n_words >= 50 and gopher_quality.n_words <= 100000
    and gopher_quality.mean_word_length >= 3 and gopher_quality.mean_word_length <= 10
    and gopher_quality.hash_ratio <= 0.1 and gopher_quality.ellipsis_ratio <= 0.1
    and gopher_quality.bullet_lines <= 0.9 and gopher_quality.ellipsis_lines <= 0.3
    and gopher_quality.alpha_words >= 0.8 and gopher_quality.stop_words >= 2
"""
# The same rules with words at white space where the share of words with a letter is taken, as Dolma's tagger takes it: A1.1
# says "words" and no more. Of ordinary prose every seventh segment is a mark, so 0.8 of segments is a much harder test.
SPACED_RULES = QUALITY_RULES.replace("alpha_words", "alpha_words_spaced")
REPETITION_RULES = """
    gopher_repetition.n_chars > 0
    and gopher_repetition.dup_paragraphs <= 0.3 and gopher_repetition.dup_paragraph_chars <= 0.2
    and gopher_repetition.dup_lines <= 0.3 and gopher_repetition.dup_line_chars <= 0.2
    and gopher_repetition.top_2_gram <= 0.2 and gopher_repetition.top_3_gram <= 0.18
    and gopher_repetition.top_4_gram <= 0.16
    and gopher_repetition.dup_5_grams <= 0.15 and gopher_repetition.dup_6_grams <= 0.14
    and gopher_repetition.dup_7_grams <= 0.13 and gopher_repetition.dup_8_grams <= 0.12
    and gopher_repetition.dup_9_grams <= 0.11 and gopher_repetition.dup_10_grams <= 0.1
"""
QUALITY_VALUES = np.dtype([("n_words", np.int32), *(
    (name, np.float64) for name in (
        "mean_word_length", "hash_ratio", "ellipsis_ratio", "bullet_lines", "ellipsis_lines", "alpha_words",
        "alpha_words_spaced",
    )
), ("stop_words", np.int32)])  # fmt: skip
INSIDE = 1 << 30  # a word has begun; no kind of character has this bit
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
REPETITION_COLUMNS = (
    "dup_paragraphs", "dup_paragraph_chars", "dup_lines", "dup_line_chars", "top_2_gram", "top_3_gram", "top_4_gram",
    "dup_5_grams", "dup_6_grams", "dup_7_grams", "dup_8_grams", "dup_9_grams", "dup_10_grams",
)  # fmt: skip


def quality(batch: Batch) -> pa.Table:
    """Columns, all per document:

    n_words int32 (segments that are not punctuation alone), mean_word_length (their mean length in characters), hash_ratio and
    ellipsis_ratio ("#", and "..." or U+2026, per segment), bullet_lines and ellipsis_lines (fraction of lines that begin with
    "-" or U+2022, that end with an ellipsis), alpha_words (fraction of segments with a letter; marks count in the denominator,
    as in datatrove), alpha_words_spaced (fraction of the words at white space with a letter), stop_words int32 (distinct ones
    of the eight, case-sensitive).
    """
    value_D = np.zeros(len(batch.segments.bounds) - 1, QUALITY_VALUES)
    stop_T = np.array([int.from_bytes(word.encode(), "big") for word in STOP_WORDS], np.uint64)
    _quality(batch.segments, flags(), stop_T, value_D)
    return pa.table({name: value_D[name] for name in QUALITY_VALUES.names or ()})


def repetition(batch: Batch) -> pa.Table:
    """Columns: n_chars int32 (code points of the text), then fractions in [0, 1].

    A line or paragraph is a duplicate from its second occurrence on; `dup_lines` and `dup_paragraphs` are fractions of their
    number, all others of `n_chars`. top_n_gram: length of the most frequent n-gram (the first of several), joined by
    spaces, times its count, even if that is one. dup_n_grams: characters of n-grams that stood before, none counted twice.
    (datatrove compares the latter with their words run together, so that "a bc" equals "ab c"; here words are compared.)
    """
    documents = len(batch.segments.bounds) - 1
    n_chars_D = np.empty(documents, np.int32)
    value_DV = np.zeros((documents, len(REPETITION_COLUMNS)), np.float64)
    _repetition(batch.segments, flags(), gram_room(batch.segments), n_chars_D, value_DV)
    return pa.table({"n_chars": n_chars_D, **{name: value_DV[:, v] for v, name in enumerate(REPETITION_COLUMNS)}})


@inner
def ellipsis_before(utf8_N, begin, end):
    """Whether "..." or U+2026 stands right before `end`."""
    if end - begin < 3:
        return False
    one, two, three = utf8_N[end - 3], utf8_N[end - 2], utf8_N[end - 1]
    return (one == 0x2E and two == 0x2E and three == 0x2E) or (one == 0xE2 and two == 0x80 and three == 0xA6)


@kernel
def _quality(cuts, flags_C, stop_T, value_D):
    utf8_N, text_bounds, _, start_W, length_W, n_chars_W, bounds = cuts
    for d in range(len(text_bounds) - 1):
        begin, end = text_bounds[d], text_bounds[d + 1]
        segments = max(bounds[d + 1] - bounds[d], 1)
        words = chars = alpha = stops_seen = 0
        for w in range(bounds[d], bounds[d + 1]):
            i, stop = start_W[w], start_W[w] + length_W[w]
            packed = np.uint64(0)
            seen = symbols = 0
            while i < stop:
                code, width, kind = read(utf8_N, i, stop, flags_C)
                packed = packed << np.uint64(8) | np.uint64(code)
                seen |= kind
                symbols += (kind & SYMBOL) != 0
                i += width
            alpha += (seen & ALPHA) != 0
            if symbols < n_chars_W[w]:
                words += 1
                chars += n_chars_W[w]
            if length_W[w] <= 4:
                for t in range(len(stop_T)):
                    if stop_T[t] == packed:
                        stops_seen |= 1 << t
        hashes = ellipses = lines = bullets = ends = 0
        spaced = spaced_alpha = seen = 0  # words at white space; what was seen of the one at hand: 0, or its kinds
        i = line = begin
        dots = 0
        while i <= end:
            code, width, kind = 0, 1, LINE_BREAK
            if i < end:
                code, width, kind = read(utf8_N, i, end, flags_C)
            if code == 0x2E:
                dots += 1
                ellipses += dots % 3 == 0
            else:
                dots = 0
            if kind & SPACE or i == end:
                spaced += seen != 0
                spaced_alpha += (seen & ALPHA) != 0
                seen = 0
            else:
                seen |= kind | INSIDE
            hashes += code == 0x23
            ellipses += code == 0x2026
            if kind & LINE_BREAK:
                if i < end or i > line:  # what follows the last break counts only if it is not empty
                    first, last = strip(utf8_N, line, i, flags_C)
                    lines += 1
                    if first < last:
                        mark = read(utf8_N, first, last, flags_C)[0]
                        bullets += mark == 0x2D or mark == 0x2022
                        ends += ellipsis_before(utf8_N, first, last)
                if code == 0x0D and i + 1 < end and utf8_N[i + 1] == 0x0A:
                    width = 2
                line = i + width
            i += width
        values = value_D[d]
        values.n_words = words
        values.mean_word_length = chars / max(words, 1)
        values.hash_ratio, values.ellipsis_ratio = hashes / segments, ellipses / segments
        values.bullet_lines, values.ellipsis_lines = bullets / max(lines, 1), ends / max(lines, 1)
        values.alpha_words = alpha / segments
        values.alpha_words_spaced = spaced_alpha / max(spaced, 1)
        for t in range(len(stop_T)):
            values.stop_words += stops_seen >> t & 1


@inner
def top_n_gram(grams, live, n_chars_W, first, n, highest):
    """Characters, spaces included, of all occurrences of the most frequent n-gram (of several the one that came first)."""
    place = 0  # if none occurs again
    for k in range(live if highest > 1 else 0):
        if grams.count_S[grams.slot_P[k]] == highest:
            place = grams.live_P[k]
            break
    return (n - 1 + sum_of(n_chars_W, first + place, first + place + n)) * max(highest, 1)


@inner
def repeated_n_grams(grams, live, n_chars_W, first, n):
    """Characters of n-grams that stood before; after a repeat the search goes on behind it (so none counts twice).

    A count is turned negative once its n-gram has been seen.
    """
    chars = done = 0
    for k in range(live):
        p, s = grams.live_P[k], grams.slot_P[k]
        if p >= done:
            if grams.count_S[s] < 0:
                chars += sum_of(n_chars_W, first + p, first + p + n)
                done = p + n
            else:
                grams.count_S[s] = -grams.count_S[s]
    return chars


@kernel
def _repetition(cuts, flags_C, grams, n_chars_D, value_DV):
    utf8_N, text_bounds, hash_W, _, _, n_chars_W, bounds = cuts
    for d in range(len(text_bounds) - 1):
        begin, end = text_bounds[d], text_bounds[d + 1]
        chars = count_characters(utf8_N, begin, end)
        n_chars_D[d] = chars
        if chars == 0:
            continue
        first, last = strip(utf8_N, begin, end, flags_C)
        pieces, repeats, repeated = repeated_pieces(utf8_N, first, last, 2, grams.slot_S)
        value_DV[d, 0], value_DV[d, 1] = repeats / pieces, repeated / chars
        pieces, repeats, repeated = repeated_pieces(utf8_N, begin, end, 1, grams.slot_S)
        value_DV[d, 2], value_DV[d, 3] = repeats / pieces, repeated / chars
        first, words = bounds[d], bounds[d + 1] - bounds[d]
        one_grams(grams, hash_W, first, words)
        live = words
        for n in range(2, min(words, 10) + 1):
            live, highest = count_n_grams(grams, live, hash_W, first, words, n)
            if n < 5:
                value = top_n_gram(grams, live, n_chars_W, first, n, highest)
            else:
                value = repeated_n_grams(grams, live, n_chars_W, first, n)
            value_DV[d, 2 + n] = value / chars
            live = keep_repeated(grams, live)
