"""Gopher's repetition rules as DCLM computes them (baselines/mappers/filters/content_filters.py).

The thresholds are the same, the values are not. Unlike datatrove's (`curation.signals.gopher`), every occurrence of a repeated
line or n-gram counts, the first too; fractions are of the characters of lines, or of words, not of the text; and text in one
piece is never repetitive. DCLM's words are those of Unicode's word boundaries that begin with a letter or digit; here they are
Assay's words, case kept ("don't" is two).

Shapes: N bytes, D documents, W words, P words of one document, V values per document, S slots of a hash table.
"""

import numpy as np
import pyarrow as pa

from curation.characters import count_characters, flags, strip
from curation.compiled import inner, kernel
from curation.document import Batch
from curation.signals.gopher import REPETITION_COLUMNS
from curation.signals.repeats import clear, count_n_grams, find, gram_room, keep_repeated, one_grams, sum_of
from curation.words import hash_bytes

RULES = """
    gopher_repetition_dclm.n_lines > 0
    and gopher_repetition_dclm.dup_lines <= 0.3 and gopher_repetition_dclm.dup_paragraphs <= 0.3
    and gopher_repetition_dclm.dup_line_chars <= 0.2 and gopher_repetition_dclm.dup_paragraph_chars <= 0.2
    and gopher_repetition_dclm.top_2_gram <= 0.2 and gopher_repetition_dclm.top_3_gram <= 0.18
    and gopher_repetition_dclm.top_4_gram <= 0.16
    and gopher_repetition_dclm.dup_5_grams <= 0.15 and gopher_repetition_dclm.dup_6_grams <= 0.14
    and gopher_repetition_dclm.dup_7_grams <= 0.13 and gopher_repetition_dclm.dup_8_grams <= 0.12
    and gopher_repetition_dclm.dup_9_grams <= 0.11 and gopher_repetition_dclm.dup_10_grams <= 0.1
"""


def repetition(batch: Batch) -> pa.Table:
    """Columns: n_lines int32 (lines that are not blank), then fractions in [0, 1].

    dup_lines, dup_paragraphs: of the stripped lines (paragraphs: between two line feeds), those that occur more than once;
    dup_*_chars: their characters, of those of all lines. top_n_gram: characters of the longest of the most frequent n-grams
    times its count, 0 if all are distinct; dup_n_grams: characters of words in any n-gram that occurs more than once; both
    of the characters of all words.
    """
    words = batch.words
    documents = len(words.bounds) - 1
    n_lines_D = np.zeros(documents, np.int32)
    value_DV = np.zeros((documents, len(REPETITION_COLUMNS)), np.float64)
    grams = gram_room(words)
    _repetition(words, flags(), grams, np.empty_like(grams.gram_P), n_lines_D, value_DV)
    return pa.table({"n_lines": n_lines_D, **{name: value_DV[:, v] for v, name in enumerate(REPETITION_COLUMNS)}})


@inner
def repeated_pieces(grams, utf8_N, begin, end, feeds, flags_C):
    """Split begin:end at `feeds` line feeds and strip: (pieces, their characters, pieces that recur, their characters)."""
    slot_S, count_S = grams.slot_S, grams.count_S
    lines = 1
    for i in range(begin, end):
        lines += utf8_N[i] == 0x0A
    mask = clear(slot_S, lines)
    pieces = chars = repeated = repeated_chars = 0
    for counted in range(2):
        piece = i = begin
        while i <= end:
            at = 0
            while i < end and at < feeds and i + at < end and utf8_N[i + at] == 0x0A:
                at += 1
            if i < end and at < feeds:
                i += 1
                continue
            first, last = strip(utf8_N, piece, i, flags_C)
            if first < last:
                key = hash_bytes(utf8_N, first, last)
                s = find(slot_S, mask, key)
                if not counted:
                    if slot_S[s] == 0:
                        slot_S[s], count_S[s] = key, 0
                    count_S[s] += 1
                else:
                    length = count_characters(utf8_N, first, last)
                    pieces += 1
                    chars += length
                    if count_S[s] > 1:
                        repeated += 1
                        repeated_chars += length
            i += feeds
            piece = i
    return pieces, chars, repeated, repeated_chars


@kernel
def _repetition(words, flags_C, grams, hash_P, n_lines_D, value_DV):
    utf8_N, text_bounds, _, start_W, length_W, n_chars_W, bounds = words
    _, count_S, _, live_P, slot_P = grams
    for d in range(len(text_bounds) - 1):
        begin, end = text_bounds[d], text_bounds[d + 1]
        for feeds in (2, 1):
            pieces, chars, repeated, repeated_chars = repeated_pieces(grams, utf8_N, begin, end, feeds, flags_C)
            if pieces > 1:
                value_DV[d, 4 - 2 * feeds] = repeated / pieces
                value_DV[d, 5 - 2 * feeds] = repeated_chars / chars
            n_lines_D[d] = pieces
        first, n_words = bounds[d], bounds[d + 1] - bounds[d]
        total = sum_of(n_chars_W, first, first + n_words)
        for w in range(first, first + n_words):
            hash_P[w - first] = hash_bytes(utf8_N, start_W[w], start_W[w] + length_W[w])
        one_grams(grams, hash_P, 0, n_words)
        live = n_words
        for n in range(2, 11):
            live, highest = count_n_grams(grams, live, hash_P, 0, n_words, n)
            if highest < 2:
                break
            value = covered = 0
            for k in range(live):
                p = live_P[k]
                count = count_S[slot_P[k]]
                if n < 5 and count == highest:
                    value = max(value, sum_of(n_chars_W, first + p, first + p + n) * highest)
                elif n >= 5 and count > 1:
                    value += sum_of(n_chars_W, first + max(p, covered), first + p + n)
                    covered = p + n
            value_DV[d, 2 + n] = value / total
            live = keep_repeated(grams, live)
