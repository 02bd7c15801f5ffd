"""The exported folder: the rows of every ledger, a card, and `datasets` reading it where it is installed."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipelines import run_study
from pipelines.executor import InProcess
from pipelines.progress import Progress
from pipelines.run_step import Context
from pipelines.steps.dataset import dataset
from pipelines.study import load
from pipelines.workdir import Workdir


@pytest.fixture(scope="module")
def exported(module_study_folder):
    content = yaml.safe_load((module_study_folder / "study.yaml").read_text())
    content["levels"]["masked"] = {"extends": "clean", "edit": ["pii"]}
    (module_study_folder / "edited.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    workdir = Workdir(str(module_study_folder / "work"))
    context = Context(workdir, InProcess(), Progress(workdir))
    study = load(module_study_folder / "edited.yaml")
    curated = run_study.curate(context, study, module_study_folder)
    return curated, dataset(context, study, curated, "assay run study.yaml"), context, study


def test_every_level_has_the_rows_that_its_ledgers_keep(exported):
    curated, folder, context, study = exported
    for name in study.levels:
        table = pq.read_table(f"{folder}/data/{name}")
        kept = curated.ledgers[name].summary["funnel"][-1]
        assert table.num_rows == kept["documents"]
        assert sum(table["n_tokens"].to_pylist()) == kept["tokens"]
        assert len(set(table["id"].to_pylist())) == table.num_rows
    # exporting again writes no byte anew
    before = {path.name: path.stat().st_mtime_ns for path in _files(folder)}
    dataset(context, study, curated, "assay run study.yaml")
    assert {path.name: path.stat().st_mtime_ns for path in _files(folder)} == before


def _files(folder):
    return sorted(Path(folder).rglob("*.parquet"))


def test_the_card_has_a_config_per_level(exported):
    _, folder, _, study = exported
    text = Path(folder, "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert [config["config_name"] for config in head["configs"]] == list(study.levels)
    assert "lowest quality.score taken" in text


def test_datasets_reads_the_folder(exported, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    curated, folder, _, _ = exported
    loaded = datasets.load_dataset(folder, "top", split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == curated.ledgers["top"].summary["funnel"][-1]["documents"]
