"""Simulated scores of two levels, read by the tests of this room."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.observations import Observations
from scaling_fit.tasks.scores import Scores

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.002, trunk=0.003)
WORTH = TRUTH | {"B": TRUTH["B"] * 1.4 ** -TRUTH["beta"]}
ITEMS = 400


def scored(table: Observations, metric: str, value: np.ndarray, chance: float = 0.25) -> Scores:
    """Rows of one metric of the task `made`."""
    n = len(table)
    same = {one.name: getattr(table, one.name) for one in fields(Scores) if hasattr(table, one.name)}
    se = np.sqrt(value * (1 - value) / ITEMS) if metric == "accuracy" else np.full(n, 0.05)
    return Scores(**same | {
        "task": np.full(n, "made", dtype=object), "metric": np.full(n, metric, dtype=object), "value": value, "se": se,
        "chance": np.full(n, chance), "n_items": np.full(n, float(ITEMS)), "flops": 6.0 * table.N * table.D,
    })  # fmt: skip


@pytest.fixture(scope="session")
def runs() -> Observations:
    return table_of(GRID, {"raw": TRUTH, "worth": WORTH}, np.random.default_rng(3))


@pytest.fixture(scope="session")
def margins(runs: Observations) -> Callable[..., Scores]:
    """Margins that are a function of the loss, `worth` higher by `offset`, with noise of 0.05 per run and `luck` per trunk."""

    def make(ability: Callable[[np.ndarray], np.ndarray], offset: float = 0.0, luck: float = 0.03, seed: int = 0) -> Scores:
        rng = np.random.default_rng(seed)
        _, trunk_N = np.unique(runs.trunk.astype(str), return_inverse=True)
        noise_N = 0.05 * rng.standard_normal(len(runs)) + luck * rng.standard_normal(trunk_N.max() + 1)[trunk_N]
        return scored(runs, "margin", ability(runs.loss) + offset * (runs.level == "worth") + noise_N)

    return make


@pytest.fixture(scope="session")
def accuracies(runs: Observations) -> Callable[..., Scores]:
    """Accuracies whose log odds above chance are a function of the loss, drawn over `ITEMS`."""

    def make(ability: Callable[[np.ndarray], np.ndarray], offset: float = 0.0, seed: int = 0) -> Scores:
        rng = np.random.default_rng(seed)
        eta_N = ability(runs.loss) + offset * (runs.level == "worth")
        p_N = 0.25 + 0.75 / (1 + np.exp(-eta_N))
        return scored(runs, "accuracy", rng.binomial(ITEMS, p_N) / ITEMS)

    return make
