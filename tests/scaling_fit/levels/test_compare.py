"""The joint fit of levels: recovers planted laws, picks the law the sizes can carry, refuses what cannot be judged."""

import numpy as np
import pytest

from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import _refitted, compare
from scaling_fit.levels.design import TRUTH, Grid, table_of


def test_planted_levels_are_recovered(levels) -> None:
    whole = compare(levels, "raw", replicates=300)
    assert whole.levels == ("raw", "worth", "steeper")
    assert not whole.by_shape
    for level, beta in (("raw", 0.366), ("worth", 0.366), ("steeper", 0.416)):
        draws = whole.parameters(level, whole.theta_RP)["beta"]
        assert np.quantile(draws, 0.005) < beta < np.quantile(draws, 0.995)
    assert whole.df == len(levels) - 15


def test_two_sizes_get_a_floor_each() -> None:
    grid = Grid((2e5, 8e5), tuple(np.geomspace(1e6, 3.2e7, 6)), seeds=2, row=0.001, trunk=0.0)
    small = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}
    whole = compare(table_of(grid, {"a": small, "b": small}, np.random.default_rng(0)), "a", replicates=50)
    assert whole.by_shape
    values = whole.parameters("b", whole.theta_P[None])
    for shape, size in whole.shapes.items():
        assert values[f"E[{shape}]"][0] == pytest.approx(2.2 + 60 * size**-0.3, rel=0.02)


def test_prediction_is_the_law_by_hand(levels) -> None:
    whole = compare(levels, "raw", replicates=2)
    v = {k: x[0] for k, x in whole.parameters("worth", whole.theta_P[None]).items()}
    shape, N = next(iter(whole.shapes.items()))
    predicted = np.exp(whole.log_loss("worth", shape, N, np.array([1e9, 1e10]))[0])
    np.testing.assert_allclose(predicted, v["E"] + v["A"] / N ** v["alpha"] + v["B"] / np.array([1e9, 1e10]) ** v["beta"])


def test_the_same_seed_gives_the_same_replicates(levels) -> None:
    np.testing.assert_array_equal(
        compare(levels, "raw", replicates=20, seed=4).theta_RP, compare(levels, "raw", replicates=20, seed=4).theta_RP
    )


@pytest.mark.parametrize("sizes", [(2e5, 8e5), (2e5, 8e5, 3.2e6)])
def test_every_refit_is_the_minimum_of_the_joint_problem(sizes: tuple[float, ...], monkeypatch) -> None:
    """Levels are solved alone, and 99 in 100 of their joint refits once stopped short where a floor is open. Rows of the
    levels are mixed, as in a table of runs."""
    small = {"E": 0.1, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.2}
    grid = Grid(sizes, tuple(np.geomspace(1e6, 4e6, 4)), seeds=2, row=0.004, trunk=0.004)
    runs = table_of(grid, {"a": small, "b": small | {"B": 280.0}}, np.random.default_rng(0))
    made = []
    monkeypatch.setattr("scaling_fit.levels.compare._refitted", lambda *given: made.append(given) or _refitted(*given))
    whole = compare(runs.where(np.argsort(runs.N, kind="stable")), "a", replicates=30)
    problem, target_RN = whole.grouped.problem, made[0][3]
    start_RP = np.repeat(whole.theta_P[None], 30, 0)
    best = solve(problem, start_RP, target_RN=target_RN, tolerance=1e-10, max_iterations=2000)
    rss_R = (problem.trunks.whiten(problem.predict(whole.theta_RP) - target_RN) ** 2).sum(1)
    assert best.converged_R.all()
    np.testing.assert_allclose(rss_R, 2 * best.objective_R, rtol=1e-4)


def test_refusals(levels) -> None:
    with pytest.raises(ValueError, match="baseline 'dedup' has no rows; the levels are raw, worth, steeper"):
        compare(levels, "dedup")
    with pytest.raises(ValueError, match="no error is left to judge by"):
        compare(table_of(Grid((1e7, 4e7, 2e8), (1e9,)), {"raw": TRUTH}, np.random.default_rng(0)), "raw")
