"""Design: Fisher errors against the spread of refits, power against simulation, next runs against brute force."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Candidate, Grid, assess, next_runs, shifted, simulate_power, table_of

M = 1e6


def test_error_is_the_spread_of_refits() -> None:
    grid = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.001, trunk=0.002)
    table = table_of(grid, {"a": TRUTH, "b": TRUTH}, np.random.default_rng(0))
    whole = compare(table, "a", replicates=2)
    rng = np.random.default_rng(1)
    from scaling_fit.law.noise import Noise
    from scaling_fit.law.solve import solve

    trunks = whole.grouped.problem.trunks
    assert trunks is not None
    noise = Noise(grid.row, grid.trunk, 1.0, 1.0, 12, 6.0, True).simulate(rng, 1500, trunks, certain=True)
    truth = np.log(
        [
            TRUTH["E"] + TRUTH["A"] * n ** -TRUTH["alpha"] + TRUTH["B"] * d ** -TRUTH["beta"]
            for n, d in zip(whole.table.N, whole.table.D, strict=True)
        ]
    )
    draws = solve(whole.grouped.problem, np.repeat(whole.theta_P[None], 1500, 0), target_RN=truth + noise).theta_RP
    spread = whole.parameters("b", draws)["beta"] - whole.parameters("a", draws)["beta"]
    assert spread.std() == pytest.approx(assess(grid).se, rel=0.1)


@pytest.mark.parametrize(
    ("decades", "reference"),
    [(((50, 500), 5, 4), 0.033), (((30, 1000), 6, 4), 0.014), (((20, 2000), 7, 5), 0.0071), (((10, 3000), 9, 6), 0.0037)],
)
def test_errors_are_near_the_reference_table(decades, reference: float) -> None:
    """Section 4 of the reference gives these to the D range, not to the sizes: within a factor of 1.6 for 16-128M models."""
    (low, high), n_tokens, n_sizes = decades
    grid = Grid(tuple(np.geomspace(16 * M, 128 * M, n_sizes)), tuple(np.geomspace(low * M, high * M, n_tokens)))
    assert reference / 1.6 < assess(grid).se < reference * 1.6


def test_one_size_is_the_reference_number() -> None:
    assert assess(Grid((16 * M,), tuple(np.geomspace(10 * M, 3000 * M, 9)))).se == pytest.approx(0.0080, rel=0.1)


@pytest.mark.parametrize("trunk", [0.0, 0.003])
def test_power_agrees_with_simulation(trunk: float) -> None:
    grid = Grid(
        tuple(np.geomspace(8 * M, 128 * M, 4)), tuple(np.geomspace(20 * M, 2000 * M, 6)), seeds=2, row=0.003, trunk=trunk
    )
    one = assess(grid)
    for wanted in (0.3, 0.8):
        delta = one.detectable(power=wanted)
        assert one.power(delta) == pytest.approx(wanted, abs=0.02)
        assert simulate_power(grid, delta, replicates=1500) == pytest.approx(wanted, abs=0.05)
    assert simulate_power(grid, 0.0, replicates=1500) == pytest.approx(0.05, abs=0.02)


def test_a_shift_leaves_the_middle_of_the_grid_alone() -> None:
    grid = Grid((1e8,), (1e9, 1e10, 1e11))
    moved = shifted(TRUTH, 0.05, grid)
    assert moved["B"] * 1e10 ** -moved["beta"] == pytest.approx(TRUTH["B"] * 1e10 ** -TRUTH["beta"])


def test_next_runs_starts_with_the_best_one_and_keeps_to_its_budget() -> None:
    grid = Grid((1e7, 3e7, 1e8), tuple(np.geomspace(1e8, 3e9, 5)), seeds=1)
    options = [Candidate(n, d, n * d) for n in (1e7, 1e8) for d in (1e8, 1e9, 1e10)]
    before = assess(grid).se
    rate = {}
    for c in options:
        after = assess(replace(grid, extra=((c.N, c.D, 3),))).se
        rate[c] = (before**2 - after**2) / c.cost
    best = max(rate, key=lambda c: rate[c])
    chosen = next_runs(grid, options, budget=3e17)
    assert (chosen[0]["N"], chosen[0]["D"]) == (best.N, best.D)
    assert chosen[-1]["spent"] <= 3e17
    errors = [before, *(row["se"] for row in chosen)]
    assert all(a > b for a, b in pairwise(errors))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="4 runs per level for 5 parameters"):
        assess(Grid((1e7, 2e7, 4e7, 8e7), (1e9,)))
    with pytest.raises(ValueError, match="costs must be positive"):
        next_runs(Grid((1e7,), (1e8, 1e9, 1e10, 1e11, 2e11)), [Candidate(1e7, 1e8, 0.0)], 1.0)
