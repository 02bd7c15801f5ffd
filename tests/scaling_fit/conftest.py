"""Tables that several test files read: one simulated grid and the published ones."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from scaling_fit.levels.design import TRUTH, Grid, table_of

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.002, trunk=0.003)
SMALL = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}  # CPU scale: losses of 4 to 6
TINY = Grid((2e5, 8e5), tuple(np.geomspace(1e6, 3.2e7, 5)), seeds=2, row=0.002, trunk=0.002)


@pytest.fixture(scope="session")
def grid() -> Grid:
    return GRID


@pytest.fixture(scope="session")
def levels():
    """Three levels on GRID: the truth, one whose tokens are worth 1.4 of it, one with a higher exponent."""
    middle = float(np.exp(np.log(GRID.tokens).mean()))
    worth = TRUTH | {"B": TRUTH["B"] * 1.4 ** -TRUTH["beta"]}
    steeper = TRUTH | {"beta": TRUTH["beta"] + 0.05, "B": TRUTH["B"] * middle**0.05}
    return table_of(GRID, {"raw": TRUTH, "worth": worth, "steeper": steeper}, np.random.default_rng(3))


@pytest.fixture(scope="session")
def besiroglu(shared_data: Path) -> list[dict]:
    """The 240 rows of Besiroglu et al. 2024: the five highest losses dropped, as they did."""
    path = shared_data / "scaling" / "besiroglu_chinchilla" / "svg_extracted_data.csv"
    with path.open() as file:
        rows = [
            {"N": float(r["Model Size"]), "flops": float(r["Training FLOP"]), "loss": float(r["loss"])}
            for r in csv.DictReader(file)
        ]
    cut = sorted(row["loss"] for row in rows)[-5]
    return [row for row in rows if row["loss"] < cut]


@pytest.fixture(scope="session")
def gemstones(shared_data: Path):
    """Rows of one Gemstones table ("hot", "cool_begin", "cool_end"), trunk = run."""

    def read(name: str) -> list[dict]:
        path = shared_data / "scaling" / "gemstones" / f"wandb_df_for_fitting_{name}.jsonl"
        raw = [json.loads(line) for line in path.read_text().splitlines()]
        return [
            {"level": name, "trunk": r["run_name"], "N": r["params_active_precise"], "D": r["tokens"], "loss": r["final_loss"]}
            for r in raw
        ]

    return read
