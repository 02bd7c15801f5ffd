"""`assay schema`: what a study file may say, for editors."""

from pipelines.verbs.options import AsJson
from pipelines.verbs.terminal import print_json


def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the study file, for editors.

    With it they complete and check YAML. It is JSON with --json and without.

    Example: `assay schema > study.schema.json`
    """
    from pipelines.study.study import Study

    print_json(Study.model_json_schema())
