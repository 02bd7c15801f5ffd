"""One document's life, documents at the threshold, and the difference of two levels, against the ledgers."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.levels import heldout
from curation.levels.explain import KEPT, REST, diff, explain, found, margins, merge_diffs, nearest
from curation.levels.level import Declaration, Random, Top, build_level
from curation.levels.search import ranking_key, ranking_score
from curation.levels.select import Thresholds, holds, select

STUDY = [
    Declaration("raw"),
    Declaration("kept", extends="raw", drop=("near",), keep=("20 <= heuristics.n_words", "domain in ['web', 'news']")),
    Declaration("top", extends="kept", keep=("quality.score > percentile(quality.score, 25)",), top=Top(0.4, "quality.score")),
    Declaration("by domain", extends="kept", top=Top(0.4, "quality.score * 2", within="domain")),
    Declaration("control", extends="raw", random=Random({"web": 100}, 1, "top")),
]


@pytest.fixture(scope="module")
def pool(make_pool, find_thresholds, held):
    frame = make_pool(400, 5)
    clusters = heldout.reference_clusters(frame, held)

    def level(name: str):
        built = build_level(name, STUDY, frame.columns, {})
        return built, find_thresholds(built, [frame], clusters)

    return frame, heldout.withheld(frame, held, clusters), level


@pytest.mark.parametrize("name", ["raw", "kept", "top", "by domain", "control"])
def test_the_explanation_agrees_with_the_ledger(pool, name):
    frame, withheld, make = pool
    level, thresholds = make(name)
    ledger = select(level, frame, thresholds, withheld)
    for row in range(0, 400, 7):
        verdicts = explain(level, frame[row : row + 1], thresholds)
        assert [verdict.rule for verdict in verdicts] == [rule.reason for rule in level.rules]
        failing = [verdict for verdict in verdicts if not verdict.holds]
        own = [reason for reason in ledger["failed"][row].to_list() if reason not in heldout.WITHHELD]
        assert [verdict.rule for verdict in failing] == own
        if failing and failing[0].rule == ledger["reason"][row]:
            assert failing[0].value == ledger["value"][row]


def test_limits_are_told(pool):
    frame, _, make = pool
    level, thresholds = make("top")
    table = found(level, thresholds)
    values = dict(zip(table["what"], table["value"], strict=True))
    limits = {verdict.rule: verdict.limit for verdict in explain(level, frame[:1], thresholds)}
    assert limits["20 <= heuristics.n_words"] == "20"
    assert limits["near duplicate"] is None
    percentile = values["percentile 25 of quality.score"]
    assert float(limits["quality.score > percentile(quality.score, 25)"] or 0) == percentile
    assert float(limits["top 0.4 by quality.score"] or 0) == values["lowest quality.score taken"] > percentile
    level, thresholds = make("by domain")
    assert set(found(level, thresholds)["group"]) == {"web", "news"}
    assert found(*make("raw")).is_empty()


@pytest.mark.parametrize("name", ["kept", "top", "by domain"])
def test_margins_have_the_sign_of_the_rule(pool, name):
    frame, _, make = pool
    level, thresholds = make(name)
    holds_RD = holds(level, frame.fill_nan(None), thresholds, len(level.rules))
    seen = 0
    for index, rule in enumerate(level.rules):
        margin = margins(level, frame, thresholds, index)
        if margin is None:
            assert rule.reason in ("near duplicate", "domain in ['web', 'news']")
            continue
        seen += 1
        margin_D = margin.fill_null(np.nan).to_numpy()
        assert holds_RD[index][margin_D > 0].all()
        assert not holds_RD[index][(margin_D < 0) | np.isnan(margin_D)].any()
    assert seen == {"kept": 1, "top": 3, "by domain": 2}[name]


def test_a_mirrored_comparison_has_its_margin_the_right_way_round(make_pool):
    frame = make_pool(50, 1)
    level = build_level("x", [Declaration("x", keep=("10 > heuristics.n_words", "heuristics.n_words >= 7"))], frame.columns, {})
    words = frame["heuristics.n_words"].cast(pl.Float64)
    assert margins(level, frame, Thresholds(), 0).to_list() == (10 - words).to_list()  # pyright: ignore
    assert margins(level, frame, Thresholds(), 1).to_list() == (words - 7).to_list()  # pyright: ignore


def test_the_nearest_on_each_side():
    margin = pl.Series([0.5, -0.1, None, 3.0, -2.0, 0.0, -0.2])
    assert nearest(margin, 2).tolist() == [6, 1, 5, 0]
    assert nearest(margin, 9).tolist() == [4, 6, 1, 5, 0, 3]


def test_a_difference_counts_every_document_once(pool, split):
    frame, withheld, make = pool
    (kept, kept_thresholds), (top, top_thresholds) = make("kept"), make("top")

    def ledger(level, thresholds, rows: pl.DataFrame, why: pl.Series, share: float) -> pl.DataFrame:
        """A selection of which `share` of each kept document is in the stream."""
        made = select(level, rows, thresholds, why)
        part = [(rows[f"n_{what}"] * made["keep"] * share).cast(pl.Int64).alias(what) for what in ("bytes", "tokens")]
        return made.with_columns(part)

    def both(rows: pl.DataFrame, why: pl.Series):
        return diff(ledger(kept, kept_thresholds, rows, why, 0.5), ledger(top, top_thresholds, rows, why, 0.8), rows)

    whole = both(frame, withheld)
    assert whole["documents"].sum() == 400
    for what in ("bytes", "tokens"):
        assert whole[what].sum() == frame[f"n_{what}"].sum()
        for side, level, thresholds, share in (("a", kept, kept_thresholds, 0.5), ("b", top, top_thresholds, 0.8)):
            counted = ledger(level, thresholds, frame, withheld, share)[what].sum()
            assert whole.filter(pl.col(side) == KEPT)[what].sum() == counted, "as in the funnel"
    twice = whole.filter((pl.col("a") == KEPT) & (pl.col("b") == KEPT))
    assert twice["tokens"].sum() < whole.filter(pl.col("b") == KEPT)["tokens"].sum()
    # the first level is a parent of the second: what it drops, both drop for the same reason
    assert whole.filter((pl.col("a") != KEPT) & (pl.col("a") != REST) & (pl.col("a") != pl.col("b"))).is_empty()
    assert whole.filter((pl.col("a") == KEPT) & (pl.col("b") != KEPT))["documents"].sum() > 0
    parts = merge_diffs([both(frame[:130], withheld[:130]), both(frame[130:], withheld[130:])])
    assert parts.equals(whole)


@given(st.floats(allow_nan=False, width=32))
def test_a_ranking_key_gives_its_score_back(score):
    key = ranking_key(np.array([score], np.float32), np.array([3], np.uint64))[0]
    assert ranking_score(int(key)) == score
