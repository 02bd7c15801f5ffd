import numpy as np
import pytest

from curation.abbreviations import LONGEST_EXCEPTION, SPLIT, WHOLE, exception, exceptions


def cut_after(text: str) -> int:
    data = np.frombuffer(text.encode(), np.uint8)
    return int(exception(data, 0, len(data), *exceptions()))


def test_what_stays_whole_is_found():
    assert {word: cut_after(word) for word in WHOLE.split()} == dict.fromkeys(WHOLE.split(), 0)


def test_what_is_cut_is_found_in_both_spellings():
    for length, words in SPLIT.items():
        for word in words.split():
            assert cut_after(word) == cut_after(word.capitalize()) == length


@pytest.mark.parametrize("text", ["", "the", "Mr", "MR.", "mr.", "13am", "x" * (LONGEST_EXCEPTION + 1)])
def test_nothing_else_is(text):
    assert cut_after(text) == -1


def test_every_exception_is_spacys():
    spacy = pytest.importorskip("spacy", reason="the reference; in the test extra")
    tokenizer = spacy.blank("en").tokenizer
    cuts = {word: [token.text for token in tokenizer(word)] for word in WHOLE.split()}
    assert {word: parts for word, parts in cuts.items() if parts != [word]} == {}
    for length, words in SPLIT.items():
        cuts = {word: [token.text for token in tokenizer(word)] for word in words.split()}
        assert {word: parts for word, parts in cuts.items() if parts != [word[:length], word[length:]]} == {}
