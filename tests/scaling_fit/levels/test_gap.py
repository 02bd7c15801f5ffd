"""The gap between two curves: its numbers are the curves' own, and its trend is one that every shape shows."""

import numpy as np
import pytest

from scaling_fit.levels.compare import compare
from scaling_fit.levels.gap import gap, trend


def test_the_gap_is_that_of_the_fitted_curves(levels) -> None:
    whole = compare(levels, "raw", replicates=100)
    found = gap(whole, "steeper", 0.95)
    ends = {"first": 2e8, "last": 2e10, "beyond": 2e11}
    for name, D in ends.items():
        own, base = (
            np.mean([whole.log_loss(level, s, np.array([N]), np.array([D]))[0, 0] for s, N in whole.shapes.items()])
            for level in ("steeper", "raw")
        )
        assert getattr(found, name).value == pytest.approx(100 * (own - base), rel=1e-9)
    assert found.first.value > 0 > found.last.value
    assert found.trend == "crosses"
    assert gap(whole, "worth", 0.95).mean.high < 0


def paths(*shapes: list[float], replicates: int = 10) -> np.ndarray:
    """Curves of the gap over 24 places, straight between the least data, the most, and ten times the most."""
    at = np.r_[np.linspace(0, 1, 16), np.linspace(1, 2, 8)]
    one = np.array([np.interp(at, [0, 1, 2], ends) for ends in shapes])
    return np.repeat(one[None], replicates, 0)


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([[-5, -7, -10]], "grows"),
        ([[5, 7, 10], [1, 2, 3]], "grows"),
        ([[-5, -3, -1]], "shrinks"),
        ([[-5, -3, 1]], "crosses"),
        ([[-5, -7, -10], [3, 1, -1]], "crosses"),
        ([[-5, -7, -6]], "shrinks"),
        ([[6.5, 6, 7]], "grows"),
        ([[-5, -7, -10], [-5, -4, -3]], "unclear"),
    ],
)
def test_a_trend_is_one_that_every_shape_shows(shapes, expected) -> None:
    assert trend(paths(*shapes)) == expected


def test_replicates_that_disagree_leave_it_open() -> None:
    split = np.concatenate([paths([-5, -7, -10], replicates=8), paths([-5, -3, -1], replicates=4)])
    assert trend(split) == "unclear"
