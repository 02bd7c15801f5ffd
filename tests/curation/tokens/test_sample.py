"""The tokenizer's sample has its bytes and its mix at any size of the pool, whatever the shards and the domains."""

import numpy as np
import polars as pl
import pytest

from curation.hashing import mix64, stream, uid
from curation.levels.search import Search, merge, narrow
from curation.tokens import sample

SHARES = {"web": 0.6, "code": 0.3, "forum": 0.09, "poems": 0.01}


def pool(n: int, domains: dict[str, float] = SHARES, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    n_bytes = np.minimum(rng.lognormal(7, 1.2, n), 100_000).astype(np.uint32) + 1
    domain = rng.choice(list(domains), n, p=list(domains.values()))
    return pl.DataFrame({"uid": uid("s", "a.jsonl", np.arange(n)), "domain": domain, "n_bytes": n_bytes})


def drawn(shards: list[pl.DataFrame], max_bytes: float, seed: int = 0) -> pl.DataFrame:
    state = Search(total=max_bytes)
    while not state.done:
        state = narrow(state, merge([sample.measure(state, shard, seed) for shard in shards]))
    state = sample.settle_ends(state, seed)
    return pl.concat([shard.filter(pl.Series(sample.drawn(state, shard, seed))) for shard in shards])


@pytest.mark.parametrize("times", [2, 10, 50, 250])
def test_it_has_its_bytes_and_its_mix_at_any_size_of_the_pool(times):
    documents = pool(40_000)
    whole = documents["n_bytes"].sum()
    chosen = drawn([documents], whole / times)
    largest = documents["n_bytes"].max()
    assert abs(chosen["n_bytes"].sum() - whole / times) <= len(SHARES) * largest
    assert abs(chosen["n_bytes"].sum() / (whole / times) - 1) < 0.05
    bytes_of = {domain: documents.filter(domain=domain)["n_bytes"].sum() / times for domain in SHARES}
    for domain, wanted in bytes_of.items():
        assert abs(chosen.filter(domain=domain)["n_bytes"].sum() - wanted) <= largest, domain


def test_it_does_not_depend_on_shards_and_differs_by_seed():
    documents = pool(5000)
    whole = set(drawn([documents], 300_000)["uid"])
    cut = set(drawn([documents[3000:], documents[:1000], documents[1000:3000]], 300_000)["uid"])
    assert cut == whole
    assert len(whole & set(drawn([documents], 300_000, seed=1)["uid"])) < 0.2 * len(whole)


def test_a_larger_sample_holds_a_smaller_one_but_for_the_last_documents():
    documents = pool(5000)
    small, large = (set(drawn([documents], size)["uid"]) for size in (200_000, 400_000))
    assert len(small - large) <= len(SHARES)


def test_it_is_the_whole_pool_where_that_is_smaller():
    documents = pool(500)
    assert len(drawn([documents], 1e9)) == len(drawn([documents], documents["n_bytes"].sum())) == 500


def test_it_has_its_bytes_over_thousands_of_small_domains():
    domains = {f"site {i}": 1 / 4000 for i in range(4000)}
    documents = pool(12_000, domains)
    sizes = [drawn([documents], 1_000_000, seed)["n_bytes"].sum() for seed in range(20)]
    assert abs(np.mean(sizes) / 1_000_000 - 1) < 0.05
    assert max(abs(size / 1_000_000 - 1) for size in sizes) < 0.3


def test_holding_out_the_lowest_hashes_does_not_empty_it():
    # the fault it had: held-out documents and the sample took the same lowest hashes of one seed
    documents = pool(40_000)
    held = mix64(stream(0, "held-out clusters"), documents["uid"].to_numpy()) < np.uint64(int(0.1 * 2**64))
    free = documents.filter(pl.Series(~held))
    assert abs(drawn([free], 1_000_000)["n_bytes"].sum() / 1_000_000 - 1) < 0.05


def test_no_document_no_sample():
    assert drawn([pool(10)[:0]], 1000).is_empty()
