import math

import pytest

from scaling_fit.intervals import Interval
from scaling_fit.wording import count, eval_words, interval, listed, probability, span, times


@pytest.mark.parametrize(
    ("value", "text"), [(950, "950"), (12_345_678, "12.3M"), (999_999, "1M"), (2e9, "2B"), (3.2e13, "32T")]
)
def test_count(value: float, text: str):
    assert count(value) == text


def test_ratios_odds_and_lists():
    assert [times(1.4267), times(12.4)] == ["1.43×", "12×"]
    assert [probability(p) for p in (None, 1e-9, 0.0432, 0.5)] == ["not tested", "p < 0.001", "p = 0.043", "p = 0.50"]
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b and c"]


def test_an_open_interval_says_so():
    assert interval(Interval(0.0, -0.1, math.inf), "%+.1f") == "+0.0 [-0.1, open]"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.1, 0.2, "anything between -0.100 and +0.200"),
        (-math.inf, 0.2, "anything up to +0.200"),
        (-0.1, math.inf, "anything from -0.100 up"),
        (-math.inf, math.inf, "anything"),
    ],
)
def test_what_is_not_bounded_is_not_given_a_bound(low: float, high: float, words: str):
    assert span(Interval(0.0, low, high)) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("heldout", "all held-out text"),
        ("heldout-pool", "held-out text weighed as the pool"),
        ("domain:web", "web (held out)"),
        ("reference:wiki", "wiki (reference)"),
        ("own:top", "top's own text"),
    ],
)
def test_evaluation_sets(name: str, words: str):
    assert eval_words(name) == words
