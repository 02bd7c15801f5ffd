"""Web-page rules that Gopher, C4 and FineWeb do not have: RefinedWeb's line rules and NeMo Curator's shares of characters.

Shapes: N bytes, D documents, W words, C code points, A ASCII characters.
"""

import numpy as np
import pyarrow as pa

from curation.characters import ALPHA, DECIMAL, LOWER, NUMBER, SPACE, UPPER, flags, read
from curation.compiled import inner, kernel
from curation.document import Batch
from curation.signals.web import phrases, phrases_in, stands_at, strings

REFINEDWEB_RULES = """
    refinedweb.removed_words <= 0.05
"""
NEMO_RULES = """
    nemo.non_alphanumeric <= 0.25 and nemo.numbers <= 0.15 and nemo.urls <= 0.2 and nemo.white_space <= 0.25
    and nemo.parentheses <= 0.1 and nemo.boilerplate <= 0.4 and nemo.longest_word <= 1000
"""
REFINEDWEB_VALUES = np.dtype([
    ("n_lines", np.int32), ("uppercase_lines", np.int32), ("numeric_lines", np.int32), ("counter_lines", np.int32),
    ("one_word_lines", np.int32), ("removed_words", np.float64),
])  # fmt: skip
NEMO_VALUES = np.dtype([
    ("non_alphanumeric", np.float64), ("numbers", np.float64), ("urls", np.float64), ("white_space", np.float64),
    ("parentheses", np.float64), ("boilerplate", np.float64), ("longest_word", np.int32),
])  # fmt: skip
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
    value_D = np.zeros(len(words.bounds) - 1, REFINEDWEB_VALUES)
    _refinedweb(words, flags(), strings(COUNTERS), value_D)
    return pa.table({name: value_D[name] for name in REFINEDWEB_VALUES.names or ()})


def nemo(batch: Batch) -> pa.Table:
    """The character shares of NeMo Curator's English heuristics (stages/text/filters/heuristic/string.py); 1 without text.

    Fractions of the characters: non_alphanumeric (all but ASCII letters and digits, line feeds and ?!,.), numbers (decimal
    digits), urls (in http and https addresses), white_space (tab, line feed, return, backspace, space), parentheses (round,
    square, curly and angle brackets). boilerplate: the fraction of paragraphs (between empty lines) with a phrase such as
    "privacy policy" or "use cookies"; 1 if "lorem ipsum" stands anywhere. longest_word int32: characters between white spaces.
    """
    words = batch.words
    value_D = np.ones(len(words.bounds) - 1, NEMO_VALUES)
    value_D["longest_word"] = 0
    _nemo(words, flags(), _kinds(), phrases(BOILERPLATE), value_D)
    return pa.table({name: value_D[name] for name in NEMO_VALUES.names or ()})


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
def is_counter(utf8_N, i, end, flags_C, counters):
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
    for c in range(len(counters.bounds) - 1):
        if stands_at(utf8_N, i, end, counters, c, True):
            rest = i + counters.bounds[c + 1] - counters.bounds[c]
            while rest < end:
                code, width, kind = read(utf8_N, rest, end, flags_C)
                if kind & (ALPHA | NUMBER) or code == 0x5F:
                    return False
                rest += width
            return True
    return False


@kernel
def _refinedweb(text, flags_C, counters, value_D):
    utf8_N, start_W, bounds = text.utf8_N, text.start_W, text.bounds
    for d in range(len(value_D)):
        values = value_D[d]
        i, end = text.text_bounds[d], text.text_bounds[d + 1]
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
                counter = is_counter(utf8_N, line, i, flags_C, counters)
                values.n_lines += 1
                values.uppercase_lines += shouts
                values.numeric_lines += numeric
                values.counter_lines += counter
                values.one_word_lines += alone
                if shouts or numeric or counter or alone:
                    removed += w - first
            i += 1
        values.removed_words = removed / max(bounds[d + 1] - bounds[d], 1)


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
def _nemo(text, flags_C, kind_A, phrases, value_D):
    utf8_N = text.utf8_N
    for d in range(len(value_D)):
        values = value_D[d]
        i, end = text.text_bounds[d], text.text_bounds[d + 1]
        if i == end:
            continue
        chars = other = digits = urls = white = brackets = word = longest = 0
        paragraphs = boilerplate = present_anywhere = 0
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
                    present = phrases_in(utf8_N, paragraph, i, phrases)
                    paragraphs += 1
                    boilerplate += present != 0
                    present_anywhere |= present
                paragraph, blank = i, True
        values.non_alphanumeric = other // OTHER / chars
        values.numbers = digits // DIGIT / chars
        values.urls = urls / chars
        values.white_space = white // WHITE / chars
        values.parentheses = brackets // BRACKET / chars
        values.boilerplate = 1.0 if present_anywhere & 1 else boilerplate / max(paragraphs, 1)
        values.longest_word = longest
