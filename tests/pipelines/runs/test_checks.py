"""The checks of the instrument, on a small study: trained once, read back, and refused where they cannot be trained."""

import json
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines import run_study
from pipelines.cli import app
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.runs import checks, stack_training
from pipelines.runs.training_plan import TrainingData
from pipelines.study.study import StudyError, load
from training import run

DECLARED = [
    "checks.noise={cells: {a: [1024, 2048], b: [1024]}, seeds: 3}",
    "checks.learning_rate={shape: a, tokens: 1024}",
    "checks.cosine={shape: a, tokens: 2048}",
]


@pytest.fixture(scope="module")
def curated(module_study_folder: Path):
    study = load(module_study_folder / "study.yaml", DECLARED)
    workdir = Workdir(str(module_study_folder / "work"))
    context = Context(workdir, InProcess(), Progress(workdir))
    return context, study, run_study.curate(context, study, module_study_folder)


@pytest.fixture(scope="module")
def made(curated) -> checks.Checks:
    context, study, levels = curated
    return checks.run_checks(context, study, TrainingData.of(levels))


def test_the_extreme_levels_are_the_baseline_and_the_strictest(curated):
    _, study, _ = curated
    assert study.checked_levels == ["raw", "top"]


def test_noise_has_a_spread_for_every_cell(curated, made):
    context, _, _ = curated
    found = [spread for spread in checks.spreads(context.workdir, made.noise) if spread.eval_set == "heldout"]
    assert [(one.shape, one.tokens) for one in found] == [("a", 1024), ("a", 2048), ("b", 1024)]
    assert all(one.unpaired > 0 and one.unpaired_df == 4 and one.paired is not None for one in found)
    table = pq.read_table(context.workdir.full(checks.NOISE_FILE))
    assert sorted(set(table["seed"].to_pylist())) == [0, 1, 2]


def test_the_best_rate_of_each_extreme_level(curated, made):
    context, study, _ = curated
    found = checks.optima(context.workdir, study, made.learning_rate)
    assert [one.level for one in found] == ["raw", "top"]
    assert all(len(one.lrs) == 3 and len(set(one.losses)) == 3 for one in found)


def test_branches_and_cosines_are_paired(curated, made):
    context, study, _ = curated
    (same, twice) = [gap for gap in checks.schedule_gaps(context.workdir, study, made.cosine) if gap.eval_set == "heldout"]
    assert (same.factor, twice.factor, same.pairs) == (1.0, 2.0, 4)


def test_checks_are_trained_once(curated, made):
    context, study, levels = curated
    written = Path(context.workdir.full(checks.NOISE_FILE)).stat().st_mtime_ns
    again = checks.run_checks(context.only_reading("assay train"), study, TrainingData.of(levels))
    for name in ("noise", "learning_rate", "cosine"):
        assert getattr(again, name).digest == getattr(made, name).digest
    assert Path(context.workdir.full(checks.NOISE_FILE)).stat().st_mtime_ns == written, "only looking writes nothing"


def test_a_check_off_the_ladder_is_refused(curated):
    context, _, levels = curated
    folder = Path(context.workdir.full("")).parent
    for change, message in (
        ("checks.learning_rate.shape=c", "checks.learning_rate.shape: 'c' is not a shape of the ladder \\(a, b\\)"),
        ("checks.learning_rate.tokens=9999", "beyond the ladder's longest, 4,096"),
        ("checks.learning_rate.tokens=256", "checks.learning_rate: .* at least 5 are needed"),
    ):
        study = load(folder / "study.yaml", [*DECLARED, change])
        with pytest.raises(StudyError, match=message):
            checks.run_checks(context, study, TrainingData.of(levels))


def test_assay_noise_tells_the_spread_and_power_reads_it(curated, made):
    context, _, _ = curated
    root = Path(context.workdir.full(""))
    study = ["noise", str(root.parent / "study.yaml"), "-w", str(root), "--executor", "in-process"]
    shown = CliRunner().invoke(app, [*study, "--cell", "a:1024", "--cell", "a:2048", "--seeds", "2"])
    assert shown.exit_code == 0, shown.output
    assert "noise of log loss" in shown.output
    answered = CliRunner().invoke(app, [*study, "--cell", "a:1024", "--cell", "a:2048", "--seeds", "2", "--json"])
    repeats = json.loads(answered.stdout)["repeats"]
    grid = ["power", "--sizes", "1e5,4e5", "--tokens", "1e5:1e7:6", "--seeds", "2", "--simulate", "0", "--json"]
    power = CliRunner().invoke(app, [*grid, "--noise", str(root / checks.NOISE_FILE)])
    assert json.loads(power.stdout)["noise"]["trunk"] == pytest.approx(repeats["trunk"])
    wrong = CliRunner().invoke(app, [*study, "--cell", "a"])
    assert wrong.exit_code == 2
    assert "write SHAPE:TOKENS" in wrong.output


def test_a_check_is_followed_where_it_trains(curated, monkeypatch: pytest.MonkeyPatch):
    """The long checks once said nothing until a whole stack was done, and then a wrong time left."""
    context, study, levels = curated
    followed, trained = [], []

    @contextmanager
    def watching(stacks, bar):
        followed.extend(stacks)
        bar.advance(bar.total)
        yield
        assert bar.done == bar.total, "units do not count again what was followed"

    def run_stack(plan, name, scratch, keep, device):
        folder = run.run_stack(plan, name, scratch, keep, device)
        trained.append(folder)
        return folder

    monkeypatch.setattr(checks, "watching", watching)
    monkeypatch.setattr(stack_training, "run_stack", run_stack)
    other = study.checks.noise.model_copy(update={"seeds": 2})
    checks.measure_noise(context, study, other, TrainingData.of(levels))
    assert followed == trained
