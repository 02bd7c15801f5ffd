"""Published studies say what their own observation tables say: the fitter, on a fresh clone, finds the same verdicts."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.study import load
from scaling_fit import analyse

STUDIES = sorted(path.parent for path in Path(__file__).parents[1].glob("docs/studies/*/report.json"))
MEGABYTE = 10**6


@pytest.fixture(params=STUDIES, ids=lambda path: path.name)
def study(request) -> Path:
    return request.param


def published(study: Path) -> dict:
    return json.loads((study / "report.json").read_text())["fit"]


def kinds(content: dict, eval_set: str) -> dict[str, str]:
    return {level: one["kind"] for level, one in content["sets"][eval_set]["verdicts"].items()}


def test_there_is_a_study():
    assert STUDIES


def test_assay_fit_finds_the_published_verdict(study):
    """The command that the study's README names."""
    fit = published(study)
    settings = fit["settings"]
    shown = CliRunner().invoke(
        app,
        ["fit", str(study / "observations.parquet"), "--json", "--baseline", fit["baseline"], "--eval-set", fit["primary"],
         "--replicates", str(settings["replicates"]), "--confidence", str(settings["confidence"])],
    )  # fmt: skip
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert kinds(found, fit["primary"]) == kinds(fit, fit["primary"])
    for level, one in fit["sets"][fit["primary"]]["verdicts"].items():
        again = found["sets"][fit["primary"]]["verdicts"][level]["difference_percent"]
        assert again["value"] == pytest.approx(one["difference_percent"]["value"], abs=0.02), level


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_evaluation_set_again(study):
    fit = published(study)
    settings = {key: fit["settings"][key] for key in ("replicates", "test_replicates", "confidence", "margin", "seed")}
    table = pq.read_table(study / "observations.parquet")
    found = analyse(table, baseline=fit["baseline"], eval_set=fit["primary"], eval_sets=fit["eval_sets"], **settings)
    assert {name: kinds(found.content, name) for name in fit["eval_sets"]} == {
        name: kinds(fit, name) for name in fit["eval_sets"] if fit["sets"][name]["available"]
    }


def test_its_study_file_is_valid_and_its_page_is_small_and_has_no_text(study):
    assert load(study / "study.yaml").name
    assert (study / "report.html").stat().st_size <= 3 * MEGABYTE
    assert json.loads((study / "report.json").read_text())["samples"] == []
    assert "text" not in pq.read_schema(study / "observations.parquet").names
