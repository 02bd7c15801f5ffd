"""Published studies: the fitter gives their verdicts again from their tables alone, and no text of a pool is in them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.report import facts
from pipelines.study.study import load
from scaling_fit import analyse

RETIRED = {"piece_tokens"}  # keys of published studies that there are no more

FOLDERS = sorted(path.parent for path in Path(__file__).parents[1].glob("docs/studies/*/report.json"))

assert FOLDERS, "no study is published: parametrised over nothing, every test here would be skipped"
pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def assert_same(found: dict[str, dict[str, Any]], published: dict[str, dict[str, Any]]) -> None:
    """The verdicts of one evaluation set; what rests on simulation must agree to the digits that are read of it."""
    assert found.keys() == published.keys()
    for level, verdict in published.items():
        one = found[level]
        assert (one["kind"], one["direction"]) == (verdict["kind"], verdict["direction"]), level
        assert one["difference_percent"] == pytest.approx(verdict["difference_percent"], abs=0.02), level


def test_a_study_is_published(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {
        "README.md", "report.html", "report.json", "report.md", "observations.parquet", "noise.parquet", "study.yaml",
    }  # fmt: skip


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_assay_fit_gives_the_published_verdicts(folder: Path) -> None:
    published = facts.read(folder).fit
    settings = published["settings"]
    given = ["--baseline", published["baseline"], "--eval-set", published["primary"], "--noise", folder / "noise.parquet"]
    given += [x for name in ("replicates", "confidence", "margin", "seed") for x in (f"--{name}", settings[name])]
    run = CliRunner().invoke(app, ["fit", *map(str, [folder / "observations.parquet", *given]), "--json"])
    assert run.exit_code == 0, run.output
    found = json.loads(run.stdout)["sets"][published["primary"]]
    assert_same(found["verdicts"], published["sets"][published["primary"]]["verdicts"])


@pytest.mark.slow
def test_every_evaluation_set_gives_the_published_verdicts(folder: Path) -> None:
    published = facts.read(folder).fit
    settings = {k: v for k, v in published["settings"].items() if k != "objective"}
    found = analyse(
        folder / "observations.parquet",
        baseline=published["baseline"],
        eval_set=published["primary"],
        eval_sets=published["eval_sets"],
        noise=folder / "noise.parquet",
        **settings,
    ).content
    for name, one in published["sets"].items():
        assert_same(found["sets"][name]["verdicts"], one["verdicts"])


def test_the_published_study_file_is_the_one_that_made_the_report(folder: Path, tmp_path: Path) -> None:
    made = facts.read(folder)
    assert yaml.safe_load((folder / "study.yaml").read_text()) == yaml.safe_load(made.provenance["study_file"])
    lines = (folder / "study.yaml").read_text(encoding="utf-8").splitlines()
    current = tmp_path / "study.yaml"
    current.write_text("\n".join(line for line in lines if line.split(":")[0].strip() not in RETIRED), encoding="utf-8")
    assert list(load(current).levels) == [level["name"] for level in made.levels]


def test_no_text_of_the_pool_is_published(folder: Path) -> None:
    assert facts.read(folder).samples == []
    page = folder / "report.html"
    assert page.stat().st_size <= 3_000_000
    assert "Documents kept and dropped" not in page.read_text("utf-8")
