"""Classes of Unicode characters, and UTF-8 read one character at a time in compiled loops.

Shapes: N bytes of text, C code points in a table. The flags follow CPython's `unicodedata` and the str method of the same name.
"""

from functools import cache
from unicodedata import category

import numpy as np

from curation.compiled import inner

ALPHA = 1  # str.isalpha: general category L
NUMBER = 2  # general category N
MARK = 4  # general category M
ALONE = 8  # a letter of a script written without spaces between words
SPACE = 16  # str.isspace
LINE_BREAK = 32  # ends a line for str.splitlines
LOWER = 64  # a letter that is not upper case
UPPER = 128  # a letter that is not lower case
PUNCTUATION = 256  # general category P
ICON = 512  # general category So: pictures, emoji
CURRENCY = 1024  # general category Sc
SYMBOL = 2048  # datatrove's PUNCTUATION_SET: a token of these alone is no word
TERMINAL = 4096  # ends a sentence: datatrove's TERMINAL_PUNCTUATION, which is Unicode's Sentence_Terminal
AFFIX = 8192  # split off at both ends of a token by spaCy's English rules
QUOTE = 16384  # spaCy's quotes
DECIMAL = 32768  # str.isdecimal: general category Nd

TABLE_END = 0x323B0  # above it only tags and variation selectors are assigned; they are of no class

SCRIPTS_WITHOUT_SPACES = (
    "e00-eff 1000-109f 1780-17ff 3005-3007 3040-30ff 31f0-31ff 3400-4dbf 4e00-9fff f900-faff ff66-ff9f "  # Thai, Lao, Burmese,
    "1b000-1b16f 20000-323af"  # Khmer; Kana and its extensions; Han and its extensions
)
SYMBOLS = (
    "0-8 b-1f 21-2f 3a-40 5b-60 7b-9f ab b4 bb 2013-2014 2019 201c-201e 2026 2236 2501 25ba 3001-3002 3008-300d 3010-3011 "
    "ff01 ff05 ff08-ff09 ff0c ff0e ff11 ff1a-ff1b ff1f ff5e"
)
TERMINALS = (
    "21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e 1735-1736 17d4-17d6 17d9-17da "
    "1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b 1b5e-1b5f 1b7d-1b7e 1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e 2e3c 2e53-2e54 "
    "3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52 fe56-fe57 ff01 ff0e ff1f "
    "ff61 10a56-10a57 10f55-10f59 10f86-10f89 11047-11048 110be-110c1 11141-11143 111c5-111c6 111cd 111de-111df 11238-11239 "
    "1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642 1173c-1173e 11944 11946 11a42-11a43 11a9b-11a9c "
    "11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f 16af5 16b37-16b38 16b44 16e98 1bc9f 1da88"
)
QUOTES = "22 27 2c 60 ab b4 bb 2018-201a 201c-201e 3008-3011 3014-3015 ff08-ff09 27e6-27e7"
MARKS = "21 23 26 28-2a 3a-3c 3e-3f 5b 5d 5f 7b 7d a1 b7 bf 60c 61b 61f 66a 6d4 964 2013-2014 2026 3001-3002"
WIDE_MARKS = "ff01 ff0c ff1a-ff1b ff1f ff5e"


def code_points(ranges: str) -> list[int]:
    """The code points of "3a-40 61": hexadecimal, inclusive."""
    bounds = [(int(part.split("-")[0], 16), int(part.split("-")[-1], 16)) for part in ranges.split()]
    return [code for first, last in bounds for code in range(first, last + 1)]


@cache
def flags() -> np.ndarray:
    """The classes of every code point below TABLE_END: uint16[C], a sum of the constants above. Built once (0.2 s)."""
    by_category = {"M": MARK, "N": NUMBER, "Nd": DECIMAL, "P": PUNCTUATION, "So": ICON | AFFIX, "Sc": CURRENCY}
    flags_C = np.zeros(TABLE_END, np.uint16)
    for code in range(TABLE_END):
        character = chr(code)
        kind = category(character)
        if kind[0] == "L":
            case = LOWER if character.islower() else UPPER if character.isupper() else LOWER | UPPER
            flags_C[code] = ALPHA | case
        elif kind != "Cn":
            flags_C[code] = by_category.get(kind[0], 0) | by_category.get(kind, 0)
        if character.isspace():
            flags_C[code] |= SPACE
    alone_A = np.array(code_points(SCRIPTS_WITHOUT_SPACES))
    flags_C[alone_A[(flags_C[alone_A] & (ALPHA | NUMBER)) != 0]] |= ALONE
    for flag, members in (
        (LINE_BREAK, code_points("a-d 1c-1e 85 2028-2029")),
        (SYMBOL, code_points(SYMBOLS + " " + TERMINALS)),
        (TERMINAL, code_points(TERMINALS)),
        (QUOTE, code_points(QUOTES)),
        (AFFIX, code_points(" ".join((QUOTES, MARKS, WIDE_MARKS)))),
    ):
        flags_C[members] |= flag
    flags_C.flags.writeable = False  # one array type, hence one compiled version of each kernel
    return flags_C


@cache
def lower_case() -> np.ndarray:
    """Simple lower-case mapping, a code point to a code point: int32[C]."""
    lower_C = np.array([ord(chr(code).lower()[0]) for code in range(TABLE_END)], np.int32)  # U+0130 alone maps to more than one
    lower_C.flags.writeable = False
    return lower_C


@inner
def decode(lead, utf8_N, i, end):
    """(code point, bytes) of the character of several bytes at byte i; one cut short by `end` reads as one byte of U+FFFD."""
    width = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if i + width > end:
        return 0xFFFD, 1
    code = lead & 0x7F >> width
    for k in range(1, width):
        code = code << 6 | np.int64(utf8_N[i + k]) & 0x3F
    return code, width


@inner
def read(utf8_N, i, end, flags_C):
    """(code point, bytes, flags) of the character at byte i < end."""
    code, width = np.int64(utf8_N[i]), 1
    if code >= 0x80:
        code, width = decode(code, utf8_N, i, end)
    return code, width, np.int64(flags_C[code]) if code < TABLE_END else 0


@inner
def flags_at(utf8_N, i, end, flags_C):
    """Flags of the character at byte i; 0 at `end`."""
    return read(utf8_N, i, end, flags_C)[2] if i < end else 0


@inner
def before(utf8_N, i, begin):
    """First byte of the character that ends before byte i > begin."""
    i -= 1
    while i > begin and utf8_N[i] & 0xC0 == 0x80:
        i -= 1
    return i


@inner
def count_characters(utf8_N, begin, end):
    """Code points in the bytes begin:end."""
    count = 0
    for i in range(begin, end):
        count += (utf8_N[i] & 0xC0) != 0x80
    return count


@inner
def strip(utf8_N, begin, end, flags_C):
    """str.strip: the byte range without white space at its ends."""
    while begin < end:
        _, width, kind = read(utf8_N, begin, end, flags_C)
        if not kind & SPACE:
            break
        begin += width
    while end > begin:
        last = before(utf8_N, end, begin)
        if not flags_at(utf8_N, last, end, flags_C) & SPACE:
            break
        end = last
    return begin, end
