"""A study that edits its pool and drops by URL, lines and substrings."""

import polars as pl
from rich.console import Console

from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.study.study import load

DECLARED = [
    "duplicates.also=[url, lines, substrings]",
    "duplicates.scope=domain",
    "duplicates.unit=character",
    "duplicates.ngram=24",
    "pool.edit=[lines]",
    "levels.apart={keep: ['duplicates_url.survivor', 'substrings.removed_share < 0.5', 'lines.removed_share == 0']}",
]


def test_signals_of_repetition_reach_the_levels(study_folder, tmp_path):
    study = load(study_folder / "study.yaml", DECLARED)
    workdir = Workdir(str(tmp_path / "work"))
    curated = run_study.curate(Context(workdir, InProcess(), Progress(workdir, Console(quiet=True))), study, study_folder)
    assert {"duplicates_url", "lines", "substrings"} <= set(curated.pool.signals)
    assert curated.pool.documents.step.name == "pool-without-lines"
    again = pl.concat([pl.DataFrame(workdir.read_table(f)) for f in curated.pool.signals["lines"].files(".parquet")])
    assert again["removed_bytes"].sum() == 0  # what was cut does not repeat any more
    assert "apart" in curated.levels
