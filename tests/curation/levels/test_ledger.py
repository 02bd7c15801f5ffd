"""The funnel adds up in documents, bytes and tokens, and a funnel that does not is refused."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.levels.layout import Cut
from curation.levels.ledger import EDITED_AWAY, IN, KEPT, ConservationError, check_conservation, funnel, settle_mixture
from curation.levels.level import Declaration, Top, build_level
from curation.levels.mixture import Mixture, budget

STUDY = [
    Declaration("raw"),
    Declaration("top", extends="raw", drop=("near",), keep=("heuristics.n_words > 5",), top=Top(0.5, "quality.score")),
]


@given(st.integers(0, 10_000), st.sampled_from([10, 2048]))
@settings(max_examples=12, deadline=None)
def test_everything_is_kept_or_has_a_reason(make_pool, run_level, seed, piece_tokens):
    frame = make_pool(400, seed)
    raw = run_level(build_level("raw", STUDY, frame.columns, {}), [frame])
    level = build_level("top", STUDY, frame.columns, {})
    outcome = run_level(level, [frame[:150], frame[150:]], Mixture(), raw.available, cut=Cut(1, piece_tokens))
    totals = {"documents": 400, "bytes": int(frame["n_bytes"].sum()), "tokens": int(frame["n_tokens"].sum())}
    check_conservation("top", outcome.funnel, totals)
    assert outcome.ledger["keep"].to_list() == outcome.ledger["reason"].is_null().to_list()
    assert (outcome.ledger["failed"].list.len() > 0).to_list() == (~outcome.ledger["keep"]).to_list()
    assert (outcome.ledger.filter("keep")["tokens"] > 0).all()
    kept = outcome.funnel.filter(reason=KEPT).row(0, named=True)
    assert kept["documents"] == outcome.ledger["keep"].sum()
    assert kept["tokens"] == outcome.stream["tokens"].list.len().sum()
    assert kept["bytes"] == outcome.stream["n_bytes"].sum()
    rows = outcome.funnel["reason"].to_list()
    assert EDITED_AWAY not in rows
    assert rows[0] == IN
    assert rows[-1] == KEPT
    order = ["reference", "held out", "no tokens", "near duplicate", "heuristics.n_words > 5", "top 0.5 by quality.score"]
    assert [reason for reason in rows if reason in order] == [reason for reason in order if reason in rows]
    # the ledger alone counts the same documents for each reason
    counted = dict(outcome.ledger.drop_nulls("reason").group_by(pl.col("reason").cast(pl.String)).len().iter_rows())
    assert {r: n for r, n in outcome.funnel.select("reason", "documents").iter_rows() if r not in (IN, KEPT) and n} == counted


def test_a_document_cut_off_at_the_budget_stays_and_its_rest_is_counted(make_pool, run_level):
    frame = make_pool(300, 3)
    level = build_level("raw", STUDY, frame.columns, {})
    outcome = run_level(level, [frame], cut=Cut(1, 8), length=2000)
    cut_off = outcome.ledger.join(frame, on="doc_id").filter(pl.col("keep") & (pl.col("tokens") < pl.col("n_tokens")))
    assert len(cut_off)
    over = outcome.funnel.filter(pl.col("reason").str.starts_with("mixture: "))
    late = outcome.ledger.filter(pl.col("reason").cast(pl.String).str.starts_with("mixture: ")).join(frame, on="doc_id")
    assert over["documents"].sum() == len(late)
    assert over["tokens"].sum() == late["n_tokens"].sum() + (cut_off["n_tokens"] - cut_off["tokens"]).sum()
    assert set(late["failed"].explode()) == set(late["reason"].cast(pl.String))


@pytest.mark.parametrize("amount", ["documents", "bytes", "tokens"])
def test_what_does_not_add_up_is_refused(amount):
    rows = [(IN, 3, 30, 10), ("held out", 1, 10, 4), (KEPT, 2, 20, 6)]
    funnel = pl.DataFrame(rows, ["reason", "documents", "bytes", "tokens"], orient="row")
    check_conservation("x", funnel, {"documents": 3})
    lost = funnel.with_columns(pl.when(reason=KEPT).then(pl.col(amount) - 1).otherwise(amount).alias(amount))
    with pytest.raises(ConservationError, match=rf"level 'x': \d+ {amount} went in, but kept and dropped make \d+ \(-1\)"):
        check_conservation("x", lost)
    with pytest.raises(ConservationError, match="the pool holds 4 documents, but 3 went in"):
        check_conservation("x", funnel, {"documents": 4})


def test_what_edits_take_has_a_row_of_its_own(make_pool, lay_out, run_level):
    frame = make_pool(300, 6)
    plain = run_level(build_level("raw", STUDY, frame.columns, {}), [frame])
    kept = frame.filter(plain.ledger["keep"])
    # an edit that halves every third document, empties every seventh and makes every fifth a byte longer
    row = pl.int_range(len(kept))
    n = pl.col("n_tokens")
    edited = kept.with_columns(
        n_tokens=pl.when(row % 7 == 0).then(0).when(row % 3 == 0).then(n // 2 + 1).otherwise(n).cast(pl.UInt32),
        n_bytes=pl.when(row % 7 == 0)
        .then(0)
        .when(row % 5 == 0)
        .then(pl.col("n_bytes") + 1)
        .otherwise("n_bytes")
        .cast(pl.UInt32),
    ).filter(pl.col("n_tokens") > 0)
    available = dict(edited.group_by("domain").agg(pl.col("n_tokens").cast(pl.Int64).sum()).iter_rows())
    amount = budget("raw", Mixture("natural"), available, {})
    amount = replace(amount, length=amount.length / 2)
    (laid,), stream = lay_out([frame], [edited], amount, Cut(1, 16), 2)
    before = plain.ledger.select("doc_id", "keep", "reason", "value", "failed", "values")
    final = settle_mixture(before, edited, laid, amount)
    total = funnel(final, frame, amount)
    check_conservation("raw", total, {"tokens": int(frame["n_tokens"].sum())})
    sums = {entry["reason"]: entry for entry in total.iter_rows(named=True)}
    emptied = set(kept["doc_id"]) - set(edited["doc_id"])
    assert sums[EDITED_AWAY]["documents"] == len(emptied)
    assert set(final.filter(pl.col("reason") == EDITED_AWAY)["doc_id"]) == emptied
    still_kept = edited.join(final.filter("keep").select("doc_id"), on="doc_id").join(kept, on="doc_id")
    removed = kept.filter(pl.col("doc_id").is_in(list(emptied)))["n_tokens"].sum()
    removed += (still_kept["n_tokens_right"] - still_kept["n_tokens"]).sum()
    assert sums[EDITED_AWAY]["tokens"] == removed
    assert sums[KEPT]["tokens"] == stream["tokens"].list.len().sum()
