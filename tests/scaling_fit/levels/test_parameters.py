"""Intervals of a level: both methods inside, floors that reach zero, prefactors tied to their exponents."""

import numpy as np
import pytest

from scaling_fit.intervals import Interval, percentile
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.parameters import hull, level_intervals
from scaling_fit.observations import observations


@pytest.fixture(scope="module")
def whole(levels):
    return compare(levels, "raw", replicates=300)


def test_the_hull_takes_the_farther_end() -> None:
    assert hull(Interval(1, 0, 3), Interval(1, -1, 2)) == Interval(1, -1, 3)
    assert not hull(Interval(1, 0, 3), Interval(1, -np.inf, 2)).bounded


def test_simulated_intervals_lie_inside_and_truth_is_covered(whole) -> None:
    for level, beta in (("raw", 0.366), ("steeper", 0.416)):
        found = level_intervals(whole, level, 0.99)
        draws = whole.parameters(level, whole.theta_RP)
        for name, interval in found.items():
            inner = percentile(interval.value, draws[name], 0.99)
            assert interval.low <= inner.low * (1 + 1e-9)
            assert interval.high >= inner.high * (1 - 1e-9)
        assert found["beta"].low < beta < found["beta"].high
        assert found["E"].low < TRUTH["E"] < found["E"].high


def test_a_prefactor_moves_with_its_exponent(whole) -> None:
    found = level_intervals(whole, "raw", 0.95)
    middle = np.log(whole.grouped.pivot[1])
    for end in ("low", "high"):  # along the ridge, B * D^-beta at the middle of the grid stays put
        ridge = np.log(getattr(found["B"], end)) - getattr(found["beta"], end) * middle
        assert ridge == pytest.approx(np.log(found["B"].value) - found["beta"].value * middle, abs=0.25)


def test_a_spurious_floor_is_not_believed() -> None:
    """No floor, one decade, 1 % noise. Refits that stopped short of their minima covered the exponent in 65 % of tables where
    95 % were claimed; solved to the end 95 % do, with the profile or without (60 tables; 15 here)."""
    grid = Grid((1e7, 1e8), tuple(np.geomspace(1e8, 1e9, 6)), seeds=2, row=0.01)
    truth = TRUTH | {"E": 1e-6, "A": 1e-6, "B": 50.0, "beta": 0.15}
    covered, alone = [], []
    for seed in range(15):
        whole = compare(table_of(grid, {"a": truth}, np.random.default_rng(seed)), "a", replicates=150)
        one = level_intervals(whole, "a", 0.95)["beta"]
        simulated = percentile(one.value, whole.parameters("a", whole.theta_RP)["beta"], 0.95)
        covered.append(one.low < 0.15 < one.high)
        alone.append(simulated.low < 0.15 < simulated.high)
    assert np.mean(alone) >= 0.8
    assert np.mean(covered) >= np.mean(alone)


def test_what_runs_along_a_ray_do_not_identify_is_open() -> None:
    N = np.repeat(np.geomspace(1e7, 1e9, 8), 2)
    loss = TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * (20 * N) ** -TRUTH["beta"]
    rng, levels = np.random.default_rng(0), np.tile(["a", "b"], 8)
    table = observations({"level": levels, "N": N, "D": 20 * N, "loss": loss * np.exp(0.002 * rng.standard_normal(16))})
    whole = compare(table, "a", replicates=20)
    assert not any(one.bounded for one in level_intervals(whole, "a", 0.95).values())
