import numpy as np
import pytest

from scaling_fit.intervals import UNKNOWN
from scaling_fit.tasks.curve import fit_curve
from scaling_fit.tasks.equal_loss import adjusted, at_equal_loss
from scaling_fit.tasks.records import AtEqualLoss


def test_a_planted_offset_is_found(margins):
    held = []
    for seed in range(12):
        found = at_equal_loss(fit_curve(margins(lambda loss: 1.2 * (5.2 - loss), 0.2, seed=seed)), "worth", "raw", 0.95)
        held.append(found.offset.low <= 0.2 <= found.offset.high)
        assert found.p < 0.05
    assert sum(held) >= 10


def test_in_points_of_accuracy(accuracies):
    found = at_equal_loss(fit_curve(accuracies(lambda loss: 2.0 * (3.8 - loss), 0.5)), "worth", "raw", 0.95)
    right = [0.25 + 0.75 / (1 + np.exp(-2.0 * (3.8 - found.loss) - one)) for one in (0.0, 0.5)]
    assert found.offset.low < right[1] - right[0] < found.offset.high
    assert found.p < 0.001


def test_levels_that_share_no_loss(margins, runs):
    scores = margins(lambda loss: 1.2 * (5.2 - loss))
    apart = scores.where((scores.level == "raw") == (scores.loss > 3.5))
    found = at_equal_loss(fit_curve(apart), "worth", "raw", 0.95)
    assert found.loss is None
    assert found.p is None
    assert not found.offset.bounded


def test_p_values_of_many():
    rows = [AtEqualLoss(level, 3.0, UNKNOWN, p, p) for level, p in (("a", 0.01), ("b", 0.04))]
    rows.insert(1, AtEqualLoss("c", None, UNKNOWN, None, None))
    assert [one.p_adjusted for one in adjusted(rows)] == pytest.approx([0.02, None, 0.04])
