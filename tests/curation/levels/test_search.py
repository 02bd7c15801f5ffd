"""The radix selection against a plain sort of everything."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.levels.search import Search, histogram, key_value, merge, narrow, ranking_key, search, taken, value_key

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40), st.integers(2**48 - 3, 2**48 + 3))
DOCUMENTS = st.lists(st.tuples(KEYS, st.integers(0, 50), st.sampled_from("ab")), min_size=1, max_size=60)


def run(state: Search, shards: list[pl.DataFrame]) -> Search:
    rounds = 0
    while not state.done:
        parts = [histogram(state, s["key"].to_numpy(), s["weight"].to_numpy(), s["group"]) for s in shards]
        state = narrow(state, merge(parts))
        rounds += 1
    assert rounds <= 4
    return state


def frame(documents) -> pl.DataFrame:
    key, weight, group = zip(*documents, strict=True)
    schema = {"key": pl.UInt64, "weight": pl.UInt32, "group": pl.String}
    return pl.DataFrame({"key": key, "weight": weight, "group": group}, schema)


def sorted_choice(documents: pl.DataFrame, target: float) -> tuple[int, int, int]:
    """By sorting: the last key taken, and the weights before it and through it."""
    total = documents.group_by("key").agg(pl.col("weight").cast(pl.Int64).sum()).sort("key")
    best = total.row(0)[0], 0, total.row(0)[1]
    below = 0
    for key, weight in total.iter_rows():
        if below < target:
            best = key, below, below + weight
        below += weight
    return best


@given(DOCUMENTS, st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 400)), min_size=1, max_size=5), st.randoms())
@settings(max_examples=150, deadline=None)
def test_targets_are_found_as_a_sort_finds_them(documents, targets, random):
    documents = frame(documents)
    wanted = pl.DataFrame(targets, {"group": pl.String, "target": pl.Float64}, orient="row")
    order = list(range(documents.height))
    random.shuffle(order)
    cuts = sorted(random.choices(range(documents.height + 1), k=2))
    shuffled = documents[order]
    shards = [shuffled[: cuts[0]], shuffled[cuts[0] : cuts[1]], shuffled[cuts[1] :]]
    present = set(documents["group"])
    expected = [
        (group, target, *sorted_choice(documents.filter(group=group), target)) for group, target in targets if group in present
    ]
    if not expected:
        return
    state = run(Search(wanted), shards)
    assert state.targets is not None
    assert state.targets.select("group", "target", "key", "before", "through").rows() == expected


@given(DOCUMENTS, st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_a_share_of_every_group(documents, share):
    documents = frame(documents)
    state = run(Search(share=share), [documents])
    kept = documents.filter(pl.Series(taken(state, documents["key"].to_numpy(), documents["group"])))
    for group, whole in documents.group_by("group"):
        target = share * whole["weight"].sum()
        key, _, through = sorted_choice(whole, target)
        mine = kept.filter(group=group[0])
        assert mine["weight"].sum() == through
        assert mine["key"].max() == key
        assert through >= target


def test_each_group_is_searched_for_the_same_weight():
    documents = frame([(1, 5, "a"), (2, 5, "a"), (3, 5, "a"), (9, 100, "b")])
    state = run(Search(weight=8), [documents])
    assert state.keys() == {"a": 2, "b": 9}


def test_a_group_nobody_has_is_left_out():
    assert run(search({"a": 3, "z": 3}), [frame([(4, 5, "a")])]).keys() == {"a": 4}


def test_the_histogram_is_bounded_by_bins_not_by_documents():
    key_N = np.arange(300_000, dtype=np.uint64) << np.uint64(40)
    ones = np.ones(300_000)
    bins = histogram(Search(share=0.5), key_N, ones, pl.repeat("a", 300_000, eager=True))
    assert bins.height <= 65_536


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=30))
def test_value_keys_keep_the_order_of_floats(values):
    values_N = np.array(values)
    keys_N = value_key(values_N)
    assert [key_value(int(key)) for key in keys_N] == values
    assert np.array_equal(values_N[:, None] < values_N[None], keys_N[:, None] < keys_N[None])


def test_ranking_keys_put_the_best_score_first_and_cut_ties_by_hash():
    score_N = np.array([0.5, -1.0, 2.0, 0.5, -np.inf, 0.0, -0.0], np.float32)
    key_N = ranking_key(score_N, np.arange(7, dtype=np.uint64))
    order = np.argsort(key_N)
    assert order[0] == 2
    assert set(order[1:3]) == {0, 3}
    assert set(order[3:5]) == {5, 6}
    assert list(order[5:]) == [1, 4]
    assert key_N[0] != key_N[3]
    assert key_N[5] >> np.uint64(32) == key_N[6] >> np.uint64(32)


def test_keys_before_the_end_are_not_known():
    with pytest.raises(AssertionError):
        search({"a": 1}).keys()
