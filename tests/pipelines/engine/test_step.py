"""A step's identity follows its content, and a manifest knows what it was made from."""

import json

import pyarrow as pa
import pytest

from pipelines.engine.output import Output
from pipelines.engine.step import Manifest, Step, commit_step, read_manifest, upstream
from pipelines.engine.workdir import Workdir


@pytest.fixture
def workdir(tmp_path):
    return Workdir(str(tmp_path / "work"))


def manifest(step: Step, value: int = 0) -> Manifest:
    return Manifest(step, [{"part": 0, "files": [], "value": value}], {})


def test_identity_depends_on_name_config_inputs_and_version():
    pool, other_pool = manifest(Step("pool", {}), 1), manifest(Step("pool", {}), 2)
    step = Step("levels/raw", {"fraction": 0.5}, {"pool": pool})
    same = Step("levels/raw", {"fraction": 0.5}, {"pool": pool}, compute=len, unit="tables")
    others = [
        Step("levels/top", {"fraction": 0.5}, {"pool": pool}),
        Step("levels/raw", {"fraction": 0.6}, {"pool": pool}),
        Step("levels/raw", {"fraction": 0.5}, {"pool": other_pool}),
        Step("levels/raw", {"fraction": 0.5}, {"text": pool}),
        Step("levels/raw", {"fraction": 0.5}, {"pool": pool}, version=2),
    ]
    assert step.id == same.id
    assert step == same
    assert len({step.id, *(other.id for other in others)}) == 6


def test_an_input_that_holds_the_same_changes_no_identity():
    """How a result came about is not part of what depends on it."""
    moved = Step("pool", {"path": "elsewhere"})
    assert Step("raw", {}, {"pool": manifest(Step("pool", {}))}).id == Step("raw", {}, {"pool": manifest(moved)}).id


def test_the_manifest_is_last_and_takes_the_parts_with_it(workdir):
    step = Step("pool", {"x": 1}, summarize=lambda parts: {"total": len(parts)})
    records = []
    for index in range(2):
        out = Output(workdir, step.path, index)
        out.write_table(f"shard-{index:05d}.parquet", pa.table({"a": [index]}))
        records.append(out.commit({"documents": 1}))
    assert read_manifest(workdir, step) is None
    assert workdir.listing(f"{step.path}/parts") == ["00000.json", "00001.json"]
    made = commit_step(workdir, step, records)
    assert workdir.listing(step.path) == ["manifest.json", "shard-00000.parquet", "shard-00001.parquet"]
    read = read_manifest(workdir, step)
    assert read == made
    assert read is not None
    assert read.files(".parquet") == [f"{step.path}/shard-00000.parquet", f"{step.path}/shard-00001.parquet"]
    assert read.total("documents") == 2
    assert read.summary == {"total": 2}


def test_the_digest_covers_the_bytes_and_the_summary_but_not_the_configuration(workdir):
    def digest(value: int, config: dict, summary: dict) -> str:
        step = Step("pool", config)
        out = Output(workdir, step.path, 0)
        out.write_table("t.parquet", pa.table({"a": [value]}))
        return Manifest(step, [out.commit({})], summary).digest

    reference = digest(1, {"path": "x"}, {})
    assert digest(1, {"path": "moved"}, {}) == reference
    assert digest(2, {"path": "x"}, {}) != reference
    assert digest(1, {"path": "x"}, {"documents": 1}) != reference


def test_a_manifest_on_disk_names_its_inputs(workdir):
    pool = manifest(Step("pool", {}))
    step = Step("signals/c4", {"sentences": 3}, {"pool": pool}, version=4)
    made = commit_step(workdir, step, [])
    body = json.loads(workdir.read_bytes(f"{step.path}/manifest.json"))
    assert {body["name"], body["id"], body["version"], body["digest"]} == {"signals/c4", step.id, 4, made.digest}
    assert body["inputs"] == {"pool": {"step": pool.step.path, "digest": pool.digest}}


def test_the_manifest_of_another_step_is_refused(workdir):
    step, other = Step("pool", {"x": 1}), Step("pool", {"x": 2})
    commit_step(workdir, other, [])
    workdir.write_bytes(f"{step.path}/manifest.json", workdir.read_bytes(f"{other.path}/manifest.json"))
    with pytest.raises(ValueError, match=f"is the manifest of {other.path}; remove that folder"):
        read_manifest(workdir, step)


def test_lineage_is_walked_inputs_first():
    pool = manifest(Step("pool", {}))
    words = manifest(Step("signals/words", {}, {"pool": pool}))
    level = manifest(Step("levels/clean", {}, {"pool": pool, "words": words}))
    assert [m.step.name for m in upstream([level])] == ["pool", "signals/words", "levels/clean"]
