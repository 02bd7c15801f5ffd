"""Selections against sorting the whole pool, and reasons against a row-by-row reading of the rules."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.levels import heldout
from curation.levels.level import Declaration, Random, Top, build_level
from curation.levels.search import merge, ranking_key
from curation.levels.select import Thresholds, measure, select, settle

STUDY = [
    Declaration("raw"),
    Declaration("dedup", extends="raw", drop=("exact", "near")),
    Declaration(
        "filtered", extends="dedup", keep=("heuristics.n_words >= 20", "quality.score > percentile(quality.score, 25)")
    ),
    Declaration("top", extends="filtered", top=Top(0.3, "quality.score")),
    Declaration("top in domains", extends="filtered", top=Top(0.3, "quality.score", within="domain")),
    Declaration("control", extends="dedup", random=Random({"web": 900, "code": 100}, 3, "top")),
]


def build(name, frame):
    return build_level(name, STUDY, frame.columns, {})


def sorted_top(frame: pl.DataFrame, fraction: float) -> set[int]:
    """doc_ids of the best by score, then hash: until the tokens before a document reach the fraction."""
    score = frame["quality.score"].fill_nan(None).fill_null(-np.inf).to_numpy()
    ranked = frame.with_columns(key=pl.Series(ranking_key(score, frame["uid"].to_numpy()))).sort("key")
    before = ranked["n_tokens"].cum_sum() - ranked["n_tokens"]
    return set(ranked.filter(before < fraction * ranked["n_tokens"].sum())["doc_id"])


@given(st.integers(0, 10_000), st.integers(40, 400))
@settings(max_examples=25, deadline=None)
def test_reasons_and_survivors_against_sorting_everything(make_pool, find_thresholds, held, seed, n):
    frame = make_pool(n, seed)
    clusters = heldout.reference_clusters(frame, held)
    withheld = heldout.withheld(frame, held, clusters)
    thresholds = {name: find_thresholds(build(name, frame), [frame], clusters) for name in ("top", "top in domains")}
    ledgers = {name: select(build(name, frame), frame, thresholds[name], withheld) for name in thresholds}

    reason = dict(zip(frame["doc_id"], withheld.cast(pl.String), strict=True))
    rest = frame.filter(withheld.is_null())

    def drop(rows: pl.DataFrame, keep: pl.Series, why: str) -> pl.DataFrame:
        reason.update(dict.fromkeys(rows.filter(~keep)["doc_id"], why))
        return rows.filter(keep)

    rest = drop(rest, rest["n_tokens"] > 0, "no tokens")
    rest = drop(rest, rest["duplicates.exact_survivor"], "exact duplicate")
    rest = drop(rest, rest["duplicates.survivor"], "near duplicate")
    rest = drop(rest, rest["heuristics.n_words"] >= 20, "heuristics.n_words >= 20")
    scored = rest.filter(rest["quality.score"].is_not_nan()).sort("quality.score")
    reached = scored["n_tokens"].cum_sum() >= 0.25 * scored["n_tokens"].sum()
    limit = scored.filter(reached)["quality.score"][0]
    rest = drop(
        rest,
        (rest["quality.score"] > limit) & rest["quality.score"].is_not_nan(),
        "quality.score > percentile(quality.score, 25)",
    )
    best = sorted_top(rest, 0.3)
    expected = {d: None if d in best else reason[d] or "top 0.3 by quality.score" for d in frame["doc_id"]}
    assert dict(ledgers["top"].select("doc_id", pl.col("reason").cast(pl.String)).iter_rows()) == expected
    best = set().union(*(sorted_top(part, 0.3) for _, part in rest.group_by("domain")))
    assert set(ledgers["top in domains"].filter("keep")["doc_id"]) == best


def test_failed_lists_every_failing_rule_in_order(make_pool, held):
    frame = make_pool(300, 1)
    level = build_level(
        "x", [Declaration("x", drop=("near",), keep=("heuristics.n_words >= 50", "domain == 'web'"))], frame.columns, {}
    )
    withheld = heldout.withheld(frame, held, heldout.reference_clusters(frame, held))
    ledger = select(level, frame, Thresholds(), withheld)
    for row, entry, why in zip(frame.iter_rows(named=True), ledger.iter_rows(named=True), withheld, strict=True):
        expected = [why] if why else []
        expected += [] if row["n_tokens"] else ["no tokens"]
        expected += [] if row["duplicates.survivor"] else ["near duplicate"]
        expected += [] if row["heuristics.n_words"] >= 50 else ["heuristics.n_words >= 50"]
        expected += [] if row["domain"] == "web" else ["domain == 'web'"]
        assert entry["failed"] == expected
        assert entry["keep"] == (not expected)
        assert entry["reason"] == (expected[0] if expected else None)
        values = {
            "near duplicate": f"cluster {row['duplicates.cluster']}",
            "heuristics.n_words >= 50": str(row["heuristics.n_words"]),
            "domain == 'web'": row["domain"],
        }
        assert entry["value"] == values.get(entry["reason"])
        assert entry["values"] == [values.get(reason) for reason in entry["failed"]]


def test_a_missing_value_fails_its_rule_and_says_so():
    frame = pl.DataFrame(
        {"doc_id": [0, 1], "uid": [5, 6], "domain": "a", "n_tokens": 1, "n_bytes": 1, "q.s": [float("nan"), 0.5]}
    )
    frame = frame.with_columns(pl.col("doc_id", "uid").cast(pl.UInt64))
    level = build_level("x", [Declaration("x", keep=("q.s < 1",))], frame.columns, {})
    ledger = select(level, frame, Thresholds(), pl.Series([None, None], dtype=pl.String))
    assert ledger["value"].to_list() == ["missing", None]
    assert ledger["values"].to_list() == [["missing"], []]
    assert ledger["keep"].to_list() == [False, True]


def test_a_random_part_has_the_tokens_asked_for_in_each_domain(make_pool, find_thresholds, held):
    frame = make_pool(2000, 3)
    level = build("control", frame)
    clusters = heldout.reference_clusters(frame, held)
    withheld = heldout.withheld(frame, held, clusters)
    ledger = select(level, frame, find_thresholds(level, [frame], clusters), withheld)
    kept = frame.filter(ledger["keep"])
    tokens = dict(kept.group_by("domain").agg(pl.col("n_tokens").sum()).iter_rows())
    assert set(tokens) == {"web", "code"}
    longest = frame["n_tokens"].max()
    assert 900 <= tokens["web"] < 900 + longest
    assert 100 <= tokens["code"] < 100 + longest


def test_a_random_part_that_is_larger_than_the_whole_is_refused(make_pool, find_thresholds, held):
    frame = make_pool(200, 3)
    nobody = heldout.union([])
    for tokens, missing in (
        ({"web": 10**6, "code": 10}, r"web by 9\d\d,\d\d\d tokens"),
        ({"mail": 7, "web": 9}, "mail by 7 tokens"),
    ):
        level = build_level("x", [Declaration("x", random=Random(tokens, 1, "top"))], frame.columns, {})
        with pytest.raises(ValueError, match=rf"level 'x' cannot have the tokens of 'top': short of {missing}; let it extend"):
            find_thresholds(level, [frame], nobody)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 300), max_size=4))
@settings(max_examples=15, deadline=None)
def test_shards_change_nothing(make_pool, split, find_thresholds, held, seed, cuts):
    frame = make_pool(300, seed)
    clusters = heldout.reference_clusters(frame, held)
    for name in ("top in domains", "control"):
        level = build(name, frame)
        whole = find_thresholds(level, [frame], clusters)
        parts = find_thresholds(level, split(frame, cuts)[::-1], clusters)
        withheld = heldout.withheld(frame, held, clusters)
        assert select(level, frame, whole, withheld).equals(select(level, frame, parts, withheld))


def test_nothing_left_to_choose_from_is_an_error(make_pool):
    frame = make_pool(50, 1)
    level = build_level(
        "x", [Declaration("x", keep=("heuristics.n_words > 100",), top=Top(0.5, "quality.score"))], frame.columns, {}
    )
    open_to_all = pl.repeat(None, len(frame), dtype=pl.String, eager=True)
    with pytest.raises(
        ValueError, match=r"level 'x': no document with tokens is left when it comes to 'top 0.5 by quality.score'"
    ):
        settle(level, Thresholds(), merge([measure(level, frame, Thresholds(), open_to_all)]))


def test_an_empty_shard_has_an_empty_ledger(make_pool):
    frame = make_pool(10, 1)
    withheld = pl.Series([], dtype=pl.String)
    assert select(build("dedup", frame), frame[:0], Thresholds(), withheld).is_empty()
    assert select(build("raw", frame), frame[:0], Thresholds(), withheld).is_empty()
