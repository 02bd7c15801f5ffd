"""Held-out documents: whole clusters, no leak, the declared size, whatever the shards."""

import dataclasses

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.levels import heldout
from curation.levels.heldout import EXAMPLES, HELD_OUT, NEAR_REFERENCE, REFERENCE
from curation.levels.search import merge, narrow


def evaluate(shards, settings, clusters):
    state = heldout.evaluation_search(settings)
    while not state.done:
        state = narrow(state, merge([heldout.measure(state, s, settings, clusters) for s in shards]))
    return pl.concat([heldout.evaluation(state, s, settings, clusters) for s in shards]).sort("uid")


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_no_cluster_is_both_evaluated_and_trained_on(make_pool, held, seed):
    frame = make_pool(600, seed)
    clusters = heldout.reference_clusters(frame, held)
    why = heldout.withheld(frame, held, clusters)
    rows = frame.with_columns(why=why)
    assert set(rows.filter(source="wiki")["why"]) <= {REFERENCE}
    trained_on = rows.filter(pl.col("why").is_null() | (pl.col("why") == EXAMPLES))["duplicates.cluster"]
    evaluated = rows.filter(pl.col("why").is_in([HELD_OUT, REFERENCE, NEAR_REFERENCE]))["duplicates.cluster"]
    assert not trained_on.is_in(evaluated.implode()).any()
    chosen = evaluate([frame], held, clusters).join(rows, on="doc_id")
    assert set(chosen["why"]) <= {HELD_OUT, REFERENCE}
    assert chosen.filter(why=HELD_OUT)["duplicates.cluster"].is_unique().all()
    assert (chosen["n_tokens"] >= held.min_tokens).all()


@given(st.integers(0, 10_000), st.lists(st.integers(0, 600), max_size=4))
@settings(max_examples=10, deadline=None)
def test_shards_change_nothing(make_pool, split, held, seed, cuts):
    frame = make_pool(600, seed)
    shards = split(frame, cuts)
    clusters = heldout.union([heldout.reference_clusters(s, held) for s in shards])
    assert clusters.equals(heldout.reference_clusters(frame, held), check_names=False)
    assert evaluate(shards, held, clusters).equals(evaluate([frame], held, clusters))


def test_sets_are_capped_in_hash_order_and_a_smaller_cap_is_nested(make_pool, held):
    frame = make_pool(5000, 4)
    clusters = heldout.reference_clusters(frame, held)
    chosen = evaluate([frame], held, clusters)
    tokens = chosen.explode("sets").group_by("sets").agg(pl.col("n_tokens").sum(), last=pl.col("n_tokens").max())
    assert set(tokens["sets"]) == {"heldout", "domain:web", "domain:news", "domain:code", "reference:wiki"}
    for name, total, longest in tokens.iter_rows():
        if name != "heldout":
            assert held.tokens_per_set <= total < held.tokens_per_set + longest
    less = evaluate([frame], dataclasses.replace(held, tokens_per_set=100), clusters)
    assert set(less["doc_id"]) < set(chosen["doc_id"])


def test_the_fraction_is_of_clusters_and_another_seed_holds_out_others(make_pool, held):
    frame = make_pool(20_000, 6)
    nobody = heldout.union([])
    shares, sets = [], []
    for seed in (1, 2):
        settings = dataclasses.replace(held, seed=seed, fraction=0.1, references=())
        out = frame.filter(heldout.withheld(frame, settings, nobody) == HELD_OUT)
        shares.append(out["duplicates.cluster"].n_unique() / frame["duplicates.cluster"].n_unique())
        sets.append(set(out["duplicates.cluster"]))
    assert np.allclose(shares, 0.1, atol=0.01)
    assert len(sets[0] & sets[1]) < 0.2 * len(sets[0])


def test_sources_of_classifier_examples_are_in_no_level(make_pool, held):
    frame = make_pool(200, 2)
    settings = dataclasses.replace(held, fraction=0.0, references=(), examples=("wiki",))
    why = heldout.withheld(frame, settings, heldout.union([]))
    assert why.to_list() == [EXAMPLES if source == "wiki" else None for source in frame["source"]]


def test_nothing_and_everything_held_out(make_pool, held):
    frame = make_pool(200, 2)
    nobody = heldout.union([])
    none = dataclasses.replace(held, fraction=0.0, references=())
    everything = dataclasses.replace(held, fraction=1.0, references=())
    assert heldout.withheld(frame, none, nobody).is_null().all()
    assert (heldout.withheld(frame, everything, nobody) == HELD_OUT).all()
