import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals import pages


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


REFINEDWEB_GOLDEN = {
    "empty": ("", {"n_lines": 0, "removed_words": 0}),
    "a line that stays": ("One line of text.", {"n_lines": 1, "removed_words": 0}),
    "upper case": ("SHOUTING here\nMOSTLY UPPER\nNot Upper", {"uppercase_lines": 2, "removed_words": 4 / 6}),
    "numbers": ("12345\n12 345\n\u0661\u0662", {"numeric_lines": 2, "one_word_lines": 2, "removed_words": 2 / 4}),
    "one word": ("Home\n About \nAbout us", {"one_word_lines": 2, "removed_words": 2 / 4}),
    "counters": ("3 likes\n* 1.2K Views!\n3 likes it\n4 dislikes\nk 3 likes", {"counter_lines": 2, "n_lines": 5}),
    "no letters": ("...", {"n_lines": 1, "one_word_lines": 1, "removed_words": 0}),
    "right to left": ("\u05d0\u05d1 \u05d2\u05d3", {"uppercase_lines": 0, "one_word_lines": 0}),
    "emoji": ("\U0001f600\n\U0001f600 \U0001f600", {"one_word_lines": 1}),
    "no spaces": ("x" * 1000, {"n_lines": 1, "one_word_lines": 1, "removed_words": 1}),
}


@pytest.mark.parametrize("case", REFINEDWEB_GOLDEN)
def test_refinedweb_golden(case):
    text, expected = REFINEDWEB_GOLDEN[case]
    observed = pages.refinedweb(batch(text)).to_pylist()[0]
    assert {name: observed[name] for name in expected} == pytest.approx(expected)


COUNTER = re.compile(r"^\W*\d(?:,|\.|\d)*(?:k|m|b)?\s+(?:" + "|".join(pages.COUNTERS) + r")\W*$")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["3", "k", "likes", "Views", " ", ".", ",", "1", "x", "_", "\u00e9", "!", "\t"]), max_size=8))
def test_counters_are_the_regular_expression(parts):
    line = "".join(parts)
    assert pages.refinedweb(batch(line))["counter_lines"].to_pylist() == [int(bool(COUNTER.search(line.lower())))]


NEMO_GOLDEN = {
    "empty": ("", {"non_alphanumeric": 1, "urls": 1, "boilerplate": 1, "longest_word": 0}),
    "characters": (
        "ab 1\u00e9(]\u27e8",
        {"non_alphanumeric": 5 / 8, "numbers": 1 / 8, "parentheses": 3 / 8, "white_space": 1 / 8},
    ),
    "kept marks": ("a?!,.\n", {"non_alphanumeric": 0, "white_space": 1 / 6}),
    "addresses": ("see http://a.b/c and https://x%41, http:// end", {"urls": 23 / 46}),
    "paragraphs": ("our Privacy Policy\nhere\n\n\n\nsecond one\n\nwe use cookies.", {"boilerplate": 2 / 3}),
    "lorem ipsum": ("a\n\nb\n\nlorem IPSUM", {"boilerplate": 1}),
    "one line": ("One (1) line.", {"non_alphanumeric": 4 / 13, "numbers": 1 / 13, "parentheses": 2 / 13, "longest_word": 5}),
    "no spaces": ("ab1" * 400, {"non_alphanumeric": 0, "white_space": 0, "numbers": 1 / 3, "longest_word": 1200}),
    "right to left": ("\u05e9\u05dc\u05d5\u05dd 1", {"non_alphanumeric": 5 / 6, "white_space": 1 / 6, "longest_word": 4}),
    "emoji": ("\U0001f600 a", {"non_alphanumeric": 2 / 3, "white_space": 1 / 3, "longest_word": 1}),
    "longest word": ("a " + "\u4f60" * 1001, {"longest_word": 1001}),
}  # fmt: skip


@pytest.mark.parametrize("case", NEMO_GOLDEN)
def test_nemo_golden(case):
    text, expected = NEMO_GOLDEN[case]
    observed = pages.nemo(batch(text)).to_pylist()[0]
    assert {name: observed[name] for name in expected} == pytest.approx(expected)


URL = re.compile(r"http[s]?://(?:[a-zA-Z]|[0-9]|[$\-_@.&+]|[!*\\(\\),]|(?:%[0-9a-fA-F][0-9a-fA-F]))+")


@settings(deadline=None)
@given(st.text(st.sampled_from("http:/s%4aG ~\\(é"), max_size=30) | st.from_regex(URL), st.text(max_size=8))
def test_nemo_is_its_definition(text, more):
    text = f"http{text} {more}"
    observed = pages.nemo(batch(text)).to_pylist()[0]
    assert observed["urls"] == pytest.approx(sum(map(len, URL.findall(text))) / len(text))
    assert observed["non_alphanumeric"] == pytest.approx(1 - len(re.findall("[a-zA-Z0-9\n?!,.]", text)) / len(text))
    assert observed["longest_word"] == max(map(len, text.split()))


def test_a_line_of_ten_megabytes():
    documents = batch("Lorem dolor sit amet. " * 450_000)
    assert pages.refinedweb(documents)["removed_words"].to_pylist() == [0]
    assert pages.nemo(documents)["longest_word"].to_pylist() == [5]
