import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from curation.sources import Record, Source, read, slices
from curation.tokens import bpe, tokenizer
from curation.words import utf8_buffer

SAMPLE = [
    f"The {word}'s {word}ing isn't we'll they've I'd you're I'm {i * 37} {word}!!! ...\n\n  \t{word}  \u4e2d\u6587 caf\u00e9"
    for i, word in enumerate(("garden", "theorem", "river", "signal", "page", "stone"))
] * 3
# what the pattern tells apart: endings, every kind of space, digits of several scripts, marks, symbols, unassigned characters
ALPHABET = (
    " \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u2003\u3000'\u2019stmdrevlLSTaZ\u00e9\u4e2d\u0e01\u0661\u00b29\u0301!.-_"
    "\x00\u200d\U0001f600\u0378\U000323b1"
)
TEXT = st.text(st.sampled_from(ALPHABET), max_size=40) | st.text(max_size=30)


@pytest.fixture(scope="module")
def trained() -> str:
    return tokenizer.train(SAMPLE, 345)


def encoded(texts: list[str], merges: bpe.Merges) -> list[list[int] | None]:
    ids_T, n_tokens_D = bpe.encode(*utf8_buffer(pa.array(texts, pa.large_string())), merges)
    ends = np.cumsum(np.maximum(n_tokens_D, 0))
    assert ends[-1] == len(ids_T)
    return [None if n < 0 else ids_T[end - n : end].tolist() for n, end in zip(n_tokens_D, ends, strict=True)]


@settings(max_examples=400, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_tokens_are_the_librarys(trained: str, texts: list[str]) -> None:
    library = tokenizer.load(trained)
    for text, ids in zip(texts, encoded(texts, bpe.merges(trained)), strict=True):
        assert ids is None or ids == library.encode(text).ids
        assert ids is not None or any(bpe.kinds()[ord(c)] == bpe.UNKNOWN if ord(c) < 0x323B0 else True for c in text)


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_pieces_are_the_librarys(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    data.flags.writeable = False
    at, pieces = 0, []
    while at < len(data):
        n = bpe._piece(data, at, len(data), bpe.kinds())
        if n < 0:
            return
        pieces.append(data[at : at + n].tobytes().decode())
        at += n
    reference = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    assert pieces == [text[start:stop] for _, (start, stop) in reference]


def test_kinds_agree_with_the_library_where_both_know_the_character() -> None:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    for code in [*range(0x3000), *range(0x3000, bpe.TABLE_END, 97)]:
        if 0xD800 <= code < 0xE000 or (kind := bpe.kinds()[code]) == bpe.UNKNOWN:
            continue
        with_letter, with_digit = (len(split(f"{other}{chr(code)}")) == 1 for other in "a1")
        with_mark = len(split(f"!{chr(code)}!")) == 1
        assert (with_letter, with_digit, with_mark) == tuple(kind == k for k in (bpe.LETTER, bpe.DIGIT, bpe.OTHER)), hex(code)


def test_long_pieces_and_new_characters_are_left_to_the_library(trained: str) -> None:
    merges = bpe.merges(trained)
    assert encoded(["a " * 5000, "a" * bpe.LONGEST, "a" * (bpe.LONGEST + 1), "\U000323b1", "ok"], merges)[2:] == [
        None, None, tokenizer.load(trained).encode("ok").ids,
    ]  # fmt: skip


def test_a_run_of_one_character_merges_leftmost_first() -> None:
    trained = tokenizer.train(["aaaa " * 9 + "aa " * 9], 259)
    for n in range(1, 20):
        assert encoded(["a" * n], bpe.merges(trained)) == [tokenizer.load(trained).encode("a" * n).ids]


def test_another_kind_of_tokenizer_is_an_error(trained: str) -> None:
    other = json.loads(trained)
    other["pre_tokenizer"]["add_prefix_space"] = True
    with pytest.raises(ValueError, match="not plain byte-level BPE"):
        bpe.merges(json.dumps(other))


@pytest.fixture(params=["sample", "pool"])
def texts(request: pytest.FixtureRequest) -> list[str]:
    """The sample of our own, and forty documents of each domain of the shared pool where that is."""
    if request.param == "sample":
        return request.getfixturevalue("sample")
    texts: list[str] = []
    for file in sorted((request.getfixturevalue("shared_data") / "text/pool").glob("*.jsonl.zst")):
        records = read(slices(Source("pool", "jsonl", (str(file),)))[0])
        some = (record.text[:20_000] for record in records if isinstance(record, Record))
        texts += [text for text, _ in zip(some, range(40), strict=False)]
    return texts


def test_text_of_many_kinds(texts: list[str]) -> None:
    trained = tokenizer.train(texts[::3], 2000 if len(texts) > 200 else 1000)
    found = encoded(texts, bpe.merges(trained))
    library = tokenizer.load(trained).encode_batch_fast(texts)
    assert all(ids is None or ids == reference.ids for ids, reference in zip(found, library, strict=True))
    assert sum(ids is None for ids in found) < 0.02 * len(texts)
