"""Web-page rules over lines: C4 (Raffel et al. 2020, section 2.2) and FineWeb (Penedo et al. 2024, section 3.4).

Shapes: N bytes, D documents, W segments, C code points, V values per document, R lines (or their bytes) to be cut again.
"""

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
C4_COLUMNS = (
    "n_chars", "n_lines", "lines_long_word", "lines_few_words", "lines_no_end_mark", "lines_javascript", "lines_policy",
    "lorem_ipsum", "curly_bracket", "n_sentences", "lorem_ipsum_any_end", "curly_bracket_any_end", "n_sentences_any_end",
)  # fmt: skip
PHRASES = (
    "lorem ipsum", "javascript",
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip
CITATIONS = ("[edit]", "[citation needed]")
MAX_WORD_LENGTH = 1000


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
    datatrove = definition == "datatrove"
    cuts = batch.segments
    value_DV = np.zeros((len(cuts.bounds) - 1, len(C4_COLUMNS)), np.int32)
    size = int(cuts.text_bounds[-1] - cuts.text_bounds[0])
    line_R, document_R = np.empty(size, np.uint8), np.empty(size // 2, np.int64)  # lines whose citations went
    ends_R, bounds_R = np.empty(size // 2, np.bool_), np.zeros(size // 2 + 1, np.int64)
    n = _c4(
        cuts.utf8_N, cuts.text_bounds, cuts.start_W, cuts.length_W, cuts.bounds, flags(),
        *strings(PHRASES), second_letters(PHRASES), *strings(CITATIONS), 3 if datatrove else 5, datatrove,
        line_R, document_R, ends_R, bounds_R, value_DV,
    )  # fmt: skip
    if n:
        count_R = sentences_of(pa.LargeStringArray.from_buffers(n, pa.py_buffer(bounds_R), pa.py_buffer(line_R)))
        np.add.at(value_DV[:, C4_COLUMNS.index("n_sentences_any_end")], document_R[:n], count_R)
        np.add.at(value_DV[:, C4_COLUMNS.index("n_sentences")], document_R[:n][ends_R[:n]], count_R[ends_R[:n]])
    return pa.table({name: value_DV[:, v] for v, name in enumerate(C4_COLUMNS)})


def sentences_of(text: pa.Array) -> np.ndarray:
    """Sentences of each text, by the rule of spaCy's sentencizer: int32[len(text)]."""
    cuts = segments(text)
    count_R = np.empty(len(text), np.int32)
    _sentences(cuts.utf8_N, cuts.start_W, cuts.length_W, cuts.bounds, flags(), count_R)
    return count_R


def fineweb(batch: Batch) -> pa.Table:
    """Columns over lines that are not blank:

    n_lines int32; fractions punctuated_lines (whose last character ends a sentence, in any script) and short_lines (30
    characters or fewer); dup_line_chars (characters of lines that stood before, of all but line feeds); newline_ratio (line
    feeds per segment).
    """
    cuts = batch.segments
    documents = len(cuts.bounds) - 1
    n_lines_D = np.zeros(documents, np.int32)
    value_DV = np.zeros((documents, 4), np.float64)
    _fineweb(
        cuts.utf8_N, cuts.text_bounds, cuts.bounds, flags(), room(cuts)[0], n_lines_D, value_DV
    )  # fmt: skip
    names = ("punctuated_lines", "short_lines", "dup_line_chars", "newline_ratio")
    return pa.table({"n_lines": n_lines_D, **{name: value_DV[:, v] for v, name in enumerate(names)}})


def strings(members: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(uint8, int64[n + 1]): the bytes of some strings run together, and where each begins and ends; as kernels read them."""
    data = np.frombuffer("".join(members).encode(), np.uint8)
    return data, np.cumsum([0, *(len(s.encode()) for s in members)])


def second_letters(phrases: tuple[str, ...]) -> np.ndarray:
    """uint8[256]: the second letter of the phrases with a given first letter, which must tell it; 0 where there is none."""
    second_A = np.zeros(256, np.uint8)
    for phrase in phrases:
        assert second_A[ord(phrase[0])] in (0, ord(phrase[1]))
        second_A[ord(phrase[0])] = ord(phrase[1])
    return second_A


@inner
def stands_at(text_N, i, end, strings, first, last, any_case):
    """Whether first:last of `strings` stands at byte i; it is lower case if `any_case` is to match upper case too."""
    if end - i < last - first:
        return False
    for k in range(last - first):
        letter = text_N[i + k]
        if any_case and 65 <= letter <= 90:
            letter |= 0x20
        if letter != strings[first + k]:
            return False
    return True


@inner
def copy_without_citations(utf8_N, begin, end, cited, cited_bounds, line_R, n):
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
            for c in range(len(cited_bounds) - 1):
                if stands_at(utf8_N, i, end, cited, cited_bounds[c], cited_bounds[c + 1], False):
                    skip = cited_bounds[c + 1] - cited_bounds[c]
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
def phrases_in(text_N, begin, end, phrases, phrase_bounds, second_A):
    """Which phrases stand anywhere in begin:end, as bits. second_A: the second letter of the phrases with a given first one."""
    found = 0
    for i in range(begin, end - 1):
        second = second_A[text_N[i] | 0x20]
        if second and text_N[i + 1] | 0x20 == second:
            for p in range(len(phrase_bounds) - 1):
                if stands_at(text_N, i, end, phrases, phrase_bounds[p], phrase_bounds[p + 1], True):
                    found |= 1 << p
    return found


@inner
def sentences(utf8_N, start_W, length_W, first, last, flags_C):
    """Sentences in the segments first:last, by the rule of spaCy's sentencizer.

    A segment that is not all punctuation opens a sentence if a mark that ends one has stood since the last began.
    """
    count = np.int64(first < last)
    ended = False
    for w in range(first, last):
        i, stop = start_W[w], start_W[w] + length_W[w]
        _, width, kind = read(utf8_N, i, stop, flags_C)
        mark = i + width == stop and (kind & TERMINAL) != 0
        while kind & PUNCTUATION and i + width < stop:
            i += width
            _, width, kind = read(utf8_N, i, stop, flags_C)
        if mark:
            ended = True
        elif ended and not kind & PUNCTUATION:
            count += 1
            ended = False
    return count


@kernel
def _c4(
    utf8_N, text_bounds, start_W, length_W, bounds, flags_C, phrases, phrase_bounds, second_A, cited, cited_bounds,
    min_words, datatrove, line_R, document_R, ends_R, bounds_R, value_DV,
):  # fmt: skip
    recuts = used = 0
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        value_DV[d, 0] = count_characters(utf8_N, i, end)
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
            value_DV[d, 1] += 1
            words, long_word = words_of_line(utf8_N, begin, stop, min_words, flags_C)
            if long_word:
                value_DV[d, 2] += 1
                continue
            copied = copy_without_citations(utf8_N, begin, stop, cited, cited_bounds, line_R, used)
            length = copied - used
            if not datatrove and length < stop - begin:
                words = words_of_line(line_R, used, copied, min_words, flags_C)[0]
            mark = line_R[copied - 1] if length else np.uint8(0)
            ends = mark == ord(".") or mark == ord("?") or mark == ord("!") or mark == ord('"')
            ends |= datatrove and mark == ord("'")
            ends &= not (length > 2 and mark == ord(".") and line_R[copied - 2] == mark and line_R[copied - 3] == mark)
            value_DV[d, 4] += not ends
            if words < min_words:
                value_DV[d, 3] += ends  # of the lines that reach this test
                continue
            curly = False
            for k in range(used, copied):
                curly |= line_R[k] == ord("{")
            found = phrases_in(line_R, used, copied, phrases, phrase_bounds, second_A)
            for any_end in range(2):
                if any_end or ends:
                    if found & 1:
                        value_DV[d, 7 + 3 * any_end] += 1
                    elif found & 2:
                        value_DV[d, 5] += not any_end
                    elif curly:
                        value_DV[d, 8 + 3 * any_end] += 1
                    elif found:
                        value_DV[d, 6] += not any_end
            if found == 0 and not curly:
                if length < stop - begin:  # its segments are others now: cut it again
                    used = copied
                    document_R[recuts], ends_R[recuts], bounds_R[recuts + 1] = d, ends, used
                    recuts += 1
                else:
                    n = sentences(utf8_N, start_W, length_W, first, w, flags_C)
                    value_DV[d, 9] += n if ends else 0
                    value_DV[d, 12] += n
    return recuts


@kernel
def _sentences(utf8_N, start_W, length_W, bounds, flags_C, count_R):
    for r in range(len(bounds) - 1):
        count_R[r] = sentences(utf8_N, start_W, length_W, bounds[r], bounds[r + 1], flags_C)


@kernel
def _fineweb(utf8_N, text_bounds, bounds, flags_C, slot_S, n_lines_D, value_DV):
    for d in range(len(text_bounds) - 1):
        begin, end = text_bounds[d], text_bounds[d + 1]
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
        n_lines_D[d] = lines
        value_DV[d, 0] = punctuated / max(lines, 1)
        value_DV[d, 1] = short / max(lines, 1)
        value_DV[d, 2] = repeated / max(count_characters(utf8_N, begin, end) - feeds, 1)
        value_DV[d, 3] = feeds / max(bounds[d + 1] - bounds[d], 1)
