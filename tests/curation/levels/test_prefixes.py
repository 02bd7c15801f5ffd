"""A prefix looks like the whole, whatever was held out or sampled: two-sample tests over many prefixes and pools.

Pieces of a prefix against the rest, by domain, document's length, position in the document, size of the duplicate cluster, and
whether the tokenizer was trained on the document. Kolmogorov and Smirnov's p of each pool, joined by Fisher's method.
"""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from curation.hashing import stream
from curation.levels import layout
from curation.levels.level import Declaration, build_level
from curation.levels.search import Search, merge, narrow
from curation.tokens import sample

SEED, CONTEXT, POOLS = 5, 8, 6  # the seed is that of the held-out documents, too
PREFIXES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
TRAITS = ("domain", "length", "position", "cluster", "sampled")


def in_sample(frame: pl.DataFrame) -> np.ndarray:
    state = Search(total=0.1 * frame["n_bytes"].sum())
    while not state.done:
        state = narrow(state, merge([sample.measure(state, frame, SEED)]))
    return sample.drawn(sample.settle_ends(state, SEED), frame, SEED)


def laid_out(make_pool, run_level, pool: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A pool, and its level's stream in pieces of two contexts with the traits of each."""
    frame = make_pool(2500, pool)
    traits = frame.select(
        "doc_id", length="n_tokens", cluster=pl.len().over("duplicates.cluster"), sampled=pl.Series(in_sample(frame)).cast(int)
    )
    level = build_level("raw", [Declaration("raw")], frame.columns, {})
    laid = run_level(level, [frame], cut=layout.Cut(SEED, 2 * CONTEXT)).stream
    domain = pl.col("domain").rank("dense")
    return laid, laid.join(traits, on="doc_id", maintain_order="left").with_columns(domain, position="piece")


def combined(pools: list[pl.DataFrame]) -> dict[tuple[str, float], float]:
    """p that prefixes and rest are of one distribution, by trait and prefix; each frame is in the order to be tested."""
    found = {}
    for trait in TRAITS:
        for share in PREFIXES:
            cuts = [(pool[trait].to_numpy(), int(share * len(pool))) for pool in pools]
            p = [stats.ks_2samp(values[:cut], values[cut:], method="asymp").pvalue for values, cut in cuts]
            found[trait, share] = stats.combine_pvalues(np.maximum(p, 1e-300)).pvalue
    return found


@pytest.fixture(scope="module")
def streams(make_pool, run_level):
    return [laid_out(make_pool, run_level, pool) for pool in range(POOLS)]


def test_prefixes_of_the_stream_look_like_the_whole(streams):
    found = combined([traits for _, traits in streams])
    assert min(found.values()) > 1e-3, min(found, key=found.__getitem__)


def test_prefixes_of_a_run_look_like_the_whole(streams):
    order = pytest.importorskip("training.order")
    read = []
    for pool, (laid, traits) in enumerate(streams):
        size_R = laid["tokens"].list.len().to_numpy().astype(np.int64) + 1 + laid["last"].to_numpy()
        names, domain_R = np.unique(laid["domain"].to_numpy(), return_inverse=True)
        start_R = np.concatenate([[0], np.cumsum(size_R)])
        identity = (laid[name].to_numpy() for name in ("doc_id", "uid", "piece"))
        rows = order.Rows(np.zeros(1, np.uint16), start_R, *identity, domain_R, tuple(names), 2 * CONTEXT)
        key = order.run_key(stream(SEED, "order of windows"), "nano", pool)
        read.append(traits[order.Order.of(rows, key, CONTEXT).row_P])
    found = combined(read)
    assert min(found.values()) > 1e-3, min(found, key=found.__getitem__)


def test_an_order_that_shares_its_stream_with_the_held_out_documents_is_found_out(make_pool, run_level, monkeypatch):
    """Then each stream begins with what is left of the lowest hashes: members of clusters and later pieces."""
    monkeypatch.setattr(layout, "stream", lambda seed, purpose: stream(seed, "held-out clusters"))
    found = combined([laid_out(make_pool, run_level, pool)[1] for pool in range(POOLS)])
    assert found["position", 0.05] < 1e-20
    assert found["length", 0.05] < 1e-6
    assert found["cluster", 0.05] < 1e-4
