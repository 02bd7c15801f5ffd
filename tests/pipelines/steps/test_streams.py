"""Levels that edit and levels with added copies, through the pipeline: their streams, their funnels, the same on Ray."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines import run_study
from pipelines.executor import InProcess, OnRay
from pipelines.progress import Progress
from pipelines.run_step import Context
from pipelines.study import load
from pipelines.workdir import Workdir

LEVELS = {
    "raw": {},
    "duplicated": {"extends": "raw", "duplicate": 0.5},
    "edited": {"extends": "raw", "edit": ["pii", "c4_lines_tfds"]},
    "edited-twice": {"extends": "edited", "edit": ["pii"], "keep": ["gopher_quality.n_words >= 30"], "duplicate": 0.2},
    "control": {"extends": "raw", "random": "edited"},
}


def curate(folder: Path, work: str, executor):
    content = yaml.safe_load((folder / "study.yaml").read_text())
    content["levels"] = LEVELS
    content["mixture"] = {"kind": "natural"}
    content["ladder"]["tokens"] = [1024, 2048, 4096]
    (folder / f"{work}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    workdir = Workdir(str(folder / work))
    context = Context(workdir, executor, Progress(workdir))
    return workdir, run_study.curate(context, load(folder / f"{work}.yaml"), folder)


@pytest.fixture(scope="module")
def curated(module_study_folder):
    return module_study_folder, *curate(module_study_folder, "work", InProcess())


def funnel(made, name: str) -> dict[str, dict[str, int]]:
    return {row["reason"]: row for row in made.ledgers[name].summary["funnel"]}


def stream(workdir: Workdir, made, name: str) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(workdir.read_table(path)) for path in made.levels[name].files(".parquet")])


def test_copies_are_added_laid_and_counted(curated):
    _, workdir, made = curated
    rows = funnel(made, "duplicated")
    raw = funnel(made, "raw")["kept"]
    added = rows["added: copies"]
    assert 0.3 < added["tokens"] / raw["tokens"] < 0.7
    assert rows["kept"]["tokens"] == raw["tokens"] + added["tokens"]
    laid = stream(workdir, made, "duplicated")
    assert laid["tokens"].list.len().sum() == rows["kept"]["tokens"]
    twice = laid.group_by("doc_id", "piece").agg(n=pl.len(), same=pl.col("tokens").n_unique())
    assert set(twice["n"]) == {1, 2}
    assert set(twice["same"]) == {1}


def test_edits_are_laid_and_counted(curated):
    _, workdir, made = curated
    rows, raw = funnel(made, "edited"), funnel(made, "raw")
    assert rows["edits"]["tokens"] > 0
    assert rows["edits"]["documents"] > 0  # junk has no line that ends
    assert rows["in"]["tokens"] == sum(row["tokens"] for reason, row in rows.items() if reason != "in")
    assert rows["kept"]["tokens"] < raw["kept"]["tokens"]
    assert stream(workdir, made, "edited")["n_bytes"].sum() == rows["kept"]["bytes"]
    # a child edits as its parent does
    assert "edits" in funnel(made, "edited-twice")


def test_a_random_control_has_the_size_of_an_edited_level(curated):
    _, _, made = curated
    like, control = (funnel(made, name)["kept"]["tokens"] for name in ("edited", "control"))
    assert abs(control - like) < 0.1 * like


@pytest.mark.slow
def test_the_same_on_ray(curated):
    folder, _, made = curated
    on_ray = OnRay(workers=2)
    try:
        _, again = curate(folder, "work-ray", on_ray)
    finally:
        on_ray.close()
    for name in LEVELS:
        assert again.levels[name].digest == made.levels[name].digest
        assert again.ledgers[name].digest == made.ledgers[name].digest


def test_what_is_curated_is_read_back_without_computing_anything(curated):
    """`assay train` after `assay curate`: levels with edits or copies once asked for their tokens to be counted again."""
    folder, workdir, made = curated
    reading = Context(workdir, InProcess(), Progress(workdir)).only_reading("assay curate")
    again = run_study.curate(reading, load(folder / "work.yaml"), folder)
    assert {name: level.digest for name, level in again.levels.items()} == {n: level.digest for n, level in made.levels.items()}
