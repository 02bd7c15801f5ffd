"""init, schema, doctor: what a newcomer types first."""

import json

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.study.study import load
from pipelines.verbs import start

runner = CliRunner()


def test_init_writes_a_study_that_loads_and_names_each_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("text")
    result = runner.invoke(app, ["init", "--source", "data/*.jsonl.zst", "--source", "notes", "--name", "mine"])
    assert result.exit_code == 0, result.output
    study = load(tmp_path / "mine.yaml")
    assert [(source.kind, source.name) for source in study.sources] == [("jsonl", "source"), ("text", "source1")]


def test_init_overwrites_nothing_and_asks_for_a_known_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text("mine")
    assert runner.invoke(app, ["init", "--source", "a.jsonl"]).exit_code == 2
    assert (tmp_path / "study.yaml").read_text() == "mine"
    result = runner.invoke(app, ["init", "--source", "a.docx", "--name", "other"])
    assert result.exit_code == 2
    assert "a.docx" in result.output


def test_schema_is_a_json_schema_of_the_study():
    schema = json.loads(runner.invoke(app, ["schema"]).output)
    assert schema["additionalProperties"] is False
    assert "levels" in schema["required"]


@pytest.mark.slow
def test_doctor_finds_this_machine_able(tmp_path):
    result = runner.invoke(app, ["doctor", "--workdir", str(tmp_path / "work"), "--json"])
    findings = {finding["check"]: finding for finding in json.loads(result.output)}
    assert result.exit_code == 0
    assert all(finding["ok"] for finding in findings.values())
    assert "1 node(s)" in findings["Ray and work directory"]["found"]


class TwoNodes:
    """Stands for a Ray cluster in which the second node has another disk."""

    def __init__(self, address: str | None):
        self.address = address

    def on_every_node(self, function, arguments):
        return {"10.0.0.1": function(*arguments), "10.0.0.2": False}

    def close(self) -> None:
        """Nothing is held."""


def test_doctor_names_the_nodes_that_do_not_see_the_work_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "OnRay", TwoNodes)
    with pytest.raises(RuntimeError, match=r"nodes 10\.0\.0\.2 do not see"):
        start._nodes(str(tmp_path), "auto")
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.slow
def test_doctor_asks_every_node_of_a_running_cluster(tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        result = runner.invoke(app, ["doctor", "--workdir", str(tmp_path), "--address", cluster.address, "--json"])
    finally:
        cluster.shutdown()
    findings = {finding["check"]: finding for finding in json.loads(result.stdout)}
    assert findings["Ray and work directory"]["ok"], findings
    assert "2 node(s), all see" in findings["Ray and work directory"]["found"]


def test_a_machine_without_a_browser_is_well(monkeypatch):
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    assert "a study needs none" in start._browser()
