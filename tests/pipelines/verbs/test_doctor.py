"""`assay doctor`: what it finds of one machine and of a cluster."""

import json

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.verbs import doctor

runner = CliRunner()


@pytest.mark.slow
def test_doctor_finds_this_machine_able(tmp_path):
    result = runner.invoke(app, ["doctor", "--workdir", str(tmp_path / "work"), "--json"])
    findings = {finding["check"]: finding for finding in json.loads(result.output)}
    assert result.exit_code == 0
    assert all(finding["ok"] for finding in findings.values())
    assert "1 node, which sees" in findings["Ray and work directory"]["found"]


class TwoNodes:
    """Stands for a Ray cluster in which the second node has another disk."""

    def __init__(self, address: str | None):
        self.address = address

    def on_every_node(self, function, arguments):
        return {"10.0.0.1": function(*arguments), "10.0.0.2": ""}

    def close(self) -> None:
        """Nothing is held."""


def test_doctor_names_the_nodes_that_do_not_see_the_work_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.engine.executor.OnRay", TwoNodes)
    with pytest.raises(RuntimeError, match=r"nodes 10\.0\.0\.2 do not see"):
        doctor._nodes(str(tmp_path / "work"), "auto")
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
    assert "2 nodes, all see" in findings["Ray and work directory"]["found"]


def test_a_machine_without_a_browser_is_well(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert "a study needs none" in doctor._browser()
