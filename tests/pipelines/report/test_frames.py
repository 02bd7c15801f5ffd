import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.frames import apart, limits, log_ticks

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@given(
    st.lists(FINITE, min_size=1, max_size=30), st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.none(), max_size=30)
)
def test_a_frame_is_finite_and_an_interval_cannot_flatten_what_was_measured(values: list[float], ends: list[float | None]):
    low, high = limits(values, ends)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high
    near = sorted(values)
    span = near[-1] - near[0]
    if span > 1e-3:
        assert high - low <= (1 + 2 * 1.5) * span * 1.13


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.booleans())
def test_every_measured_value_is_inside(values: list[float], log: bool):
    low, high = limits(values, log=log)
    assert low <= min(values)
    assert max(values) <= high


def test_an_estimate_that_nobody_believes_does_not_flatten_the_rest():
    low, high = limits([0.35, 0.36, 0.37, 0.38, 44.0], [0.3, 0.4], sane=(-0.5, 3.0))
    assert 0.2 < low < 0.35
    assert 0.38 < high < 0.5
    assert limits([44.0, 45.0], sane=(-0.5, 3.0))[0] > 40, "unless there is nothing else"


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([250_000, 8_000_000], [5e5, 1e6, 2e6, 5e6]),
        ([1e6, 1e9], [1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9]),
        ([1e12, 1e20], [10.0**k for k in range(12, 21)]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(values: list[float], ticks: list[float]):
    assert log_ticks(values) == pytest.approx(ticks)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_names_of_lines_that_coincide_stand_apart_in_their_order(values: list[float]):
    places = apart(values, 0.1, 0.0, 1.0)
    order = sorted(range(len(values)), key=lambda k: values[k])
    steps = [places[b] - places[a] for a, b in pairwise(order)]
    assert all(step >= 0.1 - 1e-9 for step in steps)
    assert min(places) >= -1e-9
    assert max(places) <= 1 + 1e-9


def test_names_that_have_room_stay_where_they_are():
    assert apart([0.9, 0.1, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.9, 0.1, 0.5])
    assert apart([0.5, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.45, 0.55])
