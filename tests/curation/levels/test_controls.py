"""Controls: a random part of the right size, copies in the right number, families without one rule."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.levels import layout, search
from curation.levels.controls import WORD, copies, leave_one_out, noisy
from curation.levels.layout import Boundaries, Cut
from curation.levels.ledger import ADDED, KEPT, check_conservation, funnel, funnel_copies, merge, settle_mixture
from curation.levels.level import Declaration, build_level
from curation.levels.mixture import Mixture, budget


def test_copies_have_the_declared_rate_and_a_uid_of_their_own(make_pool):
    frame = make_pool(20_000, 1)
    added = copies(frame, 0.25, seed=7)
    assert abs(added["n_tokens"].sum() / frame["n_tokens"].sum() - 0.25) < 0.02
    assert added["doc_id"].is_unique().all()
    assert not set(added["uid"]) & set(frame["uid"])
    assert added["uid"].is_unique().all()
    assert added["doc_id"].equals(frame["doc_id"].gather(added["row"]))
    assert copies(frame, 0.25, seed=7).equals(added)
    # a higher rate copies the same documents and more, whatever shard they are in
    more = copies(frame, 0.5, seed=7)
    assert set(added["uid"]) < set(more["uid"])
    assert set(copies(frame[5000:], 0.25, seed=7)["uid"]) == set(added.filter(pl.col("row") >= 5000)["uid"])


def test_a_rate_above_one_copies_every_document(make_pool):
    frame = make_pool(1000, 1)
    counts = copies(frame, 2.5, seed=1).group_by("doc_id").len()
    assert len(counts) == 1000
    assert set(counts["len"]) == {2, 3}
    assert copies(frame, 0, seed=1).is_empty()


def test_a_stream_with_copies_adds_up(make_pool, run_level, tokens_of):
    frame = make_pool(500, 4)
    plain = run_level(build_level("raw", [Declaration("raw")], frame.columns, {}), [frame])
    kept = frame.filter(plain.ledger["keep"])
    added = copies(kept, 0.5, seed=2)
    available = {
        domain: plain.available[domain] + int(added.filter(domain=domain)["n_tokens"].sum()) for domain in plain.available
    }
    amount, cut = replace(budget("x", Mixture("natural"), available, {}), length=Fraction(20_000)), Cut(1, 32)
    state = layout.boundary_search(amount, 1)
    while not state.done:
        state = search.narrow(state, search.merge([layout.measure(state, rows, amount, cut) for rows in (kept, added)]))
    boundaries = Boundaries.of(state, amount, 1)
    laid, laid_copies = (layout.lay(rows, tokens_of(rows), amount, boundaries, cut) for rows in (kept, added))
    final = settle_mixture(plain.ledger.select("doc_id", "keep", "reason", "value", "failed", "values"), kept, laid, amount)
    total = merge([funnel(final, frame, amount), funnel_copies(added, laid_copies, final, amount)])
    check_conservation("x", total, {"documents": 500})
    sums = {row["reason"]: row for row in total.iter_rows(named=True)}
    assert total["reason"][1] == ADDED
    assert sums[ADDED]["tokens"] == added["n_tokens"].sum()
    assert sums[KEPT]["tokens"] == laid.tokens_K.sum() + laid_copies.tokens_K.sum()
    assert 20_000 <= sums[KEPT]["tokens"] < 20_000 + 3 * 32


@given(st.text(max_size=300), st.integers(0, 2**64 - 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_noise_replaces_words_by_words_of_the_text(text, uid, noise):
    near = noisy(text, uid, noise, seed=1)
    assert near == noisy(text, uid, noise, seed=1)
    assert WORD.sub("", near) == WORD.sub("", text)
    assert set(WORD.findall(near)) <= set(WORD.findall(text))
    assert noisy(text, uid, 0.0, seed=1) == text


def test_noise_has_the_declared_rate():
    words = [f"w{k}" for k in range(20_000)]
    near = noisy(" ".join(words), 12345, 0.1, seed=3).split()
    assert abs(np.mean([a != b for a, b in zip(words, near, strict=True)]) - 0.1) < 0.01


def test_a_near_copy_keeps_the_declared_part_of_its_shingles():
    words = [f"w{k}" for k in range(20_000)]
    near = noisy(" ".join(words), 777, 0.05, seed=3).split()
    kept = np.mean([words[k : k + 5] == near[k : k + 5] for k in range(len(words) - 4)])
    assert abs(kept - 0.95**5) < 0.02


def test_a_family_leaves_out_one_rule_at_a_time():
    level = {
        "extends": "raw",
        "drop": "near",
        "keep": ["gopher_quality", "q.s > 1", "q.s < 1"],
        "edit": ["pii"],
        "top": {"by": "q.s"},
    }
    family = leave_one_out("best", level)
    assert list(family) == [
        "best-without-near",
        "best-without-gopher-quality",
        "best-without-q-s-1",
        "best-without-q-s-1-no2",
        "best-without-pii",
        "best-without-top",
    ]
    assert family["best-without-near"] == level | {"drop": []}
    assert family["best-without-gopher-quality"] == level | {"keep": ["q.s > 1", "q.s < 1"]}
    assert family["best-without-q-s-1-no2"] == level | {"keep": ["gopher_quality", "q.s > 1"]}
    assert family["best-without-pii"] == level | {"edit": []}
    assert "top" not in family["best-without-top"]
    assert level["drop"] == "near"


def test_a_family_of_one_is_refused():
    with pytest.raises(ValueError, match="level 'x' has 1 rules of its own"):
        leave_one_out("x", {"drop": ["near"]})
