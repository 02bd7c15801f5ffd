"""Published studies: the fitter gives their verdicts again from their tables alone, and no text of a pool is in them."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.outcomes.fit import analysed, courses
from pipelines.report import facts
from pipelines.study.study import load
from scaling_fit import Result, read_axes
from scaling_fit.levels.answer import Answer
from scaling_fit.levels.budget import R_STAR

FOLDERS = sorted(path.parent for path in Path(__file__).parents[1].glob("docs/studies/*/report.json"))

assert FOLDERS, "no study is published: parametrised over nothing, every test here would be skipped"
pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def assert_same(found: Answer, published: Answer, one_floor: Sequence[str] = ()) -> None:
    """The verdicts of one evaluation set; what rests on simulation must agree to the digits that are read of it. Of the levels
    that share their floor with the baseline, which a table does not say, what moved is judged apart."""
    assert found.verdicts.keys() == published.verdicts.keys()
    for level, verdict in published.verdicts.items():
        one = found.verdicts[level]
        assert level in one_floor or one.kind == verdict.kind, level
        assert one.direction == verdict.direction, level
        assert vars(one.gap.mean) == pytest.approx(vars(verdict.gap.mean), abs=0.02), level


def test_a_study_is_published(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {
        "README.md", "report.html", "report.json", "report.md", "observations.parquet", "study.yaml",
    }  # fmt: skip


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_assay_fit_gives_the_published_verdicts(folder: Path) -> None:
    published = facts.read(folder).fit
    given = ["--baseline", published.baseline, "--eval-set", published.primary]
    given += [
        x for name in ("replicates", "confidence", "margin", "seed") for x in (f"--{name}", getattr(published.settings, name))
    ]
    given += [x for course in load(folder / "study.yaml").courses for x in ("--where", f"level!={course}")]
    run = CliRunner().invoke(app, ["fit", *map(str, [folder / "observations.parquet", *given]), "--json"])
    assert run.exit_code == 0, run.output
    assert_same(Result.from_json(run.stdout).answer, published.answer, published.settings.same_floor)


@pytest.mark.slow
def test_every_evaluation_set_gives_the_published_verdicts(folder: Path) -> None:
    published = facts.read(folder).fit
    study = load(folder / "study.yaml")
    table, measured = pq.read_table(folder / "observations.parquet"), read_axes(folder / "quality.csv")
    found, reading = analysed(table, published.settings, courses(study), measured)
    told = facts.read(folder).courses
    assert (reading and reading.sentences) == (told and told.sentences)
    for name, one in published.sets.items():
        assert_same(found.sets[name].answer, one.answer)


def test_the_published_study_file_is_the_one_that_made_the_report(folder: Path) -> None:
    made = facts.read(folder)
    assert yaml.safe_load((folder / "study.yaml").read_text()) == yaml.safe_load(made.provenance["study_file"])
    study = load(folder / "study.yaml")
    assert [name for name in study.levels if name not in study.control_of] == [level["name"] for level in made.levels]


def test_the_planner_of_a_finite_pool_takes_what_was_measured(folder: Path) -> None:
    made = facts.read(folder)
    measured = made.courses and made.courses.r_star(made.baseline)
    assert made.fit.fits[made.fit.primary].budget.r_star == (measured or R_STAR)


def test_no_text_of_the_pool_is_published(folder: Path) -> None:
    assert facts.read(folder).samples == []
    page = folder / "report.html"
    assert page.stat().st_size <= 3_000_000
    assert "Documents kept and dropped" not in page.read_text("utf-8")
