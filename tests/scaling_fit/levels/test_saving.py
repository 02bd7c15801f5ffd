import numpy as np
import pytest

from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.saving import saving

GRID = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 5)), seeds=2, row=0.001, trunk=0.001)


def test_a_level_whose_tokens_are_worth_more_needs_fewer():
    truths = {"raw": TRUTH, "double": TRUTH | {"B": TRUTH["B"] * 2 ** -TRUTH["beta"]}, "low": TRUTH | {"E": 2.6}}
    whole = compare(table_of(GRID, truths, np.random.default_rng(0)), "raw", replicates=200)
    found, same = saving(whole, "double", 0.95), saving(whole, "raw", 0.95)
    assert found is not None
    assert same is not None
    assert (found.shape, found.D) == ("3.2e+08", pytest.approx(2e10))
    assert found.share.low < 0.5 < found.share.high < 0.65
    assert found.loss == pytest.approx(
        float(np.exp(whole.log_loss("raw", found.shape, np.array([3.2e8]), np.array([2e10]))[0, 0]))
    )
    assert (same.share.low, same.share.high) == pytest.approx((1.0, 1.0))
    never = saving(whole, "low", 0.95)
    assert never is not None
    assert never.share.value == float("inf"), "its floor lies above"
