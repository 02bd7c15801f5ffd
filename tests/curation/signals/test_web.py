import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals import web


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


C4_GOLDEN = {
    "empty": ("", {"n_lines": 0, "n_sentences": 0, "n_sentences_any_end": 0}),
    "a kept line": ("This line has six words here.", {"n_lines": 1, "n_sentences": 1}),
    "sentences": ('One is here. Two is here! "Is three?" Yes it is.', {"n_sentences": 4}),
    "no end mark": ("This line has six words here", {"lines_no_end_mark": 1, "n_sentences": 0, "n_sentences_any_end": 1}),
    "an ellipsis is no end mark": ("This line has six words here...", {"lines_no_end_mark": 1}),
    "a quote ends a line": ('He said "this line is it."', {"n_sentences": 1}),
    "few words": ("Only four words here.", {"lines_few_words": 1, "n_sentences": 0}),
    "citations go first": ("Three words here.[12]\nNow is five words here.[edit]", {"n_sentences": 1, "lines_few_words": 1}),
    "a citation hid the end of a sentence": ("It was so.[3] Then it was not.[citation needed]", {"n_sentences": 2}),
    "citations have their case": ("This line has six words [Edit]", {"lines_no_end_mark": 1}),
    "javascript": ("Please enable JavaScript to see this.", {"lines_javascript": 1, "n_sentences": 0}),
    "policy": ("Read our Privacy  policy and the terms OF use.", {"lines_policy": 1}),
    "lorem ipsum": ("Lorem Ipsum is a well known text.", {"lorem_ipsum": 1, "n_sentences": 0}),
    "lorem ipsum on a line that falls before": ("lorem ipsum", {"lorem_ipsum": 0, "lorem_ipsum_any_end": 0}),
    "curly bracket": ("A line of code { like this one.", {"curly_bracket": 1, "curly_bracket_any_end": 1}),
    "curly bracket behind javascript": ("A javascript line { like this one.", {"curly_bracket": 0, "lines_javascript": 1}),
    "long word": ("a b c d e " + "x" * 1001 + ".", {"lines_long_word": 1, "n_sentences": 0}),
    "longest word": ("a b c d e " + "x" * 999 + ".", {"lines_long_word": 0, "n_sentences": 1}),
    "line breaks": (
        "One two three four five.\r\nOne two three four five.\x85 One two three four five. \n\n",
        {"n_lines": 4, "n_sentences": 3},
    ),
    "right to left": ("\u05d0 \u05d1 \u05d2 \u05d3 \u05d4. \u05d5.", {"n_sentences": 2}),
    "emoji": ("\U0001f600 \U0001f600 \U0001f600 \U0001f600 \U0001f600!", {"n_sentences": 1}),
    "no spaces": ("x" * 900 + ".", {"lines_few_words": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", C4_GOLDEN)
def test_c4_tfds_golden(case):
    text, expected = C4_GOLDEN[case]
    observed = web.c4(batch(text), "tfds").to_pylist()[0]
    assert {name: observed[name] for name in expected} == expected


def test_c4_datatrove_swaps_the_numbers_and_counts_words_before_citations():
    texts = ["Only four words here.", "Two words. [3]", "Two words.[3]", "He said 'it is it.'"]
    assert web.c4(batch(*texts), "tfds")["n_sentences"].to_pylist() == [0, 0, 0, 0]
    assert web.c4(batch(*texts), "datatrove")["n_sentences"].to_pylist() == [1, 0, 0, 1]
    assert web.c4(batch(*texts), "datatrove")["n_sentences_any_end"].to_pylist() == [1, 1, 0, 1]


def test_c4_definition_is_named():
    with pytest.raises(ValueError, match="'t5' is not known"):
        web.c4(batch("a"), "t5")


FINEWEB_GOLDEN = {
    "empty": ("", {"n_lines": 0, "punctuated_lines": 0, "newline_ratio": 0}),
    "blank": (" \n\t\n", {"n_lines": 0, "newline_ratio": 2}),
    "one line": ("One line.", {"n_lines": 1, "punctuated_lines": 1, "short_lines": 1, "newline_ratio": 0}),
    "white space at the end hides the mark": ("One line. \nTwo\nThree!", {"punctuated_lines": 1 / 3}),
    "thirty characters": ("\u00e9" * 30 + "\n" + "\u00e9" * 31, {"short_lines": 0.5}),
    "repeated lines": ("ab\n\nab\n ab\nab", {"dup_line_chars": 4 / 9, "newline_ratio": 4 / 4}),
    "other scripts": ("\u4f60\u597d\u3002\n\u0645\u0631\u062d\u0628\u0627\u061f\nabc", {"punctuated_lines": 2 / 3}),
    "emoji": ("ok \U0001f600", {"punctuated_lines": 0, "short_lines": 1}),
    "no spaces": ("x" * 1000, {"n_lines": 1, "short_lines": 0, "punctuated_lines": 0, "newline_ratio": 0}),
    "right to left": ("\u05e9\u05dc\u05d5\u05dd.\n\u05e9\u05dc\u05d5\u05dd", {"punctuated_lines": 0.5, "newline_ratio": 1 / 3}),
}  # fmt: skip


@pytest.mark.parametrize("case", FINEWEB_GOLDEN)
def test_fineweb_golden(case):
    text, expected = FINEWEB_GOLDEN[case]
    observed = web.fineweb(batch(text)).to_pylist()[0]
    assert {name: observed[name] for name in expected} == pytest.approx(expected)


def test_a_line_of_ten_megabytes():
    documents = batch("Lorem dolor sit amet. " * 450_000)
    assert web.c4(documents, "tfds")["n_sentences"].to_pylist() == [450_000]
    assert web.fineweb(documents)["n_lines"].to_pylist() == [1]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["It is.", "a", "\n", "[1]", "x" * 1001, "{", "javascript", " "]), max_size=30), max_size=4
    )
)
def test_a_document_is_measured_alone(parts):
    texts = [" ".join(part) for part in parts]
    for compute in (web.c4, web.fineweb):
        assert compute(batch(*texts)).to_pylist() == [compute(batch(text)).to_pylist()[0] for text in texts]
