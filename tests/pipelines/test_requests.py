"""What a cluster and its store are asked for by curation, per pool shard: counted at a store on loopback."""

import pytest

from benchmarks.scale.curate import SHARD, measure


@pytest.mark.slow
def test_curation_asks_little_of_each_shard():
    """Four levels, a classifier, duplicates, quality; docs/scale.md has the figures by kind."""
    made = measure(16 * SHARD, SHARD, 0.0)
    assert made["shards"] >= 16
    assert made["tasks"] < 14
    assert made["requests"] < 155
    assert made["head"] < 1, "existence is known from listings and from what is read"
    assert made["multipart"] == 0, "small objects are one request"
