import numpy as np
import pytest

from scaling_fit.levels.forms import forms, isotonic

QUALITY = np.array([0.1, 0.3, 0.5, 0.8, 1.0])


def compared(truth_L: np.ndarray, seed: int = 0, sd: float = 1.0):
    rng, sd_L = np.random.default_rng(seed), np.full(len(truth_L), sd)
    y_L = truth_L + rng.standard_normal(len(truth_L)) * sd_L
    found, tests = forms(y_L, y_L + rng.standard_normal((400, len(truth_L))) * sd_L, sd_L, QUALITY[: len(truth_L)], 100, 80.0)
    return {one.name: one for one in found}, {(one.null, one.alternative): one for one in tests}


def pooled(y: list[float], w: list[float]) -> list[float]:
    """Pool adjacent violators, one at a time."""
    blocks = [[value, weight, 1] for value, weight in zip(y, w, strict=True)]
    k = 0
    while k < len(blocks) - 1:
        if blocks[k][0] > blocks[k + 1][0]:
            (a, wa, na), (b, wb, nb) = blocks[k], blocks.pop(k + 1)
            blocks[k] = [(a * wa + b * wb) / (wa + wb), wa + wb, na + nb]
            k = max(k - 1, 0)
        else:
            k += 1
    return [value for value, _, n in blocks for _ in range(n)]


def test_the_monotone_fit_is_that_of_pooling():
    rng = np.random.default_rng(5)
    y_RL, w_L = rng.standard_normal((50, 7)), rng.uniform(0.2, 3, 7)
    for row, fitted in zip(y_RL, isotonic(y_RL, w_L), strict=True):
        assert fitted == pytest.approx(pooled(row.tolist(), w_L.tolist()))


def test_a_line_a_step_and_disorder_are_told_apart():
    line, tests = compared(20 * QUALITY)
    assert tests["constant", "linear"].p_simulated < 0.01 < tests["linear", "free"].p_simulated
    assert max(line, key=lambda name: line[name].weight) == "linear"
    for step in (np.array([0.0, 0.0, 0.0, 20.0, 20.0]), np.array([20.0, 20.0, 20.0, 0.0, 0.0])):
        _, tests = compared(step)
        assert tests["linear", "free"].p_simulated < 0.01 < tests["monotone", "free"].p_simulated
    _, tests = compared(np.array([0.0, 20.0, 0.0, 20.0, 0.0]))
    assert tests["monotone", "free"].p_simulated < 0.01


def test_chi_squares_fall_along_the_nested_forms():
    found, tests = compared(np.array([0.0, 3.0, 2.0, 5.0, 4.0]))
    assert found["constant"].chi2 >= found["linear"].chi2 >= found["free"].chi2 == 0
    assert found["constant"].chi2 >= found["monotone"].chi2
    assert sum(one.weight for one in found.values()) == pytest.approx(1)
    assert tests["constant", "linear"].p_F is not None
    assert tests["constant", "monotone"].p_F is None


def test_the_simulated_tests_hold_their_size():
    p_values = [compared(np.zeros(5), seed)[1] for seed in range(300)]
    for pair in (("constant", "linear"), ("constant", "monotone"), ("linear", "free"), ("constant", "free")):
        share = np.mean([tests[pair].p_simulated < 0.05 for tests in p_values])
        assert share < 0.09, pair
