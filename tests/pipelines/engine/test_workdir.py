"""Files appear whole or not at all, on a disk and on an object store."""

import pyarrow as pa
import pytest

from pipelines.engine.output import Output
from pipelines.engine.step import Step, commit_step, read_manifest
from pipelines.engine.workdir import Workdir


@pytest.fixture
def workdir(tmp_path):
    return Workdir(str(tmp_path / "work"))


def fail_half_way(workdir):
    with workdir.writing("a/file") as out:
        out.write(b"half of the new")
        raise RuntimeError("the disk caught fire")


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(workdir):
    workdir.write_bytes("a/file", b"old")
    with pytest.raises(RuntimeError):
        fail_half_way(workdir)
    assert workdir.read_bytes("a/file") == b"old"
    assert workdir.listing("a") == ["file"]


def test_an_update_writes_only_what_differs(workdir, tmp_path):
    workdir.update("file", b"first")
    written = (tmp_path / "work/file").stat().st_mtime_ns
    workdir.update("file", b"first")
    assert (tmp_path / "work/file").stat().st_mtime_ns == written
    workdir.update("file", b"second")
    assert workdir.read_bytes("file") == b"second"


def test_the_same_on_an_object_store():
    """fsspec's memory filesystem behaves like one: no rename, an object is there when it is closed."""
    store = Workdir("memory://bucket/study")
    assert not store.is_local
    step = Step("pool", {"x": 1})
    out = Output(store, step.path, 0)
    out.write_table("t.parquet", pa.table({"a": [1, 2]}))
    made = commit_step(store, step, [out.commit({"documents": 2})])
    assert read_manifest(store, step) == made
    assert store.read_table(made.files()[0])["a"].to_pylist() == [1, 2]
    assert store.listing(step.path) == ["manifest.json", "t.parquet"]
