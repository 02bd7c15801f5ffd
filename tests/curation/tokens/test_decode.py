import random
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from curation.tokens import tokenizer as tok
from curation.tokens.decode import decode, decoded_bytes


@pytest.fixture(scope="module")
def trained(sample: list[str]) -> str:
    return tok.train(sample, 500)


def test_decoding_is_the_way_back(trained: str, sample: list[str]) -> None:
    texts = pa.array([*sample, "", "caf\u00e9 \u65e5\u672c \U0001f600\x00\n"], pa.large_string())
    assert decode(trained, tok.encode(trained, texts)) == texts
    later = tok.encode(trained, texts).slice(3, 5)  # a slice has offsets that do not begin at 0
    assert decode(trained, later) == texts.slice(3, 5)


def test_pieces_of_a_document_give_its_bytes_wherever_they_are_cut(trained: str) -> None:
    text = "\u65e5\u672c\u8a9e \U0001f600 na\u00efve " * 20
    (tokens,) = tok.encode(trained, [text]).to_pylist()
    rng = random.Random(0)
    cuts = [0, *sorted(rng.sample(range(1, len(tokens)), 30)), len(tokens)]
    lists = pa.array([tokens[a:b] for a, b in pairwise(cuts)], pa.list_(pa.uint16()))
    utf8_N, bounds = decoded_bytes(trained, lists)
    assert utf8_N.tobytes().decode() == text
    assert bounds[-1] == len(utf8_N)
    assert np.all(np.diff(bounds) > 0)
    cut = decode(trained, lists).to_pylist()
    assert any("\ufffd" in piece for piece in cut)  # some characters are cut, and are said to be
    assert tok.load(trained).decode(tokens) == text


def test_end_of_text_has_no_text(trained: str) -> None:
    assert decode(trained, pa.array([[0], []], pa.list_(pa.uint16()))).to_pylist() == ["", ""]
