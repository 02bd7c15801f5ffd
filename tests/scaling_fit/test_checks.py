"""Each planted fault is found, named, and no other error is raised with it."""

import numpy as np
import pytest

from scaling_fit.checks import check
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.observations import observations

SOUND = Grid((1e7, 4e7, 1.6e8), tuple(np.geomspace(1e8, 1e10, 5)), seeds=2, row=0.002, trunk=0.002)


def table(**changes) -> dict:
    data = table_of(SOUND, {"raw": TRUTH}, np.random.default_rng(0))
    columns = {
        k: getattr(data, k).tolist() for k in ("level", "shape", "seed", "trunk", "N", "D", "loss", "eval_set", "certificate")
    }
    return columns | {k: f(columns) for k, f in changes.items()}


def at(column: str, row: int, value) -> dict:
    return {column: lambda c: [value if k == row else v for k, v in enumerate(c[column])]}


def names(raw: dict, severity: str) -> list[str]:
    return [fault.name for fault in check(observations(raw)) if fault.severity == severity]


def test_a_sound_table_has_no_fault() -> None:
    assert check(observations(table())) == ()


@pytest.mark.parametrize(
    ("changes", "name", "rows"),
    [
        (at("loss", 3, float("nan")), "non-finite", (5,)),
        (at("D", 4, float("inf")), "non-finite", (6,)),
        (at("loss", 2, -1.0), "non-positive", (4,)),
        ({"certificate": lambda c: ["a"] * 15 + ["b"] * 15}, "mixed-certificates", None),
        ({"loss": lambda c: [1 - x / 10 for x in c["loss"]]}, "accuracy-like", None),
        ({"loss": lambda c: [float(np.exp(x)) for x in c["loss"]]}, "perplexity-like", None),
        ({"D": lambda c: [c["D"][0], c["D"][0], *c["D"][2:]]}, "duplicate-run", (3,)),
    ],
)
def test_errors(changes: dict, name: str, rows) -> None:
    raw = table(**changes)
    assert names(raw, "error") == [name]
    if rows is not None:
        assert next(f for f in check(observations(raw)) if f.name == name).rows == rows


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        (Grid((1e7,), SOUND.tokens, 2), "one-size"),
        (Grid((1e7, 4e7), SOUND.tokens, 2), "two-sizes"),
        (Grid(SOUND.sizes, (1e9,), 2), "one-token-count"),
        (Grid(SOUND.sizes, (1e9, 3e9, 1e10), 2), "few-token-counts"),
        (Grid(SOUND.sizes, tuple(np.geomspace(1e9, 1e10, 5)), 2), "short-token-range"),
    ],
)
def test_design_warnings(grid: Grid, name: str) -> None:
    faults = check(table_of(grid, {"raw": TRUTH}, np.random.default_rng(0)))
    assert name in {fault.name for fault in faults if fault.severity == "warning"}


def test_runs_on_one_ray_are_collinear() -> None:
    N = np.geomspace(1e7, 1e9, 12)
    faults = check(observations({"N": N, "D": 20 * N * np.exp(0.1 * np.cos(np.arange(12))), "loss": 2 + 1e3 * N**-0.4}))
    assert "collinear" in {fault.name for fault in faults}


def test_copies_without_trunk_names_are_warned_of() -> None:
    N = np.repeat(np.geomspace(1e7, 1e9, 4), 4)
    D = np.tile(np.geomspace(1e8, 1e10, 4), 4)
    loss = 2 + 480 * N**-0.35 + 2000 * D**-0.37
    raw = {"N": np.append(N, N[2]), "D": np.append(D, D[2]), "loss": np.append(loss, loss[2])}
    fault = next(f for f in check(observations(raw)) if f.name == "duplicate-row")
    assert fault.severity == "warning"
    assert fault.rows == (18,)
