"""`assay schema`: what it prints is a JSON Schema of the study file."""

import json

from typer.testing import CliRunner

from pipelines.cli import app

runner = CliRunner()


def test_schema_is_a_json_schema_of_the_study():
    schema = json.loads(runner.invoke(app, ["schema"]).output)
    assert schema["additionalProperties"] is False
    assert "levels" in schema["required"]
