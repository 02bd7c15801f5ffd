import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.characters import SCRIPTS_WITHOUT_SPACES, TABLE_END, code_points
from curation.words import scan

ALONE = frozenset(code_points(SCRIPTS_WITHOUT_SPACES))


def reference_words(text: str) -> list[str]:
    """The definition, one character at a time."""
    words: list[str] = []
    open_word = single_open = False
    for ch in text:
        category = unicodedata.category(ch)[0] if ord(ch) < TABLE_END else "C"
        single = category in "LN" and ord(ch) in ALONE
        if category == "M" and open_word:
            words[-1] += ch
        elif category in "LN":
            if open_word and not single and not single_open:
                words[-1] += ch
            else:
                words.append(ch)
            open_word, single_open = True, single
        else:
            open_word = False
    return words


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.text(max_size=60), max_size=6))
def test_words_are_runs_of_letters_and_digits(texts):
    words = scan(pa.array(texts, pa.large_string()))
    assert [words.spelled(d) for d in range(len(texts))] == [reference_words(t) for t in texts]
    spelled = [w for t in texts for w in reference_words(t)]
    assert words.n_chars_W.tolist() == [len(w) for w in spelled]
    assert words.length_W.tolist() == [len(w.encode()) for w in spelled]


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), min_size=2, max_size=20))
def test_equal_hash_means_equal_lower_case(spelled):
    words = scan(pa.array(spelled))
    by_hash: dict[int, str] = {}
    for d in range(len(spelled)):
        for hashed, word in zip(words.hash_W[words.bounds[d] : words.bounds[d + 1]].tolist(), words.spelled(d), strict=True):
            folded = "".join(c.lower()[0] for c in word)
            assert by_hash.setdefault(hashed, folded) == folded
    assert len(by_hash) == len(set(by_hash.values()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("...!? \n", []),
        ("one", ["one"]),
        ("don't stop_now", ["don", "t", "stop", "now"]),
        ("x2 3.14", ["x2", "3", "14"]),
        ("\u4f60\u597d world", ["\u4f60", "\u597d", "world"]),
        ("abc\u3042\u3044def", ["abc", "\u3042", "\u3044", "def"]),
        ("\u0e01\u0e34\u0e19", ["\u0e01\u0e34", "\u0e19"]),  # the vowel sign belongs to the consonant
        (
            "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
            ["\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd"],
        ),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("hi \U0001f600\U0001f600 yo", ["hi", "yo"]),
    ],
)
def test_golden(text, expected):
    assert scan(pa.array([text])).spelled(0) == expected


def reference_hash(word: str) -> int:
    """The definition: eight bytes of the lower-cased word at a time, the rest as one number."""
    data, state = "".join(chr(ord(ch.lower()[0])) for ch in word).encode(), 0
    for i in range(0, len(data), 8):
        state = (state ^ int.from_bytes(data[i : i + 8], "big")) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 29) * 0x94D049BB133111EB % 2**64
        state ^= state >> 32
    return state


PIECES = st.one_of(
    st.from_regex(r"[ -~]{0,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9]{1,30}", fullmatch=True), st.text(max_size=3)
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=4))
def test_words_of_any_length_and_place_have_the_hash_of_their_bytes(texts):
    """ASCII is read eight bytes at a time, the rest by the character."""
    words = scan(pa.array(texts, pa.large_string()))
    assert [words.spelled(d) for d in range(len(texts))] == [reference_words(t) for t in texts]
    spelled = [w for t in texts for w in reference_words(t)]
    assert words.hash_W.tolist() == [reference_hash(w) for w in spelled]
    assert words.n_chars_W.tolist() == [len(w) for w in spelled]


def test_every_byte_is_told_apart_at_every_place():
    texts = ["x" * before + chr(code) + "y" * after for code in range(256) for before in range(10) for after in (0, 3, 9)]
    words = scan(pa.array(texts, pa.large_string()))
    assert [words.spelled(d) for d in range(len(texts))] == [reference_words(t) for t in texts]
    assert words.hash_W.tolist() == [reference_hash(w) for t in texts for w in reference_words(t)]


def test_case_is_folded():
    words = scan(pa.array(["STRASSE \u0130stanbul \u00c9T\u00c9 \u0391\u0398", "strasse istanbul \u00e9t\u00e9 \u03b1\u03b8"]))
    assert words.hash_W[:4].tolist() == words.hash_W[4:].tolist()


def test_slices_chunks_and_small_strings_read_the_same():
    texts = ["zero", "one two", "", "three \u00fcber", "five"]
    whole = scan(pa.array(texts, pa.large_string()))
    sliced = scan(pa.array(["skip me", *texts], pa.large_string()).slice(1))
    chunked = scan(pa.chunked_array([texts[:2], texts[2:]], pa.string()))
    for other in (sliced, chunked):
        np.testing.assert_array_equal(whole.hash_W, other.hash_W)
        np.testing.assert_array_equal(whole.bounds, other.bounds)
        assert [other.spelled(d) for d in range(5)] == [whole.spelled(d) for d in range(5)]


def test_the_arrow_buffer_is_not_copied():
    text = pa.array(["one two"], pa.large_string())
    assert scan(text).utf8_N.ctypes.data == text.buffers()[2].address


def test_no_documents():
    words = scan(pa.array([], pa.large_string()))
    assert len(words.hash_W) == 0
    assert words.bounds.tolist() == [0]


def test_null_text_is_an_error():
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        scan(pa.array(["a", None]))
