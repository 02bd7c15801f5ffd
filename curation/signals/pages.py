"""Web-page rules that Gopher, C4 and FineWeb do not have: RefinedWeb's line rules and NeMo Curator's shares of characters.

Shapes: N bytes, D documents, W words, C code points, V values per document.
"""

import numpy as np
import pyarrow as pa

from curation.characters import ALPHA, DECIMAL, LOWER, NUMBER, SPACE, UPPER, flags, read
from curation.compiled import inner, kernel
from curation.document import Batch
from curation.signals.web import phrases_in, second_letters, stands_at, strings

REFINEDWEB_RULES = """
    refinedweb.removed_words <= 0.05
"""
NEMO_RULES = """
    nemo.non_alphanumeric <= 0.25 and nemo.numbers <= 0.15 and nemo.urls <= 0.2 and nemo.white_space <= 0.25
    and nemo.parentheses <= 0.1 and nemo.boilerplate <= 0.4 and nemo.longest_word <= 1000
"""
OTHER, DIGIT, WHITE, BRACKET, BLANK = 1, 2, 4, 8, 16  # what a character counts as for `nemo`
COUNTERS = (
    "likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes", "downloads", "views",
    "followers",
)  # fmt: skip
BOILERPLATE = (
    "lorem ipsum", "terms of use", "privacy policy", "privacy overview", "privacy & cookies policy",
    "privacy and cookies policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
    "necessary cookies are absolutely essential for the website", "any cookies that may not be particularly necessary",
    "if you continue to browse this site without changing your cookie",
)  # fmt: skip


def refinedweb(batch: Batch) -> pa.Table:
    """RefinedWeb's line filter (Penedo et al. 2023, table 2 and section G.2) as DCLM's baselines/mappers/modifiers.py has it.

    int32 columns over lines between line feeds, empty ones left out: n_lines; uppercase_lines (more than half of the characters
    upper case), numeric_lines (all digits), counter_lines ("3 likes"), one_word_lines (a single word between white spaces).
    removed_words: the fraction of the document's words that stand in such lines; a page that loses over 5 % is dropped.
    """
    words = batch.words
    documents = len(words.bounds) - 1
    count_DV, removed_D = np.zeros((documents, 5), np.int32), np.zeros(documents)
    _refinedweb(
        words.utf8_N, words.text_bounds, words.start_W, words.bounds, flags(), *strings(COUNTERS), count_DV, removed_D
    )  # fmt: skip
    names = ("n_lines", "uppercase_lines", "numeric_lines", "counter_lines", "one_word_lines")
    return pa.table({**{name: count_DV[:, v] for v, name in enumerate(names)}, "removed_words": removed_D})


def nemo(batch: Batch) -> pa.Table:
    """The character shares of NeMo Curator's English heuristics (stages/text/filters/heuristic/string.py); 1 without text.

    Fractions of the characters: non_alphanumeric (all but ASCII letters and digits, line feeds and ?!,.), numbers (decimal
    digits), urls (in http and https addresses), white_space (tab, line feed, return, backspace, space), parentheses (round,
    square, curly and angle brackets). boilerplate: the fraction of paragraphs (between empty lines) with a phrase such as
    "privacy policy" or "use cookies"; 1 if "lorem ipsum" stands anywhere. longest_word int32: characters between white spaces.
    """
    words = batch.words
    documents = len(words.bounds) - 1
    value_DV, longest_D = np.ones((documents, 6)), np.zeros(documents, np.int32)
    _nemo(
        words.utf8_N, words.text_bounds, flags(), _kinds(), *strings(BOILERPLATE), second_letters(BOILERPLATE),
        value_DV, longest_D,
    )  # fmt: skip
    names = ("non_alphanumeric", "numbers", "urls", "white_space", "parentheses", "boilerplate")
    return pa.table({**{name: value_DV[:, v] for v, name in enumerate(names)}, "longest_word": longest_D})


def _kinds() -> np.ndarray:
    """What each ASCII character counts as: uint8[128]."""
    kind_A = np.zeros(128, np.uint8)
    for code in range(128):
        plain = chr(code).isalnum() or chr(code) in "\n?!,."
        kind_A[code] = (
            OTHER * (not plain) | DIGIT * chr(code).isdecimal() | WHITE * (chr(code) in "\t\n\r\b ")
            | BRACKET * (chr(code) in "()[]{}") | BLANK * chr(code).isspace()
        )  # fmt: skip
    return kind_A


@inner
def is_counter(utf8_N, i, end, flags_C, counters, counter_bounds):
    r"""Whether a line is ^\W*\d[,.\d]*[kmb]?\s+(likes|shares|...)\W*$ in any case."""
    while i < end:
        code, width, kind = read(utf8_N, i, end, flags_C)
        if kind & (ALPHA | NUMBER) or code == 0x5F:
            break
        i += width
    if i == end or not 48 <= utf8_N[i] <= 57:
        return False
    while i < end and (48 <= utf8_N[i] <= 57 or utf8_N[i] == ord(",") or utf8_N[i] == ord(".")):
        i += 1
    if i < end and (utf8_N[i] | 0x20 == ord("k") or utf8_N[i] | 0x20 == ord("m") or utf8_N[i] | 0x20 == ord("b")):
        i += 1
    space = i
    while i < end:
        _, width, kind = read(utf8_N, i, end, flags_C)
        if not kind & SPACE:
            break
        i += width
    if i == space:
        return False
    for c in range(len(counter_bounds) - 1):
        if stands_at(utf8_N, i, end, counters, counter_bounds[c], counter_bounds[c + 1], True):
            rest = i + counter_bounds[c + 1] - counter_bounds[c]
            while rest < end:
                code, width, kind = read(utf8_N, rest, end, flags_C)
                if kind & (ALPHA | NUMBER) or code == 0x5F:
                    return False
                rest += width
            return True
    return False


@kernel
def _refinedweb(utf8_N, text_bounds, start_W, bounds, flags_C, counters, counter_bounds, count_DV, removed_D):
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        w = bounds[d]
        removed = 0
        while i < end:
            line = i
            chars = upper = decimal = tokens = 0
            space = True
            while i < end and utf8_N[i] != 0x0A:
                _, width, kind = read(utf8_N, i, end, flags_C)
                chars += 1
                upper += (kind & (UPPER | LOWER)) == UPPER
                decimal += (kind & DECIMAL) != 0
                tokens += space and not kind & SPACE
                space = (kind & SPACE) != 0
                i += width
            first = w
            while w < bounds[d + 1] and start_W[w] < i:
                w += 1
            if chars:
                shouts, numeric, alone = 2 * upper > chars, decimal == chars, tokens < 2
                counter = is_counter(utf8_N, line, i, flags_C, counters, counter_bounds)
                count_DV[d, 0] += 1
                count_DV[d, 1] += shouts
                count_DV[d, 2] += numeric
                count_DV[d, 3] += counter
                count_DV[d, 4] += alone
                if shouts or numeric or counter or alone:
                    removed += w - first
            i += 1
        removed_D[d] = removed / max(bounds[d + 1] - bounds[d], 1)


@inner
def address_end(utf8_N, i, end):
    """Where the address at byte i ends (https?:// and then letters, digits, $-_@.&+!*(),\\ or %XX), or i if there is none."""
    at = i + 4
    if end - i < 8 or not (utf8_N[i + 1] == ord("t") and utf8_N[i + 2] == ord("t") and utf8_N[i + 3] == ord("p")):
        return i
    at += utf8_N[at] == ord("s")
    if end - at < 4 or not (utf8_N[at] == ord(":") and utf8_N[at + 1] == ord("/") and utf8_N[at + 2] == ord("/")):
        return i
    at += 3
    first = at
    while at < end:
        byte = utf8_N[at]
        letter = 97 <= byte | 0x20 <= 122 or 48 <= byte <= 57
        mark = 0x24 <= byte <= 0x2E and byte != 0x25 and byte != 0x27
        if letter or mark or byte == 0x21 or byte == 0x5F or byte == 0x40 or byte == 0x5C:
            at += 1
        elif byte == 0x25 and at + 2 < end and is_hex(utf8_N[at + 1]) and is_hex(utf8_N[at + 2]):
            at += 3
        else:
            break
    return at if at > first else i


@inner
def is_hex(byte):
    return 48 <= byte <= 57 or 97 <= byte | 0x20 <= 102


@kernel
def _nemo(utf8_N, text_bounds, flags_C, kind_A, phrases, phrase_bounds, second_A, value_DV, longest_D):
    for d in range(len(text_bounds) - 1):
        i, end = text_bounds[d], text_bounds[d + 1]
        if i == end:
            continue
        chars = other = digits = urls = white = brackets = word = longest = 0
        paragraphs = boilerplate = found_anywhere = 0
        paragraph, address, blank = i, i, True
        while i < end:
            byte, width = utf8_N[i], 1
            if byte < 0x80:
                kind = np.int64(kind_A[byte])
            else:
                code, width, flag = read(utf8_N, i, end, flags_C)
                kind = OTHER | (DIGIT if flag & DECIMAL else 0) | (BLANK if flag & SPACE else 0)
                kind |= BRACKET if code == 0x27E8 or code == 0x27E9 else 0
            chars += 1
            other += kind & OTHER
            digits += kind & DIGIT
            white += kind & WHITE
            brackets += kind & BRACKET
            if byte == ord("h") and i >= address:
                address = max(address, address_end(utf8_N, i, end))
            urls += i < address
            word = 0 if kind & BLANK else word + 1
            longest = max(longest, word)
            blank &= (kind & BLANK) != 0
            i += width
            if i == end or (byte == 0x0A and utf8_N[i] == 0x0A):
                if not blank:
                    found = phrases_in(utf8_N, paragraph, i, phrases, phrase_bounds, second_A)
                    paragraphs += 1
                    boilerplate += found != 0
                    found_anywhere |= found
                paragraph, blank = i, True
        value_DV[d, 0] = other // OTHER / chars
        value_DV[d, 1] = digits // DIGIT / chars
        value_DV[d, 2] = urls / chars
        value_DV[d, 3] = white // WHITE / chars
        value_DV[d, 4] = brackets // BRACKET / chars
        value_DV[d, 5] = 1.0 if found_anywhere & 1 else boilerplate / max(paragraphs, 1)
        longest_D[d] = longest
