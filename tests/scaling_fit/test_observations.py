"""Tables in from everywhere, with columns guessed, told or refused."""

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
    assert table.notes[0].startswith("guessed: loss is column 'final_loss'; N is column 'params'; D is column 'tokens' (-c ")


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
        ({"N": ["many", "1e6"], "D": [1.0, 1.0], "loss": [2.0, 2.0]}, None, r"row 2, column 'N': 'many' is not a number"),
        ({"N": [1.0], "D": [1.0], "loss": [2.0]}, {"loss": "ppl"}, r"-c loss=ppl \(--column\): no column 'ppl' in the table"),
        ({"N": [], "D": [], "loss": []}, None, "no rows"),
    ],
)
def test_what_is_missing_is_named(table, told, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        observations(table, columns=told)


def test_rows_are_chosen_and_columns_ignored() -> None:
    table = {"N": [1e6] * 4, "D": [1e7, 2e7, 4e7, 8e7], "loss": [4.0, 3.8, 3.6, 3.5]}
    table |= {"data": ["c4", "web", "web", "web"], "lr": [1, 1, 2, 2]}
    read = observations(table, where=["data=web", "lr>1"])
    assert read.loss.tolist() == [3.6, 3.5]
    assert read.row.tolist() == [4, 5]
    assert "2 of 4 rows, where data=web and lr>1" in read.notes
    assert observations(table, ignore=["data"]).levels == ("all",)
    with pytest.raises(ValueError, match="--where lr>2: no row of 4 is left"):
        observations(table, where=["lr>2"])
    with pytest.raises(ValueError, match="--ignore: no column 'rate'"):
        observations(table, ignore=["rate"])


def test_runs_that_crashed_are_left_out_and_said() -> None:
    table = {"State": ["finished", "crashed", "finished"], "config.n_params": [1e6] * 3, "config.max_tokens": [1e7, 2e7, 4e7]}
    table |= {"eval/loss": [4.0, 9.9, 3.6], "config.dataset": ["web"] * 3}
    read = observations(table)
    assert (read.loss.tolist(), read.levels) == ([4.0, 3.6], ("web",))
    assert "1 of 3 runs did not finish and are left out: row 3 (crashed); --ignore 'State' keeps them" in read.notes
    assert len(observations(table, ignore=["State"])) == 3
    assert observations(table, where=["State=crashed"]).loss.tolist() == [9.9]


def test_labels_of_a_spreadsheet_are_whole_numbers() -> None:
    read = observations({"N": [1e6, 1e6], "D": [1e7, 1e7], "loss": [4.0, 4.1], "seed": [1.0, 2.0]})
    assert read.seed.tolist() == ["1", "2"]


def test_a_table_too_large_is_thinned_level_by_level_and_says_so() -> None:
    read = observations(
        {"N": [1e6] * 30, "D": np.arange(1e7, 4e7, 1e6), "loss": [3.0] * 30, "level": ["raw"] * 27 + ["dedup"] * 3}
    )
    part = read.thinned(12, 0)
    assert [(part.level == level).sum() for level in ("raw", "dedup")] == [6, 3]
    assert part.notes[-1] == "9 of 30 rows are fitted, drawn at random (seed 0): intervals are those of this part"
    assert (np.diff(part.row) > 0).all()
    assert read.thinned(30, 0) is read
