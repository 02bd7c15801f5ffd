import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA, Batch
from curation.signals import dclm


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, SCHEMA.field("text").type)}))


def reference(text: str, words: list[str]) -> dict[str, float]:
    """DCLM's repetition_filter, its fractions in plain Python."""
    out = dict.fromkeys(dclm.REPETITION_COLUMNS, 0.0)
    for name, separator in (("paragraph", "\n\n"), ("line", "\n")):
        pieces = [stripped for piece in re.split(separator, text) if (stripped := piece.strip())]
        out["n_lines"] = len(pieces)
        if len(pieces) > 1:
            again = [piece for piece in pieces if pieces.count(piece) > 1]
            out[f"dup_{name}s"] = len(again) / len(pieces)
            out[f"dup_{name}_chars"] = sum(map(len, again)) / sum(map(len, pieces))
    total = sum(map(len, words))
    for n in range(2, 11):
        grams = [tuple(words[k : k + n]) for k in range(len(words) - n + 1)]
        counts = Counter(grams)
        if not grams or max(counts.values()) == 1:
            continue
        if n < 5:
            top = max(counts.values())
            out[f"top_{n}_gram"] = max(sum(map(len, g)) for g, count in counts.items() if count == top) * top / total
        else:
            places = {p for k, gram in enumerate(grams) if counts[gram] > 1 for p in range(k, k + n)}
            out[f"dup_{n}_grams"] = sum(len(words[p]) for p in places) / total
    return out


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(st.sampled_from(["a", "bc", "\u00e9t\u00e9", ",", "\n", "\n\n", "x"]), max_size=60), max_size=4))
def test_repetition_is_the_definition(parts):
    documents = batch(*[" ".join(part) for part in parts], *["".join(part) for part in parts])
    computed = dclm.repetition(documents).to_pylist()
    for d, observed in enumerate(computed):
        text = documents.text[d].as_py()
        assert observed == pytest.approx(reference(text, documents.words.spelled(d)))


GOLDEN = {
    "empty": ("", {"n_lines": 0, "dup_lines": 0, "top_2_gram": 0, "dup_5_grams": 0}),
    "one line": ("a b a b c", {"n_lines": 1, "dup_lines": 0, "top_2_gram": 4 / 5, "top_3_gram": 0}),
    "lines": ("ab\ncd\n ab \n", {"n_lines": 3, "dup_lines": 2 / 3, "dup_line_chars": 4 / 6}),
    "paragraphs": ("ab\ncd\n\nab\ncd\n\nef", {"dup_paragraphs": 2 / 3, "dup_paragraph_chars": 10 / 12}),
    "repeated 5-gram": ("a b c d e f a b c d e", {"dup_5_grams": 10 / 11, "dup_6_grams": 0}),
    "no spaces": ("x" * 1000, {"top_2_gram": 0, "dup_10_grams": 0}),
    "right to left": ("\u05d0 \u05d1 \u05d0 \u05d1", {"top_2_gram": 1, "top_3_gram": 0}),
    "emoji": ("\U0001f600 \U0001f600\n\U0001f600 \U0001f600", {"dup_lines": 1, "dup_line_chars": 1, "top_2_gram": 0}),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden(case):
    text, expected = GOLDEN[case]
    observed = dclm.repetition(batch(text)).to_pylist()[0]
    assert {name: observed[name] for name in expected} == pytest.approx(expected)


def test_the_first_occurrence_counts():
    observed = dclm.repetition(batch("ab\ncd\n\nab\n")).to_pylist()[0]
    assert observed["dup_lines"] == pytest.approx(2 / 3)
    assert observed["dup_line_chars"] == pytest.approx(4 / 6)
    assert observed["n_lines"] == 3


def test_a_line_of_ten_megabytes():
    observed = dclm.repetition(batch("lorem ipsum dolor " * 560_000)).to_pylist()[0]
    assert observed["dup_10_grams"] == 1
    assert observed["dup_lines"] == 0
