import csv

import polars as pl
import pytest

from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.levels import judge
from pipelines.study.study import load

PASSAGES = pl.DataFrame(
    {
        "doc_id": [1, 1, 2, 3, 4],
        "n_tokens": [100, 50, 50, 200, 70],
        "n_bytes": [400, 200, 200, 900, 300],
        "sets": [["heldout", "domain:a"]] * 2 + [["heldout", "domain:a"], ["heldout", "domain:b"], ["reference:wiki"]],
    }
)


def test_a_set_says_what_it_is_made_of_and_what_it_weighs():
    made = {row["set"]: row for row in judge.rows(PASSAGES, {"a": 900, "b": 50, "c": 50}).to_dicts()}
    assert list(made) == ["heldout", "domain:a", "domain:b", "reference:wiki"]
    assert made["domain:a"] == {
        "set": "domain:a", "documents": 2, "passages": 3, "tokens": 200, "bytes": 800, "weight": 0.5, "pool_share": 0.9,
    }  # fmt: skip
    assert (made["heldout"]["documents"], made["heldout"]["weight"], made["heldout"]["pool_share"]) == (3, 1, 1)
    assert (made["domain:b"]["weight"], made["domain:b"]["pool_share"]) == (0.5, 0.05)
    assert (made["reference:wiki"]["weight"], made["reference:wiki"]["pool_share"]) == (None, None)


def test_the_judge_of_a_study_lies_at_the_top(module_study_folder):
    workdir = Workdir(str(module_study_folder / "work"))
    study = load(module_study_folder / "study.yaml")
    curated = run_study.curate(Context(workdir, InProcess(), Progress(workdir)), study, module_study_folder)
    assert curated.judge is not None
    found = {row["set"]: row for row in csv.DictReader(workdir.read_bytes(judge.FILE).decode().splitlines())}
    free = sum(curated.selections["raw"].summary["tokens"].values())  # raw has no rule
    for domain, tokens in curated.selections["raw"].summary["tokens"].items():
        assert float(found[f"domain:{domain}"]["pool_share"]) == pytest.approx(tokens / free)
    documents = workdir.read_table(curated.evaluation.files("documents.parquet")[0])
    assert int(found["heldout"]["documents"]) == len(set(documents["doc_id"].to_pylist())) < int(found["heldout"]["passages"])
    domains = [row for name, row in found.items() if name.startswith("domain:")]
    assert sum(float(row["weight"]) for row in domains) == pytest.approx(1)
