import numpy as np
import pytest
from scipy.stats import binom

from scaling_fit.tasks.chance import guesses, longest
from scaling_fit.tasks.curve import Link


@pytest.mark.parametrize(("chance", "items"), [(0.25, 400), (0.5, 1000)])
def test_guessing_is_told_as_the_binomial_tells_it(chance, items):
    told = [right for right in range(items) if not guesses(right / items, Link(True, chance, items), 0.025)]
    exact = [right for right in range(items) if binom.sf(right - 1, items, chance) <= 0.025]
    assert abs(min(told) - min(exact)) <= 2


def test_one_right_open_answer_is_no_ability():
    assert guesses(1 / 200, Link(True, 0.0, 200), 0.025)
    assert not guesses(6 / 200, Link(True, 0.0, 200), 0.025)


def test_the_items_error_is_not_divided_by_runs(accuracies):
    scores = accuracies(lambda loss: 0.0 * loss)
    found = longest(scores, "raw", Link(True, 0.25, 400), 0.95)
    top = scores.where((scores.level == "raw") & (scores.N.max() == scores.N) & (scores.D.max() == scores.D))
    assert found.runs == len(top) == 2
    assert found.flops == top.flops.max()
    assert found.value.value == pytest.approx(top.value.mean())
    items = np.sqrt(found.value.value * (1 - found.value.value) / 400)
    assert found.value.high - found.value.value > 1.96 * items * 0.99
    assert found.chance is False  # 62.5 %


def test_at_chance(accuracies):
    assert longest(accuracies(lambda loss: -20.0 + 0 * loss), "raw", Link(True, 0.25, 400), 0.95).chance is True


def test_a_continuous_metric_has_no_chance(margins):
    assert longest(margins(lambda loss: 0.0 * loss), "raw", Link(False), 0.95).chance is None
