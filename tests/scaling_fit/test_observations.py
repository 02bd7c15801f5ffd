"""Tables in from everywhere, with columns guessed, told or refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from scaling_fit.observations import observations

ROWS = {"params": [1e6, 1e6, 4e6], "tokens": [1e7, 2e7, 2e7], "final_loss": [4.1, 3.9, 3.5], "level": ["raw", "raw", "dedup"]}


@pytest.mark.parametrize(
    "make", [dict, pl.DataFrame, pd.DataFrame, pa.table, lambda x: pl.DataFrame(x).lazy(), lambda x: pl.DataFrame(x).to_dicts()]
)
def test_every_table_reads_the_same(make) -> None:
    table = observations(make(ROWS))
    np.testing.assert_array_equal(table.N, ROWS["params"])
    np.testing.assert_array_equal(table.loss, ROWS["final_loss"])
    assert table.levels == ("raw", "dedup")
    assert "loss is column 'final_loss' (guessed)" in table.notes


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_file_reads_the_same(tmp_path: Path, suffix: str) -> None:
    frame, path = pl.DataFrame(ROWS), tmp_path / f"runs.{suffix}"
    if suffix == "parquet":
        frame.write_parquet(path)
    elif suffix == "json":
        path.write_text(json.dumps(frame.to_dicts()))
    elif suffix == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    np.testing.assert_allclose(observations(path).D, ROWS["tokens"])


def test_the_contract_of_the_pipeline_is_understood() -> None:
    table = observations({
        "level": ["raw"] * 2, "seed": [0, 1], "trunk": ["a", "b"], "shape": ["s", "s"],
        "params_body": [100, 100], "params_head": [40, 40], "params_embedding": [40, 40], "tokens": [1000, 1000],
        "unique_tokens": [500, 5000], "repeated": [True, False], "flops": [1e6, 1e6],
        "eval_set": ["heldout"] * 2, "loss": [4.0, 4.1], "certificate": ["x", "x"],
    })  # fmt: skip
    np.testing.assert_array_equal(table.N, [140, 140])
    np.testing.assert_array_equal(table.repeated, [True, False])
    assert table.trunk.tolist() == ["a", "b"]
    np.testing.assert_array_equal(
        observations(
            {"params_body": [1.0], "params_head": [2.0], "params_embedding": [3.0], "tokens": [5.0], "loss": [2.0]},
            parameters="total",
        ).N,
        [6.0],
    )


def test_tokens_come_from_flops_where_they_must() -> None:
    table = observations({"N": [1e8], "Training FLOP": [6e18], "loss": [3.0]})
    assert table.D[0] == pytest.approx(1e10)
    assert any("FLOPs / (6 N)" in note for note in table.notes)


@pytest.mark.parametrize(
    ("table", "told", "match"),
    [
        ({"tokens": [1.0], "loss": [2.0]}, None, r"no column for parameters.*tokens, loss"),
        ({"N": [1.0], "D": [2.0]}, None, r"no column for the loss"),
        ({"N": [1.0], "loss": [2.0]}, None, r"no column for tokens"),
        ({"N": ["many"], "D": [1.0], "loss": [2.0]}, None, r"row 0, column 'N': 'many' is not a number"),
        ({"N": [1.0], "D": [1.0], "loss": [2.0]}, {"loss": "ppl"}, r"column 'ppl' \(for loss\) is not in the table"),
        ({"N": [], "D": [], "loss": []}, None, "no rows"),
    ],
)
def test_what_is_missing_is_named(table, told, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        observations(table, columns=told)
