"""The report step: everything the work directory knows reaches the page, and the page is written once."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.outcomes.report import report
from pipelines.study.study import load


def test_facts_are_those_of_the_work_directory(finished_study, tmp_path, monkeypatch):
    study_folder = Path(shutil.copytree(finished_study, tmp_path / "study"))
    workdir = Workdir(str(study_folder / "work"))
    context = Context(workdir, InProcess(), Progress(workdir))
    study = load(study_folder / "study.yaml")
    curated = run_study.curate(context, study, study_folder)
    trained = run_study.train_levels(context, study, curated)
    fitted = run_study.fit_observations(context, study, curated, trained)
    index = study_folder / "work" / "report" / "index.html"
    assert report(context, study, curated, trained, fitted, "assay run study.yaml", True) == str(index)
    facts = json.loads((index.parent / "report.json").read_text())
    assert [level["name"] for level in facts["levels"]] == list(study.levels)
    for name in study.levels:
        rows = [row for row in facts["funnel"] if row["level"] == name]
        assert sum(row["documents"] for row in rows) == 360
    assert {row["level"] for row in facts["paired"]} == {"dedup", "clean", "top"}
    assert 0 < facts["classifiers"][0]["auc"] <= 1
    assert facts["samples"]
    assert list(facts["fit"]["tasks"]["tasks"]) == list(study.evaluation.tasks)
    assert len(facts["certificates"]) == 1
    assert facts["certificates"][0]["runs"] == 8
    assert sum(cluster["documents"] for cluster in facts["clusters"]) == 360
    for shape in facts["training"]:
        assert shape["runs"] == 4 * len(study.ladder.tokens)
        assert shape["together"] == 4
        assert shape["flops_per_second"] / shape["tokens_per_second"] == pytest.approx(shape["flops"] / shape["tokens"])
        assert max(study.ladder.tokens) < shape["tokens"] / 4 < sum(study.ladder.tokens)

    written = index.stat().st_mtime_ns
    report(context, study, curated, trained, fitted, "assay run study.yaml", True)
    assert index.stat().st_mtime_ns == written
    monkeypatch.setattr("pipelines.report.page.write_figures", lambda *given: [])
    report(context, study, curated, trained, fitted, "assay run study.yaml", False)
    assert index.stat().st_mtime_ns > written
    assert json.loads((index.parent / "report.json").read_text())["samples"] == []
