import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaling_fit.encoding import decode, encode
from scaling_fit.levels.quality import Axes, axes_of_runs, read_axes

TABLE = "level,kept,quality.score,overlap:heldout,overlap:domain:web\nraw,1.0,0.41,0.20,0.3\ntop,0.25,,0.22,0.1\n"
AXES = Axes(
    {"kept": {"raw": 1.0, "top": 0.25}, "quality.score": {"raw": 0.41}},
    {"heldout": {"raw": 0.2, "top": 0.22}, "domain:web": {"raw": 0.3, "top": 0.1}},
)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_wide_table_is_read_from_any_kind_of_file(tmp_path: Path, kind: str):
    path = tmp_path / f"quality.{kind}"
    records = [
        {"level": "raw", "kept": 1.0, "quality.score": 0.41, "overlap:heldout": 0.2, "overlap:domain:web": 0.3},
        {"level": "top", "kept": 0.25, "quality.score": None, "overlap:heldout": 0.22, "overlap:domain:web": 0.1},
    ]
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        path.write_text(TABLE if kind == "csv" else json.dumps(records))
    axes = read_axes(path)
    assert axes == AXES
    assert decode(Axes, encode(axes), "axes") == axes


def test_levels_that_were_not_run_are_left_out():
    assert AXES.of(("top", "new")).values == {"kept": {"top": 0.25}, "quality.score": {}}
    with pytest.raises(ValueError, match=r"has levels raw, top, the runs have a: name them alike"):
        AXES.of(("a",))


def test_an_axis_differs_where_two_of_the_levels_do():
    assert AXES.differing(("raw", "top")) == ("kept",)
    assert AXES.differing(("raw",)) == ()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("name,kept\nraw,1\n", r"no column 'level' in the quality table; it has name, kept"),
        ("level\nraw\n", r"no axis"),
        ("level,kept\nraw,1\nraw,2\n", r"'raw' has rows 2, 3: give each level one row"),
        ("level,kept\n,1\n", r"row 2 of the quality table names no level"),
        ("level,kept\nraw,1\ntop,much\n", r"row 3, column 'kept': 'much' is not a number"),
        ("level,kept\nraw,inf\n", r"row 2, column 'kept': 'inf' is not a number"),
        ("level,kept,overlap:heldout\nraw,1,20\n", r"row 2, column 'overlap:heldout': '20' is not a share"),
    ],
)
def test_a_wrong_table_is_named_with_row_and_cure(tmp_path: Path, table: str, told: str):
    path = tmp_path / "quality.csv"
    path.write_text(table)
    with pytest.raises(ValueError, match=told):
        read_axes(path)


def test_a_table_of_runs_may_carry_its_axes():
    runs = {"dataset": ["a", "a", "b"], "N": [1, 2, 1], "D": [1, 1, 1], "loss": [3, 2, 3]}
    assert axes_of_runs(runs, {}) is None
    carried = runs | {"quality": [0.1, 0.1, 0.9], "quality:zstd": [2.0, 2.0, 3.0], "overlap:heldout": [0.5, 0.5, 0.6]}
    assert axes_of_runs(carried, {}) == Axes(
        {"quality": {"a": 0.1, "b": 0.9}, "zstd": {"a": 2.0, "b": 3.0}}, {"heldout": {"a": 0.5, "b": 0.6}}
    )
    with pytest.raises(ValueError, match=r"row 3, column 'quality': 0.2, but an earlier row of level 'a' has 0.1"):
        axes_of_runs(carried | {"quality": [0.1, 0.2, 0.9]}, {})
