import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.summaries import cluster_bins, length_bins, margin, overlap, paired, speed


@given(st.lists(st.integers(1, 400_000), max_size=60), st.integers(0, 60))
def test_every_document_is_in_the_bin_that_says_so_however_sharded(lengths: list[int], cut: int):
    whole = np.array(lengths, dtype=np.int64)
    bins = length_bins("raw", [whole[:cut], whole[cut:]])
    assert sum(b["documents"] for b in bins) == len(lengths)
    for b in bins[:-1]:
        assert b["documents"] == sum(b["low"] <= n < b["high"] for n in lengths)
        assert b["high"] == 2 * b["low"]


def test_cluster_bins_count_documents_not_clusters():
    bins = cluster_bins([np.array([1, 1, 2, 2, 4, 4, 4, 4])])
    assert [(b["low"], b["documents"]) for b in bins] == [(1, 2), (2, 2), (3, 4)]


def test_overlap_counts_pairs_over_shards():
    shards = [pl.Series([["a", "b"], ["a"], []]), pl.Series([["b"], ["a", "b"], None], dtype=pl.List(pl.String))]
    assert overlap("x", shards, ["a", "b"])["documents"] == [[3, 2], [2, 3]]


def test_paired_difference_and_error_equal_the_ratio_estimator_by_hand():
    nats_raw, nats_top, n = [30.0, 80.0, 10.0], [24.0, 82.0, 7.0], [10, 20, 5]
    losses = pl.DataFrame(
        {
            "level": ["raw"] * 3 + ["top"] * 3,
            "seed": 0,
            "tokens": 100,
            "doc_id": [1, 2, 3] * 2,
            "nats": nats_raw + nats_top,
            "n_tokens": n * 2,
        }
    )
    sets = pl.DataFrame({"doc_id": [1, 2, 3], "set": [["heldout", "own:top"], ["heldout"], ["heldout", "domain:a"]]})
    sets = sets.explode("set").with_columns(weight=1.0)
    rows = paired(losses, sets, "s", "raw")
    assert {row["eval_set"] for row in rows} == {"heldout", "domain:a"}, "no verdict is drawn from a level's own text"
    row = next(row for row in rows if row["eval_set"] == "heldout")
    d, tokens = np.array(nats_top) - np.array(nats_raw), np.array(n)
    assert row["difference"] == pytest.approx(d.sum() / 35)
    assert row["se"] == pytest.approx(np.sqrt(((d - d.sum() / 35 * tokens) ** 2).sum() * 3 / 2) / 35)
    assert row["better"] == pytest.approx(2 / 3)
    assert row["quantiles"][2] == pytest.approx(np.median(d / tokens))
    weight = np.array([1.0, 2.0, 0.5])
    pooled = paired(losses, pl.DataFrame({"doc_id": [1, 2, 3], "set": "heldout-pool", "weight": weight}), "s", "raw")[0]
    assert pooled["difference"] == pytest.approx((weight * d).sum() / (weight * tokens).sum())
    assert pooled["better"] == row["better"], "documents count alike"


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("gopher_quality.n_words >= 50", "47", 0.06),
        ("gopher_repetition.top_2_gram <= 0.2", "0.25", 0.25),
        ("c4.n_lines >= 3", "n_lines = 0", 1.0),
        ("exact duplicate", "cluster 17", math.inf),
        ("language.en >= 0.65", "", math.inf),
    ],
)
def test_margin_is_the_distance_to_the_threshold(rule: str, value: str, expected: float):
    row = pl.DataFrame({"reason": [rule], "value": [value]}).select(margin(pl.col("reason"), pl.col("value")))
    assert row.item() == pytest.approx(expected)


def test_speed_is_the_median_of_the_intervals_and_mfu_that_of_those_that_know_it():
    lines = [
        {"event": "train", "tokens_per_second": 10, "mfu": None, "loss": [8.0, 8.1]},
        {"event": "branch", "tokens": 512, "loss": [7.0, 7.1]},
        {"event": "train", "tokens_per_second": 40, "mfu": 0.2, "loss": [6.0, 6.1]},
        {"event": "train", "tokens_per_second": 30, "mfu": 0.4, "loss": [5.0, 5.1]},
    ]
    assert speed(lines) == (30.0, pytest.approx(0.3), 2)
    assert speed(lines[:1])[1] is None
