"""The command line as a test calls it, and tables of runs simulated from a published law."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from pipelines.cli import app
from scaling_fit.levels.design import TRUTH, Grid, table_of


@pytest.fixture(scope="session")
def assay() -> Callable[..., Result]:
    """`assay(*words, code=0)`: runs a verb and asserts its exit code."""

    def call(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one.csv (one level) and two.csv (raw, dedup), 36 rows each level."""
    folder = tmp_path_factory.mktemp("tables")
    grid = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.002, trunk=0.002)
    for name, truths in (("one", {"all": TRUTH}), ("two", {"raw": TRUTH, "dedup": TRUTH | {"B": 1700.0}})):
        table = table_of(grid, truths, np.random.default_rng(0))
        columns = {k: getattr(table, k).tolist() for k in ("level", "shape", "seed", "trunk", "N", "D", "loss")}
        pl.DataFrame(columns).rename({"N": "Model Size"}).write_csv(folder / f"{name}.csv")
    return folder
