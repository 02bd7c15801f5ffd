"""Logs are read at their ends, and tables of runs are left alone."""

import numpy as np
import pytest

from scaling_fit.table.history import Log, ends, rows, wide
from scaling_fit.table.read import Table, read_table

STEPS = [100, 200, 300]
LOG = {
    "run": ["a"] * 3 + ["b"] * 3, "_step": STEPS + STEPS, "_runtime": [1.0] * 6,
    "train/loss": [5.0, 4.5, 4.4, 5.1, 4.6, 4.3], "eval/loss": [5.2, 4.7, None, 5.3, 4.8, 4.5],
}  # fmt: skip


def log(table: dict | Table) -> Log:
    found = rows(read_table(table) if isinstance(table, dict) else table)
    assert found is not None
    return found


def test_a_run_is_read_at_its_last_loss() -> None:
    table = ends(log(LOG), {})
    assert (table.columns["run"], table.columns["_step"], table.columns["eval/loss"]) == (["a", "b"], [200, 300], [4.7, 4.5])
    assert table.notes == ("the log of each of 2 runs is read at its end (--checkpoints)",)
    assert ends(log(LOG), {"loss": "train/loss"}).columns["_step"] == [300, 300]


def test_points_along_a_log_are_even_in_log_steps() -> None:
    n = 10_000
    long = {"run": ["a"] * n, "_step": list(range(1, n + 1)), "loss": np.linspace(9, 3, n).tolist()}
    table = ends(log(long), {}, checkpoints=4)
    np.testing.assert_allclose(table.columns["_step"], 300 * (1 / 0.03) ** (np.arange(4) / 3), rtol=0.01)
    assert "4 points along it, where a decaying rate makes losses too high" in table.notes[0]


def test_the_log_of_one_run_is_not_enough() -> None:
    alone = {name: cells[:3] for name, cells in LOG.items() if name != "run"}
    with pytest.raises(ValueError, match=r"the log of one run.* --checkpoints 10"):
        ends(log(alone), {})


@pytest.mark.parametrize(
    "table",
    [
        {"Name": ["a", "b"], "_step": [1, 1], "loss": [3.0, 4.0]},  # a row of each run
        {"Name": ["a", "a"], "State": ["finished", "crashed"], "_step": [1, 1]},  # runs that say how they ended
        {"params": [1e6, 2e6], "_step": [10, 20], "loss": [3.0, 4.0]},  # sizes, and no runs
        {"run": ["a", "a"], "tokens": [1e8, 2e8], "loss": [3.0, 2.9]},  # branches of one trunk
        {"run": ["a", "a"], "metric": ["acc", "acc"], "value": [0.3, 0.4], "step": [1, 2], "chance": [0.25, 0.25]},  # scores
    ],
)
def test_a_table_of_runs_is_no_log(table: dict) -> None:
    assert rows(read_table(table)) is None
    assert wide(read_table(table)) is None


def test_a_long_table_gets_a_column_per_metric() -> None:
    long = {
        "run_id": ["x", "x", "y", "x"], "key": ["val_loss", "lr", "val_loss", "val_loss"], "step": [1, 1, 1, 2],
        "value": [4.0, 0.1, 4.2, 3.9], "timestamp": [7, 8, 9, 10],
    }  # fmt: skip
    found = wide(read_table(long))
    assert found is not None
    assert found.table.columns == {
        "run": ["x", "y", "x"], "_step": [1, 1, 2], "val_loss": [4.0, 4.2, 3.9], "lr": [0.1, None, None],
        "timestamp": [7, 9, 10],
    }  # fmt: skip
