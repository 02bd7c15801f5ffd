"""assay ladder: the plan's numbers are those of the rungs, and the measured ones are positive."""

import json

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.runs.ladder import rungs
from pipelines.study.study import load


def test_the_plan_is_the_ladder_of_the_study(study_folder):
    path = study_folder / "study.yaml"
    result = CliRunner().invoke(app, ["ladder", str(path), "--seconds", "0.1", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    study = load(path)
    for row, rung in zip(rows, rungs(study), strict=True):
        assert row["shape"] == rung.name
        assert row["runs"] == 4
        assert row["trained_tokens"] == pytest.approx(4 * rung.trained_tokens(study), rel=0.01)  # whole steps
        assert row["params_body"] == rung.shape.params_body
        assert row["seconds"] > 0
        assert row["flops"] > row["trained_tokens"] * rung.flops_per_token(study)  # evaluation costs something


def test_a_shape_that_cannot_be_is_named(study_folder):
    override = "ladder.shapes={odd: {width: 30, depth: 1, heads: 4}}"
    result = CliRunner().invoke(app, ["ladder", str(study_folder / "study.yaml"), "--set", override])
    assert result.exit_code == 2
    assert "ladder.shapes.odd" in result.stderr
