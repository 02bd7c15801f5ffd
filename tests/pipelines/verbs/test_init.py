"""`assay init`: a study file that loads, and nothing left behind by a mistake."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.runs import prices
from pipelines.runs.prices import Speed
from pipelines.study.study import load

runner = CliRunner()


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A machine of known speed, so that nothing is trained."""
    monkeypatch.setattr(
        prices, "speeds", lambda study, candidates, seconds: {n: Speed(1e-4, 1e-6 * s.width) for n, s in candidates.items()}
    )


def test_init_writes_a_study_that_loads_and_names_each_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("text")
    result = runner.invoke(app, ["init", "--source", "data/*.jsonl.zst", "--source", "notes", "--name", "mine"])
    assert result.exit_code == 0, result.output
    study = load(tmp_path / "mine.yaml")
    assert [(source.kind, source.name) for source in study.sources] == [("jsonl", "data"), ("text", "notes")]


def test_init_for_curation_alone_has_no_ladder_and_holds_nothing_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = runner.invoke(app, ["init", "--source", "a.jsonl", "--name", "mine", "--curate"])
    assert "then `assay curate mine.yaml --dry-run`, `assay curate mine.yaml` and `assay export mine.yaml`" in said.output
    study = load(tmp_path / "mine.yaml")
    assert (study.trains, study.mixture.kind, study.evaluation.heldout) == (False, "natural", 0)
    runner.invoke(app, ["init", "--source", "a.jsonl", "--name", "whole"])
    whole = load(tmp_path / "whole.yaml")
    assert (whole.trains, whole.mixture.kind, whole.evaluation.heldout) == (True, "pinned", 0.02)
    assert whole.levels == study.levels


def test_init_finds_the_text_under_its_usual_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"id": 1, "content": "words"}\n')
    (tmp_path / "b.jsonl").write_text('{"content": "other", "text": "words"}\n')
    (tmp_path / "c.jsonl").write_text('{"page": {"title": "a", "body": null}}\n{"page": {"title": "a", "body": "words"}}\n')
    pq.write_table(pa.table({"page": [{"title": "a", "body": "words"}]}), tmp_path / "d.parquet")
    places = ["a.jsonl", "b.jsonl", "c.jsonl", "d.parquet", "none/*.jsonl"]
    words = ["init", *(word for place in places for word in ("--source", place)), "--name", "x", "--curate"]
    assert runner.invoke(app, words).exit_code == 0
    inside = {"text": "page.body"}
    assert [source.fields for source in load(tmp_path / "x.yaml").sources] == [{"text": "content"}, {}, inside, inside, {}]


def test_init_says_which_fields_there_are_where_none_is_the_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"uuid": 1, "prose": "words"}\n')
    said = runner.invoke(app, ["init", "--source", "a.jsonl", "--name", "x", "--curate"]).output
    assert "a.jsonl: its text is not under a usual name (no field 'text'; it has prose, uuid)" in said


def test_init_names_sources_after_folders_and_files_and_reads_what_a_pattern_matches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crawl").mkdir()
    for name in ("a.jsonl", "b.jsonl.gz"):
        (tmp_path / "crawl" / name).write_text("{}\n")
    places = ["crawl/*", "other/crawl/*.jsonl", "*.jsonl", "s3://bucket/2024/books/*.jsonl", "2020.jsonl", "my notes.txt"]
    runner.invoke(app, ["init", *(word for place in places for word in ("--source", place)), "--name", "x", "--curate"])
    found = [(source.kind, source.name) for source in load(tmp_path / "x.yaml").sources]
    names = ["crawl", "crawl-2", "source", "books", "source-2020", "my-notes"]
    assert found == [(kind, name) for kind, name in zip(["jsonl"] * 5 + ["text"], names, strict=True)]


def test_init_takes_the_kind_that_a_folder_holds_most_of(tmp_path, monkeypatch):
    """A cloned dataset has a README.md beside its Parquet files."""
    monkeypatch.chdir(tmp_path)
    for name, size in (("README.md", 50), ("data/a.parquet", 500), (".git/b.txt", 9000)):
        (tmp_path / "hf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hf" / name).write_bytes(b"x" * size)
    result = runner.invoke(app, ["init", "--source", "hf", "--name", "x"])
    assert load(tmp_path / "x.yaml").sources[0].kind == "parquet"
    assert "hf: its parquet files are read, and not 1 text; add a source for those" in result.output


def test_init_overwrites_nothing_and_asks_for_a_known_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text("mine")
    assert runner.invoke(app, ["init", "--source", "a.jsonl"]).exit_code == 2
    assert (tmp_path / "study.yaml").read_text() == "mine"
    result = runner.invoke(app, ["init", "--source", "a.docx", "--name", "other"])
    assert result.exit_code == 2
    assert "a.docx" in result.output


def test_init_answers_in_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["init", "--source", "a.jsonl", "--json"])
    assert json.loads(result.stdout) == {
        "study": "study.yaml", "sources": [{"kind": "jsonl", "name": "a", "path": "a.jsonl"}]
    }  # fmt: skip


def test_a_name_that_no_study_can_have_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, ["init", "--source", "a.jsonl", "--name", "my study"])
    assert result.exit_code == 2
    assert "my study" in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_ladder_is_designed_for_the_time_and_the_text_there_is(tmp_path, monkeypatch):
    """Twelve bytes of text to a unique token of the strictest level; more time buys a sharper ladder, never a longer pool."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").mkdir()
    with (tmp_path / "text" / "a.txt").open("wb") as file:
        file.truncate(18_000_000)
    studies = {}
    for minutes in (10, 100):
        out = tmp_path / f"{minutes}.yaml"
        assert runner.invoke(app, ["init", "--source", "text", "--minutes", str(minutes), "--out", str(out)]).exit_code == 0
        studies[minutes] = load(out).ladder
        assert max(studies[minutes].tokens) <= 1_500_000
    assert studies[10] != studies[100]
