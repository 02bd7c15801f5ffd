from collections import Counter, defaultdict
from itertools import pairwise
from math import log2

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.quality import ngram
from curation.words import utf8_buffer


def buffer(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)])


def plain_bits(training: list[bytes], text: bytes) -> float:
    """Witten and Bell's interpolation with dictionaries, as the module's docstring has it."""
    followers: dict[bytes, Counter[int]] = defaultdict(Counter)
    for document in training:
        for i, byte in enumerate(document):
            for length in range(min(ngram.ORDER - 1, i) + 1):
                followers[document[i - length : i]][byte] += 1
    total = 0.0
    for i, byte in enumerate(text):
        p = 1 / 256
        for length in range(min(ngram.ORDER - 1, i) + 1):
            seen = followers.get(text[i - length : i])
            if not seen:
                break
            n, kinds = sum(seen.values()), len(seen)
            p = (seen[byte] + kinds * p) / (n + kinds)
        total -= log2(p)
    return total


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.lists(st.binary(max_size=40), min_size=1, max_size=3))
def test_bits_are_the_definition(training, texts):
    model = ngram.train(*buffer(training))
    assert ngram.bits(model, *buffer(texts)) == pytest.approx([plain_bits(training, text) for text in texts])


@settings(deadline=None, max_examples=30)
@given(st.text("ab ", max_size=80), st.text("abc ", max_size=12))
def test_bits_of_few_letters_are_the_definition(training, text):
    """Long contexts are seen again and again here."""
    model = ngram.train(*buffer([training.encode()] * 2))
    assert ngram.bits(model, *buffer([text.encode()]))[0] == pytest.approx(plain_bits([training.encode()] * 2, text.encode()))


def test_what_may_follow_adds_up_to_one():
    model = ngram.train(*buffer([b"the cat sat on the mat. " * 5]))
    context = b"on the "
    before = ngram.bits(model, *buffer([context]))[0]
    after = ngram.bits(model, *buffer([context + bytes([byte]) for byte in range(256)]))
    assert (2.0 ** -(after - before)).sum() == pytest.approx(1)


def test_a_table_that_fills_up_grows(sample: list[str]):
    utf8_N, bounds = utf8_buffer(pa.array([np.random.default_rng(0).bytes(40_000).hex(), *sample[:3]], pa.large_string()))
    model = ngram.train(utf8_N, bounds)
    used = int((model.row_S[:, ngram.KEY] > 0).sum())
    assert len(model.row_S) / 4 < used + 1 <= len(model.row_S) / 2
    training = [utf8_N[a:b].tobytes() for a, b in pairwise(bounds)]
    assert ngram.bits(model, *buffer([b"The bright staircase"]))[0] == pytest.approx(
        plain_bits(training, b"The bright staircase")
    )


def test_text_like_the_training_text_takes_fewer_bits(sample: list[str]):
    texts = [text.encode() for text in sample]
    model = ngram.train(*buffer(texts[::2]))
    taken = ngram.bits(model, *buffer([b"".join(texts[1::2]), np.random.default_rng(1).bytes(2000)]))
    assert taken[0] / sum(map(len, texts[1::2])) < 4.5 < 8 < taken[1] / 2000
