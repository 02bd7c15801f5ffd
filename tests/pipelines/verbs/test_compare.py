"""`assay compare`: what differs is listed, and what is no report is one line."""

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipelines.report.facts import SCHEMA
from pipelines.verbs.compare import compare
from scaling_fit import Result, Settings
from scaling_fit.encoding import encode

FIT = encode(Result(Settings("raw", "heldout"), ("raw",), (), (), (), {}, None))
LEVEL = {"name": "raw", "kind": "level", "extends": None, "declaration": {}, "unique_tokens": 100, "documents": 7, "bytes": 900}


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(compare)
    return made


@pytest.fixture
def report(tmp_path: Path) -> Path:
    made = {"created": "2026-11-22T07:00:00Z", "command": "assay run a.yaml", "study_file": "name: a\n", "study_hash": "0",
            "commit": None, "versions": {"python": "3.11.9"}, "machine": {}}  # fmt: skip
    facts = {"schema": SCHEMA, "name": "a", "title": "[bold]a[/]", "levels": [LEVEL], "fit": FIT, "spreads": [],
             "optima": [], "gaps": [],
             "observations": {}, "provenance": made, "steps": []}  # fmt: skip
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(facts))
    return folder


def test_compare_says_what_differs_and_as_json(app: typer.Typer, report: Path, tmp_path: Path):
    other = Path(shutil.copytree(report, tmp_path / "two"))
    same = CliRunner().invoke(app, [str(report), str(other)])
    assert (same.exit_code, same.output.strip()) == (0, "The two reports say the same.")
    body = json.loads((other / "report.json").read_text())
    body["levels"][0]["documents"] = 8
    (other / "report.json").write_text(json.dumps(body))
    told = CliRunner().invoke(app, [str(report), str(other)])
    assert "raw: documents" in told.output
    assert "[bold]a[/]" in told.output.replace("\n", ""), "a title is text, not markup"
    found = json.loads(CliRunner().invoke(app, [str(report), str(other), "--json"]).output)
    assert [(c["where"], c["first"], c["second"]) for c in found["changes"]] == [("raw: documents", "7", "8")]


def test_what_is_not_a_report_is_one_clear_line_and_code_2(app: typer.Typer, report: Path, tmp_path: Path):
    failed = CliRunner().invoke(app, [str(report), str(tmp_path / "nowhere")])
    assert failed.exit_code == 2
    assert "nowhere" in failed.output
    assert "Traceback" not in failed.output
