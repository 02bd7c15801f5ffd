import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.schedule import branch, branch_start, cosine, tokens_of_ladder, trunk


@given(st.integers(5, 500), st.integers(0, 50), st.floats(0.05, 0.9))
def test_a_branch_is_its_trunk_until_it_leaves(steps, warmup, cooldown):
    start = branch_start(steps, cooldown)
    assert 0 < start < steps or steps * (1 - cooldown) < 0.5
    np.testing.assert_array_equal(branch(steps, warmup, cooldown)[:start], trunk(steps, warmup)[:start])


def test_cooldown_is_one_minus_root():
    multiplier = branch(100, 0, 0.2)
    assert (multiplier[:81] == 1).all()
    assert multiplier[85] == pytest.approx(0.5)  # a quarter passed: 1 - sqrt(1/4)
    assert multiplier[99] == pytest.approx(1 - (19 / 20) ** 0.5)


def test_warmup_is_linear_and_cosine_ends_at_a_tenth():
    np.testing.assert_allclose(trunk(6, 4), [0.25, 0.5, 0.75, 1, 1, 1])
    multiplier = cosine(100, 10)
    assert multiplier[:10].tolist() == trunk(10, 10).tolist()
    assert multiplier[54] == pytest.approx(0.55, abs=0.01)
    assert multiplier[99] == pytest.approx(0.1)


def test_five_branches_at_ratio_two_cost_under_two_thirds_of_separate_runs():
    ladder = [1, 2, 4, 8, 16]
    assert tokens_of_ladder(ladder, 0.2) / sum(ladder) == pytest.approx(0.613, abs=1e-3)
