"""A small study, curated, and its runs trained by `python -m training` on the exported plan."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import run_study
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.runs import portable
from pipelines.runs.stacking import Sizing
from pipelines.runs.train import as_stack, cells, stacks_of
from pipelines.runs.training_plan import TrainingData, training_plan
from pipelines.study.study import Study, load
from training.plan import Run

ROOT = Path(__file__).resolve().parents[3]
SMALL = [
    "levels={raw: {}, dedup: {extends: raw, drop: [exact, near]}}",
    "classifiers={}",
    "mixture={kind: natural}",
    "signals=[]",
    "courses={anneal: {trunk: raw, branch: dedup}, rising: {level: dedup, order: {by: tokens.n_tokens}}, "
    "add: {phases: [{level: raw, share: 0.5}, {level: dedup, share: 0.5, replay: 0.25}]}}",
]


def opened(place: Path) -> Context:
    """A context in this process, over the work directory `place`."""
    workdir = Workdir(str(place))
    return Context(workdir, InProcess(), Progress(workdir))


class Made:
    """A curated study, its exported plan, and the runs that `python -m training` made of it."""

    def __init__(self, folder: Path):
        self.folder, self.plan, self.runs = folder, folder / "plan", folder / "runs"
        self.study: Study = load(folder / "study.yaml", SMALL)
        self.curated = run_study.curate(opened(folder / "curated"), self.study, folder)
        self.export(self.plan)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "training", "plan/plan.json", "--out", "runs"]
        subprocess.run(command, check=True, cwd=folder, env=environment, timeout=600)

    opened = staticmethod(opened)
    small = SMALL

    def stack(self, shape: str):
        """The cells of one shape that train together, their plan, and their runs."""
        chosen = [cell for cell in cells(self.study, TrainingData.of(self.curated)) if cell.rung.name == shape]
        (stack,) = stacks_of(chosen, {shape: Sizing(5)}, merged=False)
        plan = training_plan(self.study, [as_stack(stack)], TrainingData.of(self.curated))
        return stack, plan, [Run(cell.level, cell.seed) for cell in stack]

    def export(self, to: Path):
        return portable.export_plan(opened(self.folder / "curated"), self.study, TrainingData.of(self.curated), to)

    def take(self, place: Path, runs: Path, study: Study | None = None) -> portable.ImportedRuns:
        return portable.import_runs(opened(place), study or self.study, TrainingData.of(self.curated), runs)

    def place(self, tmp_path: Path) -> Path:
        """A copy of the curated study, without runs."""
        return Path(shutil.copytree(self.folder / "curated", tmp_path / "work"))


@pytest.fixture(scope="session")
def made(session_study_folder) -> Made:
    return Made(session_study_folder)
