"""Web-page rules over lines: C4 (Raffel et al. 2020, section 2.2) and FineWeb (Penedo et al. 2024, section 3.4).

Shapes: N bytes, D documents, W segments, C code points, L letters, S strings, R lines (or their bytes) to be cut again.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from curation.characters import (
    LINE_BREAK,
    PUNCTUATION,
    SPACE,
    TERMINAL,
    before,
    count_characters,
    flags,
    flags_at,
    read,
    strip,
)
from curation.compiled import inner, kernel
from curation.document import Batch
from curation.segments import segments
from curation.signals.repeats import clear, room, seen
from curation.words import hash_bytes

C4_RULES = {
    "c4_tfds": """
    c4_tfds.lorem_ipsum == 0 and c4_tfds.curly_bracket == 0 and c4_tfds.n_sentences >= 3 and c4_tfds.n_chars <= 190000
    """,
    "c4_datatrove": """
    c4_datatrove.lorem_ipsum == 0 and c4_datatrove.curly_bracket == 0 and c4_datatrove.n_sentences >= 5
    """,
    "c4_fineweb": """
    c4_datatrove.lorem_ipsum_any_end == 0 and c4_datatrove.curly_bracket_any_end == 0
    and c4_datatrove.n_sentences_any_end >= 5
    """,
}
FINEWEB_RULES = """
    fineweb.n_lines > 0 and fineweb.punctuated_lines >= 0.12 and fineweb.short_lines <= 0.67
    and fineweb.dup_line_chars <= 0.01 and fineweb.newline_ratio <= 0.3
"""
C4_VALUES = np.dtype([(name, np.int32) for name in (
    "n_chars", "n_lines", "lines_long_word", "lines_few_words", "lines_no_end_mark", "lines_javascript", "lines_policy",
    "lorem_ipsum", "curly_bracket", "n_sentences", "lorem_ipsum_any_end", "curly_bracket_any_end", "n_sentences_any_end",
)])  # fmt: skip
FINEWEB_VALUES = np.dtype([("n_lines", np.int32), *(
    (name, np.float64) for name in ("punctuated_lines", "short_lines", "dup_line_chars", "newline_ratio")
)])  # fmt: skip
PHRASES = (
    "lorem ipsum", "javascript",
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
CITATIONS = ("[edit]", "[citation needed]")
LOREM_IPSUM, JAVASCRIPT = 1, 2  # as bits of what `phrases_in` answers; the others are of policies
MAX_WORD_LENGTH = 1000


class Strings(NamedTuple):
    """S strings run together, as kernels read them."""

    letters_L: np.ndarray  # uint8
    bounds: np.ndarray  # int64[S + 1]


class Phrases(NamedTuple):
    """Strings in lower case that `phrases_in` looks for, with the second letter of those with a given first one, or 0."""

    strings: Strings
    second_A: np.ndarray  # uint8[256]


class Recuts(NamedTuple):
    """Lines that lost a citation, so that their segments are others now."""

    line_R: np.ndarray  # uint8, their bytes
    bounds_R: np.ndarray  # int64, where each ends in `line_R`, behind a 0
    document_R: np.ndarray  # int64
    ends_R: np.ndarray  # bool, whether the line has an end mark


def c4(batch: Batch, definition: str = "tfds") -> pa.Table:
    """C4's line filter and what it leaves, as int32 columns.

    Lines are those of str.splitlines, stripped, without citation marks. A line falls to the first of: a word of more than 1000
    characters; no end mark (or an ellipsis); too few words; "javascript"; a policy phrase. `lorem_ipsum` and `curly_bracket`
    count the lines that reach those tests and have them: one drops the page. `n_sentences` are those of the lines that stay (by
    spaCy's sentencizer rule; the released C4 used NLTK's). The `*_any_end` columns ask for no end mark, as FineWeb did.

    `definition`: "tfds" (tensorflow_datasets/text/c4_utils.py, which made the released C4: lines end in . ? ! or ", 5 words or
    more after citations are gone, 3 sentences or more) or "datatrove" (' ends a line too; 3 words or more counted before;
    5 sentences).
    """
    if definition not in ("tfds", "datatrove"):
        raise ValueError(f'c4: definition {definition!r} is not known; use "tfds" or "datatrove"')
    cuts = batch.segments
    value_D = np.zeros(len(cuts.bounds) - 1, C4_VALUES)
    size = int(cuts.text_bounds[-1] - cuts.text_bounds[0])
    recuts = Recuts(
        np.empty(size, np.uint8),
        np.zeros(size // 2 + 1, np.int64),
        np.empty(size // 2, np.int64),
        np.empty(size // 2, np.bool_),
    )
    n = _c4(cuts, flags(), phrases(PHRASES), strings(CITATIONS), definition == "datatrove", recuts, value_D)
    if n:
        lines = pa.LargeStringArray.from_buffers(n, pa.py_buffer(recuts.bounds_R), pa.py_buffer(recuts.line_R))
        count_R, document_R, ends_R = sentences_of(lines), recuts.document_R[:n], recuts.ends_R[:n]
        np.add.at(value_D["n_sentences_any_end"], document_R, count_R)
        np.add.at(value_D["n_sentences"], document_R[ends_R], count_R[ends_R])
    return pa.table({name: value_D[name] for name in C4_VALUES.names or ()})


def sentences_of(text: pa.Array) -> np.ndarray:
    """Sentences of each text, by the rule of spaCy's sentencizer: int32[len(text)]."""
    cuts = segments(text)
    count_R = np.empty(len(text), np.int32)
    _sentences(cuts, flags(), count_R)
    return count_R


def fineweb(batch: Batch) -> pa.Table:
    """Columns over lines that are not blank:

    n_lines int32; fractions punctuated_lines (whose last character ends a sentence, in any script) and short_lines (30
    characters or fewer); dup_line_chars (characters of lines that stood before, of all but line feeds); newline_ratio (line
    feeds per segment).
    """
    cuts = batch.segments
    value_D = np.zeros(len(cuts.bounds) - 1, FINEWEB_VALUES)
    _fineweb(cuts, flags(), room(cuts)[0], value_D)
    return pa.table({name: value_D[name] for name in FINEWEB_VALUES.names or ()})


def strings(members: tuple[str, ...]) -> Strings:
    """Some strings run together."""
    letters_L = np.frombuffer("".join(members).encode(), np.uint8)
    return Strings(letters_L, np.cumsum([0, *(len(member.encode()) for member in members)]))


def phrases(members: tuple[str, ...]) -> Phrases:
    """Phrases to look for, of which the first letter must tell the second."""
    second_A = np.zeros(256, np.uint8)
    for phrase in members:
        assert second_A[ord(phrase[0])] in (0, ord(phrase[1]))
        second_A[ord(phrase[0])] = ord(phrase[1])
    return Phrases(strings(members), second_A)


@inner
def stands_at(text_N, i, end, strings, s, any_case):
    """Whether string s stands at byte i; it is lower case if `any_case` is to match upper case too."""
    first, last = strings.bounds[s], strings.bounds[s + 1]
    if end - i < last - first:
        return False
    for k in range(last - first):
        letter = text_N[i + k]
        if any_case and 65 <= letter <= 90:
            letter |= 0x20
        if letter != strings.letters_L[first + k]:
            return False
    return True


@inner
def copy_without_citations(utf8_N, begin, end, cited, line_R, n):
    """Copy begin:end to byte n of `line_R`, less [12], [], [edit] and [citation needed]; returns where the copy ends."""
    bracket = False
    for i in range(begin, end):
        bracket |= utf8_N[i] == 0x5B
    if not bracket:
        for i in range(begin, end):
            line_R[n + i - begin] = utf8_N[i]
        return n + end - begin
    i = begin
    while i < end:
        skip = 0
        if utf8_N[i] == 0x5B:
            j = i + 1
            while j < end and 48 <= utf8_N[j] <= 57:
                j += 1
            if j < end and utf8_N[j] == 0x5D:
                skip = j + 1 - i
            for c in range(len(cited.bounds) - 1):
                if stands_at(utf8_N, i, end, cited, c, False):
                    skip = cited.bounds[c + 1] - cited.bounds[c]
        if skip == 0:
            line_R[n] = utf8_N[i]
            n += 1
        i += max(skip, 1)
    return n


@inner
def words_of_line(utf8_N, begin, end, enough, flags_C):
    """str.split: (number of words, or `enough` of them; whether one is longer than MAX_WORD_LENGTH)."""
    words = chars = 0
    short = end - begin <= MAX_WORD_LENGTH
    i = begin
    while i < end and not (short and words == enough):
        _, width, kind = read(utf8_N, i, end, flags_C)
        if kind & SPACE:
            chars = 0
        else:
            words += chars == 0
            chars += 1
            if chars > MAX_WORD_LENGTH:
                return words, True
        i += width
    return words, False


@inner
def phrases_in(text_N, begin, end, phrases):
    """Which phrases stand anywhere in begin:end, as bits."""
    present = 0
    for i in range(begin, end - 1):
        second = phrases.second_A[text_N[i] | 0x20]
        if second and text_N[i + 1] | 0x20 == second:
            for p in range(len(phrases.strings.bounds) - 1):
                if stands_at(text_N, i, end, phrases.strings, p, True):
                    present |= 1 << p
    return present


@inner
def sentences(cuts, first, last, flags_C):
    """Sentences in the segments first:last, by the rule of spaCy's sentencizer.

    A segment that is not all punctuation opens a sentence if a mark that ends one has stood since the last began.
    """
    count = np.int64(first < last)
    ended = False
    for w in range(first, last):
        i, stop = cuts.start_W[w], cuts.start_W[w] + cuts.length_W[w]
        _, width, kind = read(cuts.utf8_N, i, stop, flags_C)
        mark = i + width == stop and (kind & TERMINAL) != 0
        while kind & PUNCTUATION and i + width < stop:
            i += width
            _, width, kind = read(cuts.utf8_N, i, stop, flags_C)
        if mark:
            ended = True
        elif ended and not kind & PUNCTUATION:
            count += 1
            ended = False
    return count


@kernel
def _c4(cuts, flags_C, phrases, citations, datatrove, recuts, value_D):
    """Fills `value_D` and `recuts`; answers how many lines are to be cut again."""
    utf8_N, start_W, bounds, line_R = cuts.utf8_N, cuts.start_W, cuts.bounds, recuts.line_R
    min_words = 3 if datatrove else 5
    n_recuts = used = 0
    for d in range(len(value_D)):
        values = value_D[d]
        i, end = cuts.text_bounds[d], cuts.text_bounds[d + 1]
        values.n_chars = count_characters(utf8_N, i, end)
        w = bounds[d]
        line = i
        while i <= end:
            code, width, kind = 0, 1, LINE_BREAK
            if i < end:
                byte = utf8_N[i]
                if byte >= 0x20 and byte != 0xC2 and byte != 0xE2:  # neither a line break nor the first byte of one
                    i += 1
                    continue
                code, width, kind = read(utf8_N, i, end, flags_C)
            if not kind & LINE_BREAK or (i == end and i == line):
                i += width
                continue
            if code == 0x0D and i + 1 < end and utf8_N[i + 1] == 0x0A:
                width = 2
            begin, stop = strip(utf8_N, line, i, flags_C)
            first = w
            while w < bounds[d + 1] and start_W[w] < i:
                w += 1
            i += width
            line = i
            values.n_lines += 1
            words, long_word = words_of_line(utf8_N, begin, stop, min_words, flags_C)
            if long_word:
                values.lines_long_word += 1
                continue
            copied = copy_without_citations(utf8_N, begin, stop, citations, line_R, used)
            length = copied - used
            if not datatrove and length < stop - begin:
                words = words_of_line(line_R, used, copied, min_words, flags_C)[0]
            mark = line_R[copied - 1] if length else np.uint8(0)
            ends = mark == ord(".") or mark == ord("?") or mark == ord("!") or mark == ord('"')
            ends |= datatrove and mark == ord("'")
            ends &= not (length > 2 and mark == ord(".") and line_R[copied - 2] == mark and line_R[copied - 3] == mark)
            values.lines_no_end_mark += not ends
            if words < min_words:
                values.lines_few_words += ends  # of the lines that reach this test
                continue
            curly = False
            for k in range(used, copied):
                curly |= line_R[k] == ord("{")
            present = phrases_in(line_R, used, copied, phrases)
            if present & LOREM_IPSUM:
                values.lorem_ipsum_any_end += 1
                values.lorem_ipsum += ends
            elif present & JAVASCRIPT:
                values.lines_javascript += ends
            elif curly:
                values.curly_bracket_any_end += 1
                values.curly_bracket += ends
            elif present:
                values.lines_policy += ends
            elif length < stop - begin:
                used = copied
                recuts.document_R[n_recuts], recuts.ends_R[n_recuts], recuts.bounds_R[n_recuts + 1] = d, ends, used
                n_recuts += 1
            else:
                n_sentences = sentences(cuts, first, w, flags_C)
                values.n_sentences += n_sentences if ends else 0
                values.n_sentences_any_end += n_sentences
    return n_recuts


@kernel
def _sentences(cuts, flags_C, count_R):
    for r in range(len(count_R)):
        count_R[r] = sentences(cuts, cuts.bounds[r], cuts.bounds[r + 1], flags_C)


@kernel
def _fineweb(cuts, flags_C, slot_S, value_D):
    utf8_N = cuts.utf8_N
    for d in range(len(value_D)):
        begin, end = cuts.text_bounds[d], cuts.text_bounds[d + 1]
        feeds = 0
        for i in range(begin, end):
            feeds += utf8_N[i] == 0x0A
        mask = clear(slot_S, feeds + 1)
        lines = punctuated = short = repeated = 0
        line = begin
        for i in range(begin, end + 1):
            if i < end and utf8_N[i] != 0x0A:
                continue
            first, last = strip(utf8_N, line, i, flags_C)
            if first < last:
                lines += 1
                chars = count_characters(utf8_N, line, i)
                short += chars <= 30
                punctuated += (flags_at(utf8_N, before(utf8_N, i, line), i, flags_C) & TERMINAL) != 0
                if seen(slot_S, mask, hash_bytes(utf8_N, line, i)):
                    repeated += chars
            line = i + 1
        values = value_D[d]
        values.n_lines = lines
        values.punctuated_lines = punctuated / max(lines, 1)
        values.short_lines = short / max(lines, 1)
        values.dup_line_chars = repeated / max(count_characters(utf8_N, begin, end) - feeds, 1)
        values.newline_ratio = feeds / max(cuts.bounds[d + 1] - cuts.bounds[d], 1)
