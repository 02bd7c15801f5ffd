"""How far a point is past the data, against arithmetic."""

import numpy as np

from scaling_fit.levels.beyond import beyond
from scaling_fit.levels.price import Price
from scaling_fit.observations import observations

TABLE = observations({"N": [1e7, 1e8], "D": [1e9, 1e9], "loss": [3.0, 2.8]})
SIX = Price(float(np.log(6.0)), 1.0, "6 N")


def test_factors_are_in_compute_and_on_each_axis() -> None:
    found = beyond(TABLE, SIX, np.array([3e7, 4e8, 1e7, 5e6]), np.array([1e9, 5e9, 2e10, 1e9]))
    np.testing.assert_allclose(found.compute, [1, 20, 2, 1])
    np.testing.assert_allclose(found.N, [1, 4, 1, 2])
    np.testing.assert_allclose(found.D, [1, 5, 20, 1])
    assert [one.words() for one in found.rows()] == ["inside", "20x compute, 4x N, 5x D", "2x compute, 20x D", "2x N"]


def test_distance_is_of_compute_or_of_the_axes_whichever_is_farther() -> None:
    found = beyond(TABLE, SIX, np.array([3e7, 1e8, 1e7]), np.array([1e9, 4e9, 1e10]))
    np.testing.assert_allclose(np.exp(found.distance), [1, 4, 10])
