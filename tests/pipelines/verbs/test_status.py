"""`assay status` says what is there, what runs and what went wrong, and changes nothing."""

import json
from pathlib import Path

import pytest

from pipelines.engine.lock import locked
from pipelines.engine.progress import Progress
from pipelines.engine.workdir import Workdir


@pytest.fixture(scope="module")
def folder(module_study_folder: Path, assay) -> Path:
    assay("curate", *study(module_study_folder), "--executor", "in-process")
    return module_study_folder


def study(folder: Path) -> list[str]:
    return [str(folder / "study.yaml"), "-w", str(folder / "work")]


def test_before_anything_is_made_all_is_missing(module_study_folder: Path, assay, tmp_path: Path):
    found = json.loads(assay("status", str(module_study_folder / "study.yaml"), "-w", tmp_path / "new", "--json").stdout)
    assert {row["there"] for row in found["stages"]} == {0}
    assert (found["missing"], found["bytes"], found["held_by"], found["now"], found["failed"]) == ("pool", 0, None, None, None)
    assert not (tmp_path / "new").exists()


def test_what_curation_made_is_there_and_runs_are_counted(folder: Path, assay):
    before = {path: path.stat().st_mtime_ns for path in (folder / "work").rglob("*")}
    found = json.loads(assay("status", *study(folder), "--json").stdout)
    stages = {row["stage"]: row for row in found["stages"]}
    for name in ("pool", "signals", "duplicates", "classifiers", "tokenizer", "levels", "evaluation"):
        assert stages[name]["there"] == stages[name]["steps"] > 0, name
        assert stages[name]["bytes"] > 0
    assert (stages["runs"]["there"], stages["runs"]["steps"]) == (0, 8)
    assert found["missing"].startswith("runs/")
    assert sum(row["bytes"] for row in found["stages"]) <= found["bytes"]
    assert {path: path.stat().st_mtime_ns for path in (folder / "work").rglob("*")} == before
    told = assay("status", *study(folder)).stdout
    assert "next: runs/" in told
    assert "0 of 8" in told


def test_a_run_at_work_is_named_with_its_step_and_time_left(folder: Path, assay):
    workdir = Workdir(str(folder / "work"))
    with locked(workdir):
        Progress(workdir).event("progress", step="train", done=25, total=100, unit="tokens", left=90.0)
        told = assay("status", *study(folder)).stdout
        assert "at work: process" in told
        assert "now: train, 25 of 100 tokens, about 2 min left of this step" in told
    assert "at work" not in assay("status", *study(folder)).stdout


def test_the_last_error_is_kept(folder: Path, assay):
    wrong = ["--set", "levels.clean.keep=[gopher_quality.n_words >= 1000000]"]
    assay("curate", *study(folder), "--executor", "in-process", *wrong, code=2)
    found = json.loads(assay("status", *study(folder), "--json").stdout)
    assert "keeps no document" in found["failed"]["error"]
    assay("curate", *study(folder), "--executor", "in-process")
    assert json.loads(assay("status", *study(folder), "--json").stdout)["failed"] is None
