"""A log directory, and downloads of single scalars, are the same long table."""

import json
from pathlib import Path

import pytest

from scaling_fit.table.read import read_table
from scaling_fit.table.tensorboard import downloads, events


def test_a_run_is_a_folder_with_event_files(exported: Path) -> None:
    table = events(exported / "tensorboard")
    assert list(table.columns) == ["run", "tag", "step", "value"]
    assert list(dict.fromkeys(table.columns["run"])) == ["raw-8M-1000steps-s0", "raw-8M-500steps-s0"]
    assert len(table.rows) == 24
    assert events(exported / "hparams").columns["hparams.dataset"] == ["raw"]


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes((7).to_bytes(8, "little") + b"crc " + b"\xff" * 7 + b"crc ")
    with pytest.raises(ValueError, match=r"events\.out\.tfevents\.1: no event file"):
        events(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_downloads_are_named_by_their_files(tmp_path: Path, kind: str) -> None:
    rows = [(1.7e9, 100, 4.5), (1.7e9 + 1, 200, 4.25)]
    path = tmp_path / f"one.{kind}"
    if kind == "csv":
        path.write_text("Wall time,Step,Value\n" + "\n".join(",".join(map(str, row)) for row in rows), "utf-8")
    else:
        path.write_text(json.dumps(rows), "utf-8")
    table = read_table(path)
    named = downloads(table.__class__(table.columns | {"file": ["run-raw-20M-tag-eval_loss", "b"]}, table.rows))
    assert named.columns["run"] == ["raw-20M", "b"]
    assert named.columns["tag"] == ["eval_loss", "loss"]
    assert [float(value) for value in named.columns["value"]] == [4.5, 4.25]
