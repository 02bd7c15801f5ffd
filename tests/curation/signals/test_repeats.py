import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.signals import repeats
from curation.words import scan


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**64 - 1), max_size=50))
def test_a_table_remembers_its_keys(keys):
    slots = np.full(1024, 7, np.uint64)  # left over from another document
    mask = repeats.clear(slots, len(keys))
    assert mask + 1 >= 2 * len(keys)
    known = set()
    for key in keys:
        assert repeats.seen(slots, mask, np.uint64(key)) == (key in known)
        known.add(key)


@settings(deadline=None)
@given(st.text("ab\n\u00e9", max_size=40), st.sampled_from([1, 2]))
def test_repeated_pieces_are_the_definition(text, breaks):
    data = np.frombuffer(text.encode(), np.uint8)
    slots, _ = repeats.room(scan(pa.array([text])))
    pieces = re.split("\n\n+" if breaks == 2 else "\n+", text)
    again = [piece for k, piece in enumerate(pieces) if piece in pieces[:k]]
    assert repeats.repeated_pieces(data, 0, len(data), breaks, slots) == (len(pieces), len(again), sum(map(len, again)))


@settings(deadline=None)
@given(st.lists(st.sampled_from([11, 22, 33]), max_size=60))
def test_only_repeated_n_grams_stay_live(words):
    hashes = np.array(words, np.uint64)
    grams = repeats.Grams(
        np.empty(1024, np.uint64),
        np.empty(1024, np.int32),
        np.empty(len(words), np.uint64),
        *np.empty((2, len(words)), np.int64),
    )
    repeats.one_grams(grams, hashes, 0, len(words))
    live = len(words)
    for n in range(2, 8):
        live, highest = repeats.count_n_grams(grams, live, hashes, 0, len(words), n)
        expected = Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))
        if max(expected.values(), default=0) > 1:
            assert highest == max(expected.values())
        live = repeats.keep_repeated(grams, live)
        again = [k for k in range(len(words) - n + 1) if expected[tuple(words[k : k + n])] > 1]
        assert grams.live_P[:live].tolist() == again


@pytest.mark.parametrize("text", ["", "a", "\n" * 1000, "a\n" * 1000, "x" * 1000])
def test_there_is_room_for_any_document(text):
    words = scan(pa.array([text]))
    slots, counts = repeats.room(words)
    assert len(slots) == len(counts) >= 2 * (len(text.encode()) + 1)
    assert repeats.clear(slots, len(text) + 1) < len(slots)
