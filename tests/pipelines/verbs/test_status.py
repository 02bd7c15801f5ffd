"""What is there, what runs and what went wrong: `assay status`, and faults outside of the study in one sentence each."""

import json
import os
import re
import signal
from pathlib import Path

import fsspec
import pytest

from benchmarks.scale.store import BUCKET, serving
from pipelines.engine.executor import OnRay
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
    for name in ("pool", "signals", "duplicates", "classifiers", "tokenizer", "levels", "quality", "evaluation"):
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


def test_on_a_store_events_alone_say_who_is_at_work(module_study_folder: Path, assay):
    with serving():
        workdir = Workdir(f"s3://{BUCKET}/work")
        progress, command = Progress(workdir), ("status", str(module_study_folder / "study.yaml"), "-w", workdir.root)
        progress.event("opened", host="far", pid=7)
        progress.event("progress", step="signals", done=25, total=100, unit="MB", left=90.0)
        progress.put_events()
        told = assay(*command).stdout
        assert "at work: process 7 on far, since " in told
        assert ", last heard of at 20" in told
        assert "now: signals, 25 of 100 MB, about 2 min left of this step" in told
        assert "next: pool" in told
        progress.event("closed")
        progress.put_events()
        assert "at work" not in assay(*command).stdout


def test_the_last_error_is_kept(folder: Path, assay):
    wrong = ["--set", "levels.clean.keep=[gopher_quality.n_words >= 1000000]"]
    assay("curate", *study(folder), "--executor", "in-process", *wrong, code=2)
    found = json.loads(assay("status", *study(folder), "--json").stdout)
    assert "no document with tokens is left" in found["failed"]["error"]
    assay("curate", *study(folder), "--executor", "in-process")
    assert json.loads(assay("status", *study(folder), "--json").stdout)["failed"] is None


def test_a_moved_threshold_says_what_it_changed(folder: Path, assay):
    moved = ["--set", "levels.clean.keep=[gopher_quality.n_words >= 100]"]
    told = " ".join(assay("curate", *study(folder), "--executor", "in-process", *moved).stderr.split())
    (before, now, was), _ = re.findall(r"(?:clean|top): ([\d,]+) -> ([\d,]+) documents \(was ([0-9a-f]{12})\)", told)
    assert int(now) < int(before)
    assert (folder / "work" / "ledgers" / "clean" / was).is_dir()
    assert "raw: " not in told, "what is as it was has no line"
    again = assay("curate", *study(folder), "--executor", "in-process", *moved).stderr
    assert " -> " not in again


def test_a_run_that_was_stopped_has_not_failed(folder: Path, assay, monkeypatch):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.run_study.curate", stopped)
        assay("curate", *study(folder), "--executor", "in-process", code=130)
    found = json.loads(assay("status", *study(folder), "--json").stdout)
    assert (found["failed"], list(found["stopped"])) == (None, ["time"])
    assert f"stopped at {found['stopped']['time']}; run it again to go on" in assay("status", *study(folder)).stdout


def test_a_damaged_file_is_said_with_its_step_and_how_to_remake_it(folder: Path, assay):
    (path,) = folder.glob("work/signals/gopher_quality/*/shard-00000.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    said = " ".join(assay("inspect", *study(folder)[:1], "clean", *study(folder)[1:], code=2).stderr.split())
    assert f"{path} cannot be read" in said
    assert f"remove {path.parent} and run again, which makes that step anew" in said
    path.write_bytes(whole)


def test_a_damaged_manifest_is_named(folder: Path, assay):
    (path,) = folder.glob("work/pool/*/manifest.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    said = " ".join(assay("curate", *study(folder), "--executor", "in-process", code=2).stderr.split())
    assert f"{path} cannot be read" in said
    path.write_bytes(whole)


def test_a_store_without_credentials_is_a_sentence(folder: Path, assay, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # other tests' stores are remembered with their credentials
    words = [*study(folder), "--executor", "in-process", "--to", "s3://bucket/x"]
    said = " ".join(assay("export", *words, code=2).stderr.split())
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # and these without any
    assert "error: s3://bucket/x/" in said
    assert "NoCredentialsError: Unable to locate credentials; check the bucket" in said
    assert "Traceback" not in said


def end(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.slow
def test_a_lost_worker_is_said_with_its_log():
    executor = OnRay(workers=1)
    with pytest.raises(
        ValueError, match=r"a worker was lost \(WorkerCrashedError.*finished parts are kept. Its log lies in .*/logs"
    ):
        list(executor.map(end, [(int(signal.SIGKILL),)]))
    executor.close()
