"""Token shards: what is written is what is read, byte for byte the same, with the facts that training checks."""

import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.tokens import shards

UINT16 = pa.uint16()


def rows(token_type: pa.DataType = UINT16, n: int = 500) -> pa.Table:
    rng = np.random.default_rng(0)
    tokens = [rng.integers(0, 8000, k).tolist() for k in rng.geometric(0.02, n)]
    return pa.table(
        {
            "doc_id": pa.array(rng.integers(0, 2**63, n), pa.uint64()),
            "uid": pa.array(rng.integers(0, 2**63, n), pa.uint64()),
            "piece": pa.array(rng.integers(0, 2, n), pa.uint32()),
            "last": pa.array(rng.random(n) < 0.8),
            "domain": pa.array(rng.choice(["web", "code"], n), pa.large_string()),
            "tokens": pa.array(tokens, pa.large_list(token_type)),
            "n_bytes": pa.array([4 * len(t) for t in tokens], pa.uint32()),
        }
    )


@pytest.mark.parametrize("token_type", [pa.uint16(), pa.uint32()])
def test_round_trip(tmp_path, token_type):
    table = rows(token_type)
    facts = shards.write(tmp_path / shards.name(0), table)
    back = shards.read(tmp_path / "tokens-00000.parquet")
    assert back.schema.equals(shards.schema(token_type))
    assert back.equals(table.cast(shards.schema(token_type)))
    lengths = pl.DataFrame(table)["tokens"].list.len()
    assert facts["rows"] == 500
    assert facts["tokens"] == lengths.sum() == sum(facts["domains"].values())
    assert facts["bytes"] == 4 * lengths.sum()
    assert list(facts["domains"]) == ["code", "web"]


def test_the_same_rows_are_the_same_bytes(tmp_path):
    table = rows()
    # however the rows came in chunks
    pieces = pa.concat_tables([table.slice(0, 100), table.slice(100)])
    for name, content in (("a", table), ("b", pieces), ("c", pieces)):
        shards.write(tmp_path / name, content)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_row_groups_are_bounded(tmp_path):
    table = rows(n=shards.ROW_GROUP + 1)
    shards.write(tmp_path / "x", table)
    assert pq.ParquetFile(tmp_path / "x").num_row_groups == 2


def test_the_files_are_in_order_by_name():
    names = [shards.name(index) for index in range(12)]
    assert names == sorted(names)


def test_dataset_json(tmp_path):
    facts = [shards.write(tmp_path / shards.name(index), rows()) for index in range(2)]
    kept = {"documents": 700, "bytes": 1000, "tokens": 2 * facts[0]["tokens"]}
    content = shards.dataset("best", facts, kept, vocab_size=8192, eot=0, tokenizer="abc", order_seed=3, piece_tokens=4)
    assert content["unique_tokens"] == kept["tokens"]
    assert sum(content["domains"].values()) == kept["tokens"]
    assert [shard["path"] for shard in content["shards"]] == ["tokens-00000.parquet", "tokens-00001.parquet"]


def test_training_reads_the_stream_that_the_facts_promise(tmp_path):
    """The trainer's own reader on a folder as the levels step leaves it: the stream, and as many tokens as are promised."""
    tokens = pytest.importorskip("training.tokens")

    # document 5 in two pieces that stand apart, document 6 between them
    table = pa.table(
        {
            "doc_id": pa.array([5, 6, 5], pa.uint64()),
            "uid": pa.array([50, 60, 50], pa.uint64()),
            "piece": pa.array([0, 0, 1], pa.uint32()),
            "last": [False, True, True],
            "domain": ["a", "a", "a"],
            "tokens": pa.array([[1, 2, 3], [4], [5, 6]], pa.list_(pa.uint16())),
            "n_bytes": pa.array([3, 1, 2], pa.uint32()),
        }
    )
    facts = shards.write(tmp_path / shards.name(0), table)
    kept = {"documents": 2, "bytes": 6, "tokens": 6}
    content = shards.dataset("x", [facts], kept, vocab_size=8, eot=7, tokenizer="abc", order_seed=3, piece_tokens=4)
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    read = tokens.load_rows(tmp_path, 2, 8, 7)
    assert np.asarray(read.tokens).tolist() == [7, 1, 2, 3, 7, 4, 7, 7, 5, 6, 7]
    assert content["unique_tokens"] == 6
