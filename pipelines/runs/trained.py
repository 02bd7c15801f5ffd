"""The results of training a study's ladder."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.engine.step import Manifest
from pipelines.runs.checks import Checks
from pipelines.runs.train import Cell


@dataclass(frozen=True)
class Trained:
    """The checks before the ladder, its runs by step name, their table, and that of their tasks where there are some."""

    checks: Checks
    cells: list[Cell]
    runs: Mapping[str, Manifest]
    observations: Manifest
    tasks: Manifest | None
