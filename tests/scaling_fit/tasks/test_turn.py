from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.tasks.turn import turn


def _raw(scores):
    return scores.where(scores.level == "raw")


def test_a_planted_turn_is_found_where_it_is(margins):
    found = turn(_raw(margins(lambda loss: 0.3 * (5.2 - loss) + 2.0 * np.maximum(0.0, 3.6 - loss))), 0.3)
    assert found.p < 0.01
    assert found.at == pytest.approx(3.6, abs=0.15)


@pytest.mark.parametrize(
    "ability",
    [lambda loss: 1.2 * (5.2 - loss), lambda loss: 1.6 * np.logaddexp(0.0, (4.0 - loss) / 0.8)],
    ids=["line", "wide turn"],
)
def test_smooth_rises_seldom_turn(margins, ability):
    p = [turn(_raw(margins(ability, seed=seed)), 0.3).p for seed in range(8)]
    assert sum(one < 0.05 for one in p) <= 2


def test_a_rise_that_slows_is_no_emergence(margins):
    slowing = _raw(margins(lambda loss: 2.0 * np.minimum(5.2 - loss, 1.6)))
    assert turn(slowing, 0.3).p > 0.5
    # bits per byte improve by falling: the same numbers mean the opposite
    falling = replace(slowing, value=-slowing.value, metric=np.full(len(slowing), "bits_per_byte", dtype=object))
    assert turn(falling, 0.3).p > 0.5
    risen = replace(slowing, metric=np.full(len(slowing), "bits_per_byte", dtype=object))
    assert turn(risen, 0.3).p < 0.01


def test_few_losses_cannot_tell(margins):
    assert turn(_raw(margins(lambda loss: 5.2 - loss)).where(np.arange(7)), 0.3) is None
