import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import characters as ch

CODES = range(ch.TABLE_END)


@pytest.mark.parametrize(
    ("flag", "definition"),
    [
        (ch.ALPHA, str.isalpha),
        (ch.SPACE, str.isspace),
        (ch.DECIMAL, str.isdecimal),
        (ch.NUMBER, lambda c: unicodedata.category(c)[0] == "N"),
        (ch.MARK, lambda c: unicodedata.category(c)[0] == "M"),
        (ch.PUNCTUATION, lambda c: unicodedata.category(c)[0] == "P"),
        (ch.CURRENCY, lambda c: unicodedata.category(c) == "Sc"),
        (ch.LINE_BREAK, lambda c: len(f"a{c}b".splitlines()) == 2),
    ],
)
def test_flags_are_their_definition(flag, definition):
    expected = np.fromiter((definition(chr(code)) for code in CODES), bool, len(CODES))
    np.testing.assert_array_equal((ch.flags() & flag) != 0, expected)


def test_beyond_the_table_nothing_has_a_class_that_matters():
    rest = {unicodedata.category(chr(code)) for code in range(ch.TABLE_END, 0x110000)}
    assert rest <= {"Cn", "Co", "Cf", "Mn"}


def test_terminal_and_symbol_sets_are_datatroves():
    text = pytest.importorskip("datatrove.utils.text", reason="the reference; in the test extra")
    for flag, reference in ((ch.TERMINAL, text.TERMINAL_PUNCTUATION), (ch.SYMBOL, text.PUNCTUATION_SET)):
        assert {chr(code) for code in CODES if int(ch.flags()[code]) & flag} == set(reference)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_strip_and_count_are_those_of_str(text):
    data = np.frombuffer(text.encode(), np.uint8)
    begin, end = ch.strip(data, 0, len(data), ch.flags())
    assert data[begin:end].tobytes().decode() == text.strip()
    assert ch.count_characters(data, 0, len(data)) == len(text)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=10))
def test_reading_forwards_and_backwards_meets_the_same_characters(text):
    data = np.frombuffer(text.encode(), np.uint8)
    begins, codes, i = [], [], 0
    while i < len(data):
        code, width, _ = ch.read(data, i, len(data), ch.flags())
        begins.append(i)
        codes.append(code)
        i += width
    assert codes == [ord(c) for c in text]
    backwards, i = [], len(data)
    while i > 0:
        i = ch.before(data, i, 0)
        backwards.append(i)
    assert backwards[::-1] == begins


def test_a_character_cut_short_is_read_as_one_byte():
    data = np.frombuffer("\U0001f600".encode()[:3], np.uint8)
    assert ch.read(data, 0, 3, ch.flags())[:2] == (0xFFFD, 1)
