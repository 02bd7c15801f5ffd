"""Interval arithmetic against definitions and statsmodels-free references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from scaling_fit.intervals import Interval, finite, holm, percentile, show, tost


def test_holm_is_the_textbook_example() -> None:
    # Holm 1979: p = .01 .04 .03 .005 -> .03 .06 .06 .02
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_percentile_of_a_centred_normal_is_its_quantiles() -> None:
    draws = norm.ppf((np.arange(20001) + 0.5) / 20001)
    one = percentile(0.0, draws, 0.9)
    assert (one.low, one.high) == pytest.approx((norm.ppf(0.05), norm.ppf(0.95)), abs=1e-3)


def test_bias_correction_moves_towards_the_estimate() -> None:
    """Draws centred half a standard deviation above the estimate: BC moves both ends down by twice that bias."""
    draws = 0.5 + norm.ppf((np.arange(20001) + 0.5) / 20001)
    one = percentile(0.0, draws, 0.9)
    assert (one.low, one.high) == pytest.approx((norm.ppf(0.05) - 0.5, norm.ppf(0.95) - 0.5), abs=5e-3)


def test_tail_probabilities_are_unbiased_in_small_samples() -> None:
    """The 5 % end of 39 uniform draws is its second: exceeded by a fresh draw 5 % of the time."""
    assert percentile(0.5, (np.arange(39) + 1) / 40, 0.9, corrected=False).low == pytest.approx(0.05)


def test_tost_is_two_one_sided_t_tests() -> None:
    assert tost(0.004, 0.006, 0.02, 30) == pytest.approx(t.cdf((0.004 - 0.02) / 0.006, 30))
    assert tost(-0.03, 0.006, 0.02, 30) > 0.9


def test_open_ends_are_none_in_json() -> None:
    assert Interval(1.0, -np.inf, 2.0).to_dict() == {"value": 1.0, "low": None, "high": 2.0}
    assert finite(np.nan) is None
    assert (show(None), show(0.123456)) == ("open", "0.12346")


@given(
    st.floats(-10, 10),
    st.lists(st.floats(-10, 10), min_size=1, max_size=40),
    st.sampled_from([0.5, 0.9, 0.95]),
    st.booleans(),
)
def test_an_interval_holds_its_value(value: float, draws: list[float], confidence: float, corrected: bool) -> None:
    one = percentile(value, np.array(draws), confidence, corrected)
    assert one.low <= one.value <= one.high
