import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals import gopher


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


def values(compute, *texts: str) -> list[dict[str, float]]:
    return compute(batch(*texts)).to_pylist()


QUALITY_GOLDEN = {
    "empty": ("", {"n_words": 0, "mean_word_length": 0, "alpha_words": 0, "stop_words": 0, "bullet_lines": 0}),
    "marks only": ("?! -- ...", {"n_words": 0, "alpha_words": 0, "ellipsis_ratio": 1 / 4}),
    "one line": ("The cat and the dog", {"n_words": 5, "mean_word_length": 3.0, "alpha_words": 1.0, "stop_words": 2}),
    "case counts for stop words": ("THE Be tO of", {"stop_words": 1}),
    "marks count in the denominator": ("a, b, 3.", {"n_words": 3, "alpha_words": 2 / 6, "alpha_words_spaced": 2 / 3}),
    "hashes": ("# one #two", {"hash_ratio": 2 / 4}),
    "bullets": ("- a\n  \u2022 b\n* c\nd", {"bullet_lines": 0.5}),
    "ellipses": ("a...\nb\u2026 \nc....\nd", {"ellipsis_lines": 0.75, "ellipsis_ratio": 3 / 7}),
    "line breaks": ("- a\r\n- b\x0bc\u2028d\n", {"bullet_lines": 0.5}),
    "no spaces": ("abc" * 50, {"n_words": 1, "mean_word_length": 150.0}),
    "right to left": (
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd.",
        {"n_words": 2, "mean_word_length": 4.0, "alpha_words": 2 / 3},
    ),
    "emoji": ("\U0001f600 \U0001f600 ok", {"n_words": 3, "mean_word_length": 4 / 3, "alpha_words": 1 / 3}),
    "Chinese": ("\u4f60\u597d\u4e16\u754c", {"n_words": 1, "mean_word_length": 4.0}),
}


@pytest.mark.parametrize("case", QUALITY_GOLDEN)
def test_quality_golden(case):
    text, expected = QUALITY_GOLDEN[case]
    observed = values(gopher.quality, text)[0]
    assert {name: observed[name] for name in expected} == pytest.approx(expected)


@given(st.text(alphabet=st.sampled_from("ab \u00e9\u4f60\u00a0\u2003\n\r\x1c12,.-")) | st.text())
@settings(max_examples=300, deadline=None)
def test_words_at_white_space_are_those_of_split(text):
    words = text.split()
    expected = sum(any(map(str.isalpha, word)) for word in words) / max(len(words), 1)
    assert values(gopher.quality, text)[0]["alpha_words_spaced"] == pytest.approx(expected)


REPETITION_GOLDEN = {
    "empty": ("", {"n_chars": 0, "dup_lines": 0, "top_2_gram": 0}),
    "one word": ("word", {"n_chars": 4, "dup_lines": 0, "top_2_gram": 0, "dup_5_grams": 0}),
    "lines": ("ab\ncd\nab\nab\n", {"dup_lines": 2 / 5, "dup_line_chars": 4 / 12}),  # "" after the last feed is a line
    "blank lines are one break": ("ab\n\n\nab", {"dup_lines": 0.5, "dup_paragraphs": 0.5}),
    "paragraphs": ("\n\nab\ncd\n\nab\ncd\n\nef\n", {"dup_paragraphs": 1 / 3, "dup_paragraph_chars": 5 / 19}),
    "top n-gram": ("a b a b c", {"top_2_gram": 6 / 9, "top_3_gram": 5 / 9}),  # "a b" twice; the first trigram once
    "repeated 5-gram": ("a b c d e a b c d e", {"dup_5_grams": 5 / 19, "dup_6_grams": 0}),
    "no overlap": ("a a a a a a a a a a a", {"dup_5_grams": 10 / 21}),
    "no spaces": ("x" * 1000, {"top_2_gram": 0, "dup_10_grams": 0, "dup_lines": 0}),
    "right to left": ("\u05d0 \u05d1 \u05d0 \u05d1", {"top_2_gram": 6 / 7}),
    "emoji": ("\U0001f600" * 10, {"n_chars": 10, "dup_5_grams": 5 / 10, "top_2_gram": 27 / 10}),
}


@pytest.mark.parametrize("case", REPETITION_GOLDEN)
def test_repetition_golden(case):
    text, expected = REPETITION_GOLDEN[case]
    observed = values(gopher.repetition, text)[0]
    assert {name: observed[name] for name in expected} == pytest.approx(expected)


def reference_repetition(text: str, words: list[str]) -> dict[str, float]:
    """Table A1 as datatrove reads it, in plain Python."""
    out: dict[str, float] = {"n_chars": len(text)}
    if not text:
        return out
    pieces = {"paragraph": re.split(r"\n{2,}", text.strip()), "line": re.split(r"\n+", text)}
    for name, parts in pieces.items():
        again = [part for k, part in enumerate(parts) if part in parts[:k]]
        out[f"dup_{name}s"] = len(again) / len(parts)
        out[f"dup_{name}_chars"] = sum(map(len, again)) / len(text)
    for n in (2, 3, 4):
        grams = Counter(" ".join(words[k : k + n]) for k in range(len(words) - n + 1))
        top = max(grams, key=lambda gram: grams[gram], default="")
        out[f"top_{n}_gram"] = len(top) * grams[top] / len(text)
    for n in range(5, 11):
        known, chars, k = set(), 0, 0
        while k < len(words) - n + 1:
            gram = "".join(words[k : k + n])
            if gram in known:
                chars, k = chars + len(gram), k + n
            else:
                known.add(gram)
                k += 1
        out[f"dup_{n}_grams"] = chars / len(text)
    return out


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(st.sampled_from(["a", "bc", "\u00e9t\u00e9", ",", "\n", "\n\n", " x "]), max_size=60), max_size=4))
def test_repetition_is_the_definition(parts):
    documents = batch(*[" ".join(part) for part in parts])
    computed = gopher.repetition(documents).to_pylist()
    for d, observed in enumerate(computed):
        text = documents.text[d].as_py()
        assert observed == pytest.approx(
            {**dict.fromkeys(observed, 0.0), **reference_repetition(text, documents.segments.spelled(d))}
        )


def test_a_line_of_ten_megabytes():
    text = "lorem ipsum dolor " * 560_000
    quality, repetition = values(gopher.quality, text)[0], values(gopher.repetition, text)[0]
    assert quality["n_words"] == 1_680_000
    assert repetition["dup_10_grams"] == pytest.approx(1_679_990 / 1_680_000 * 15 / 18, rel=1e-4)


def test_a_document_is_measured_alone():
    texts = ["a b c d e\n" * 9, "", "x y z " * 40, "\u4f60\u597d\n"]
    for compute in (gopher.quality, gopher.repetition):
        assert values(compute, *texts) == [values(compute, text)[0] for text in texts]
