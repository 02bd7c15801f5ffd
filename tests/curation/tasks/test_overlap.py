import random

import numpy as np
import pyarrow as pa
import pytest

from curation.tasks.overlap import N_GRAM, found, sought
from curation.words import scan


def words(rng: random.Random, n: int) -> list[str]:
    return ["".join(rng.choice("abcdef") for _ in range(rng.randint(2, 3))) for _ in range(n)]


def by_hand(items: list[list[str]], documents: list[list[str]]) -> list[bool]:
    """An item of 13 words or more by any 13 of them in a row, a shorter one whole."""

    def grams(text: list[str], n: int) -> set[tuple[str, ...]]:
        return {tuple(text[i : i + n]) for i in range(len(text) - n + 1)}

    return [
        bool(item)
        and any(grams(item, min(len(item), N_GRAM)) & grams(document, min(len(item), N_GRAM)) for document in documents)
        for item in items
    ]


def test_items_are_found_as_by_hand():
    rng = random.Random(3)
    documents = [words(rng, rng.randint(0, 300)) for _ in range(20)]
    items = [words(rng, rng.randint(0, 30)) for _ in range(60)]
    for item in items[::3]:  # planted: whole, or 13 words of it
        cut = item[:N_GRAM] if len(item) > N_GRAM else item
        documents[rng.randrange(20)] += cut
    expected = by_hand(items, documents)
    assert 15 < sum(expected) < 50
    text = [" ".join(document).title().replace(" ", ", ") for document in documents]  # case and punctuation do not count
    got = found(scan(pa.array(text, pa.large_string())), sought([" ".join(item) for item in items]))
    assert got.tolist() == expected


@pytest.mark.parametrize("n", [1, 5, 12])
def test_a_short_item_is_found_whole_and_not_in_part(n):
    item = [f"word{i}" for i in range(n)]
    whole = pa.array(["so " + " ".join(item) + " there"], pa.large_string())
    assert found(scan(whole), sought([" ".join(item)])).tolist() == [True]
    assert found(scan(pa.array([" ".join(item[1:])], pa.large_string())), sought([" ".join(item)])).tolist() == [False]


def test_items_that_share_their_words_are_all_found():
    assert found(scan(pa.array(["a b c"], pa.large_string())), sought(["b", "b", "", "d"])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert found(scan(pa.array(["a"], pa.large_string())), sought([])).tolist() == np.zeros(0).tolist()
