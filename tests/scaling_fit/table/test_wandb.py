"""Downloads of charts, with their ranges, groups and other axes, and printed dicts."""

import pytest

from scaling_fit.table.read import read_table
from scaling_fit.table.wandb import chart, unpacked

CHART = {
    "Step": [0, 1, 2],
    "raw-20M - train/loss": ["5.0", "4.5", ""], "raw-20M - train/loss__MIN": ["5.0", "4.5", ""],
    "raw-20M - train/loss__MAX": ["5.0", "4.5", ""],
    "Group: top - 20M - train/loss": ["5.2", "", "4.1"], "Group: top - 20M - train/loss__MIN": ["5.2", "", "4.1"],
}  # fmt: skip


def test_the_lines_of_a_chart_are_rows_of_runs() -> None:
    found = chart(read_table(CHART))
    assert found is not None
    assert (found.run, found.axis) == ("run", "_step")
    assert found.table.columns == {
        "run": ["raw-20M", "raw-20M", "top - 20M", "top - 20M"], "_step": [0, 1, 0, 2],
        "train/loss": ["5.0", "4.5", "5.2", "4.1"],
    }  # fmt: skip


def test_another_axis_needs_steps_or_tokens() -> None:
    lines = {name: cells for name, cells in CHART.items() if name != "Step"}
    over_tokens = chart(read_table({"train/tokens": [1e6, 2e6, 3e6], **lines}))
    assert over_tokens is not None
    assert over_tokens.axis == "train/tokens"
    with pytest.raises(ValueError, match="the chart is over 'epoch': set its x axis to Step or to tokens"):
        chart(read_table({"epoch": [0, 1, 2], **lines}))
    steps = chart(
        read_table({"epoch": [0, 1, 2], **lines, "raw-20M - _step": [0, 10, 20], "Group: top - 20M - _step": [0, 5, 9]})
    )
    assert steps is not None
    assert steps.axis == "_step"
    assert set(zip(steps.table.columns["run"], steps.table.columns["_step"], strict=True)) == {
        ("raw-20M", 0), ("raw-20M", 10), ("raw-20M", 20), ("top - 20M", 0), ("top - 20M", 5), ("top - 20M", 9),
    }  # fmt: skip


def test_other_tables_are_no_chart() -> None:
    assert chart(read_table({"N": [1e6], "D": [1e7], "loss": [3.0]})) is None
    assert chart(read_table({"run - x": [1.0], "D": [1e7]})) is None


def test_printed_dicts_become_columns() -> None:
    printed = ["{'eval/loss': 3.5, '_step': 100, 'note': 'nan'}", "{'eval/loss': nan, '_step': 50}"]
    table = unpacked(read_table({"summary": printed, "config": ["{'n_params': 20000000}"] * 2, "name": ["a", "b"]}))
    assert table.columns == {
        "summary.eval/loss": [3.5, None], "summary._step": [100, 50], "summary.note": ["nan", None],
        "config.n_params": [20000000] * 2, "name": ["a", "b"],
    }  # fmt: skip
    half = {"text": ["{'a': 1}", "no dict"]}
    assert unpacked(read_table(half)).columns == half
