import dataclasses

import numpy as np
import pytest

from scaling_fit import Settings
from scaling_fit.levels.budget import R_STAR
from scaling_fit.levels.compare import Comparison, compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.strictness import strictness

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 5)), row=0.001)
POOL = {"raw": 2e10, "half": 1e10, "tenth": 2e9}
WORTH = {"raw": 1.0, "half": 1.3, "tenth": 2.0}
SETTINGS = Settings("raw", "loss")


@pytest.fixture(scope="module")
def whole() -> Comparison:
    truths = {level: TRUTH | {"B": TRUTH["B"] * worth ** -TRUTH["beta"]} for level, worth in WORTH.items()}
    table = table_of(GRID, truths, np.random.default_rng(0))
    return compare(dataclasses.replace(table, unique=np.array([POOL[level] for level in table.level])), "raw", replicates=50)


def draws(sd: float) -> np.ndarray:
    """ln m of the three levels: the truth, and 200 replicates about it."""
    log_m = np.log(list(WORTH.values()))
    noise = np.random.default_rng(1).standard_normal((201, 3)) * [0.0, sd, sd]
    noise[0] = 0
    return log_m + noise


def test_few_tokens_are_best_taken_strictly_and_many_from_all(whole: Comparison):
    found = strictness(whole, draws(0.0), SETTINGS)
    assert found is not None
    assert found.levels == ("raw", "half", "tenth")
    first, last = found.best[0], found.best[-1]
    assert (first.kept.value, first.level) == (pytest.approx(0.1), "tenth")
    assert first.gain.value == pytest.approx(2.0)
    assert last.kept.value > 0.9
    kept = [one.kept.value for one in found.best]
    assert kept == sorted(kept)


def test_the_best_is_the_largest_effective_data(whole: Comparison):
    """By the formula of Muennighoff et al. 2023 at a budget of three epochs of the pool, over a fine grid."""
    found = strictness(whole, draws(0.0), SETTINGS)
    assert found is not None
    best = min(found.best, key=lambda one: abs(np.log(one.D / 6e10)))
    U = np.geomspace(2e9, 2e10, 20_001)
    log_m = np.interp(np.log(U), np.log([2e9, 1e10, 2e10]), np.log([2.0, 1.3, 1.0]))
    repeats = np.maximum(best.D / U - 1, 0)
    worth = np.exp(log_m) * np.where(best.D > U, U * (1 + R_STAR * (1 - np.exp(-repeats / R_STAR))), best.D)
    assert best.kept.value * 2e10 == pytest.approx(U[worth.argmax()], rel=0.05)
    assert best.gain.value * worth[-1] == pytest.approx(worth.max(), rel=1e-3)


def test_uncertain_worth_makes_a_wide_interval(whole: Comparison):
    sure, unsure = strictness(whole, draws(0.0), SETTINGS), strictness(whole, draws(0.3), SETTINGS)
    assert sure is not None
    assert unsure is not None
    assert all(one.kept.low == pytest.approx(one.kept.high) for one in sure.best)
    assert max(one.kept.high - one.kept.low for one in unsure.best) > 0.3
    assert min(one.sure for one in unsure.best) < 0.95 < min(one.sure for one in sure.best)


def test_nothing_is_said_without_a_pool(whole: Comparison):
    endless = dataclasses.replace(whole, table=dataclasses.replace(whole.table, unique=np.full(len(whole.table), np.nan)))
    assert strictness(endless, draws(0.0), SETTINGS) is None
    assert strictness(whole, draws(0.0), Settings("raw", "loss", roles={"half": "control", "tenth": "arm"})) is None
