"""The pool step: one huge compressed file is read on, shard by shard, where an interrupted run stopped."""

import gzip
import json
from pathlib import Path

import pytest

from curation.sources import readers, storage
from pipelines.engine import store
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.step import read_manifest
from pipelines.engine.workdir import Workdir
from pipelines.signals import pool
from pipelines.study.study import Study, StudyError, load

SHARD = 20_000  # bytes
SOURCES = "sources=[{kind: jsonl, name: small, path: corpus/a.jsonl.gz}]"


@pytest.fixture
def study(study_folder: Path):
    """One gzip file of some thirty shards, every twentieth record of it bad."""
    lines = [json.dumps({"text": f"document {i} " + "word " * (i % 90), "domain": "ab"[i % 2]}) for i in range(3000)]
    lines[::20] = ["{broken"] * len(lines[::20])
    for path in (study_folder / "corpus").iterdir():
        path.unlink()
    (study_folder / "corpus" / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return load(
        study_folder / "study.yaml", [f"pool.shard_megabytes={SHARD / 1e6}", "pool.max_malformed=0.1", SOURCES]
    ), study_folder


def context(place: Path) -> Context:
    return Context(Workdir(str(place)), InProcess(), Progress(None))


def test_a_store_that_fails_in_the_middle_leaves_nothing_half_written(study, tmp_path, monkeypatch):
    declared, folder = study
    whole = pool.pool(context(tmp_path / "whole"), declared, folder)
    read, place = storage.Stored.read, context(tmp_path / "failing")

    def fail(self: storage.Stored, size: int = -1) -> bytes:
        if self.n_read > 10_000:
            self.failed = True
            raise OSError("connection lost")
        return read(self, min(size, 4096))

    monkeypatch.setattr(storage.Stored, "read", fail)
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    monkeypatch.setattr(store, "FIRST_WAIT", 0.01)
    with pytest.raises(OSError, match="connection lost"):
        pool.pool(place, declared, folder)
    assert read_manifest(place.workdir, whole.step) is None
    assert not list(Path(place.workdir.root).rglob("*.aside*"))
    for path in Path(place.workdir.root).rglob("*.parquet"):
        assert path.read_bytes() == (Path(tmp_path, "whole") / path.relative_to(place.workdir.root)).read_bytes()
    monkeypatch.setattr(storage.Stored, "read", read)
    assert pool.pool(place, declared, folder).to_bytes() == whole.to_bytes()


def test_a_truncated_file_counts_in_the_pool(study, tmp_path):
    declared, folder = study
    path = folder / "corpus" / "a.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-3000])
    size = path.stat().st_size
    with pytest.raises(
        StudyError, match=rf"{size} of {size} stored bytes are lost with broken files \(100.0%\), over pool.max"
    ):
        pool.pool(context(tmp_path / "work"), declared, folder)
    declared = load(folder / "study.yaml", [f"pool.shard_megabytes={SHARD / 1e6}", "pool.max_malformed=1", SOURCES])
    made = pool.pool(context(tmp_path / "work"), declared, folder)
    counts = made.summary["sources"]["small"]
    assert 1000 < counts["documents"] < 2850
    assert counts["malformed"] == counts["documents"] // 19 + 2  # every twentieth record, and the rest of the file as one
    reasons = [reason for reason in made.summary["reasons"] if "Truncated compressed stream" in reason]
    assert len(reasons) == 1


def test_an_interrupted_run_repeats_at_most_one_shard(study, tmp_path, monkeypatch):
    declared, folder = study
    whole = pool.pool(context(tmp_path / "whole"), declared, folder)
    shards = whole.files(".parquet")
    assert len(whole.parts) == 1
    assert len(shards) > 20

    parsed = written = 0
    parse, write = readers._from_json, pool.write_shard

    def counting(*arguments):
        nonlocal parsed
        parsed += 1
        return parse(*arguments)

    def cut(*arguments):
        nonlocal written
        written += 1
        if written % 4 == 0:
            raise KeyboardInterrupt
        return write(*arguments)

    monkeypatch.setattr(readers, "_from_json", counting)
    monkeypatch.setattr(pool, "write_shard", cut)
    place, cuts = context(tmp_path / "cut"), 0
    while True:
        try:
            again = pool.pool(place, declared, folder)
            break
        except KeyboardInterrupt:
            cuts += 1
    assert cuts > 5
    assert again.parts == whole.parts
    assert again.to_bytes() == whole.to_bytes()
    for one, other in zip(whole.files(), again.files(), strict=True):
        assert context(tmp_path / "whole").workdir.read_bytes(one) == place.workdir.read_bytes(other)
    assert place.workdir.listing(again.step.path) == context(tmp_path / "whole").workdir.listing(whole.step.path)
    # each try reads the shard that was under way again, and the record behind it
    longest = max(record["documents"] for record in whole.records(".parquet")) * 20 / 19 + 3
    assert parsed <= 3000 + cuts * longest


def fields_study(folder: Path, fields: str) -> Study:
    rows = [{"id": i, "text": f"document {i}", "meta": {"url": f"u{i}"} if i < 3 else {}} for i in range(10)]
    (folder / "corpus" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    source = f"sources=[{{kind: jsonl, name: small, path: corpus/a.jsonl, fields: {fields}}}]"
    return load(folder / "study.yaml", [source])


def test_a_field_that_no_record_has_is_an_error(study_folder, tmp_path):
    declared = fields_study(study_folder, "{url: meta.link}")
    message = r"source 'small': no record has the field 'meta.link' that `fields.url` names; .* have id, meta.url; name another"
    with pytest.raises(StudyError, match=message):
        pool.pool(context(tmp_path / "work"), declared, study_folder)


def test_a_field_that_some_lack_is_counted_and_the_rest_is_kept(study_folder, tmp_path):
    declared, place = fields_study(study_folder, "{url: meta.url}"), context(tmp_path / "work")
    made = pool.pool(place, declared, study_folder)
    assert made.summary["lacking"] == {"small": {"url": 0.7}}
    table = place.workdir.read_table(made.files(".parquet")[0])
    assert table["url"].to_pylist() == ["u0", "u1", "u2", *[None] * 7]
    assert [json.loads(meta) for meta in table["meta"].to_pylist()] == [{"id": i, "meta": {}} for i in range(10)]
    off = pool.pool(place, fields_study(study_folder, "{url: meta.url}, meta: false"), study_folder)
    assert off.step.id != made.step.id
    assert place.workdir.read_table(off.files(".parquet")[0])["meta"].null_count == 10


@pytest.mark.parametrize(
    ("stored", "megabytes", "shards"), [(1e6, 16, 1), (1.6e11, 16, 10_000), (5e11, 50, 10_000), (1e13, 256, 39_062)]
)
def test_shards_grow_with_the_pool(stored, megabytes, shards):
    assert pool.shard_megabytes(stored) == megabytes
    assert int(stored / megabytes / 1e6) == pytest.approx(shards, abs=1)
