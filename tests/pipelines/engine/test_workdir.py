"""A step appears whole or not at all, and its identity follows its content."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.engine.workdir import Manifest, Output, Step, Workdir


@pytest.fixture
def workdir(tmp_path):
    return Workdir(str(tmp_path / "work"))


def test_identity_depends_on_name_config_inputs_and_version():
    step = Step("levels/raw", {"fraction": 0.5}, {"pool": "aa"})
    same = Step("levels/raw", {"fraction": 0.5}, {"pool": "aa"})
    others = [
        Step("levels/top", {"fraction": 0.5}, {"pool": "aa"}),
        Step("levels/raw", {"fraction": 0.6}, {"pool": "aa"}),
        Step("levels/raw", {"fraction": 0.5}, {"pool": "ab"}),
        Step("levels/raw", {"fraction": 0.5}, {"pool": "aa"}, version=2),
    ]
    assert step.id == same.id
    assert len({step.id, *(other.id for other in others)}) == 5


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


def test_the_manifest_is_last_and_takes_the_parts_with_it(workdir):
    step = Step("pool", {"x": 1})
    records = []
    for index in range(2):
        out = Output(workdir, step, index)
        out.write_table(f"shard-{index:05d}.parquet", pa.table({"a": [index]}))
        records.append(out.commit({"documents": 1}))
    assert workdir.manifest(step) is None
    assert workdir.listing(f"{step.path}/parts") == ["00000.json", "00001.json"]
    made = workdir.commit(step, records, {"total": 2})
    assert workdir.listing(step.path) == ["manifest.json", "shard-00000.parquet", "shard-00001.parquet"]
    read = workdir.manifest(step)
    assert read == made
    assert read is not None
    assert read.files(".parquet") == [f"{step.path}/shard-00000.parquet", f"{step.path}/shard-00001.parquet"]
    assert read.total("documents") == 2


def test_an_interrupted_unit_goes_on_with_the_files_that_it_wrote(workdir):
    step = Step("pool", {"x": 1})

    def write(out: Output, numbers: range) -> None:
        for number in numbers:
            out.write_table(f"shard-{number}.parquet", pa.table({"a": [number]}))
            if number < 3:
                out.save({"number": number})

    whole, whole_step = Output(workdir, Step("pool", {"x": 2}), 0), Step("pool", {"x": 2})
    assert whole.saved() == []
    write(whole, range(4))
    expected = whole.commit({})
    write(Output(workdir, step, 0), range(2))  # and there it was cut
    for cut in (2, 3):
        again = Output(workdir, step, 0)
        assert again.saved() == [{"number": number} for number in range(cut)]
        write(again, range(cut, cut + 1))
    last = Output(workdir, step, 0)
    assert len(last.saved()) == 3
    write(last, range(3, 4))
    assert last.commit({}) == expected
    for one, record in ((step, last.commit({})), (whole_step, expected)):
        workdir.commit(one, [record], {})
        assert workdir.listing(one.path) == ["manifest.json", *(f"shard-{number}.parquet" for number in range(4))]


def test_the_digest_covers_the_bytes_and_the_summary_but_not_the_configuration(workdir):
    def digest(value: int, config: dict, summary: dict) -> str:
        step = Step("pool", config)
        out = Output(workdir, step, 0)
        out.write_table("t.parquet", pa.table({"a": [value]}))
        return Manifest(step, [out.commit({})], summary).digest

    reference = digest(1, {"path": "x"}, {})
    assert digest(1, {"path": "moved"}, {}) == reference
    assert digest(2, {"path": "x"}, {}) != reference
    assert digest(1, {"path": "x"}, {"documents": 1}) != reference


def test_manifest_bytes_survive_a_round_trip_and_name_everything(workdir):
    step = Step("signals/c4", {"sentences": 3}, {"pool": "ab"}, version=4)
    manifest = Manifest(step, [{"part": 0, "files": [], "n": 1}], {"s": 1})
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again.to_bytes() == manifest.to_bytes()
    body = json.loads(manifest.to_bytes())
    assert {body["name"], body["id"], body["version"], body["digest"]} == {"signals/c4", step.id, 4, manifest.digest}


def test_row_groups_are_read_back_one_at_a_time(workdir):
    step = Step("pool", {})
    out = Output(workdir, step, 0)
    schema = pa.schema([("a", pa.int64())])
    with out.parquet("t.parquet", schema) as writer:
        for start in (0, 3):
            writer.write_table(pa.table({"a": list(range(start, start + 3))}))
    assert [batch["a"].to_pylist() for batch in workdir.batches(f"{step.path}/t.parquet")] == [[0, 1, 2], [3, 4, 5]]
    assert pq.read_table(workdir.full(f"{step.path}/t.parquet")).num_rows == 6


def test_the_same_on_an_object_store():
    """fsspec's memory filesystem behaves like one: no rename, an object is there when it is closed."""
    store = Workdir("memory://bucket/study")
    assert not store.is_local
    step = Step("pool", {"x": 1})
    out = Output(store, step, 0)
    out.write_table("t.parquet", pa.table({"a": [1, 2]}))
    made = store.commit(step, [out.commit({"documents": 2})], {})
    assert store.manifest(step) == made
    assert store.read_table(made.files()[0])["a"].to_pylist() == [1, 2]
    assert store.listing(step.path) == ["manifest.json", "t.parquet"]
