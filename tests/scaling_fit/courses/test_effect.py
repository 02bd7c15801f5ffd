from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.courses.effect import effects


def test_a_planted_difference_lies_in_its_interval_at_every_d(planted):
    data = planted({"plain": 1.0, "sorted": lambda _, D: np.exp(0.01 * np.log10(D / 1e6))}, noise=0.002)
    found = effects(data, "sorted", "plain", "heldout", 0.95)
    assert [effect.pairs for effect in found.at] == [6] * 5
    for effect in found.at:
        percent = 100 * np.expm1(0.01 * np.log10(effect.D / 1e6))
        assert effect.percent.low < percent < effect.percent.high
        assert effect.percent.high - effect.percent.low < 1.0
    assert found.per_tenfold.low < 1.0 < found.per_tenfold.high
    assert pytest.approx(1.6e7) == found.longest.D


def test_intervals_hold_as_often_as_they_say(planted):
    """95 of 100 simulated tables, give or take what chance allows (88: the 0.2 % point of that binomial)."""
    held = 0
    for seed in range(100):
        data = planted({"plain": 1.0, "course": 1.02}, sets=("heldout",), noise=0.003, seed=seed)
        percent = effects(data, "course", "plain", "heldout", 0.95).longest.percent
        held += percent.low < 2 < percent.high
    assert 88 <= held <= 100


def test_one_pair_at_each_d_has_an_open_interval(planted):
    data = planted({"plain": 1.0, "course": 1.02})
    one = data.where(np.flatnonzero((data.seed == "0") & (data.N.min() == data.N)))
    percent = effects(one, "course", "plain", "heldout", 0.95).longest.percent
    assert not percent.bounded
    assert effects(one, "other", "plain", "heldout", 0.95) is None


def test_a_course_that_scatters_at_many_tokens_is_sure_at_few(planted):
    """As one that is repeated is: at few tokens it has read what the level reads."""
    data = planted({"plain": 1.0, "course": 1.0}, sets=("heldout",))
    late = (data.level == "course") & (data.N.min() == data.N) & (data.D.max() == data.D)
    found = effects(replace(data, loss=np.where(late, 1.1 * data.loss, data.loss)), "course", "plain", "heldout", 0.95)
    widths = [effect.percent.high - effect.percent.low for effect in found.at]
    assert max(widths[:-1]) < 0.6
    assert widths[-1] > 8
