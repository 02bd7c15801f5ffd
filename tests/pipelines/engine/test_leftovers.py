"""What a killed process leaves is swept, and what a living one holds is not."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.engine import leftovers
from pipelines.engine.executor import InProcess
from pipelines.engine.output import Output
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Step
from pipelines.engine.store import Store
from pipelines.engine.workdir import Workdir

HOLDS = """if True:
    import sys, time, tempfile
    tempfile.tempdir = sys.argv[1]
    from pipelines.engine.leftovers import copies
    from pipelines.engine.workdir import Workdir
    with copies(10) as folder, Workdir(sys.argv[1]).writing("made/{id}/x") as out:
        (folder / "level").write_bytes(b"1")
        print("holding", flush=True)
        time.sleep(100)
"""


def one(out: Output) -> dict:
    out.write_json("x", 1)
    return {}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(place: Path) -> list[str]:
    return sorted(p.name.partition("-")[0] for p in place.rglob("*") if "assay-copy" in p.name or ".aside-" in p.name)


def test_copies_and_files_aside_of_a_killed_writer_are_swept_and_a_living_ones_stay(place):
    step = Step("made", {}, compute=one)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS.replace("{id}", step.id), str(place)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "holding\n"
        workdir = Workdir(str(place))
        for _ in range(2):
            leftovers.sweep_copies()
            leftovers.sweep_step(workdir, step.path)
            assert left(place) == ["assay", "x.aside"]
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    assert left(place) == ["assay", "x.aside"]
    with leftovers.copies(10) as folder:
        assert left(place) == ["assay", "x.aside"], "the dead one's are gone, this one's are there"
        assert not (folder / "level").exists()
    run_step(Context(workdir, InProcess(), Progress(workdir, Console(quiet=True))), step)
    assert left(place) == []


def test_a_node_without_room_for_the_levels_says_so_before_it_copies(place):
    said = r"node \S+ has [\d.]+ GB free in .*, and the levels .* take 1000000.0 GB"
    with pytest.raises(ValueError, match=said), leftovers.copies(10**15):
        pass
    assert left(place) == []


def test_a_disk_without_locks_keeps_what_it_has(place, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    (place / "made").mkdir()
    (place / "made/x.aside-00000000").write_bytes(b"half")
    monkeypatch.setattr(fcntl, "flock", refuse)
    leftovers.sweep_step(Workdir(str(place)), "made")
    assert left(place) == ["x.aside"]


def test_uploads_that_were_begun_long_ago_are_given_up(monkeypatch):
    asked = []

    class Bucket:
        def call_s3(self, method: str, **what: str) -> dict:
            asked.append((method, what.get("Key", what.get("Prefix"))))
            old, new = (datetime.fromtimestamp(time.time() - age) for age in (7200, 60))
            begun = {"w/step/old": old, "w/step/new": new}
            uploads = [{"Key": key, "UploadId": key[-3:], "Initiated": began} for key, began in begun.items()]
            return {"Uploads": uploads} if method.startswith("list") else {}

    monkeypatch.setattr(Store, "fs", property(lambda store: Bucket()))
    Store("s3://bucket/w").abort_uploads("bucket/w/step", time.time() - leftovers.UPLOAD_SECONDS)
    assert asked == [("list_multipart_uploads", "w/step/"), ("abort_multipart_upload", "w/step/old")]
