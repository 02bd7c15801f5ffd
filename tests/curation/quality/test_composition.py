"""Counts, scores and duplicates of a stream: parts of shards add up to what one look at the whole would say."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.quality import composition

POOL = 10_000


def pieces(rows: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    schema = {"doc_id": pl.UInt64, "uid": pl.UInt64, "epoch": pl.UInt32, "n_tokens": pl.Int32}
    return pl.DataFrame(rows, schema, orient="row")


def test_copies_and_repeated_passes_are_told_apart():
    # document 0 twice over (two passes), in two pieces; document 1 with a copy, 77; document 2 once
    found = composition.documents(
        pieces([(0, 5, 0, 100), (0, 5, 0, 20), (0, 5, 1, 100), (0, 5, 1, 20), (1, 6, 0, 50), (1, 77, 0, 50), (2, 7, 0, 9)])
    )
    assert found.rows() == [(0, 5, 240, 120), (1, 6, 50, 50), (1, 77, 50, 50), (2, 7, 9, 9)]
    counts = composition.counts(found, pl.Series([True, True, False, True]))
    assert counts == {"documents": 4, "tokens": 349, "first_tokens": 229, "pool_tokens": 179}
    whole = composition.add([counts, counts])
    assert whole == {name: 2 * value for name, value in counts.items()}
    measured = {name: m.value for name, m in composition.sizes(whole, POOL).items()}
    assert measured == pytest.approx({"kept": 358 / POOL, "document_tokens": 229 / 4, "epochs": 349 / 229})


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(1, 5000)), min_size=1, max_size=60), st.integers(0, 60))
def test_scores_are_weighted_by_tokens_whatever_the_shards(rows, cut):
    score, tokens = np.array([r[0] for r in rows], np.float32), np.array([r[1] for r in rows])
    parts = [composition.score_bins("quality", score[s], tokens[s]) for s in (slice(0, cut), slice(cut, None))]
    found = {name: m.value for name, m in composition.scores(composition.merge_bins(parts)).items()}
    assert found["quality.score"] == pytest.approx(np.average(score.astype(float), weights=tokens))
    order = np.argsort(score, kind="stable")
    through = np.cumsum(tokens[order])
    for label, q in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        exact = float(score[order][np.searchsorted(through, q * through[-1])])
        assert found[f"quality.score.{label}"] == pytest.approx(exact, rel=2**-12, abs=1e-37)


def test_half_of_the_tokens_is_reached_by_the_document_that_has_them():
    bins = composition.score_bins("quality", np.array([0.25, 0.75], np.float32), np.array([10, 10]))
    assert composition.scores(bins)["quality.score.p50"].value == pytest.approx(0.25, rel=2**-12)


def test_a_missing_score_has_no_weight():
    bins = composition.score_bins("quality", np.array([0.5, np.nan], np.float32), np.array([1, 1000]))
    assert composition.scores(bins)["quality.score"].value == 0.5
    assert composition.scores(bins.filter(pl.col("tokens") < 0)) == {}


def clusters(seed: int, n: int = 4000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, n // 3, n).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return pl.DataFrame(
        {"cluster": cluster, "exact": cluster + rng.integers(0, 2, n).astype(np.uint64), "tokens": rng.integers(1, 900, n)}
    )


def test_duplicates_are_what_is_not_the_longest_of_its_kind():
    rows = pl.DataFrame({"cluster": [1, 1, 1, 2, 3, 3], "exact": [4, 4, 5, 6, 7, 8], "tokens": [10, 12, 30, 5, 8, 9]})
    found = composition.duplicates(rows, 1.0, 200)
    assert found["duplicates.near"].value == pytest.approx((10 + 12 + 8) / 200)
    assert found["duplicates.exact"].value == pytest.approx(10 / 200)
    assert found["duplicates.near"].error == 0


def test_a_part_of_the_clusters_tells_of_all_within_its_error():
    rows = clusters(0)
    tokens = int(rows["tokens"].sum())
    truth = composition.duplicates(rows, 1.0, tokens)
    for axis in ("duplicates.exact", "duplicates.near"):
        off = []
        for seed in range(600):
            found = composition.duplicates(composition.drawn_clusters(rows, 0.2, seed), 0.2, tokens)[axis]
            assert found.error is not None
            off.append((found.value - truth[axis].value) / found.error)
        assert abs(np.mean(off)) < 0.25
        assert np.std(off) == pytest.approx(1, abs=0.12)


def test_clusters_are_drawn_whole_and_alike_in_any_shards():
    rows = clusters(1)
    whole = composition.drawn_clusters(rows, 0.3, 7)
    parts = pl.concat([composition.drawn_clusters(part, 0.3, 7) for part in (rows[:1000], rows[1000:])])
    assert parts.equals(whole)
    assert rows.filter(pl.col("cluster").is_in(whole["cluster"].implode())).equals(whole)
    assert len(whole) / len(rows) == pytest.approx(0.3, abs=0.05)
    assert composition.drawn_clusters(rows, 1.0, 7).equals(rows)


FUNNEL = {
    "in": 1000, "added: copies": 30, "held out": 50, "reference": 10, "near duplicate": 40, "exact duplicate": 5,
    "gopher_quality.n_words >= 50": 100, "not (gopher_quality.alpha_words < 0.8)": 20,
    "language.en >= 0.65 or domain == 'a.b'": 60, "domain != 'spam'": 7, "top 0.5 by quality.score within each domain": 200,
    "mixture: web budget": 30, "edits": 8, "kept": 500,
}  # fmt: skip


def test_rules_come_in_families():
    found = composition.removed(
        [{"reason": k, "tokens": v} for k, v in FUNNEL.items()], {"gopher_quality", "language", "quality"}
    )
    assert {name: round(m.value * 1000) for name, m in found.items()} == {
        "removed.withheld": 60, "removed.duplicates": 45, "removed.gopher_quality": 120, "removed.language": 60,
        "removed.other": 7, "removed.top": 200, "removed.mixture": 30, "removed.edits": 8,
    }  # fmt: skip
