import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.segments import segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("Hello, world!", ["Hello", ",", "world", "!"]),
        ("Don't say \"can't\".", ["Do", "n't", "say", '"', "ca", "n't", '"', "."]),
        ("It\u2019s John's; they'll go", ["It", "\u2019s", "John", "'s", ";", "they", "'ll", "go"]),
        ("Mr. Smith et al. (e.g. U.S. law)...", ["Mr.", "Smith", "et", "al", ".", "(", "e.g.", "U.S.", "law", ")", "..."]),
        ("see https://a.org/x-y?q=1, or a.b@c.com.", ["see", "https://a.org/x-y?q=1", ",", "or", "a.b@c.com", "."]),
        ("well-known and/or this/that", ["well", "-", "known", "and/or", "this", "/", "that"]),
        ("10% of $5.50 is 3-2=1", ["10", "%", "of", "$", "5.50", "is", "3", "-", "2=1"]),
        ("end.Next one,two 1,000", ["end", ".", "Next", "one", ",", "two", "1,000"]),
        ("- item :) ...and", ["-", "item", ":)", "...", "and"]),
        ("\u4f60\u597d\u3002\u518d\u89c1", ["\u4f60\u597d\u3002\u518d\u89c1"]),
        ("(\u0645\u0631\u060c \u05e9\u05dc)", ["(", "\u0645\u0631", "\u060c", "\u05e9\u05dc", ")"]),
        ("nice\U0001f600\U0001f600 day", ["nice", "\U0001f600", "\U0001f600", "day"]),
    ],
)  # fmt: skip
def test_golden(text, expected):
    assert segments(pa.array([text])).spelled(0) == expected


def test_golden_is_what_spacy_gives():
    spacy = pytest.importorskip("spacy", reason="the reference; in the test extra")
    tokenizer = spacy.blank("en").tokenizer
    cases = next(mark.args[1] for mark in test_golden.pytestmark)
    assert [[t.text.strip() for t in tokenizer(text) if t.text.strip()] for text, _ in cases] == [cut for _, cut in cases]


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.text(max_size=80), max_size=5))
def test_segments_cover_everything_but_white_space(texts):
    cut = segments(pa.array(texts, pa.large_string()))
    for d, text in enumerate(texts):
        assert "".join(cut.spelled(d)) == "".join(text.split())
        assert cut.n_chars_W[cut.bounds[d] : cut.bounds[d + 1]].tolist() == [len(s) for s in cut.spelled(d)]


@pytest.mark.parametrize(("piece", "expected"), [("x", 1), ("(", 5_000_000), (".", 1), ("a)", 1_000_002), ("-", 1)])
def test_five_megabytes_without_a_space_take_linear_time(piece, expected):
    text = piece * 5_000_000 if piece != "a)" else "a" + ")" * 1_000_001
    assert len(segments(pa.array([text])).start_W) == expected


@pytest.fixture(params=["sample", "web"])
def texts(request) -> list[str]:
    """The sample of our own, and a part of the shared pool where that is."""
    if request.param == "sample":
        return request.getfixturevalue("sample")
    import polars as pl

    text = pl.read_ndjson(request.getfixturevalue("shared_data") / "text/pool/web.jsonl.zst")["text"].gather_every(37)
    return text.filter(text.str.len_bytes() < 60_000).to_list()


@pytest.mark.slow
def test_text_is_cut_as_spacy_cuts_it(texts):
    spacy = pytest.importorskip("spacy", reason="the reference; in the test extra")
    tokenizer = spacy.blank("en").tokenizer
    cut = segments(pa.array(texts, pa.large_string()))
    boundaries = different = 0
    for d, document in enumerate(texts):
        theirs = [t.text.strip() for t in tokenizer(document) if t.text.strip()]
        ours_ends, theirs_ends = _ends(cut.spelled(d)), _ends(theirs)
        boundaries += len(theirs_ends)
        different += len(ours_ends ^ theirs_ends)
    assert different / boundaries < 0.002


def _ends(parts: list[str]) -> set[int]:
    end, ends = 0, set()
    for part in parts:
        end += len(part)
        ends.add(end)
    return ends
