import re
from dataclasses import replace

import pytest

from scaling_fit.intervals import UNKNOWN, Interval
from scaling_fit.tasks.records import Ahead, AtEqualLoss, Emergence, Longest, MetricFit, RollingTask, Signal
from scaling_fit.tasks.words import words

LAST = Interval(0.412, 0.37, 0.454)
AHEAD = Ahead("raw", 3e18, 10.0, 1e8, 5e9, Interval(2.5, 2.4, 2.6), Interval(0.55, 0.48, 0.61))
FIT = MetricFit(
    metric="accuracy", chance=0.25, items=400.0, points=(),
    longest=(Longest("raw", 3e17, 2, LAST, False), Longest("top", 3e17, 2, Interval(0.26, 0.22, 0.3), True)),
    signal=Signal(0.03, 0.01, 3.0, 0.02, 0.024), curves=(), parallel=0.4,
    equal_loss=(AtEqualLoss("top", 3.21, Interval(0.031, 0.01, 0.052), 0.002, 0.004),),
    ahead=(AHEAD,), rolling=RollingTask(24, 0.021, 0.018, 1.2), reason="",
)  # fmt: skip
SEEN = Emergence("raw", "break", 0.3, "margin", 3.61, 0.001, 0.93)


def _words(**changed):
    return words(replace(FIT, **changed), {}, "raw", 0.05)


def test_where_levels_stand():
    assert _words().finding == (
        "Accuracy at the most compute: raw 41.2 % [37.0, 45.4] and top 26.0 % [22.0, 30.0]; guessing scores 25 %. "
        "Not told from chance: top."
    )
    assert _words(longest=FIT.longest[1:]).finding.startswith("At chance throughout. Accuracy")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            FIT.equal_loss[0],
            "top differs from raw by +3.1 [+1.0, +5.2] points (p = 0.004): its text teaches this task more than",
        ),
        (AtEqualLoss("top", 3.2, Interval(-0.03, -0.05, -0.01), 0.01, 0.01), "teaches this task less than the loss shows"),
        (AtEqualLoss("top", 3.2, Interval(0.01, -0.02, 0.04), 0.04, 0.08), "no difference is shown beyond what the loss says"),
        (AtEqualLoss("top", None, UNKNOWN, None, None), "top and raw share no loss, so that they cannot be compared at one."),
    ],
)
def test_at_equal_loss(one, said):
    assert said in _words(equal_loss=(one,)).equal_loss["top"]


def test_fewer_bits_are_better():
    told = _words(metric="bits_per_byte", equal_loss=(AtEqualLoss("top", 3.2, Interval(-0.2, -0.3, -0.1), 0.01, 0.01),))
    assert "by -0.2 [-0.3, -0.1] bits/byte (p = 0.010): its text teaches this task more" in told.equal_loss["top"]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (SEEN, "raw: a break; the margin of the right answer itself turns at a loss of 3.61 nats/token (p = 0.001 if"),
        (replace(SEEN, kind="explained", p=0.4), "of the tested losses, and a smooth rise of the margin of the right "
         "answer explains it (93 % of its variance; p = 0.40 for no turn)"),
        (replace(SEEN, kind="sudden", tested="accuracy", p=0.4), "no continuous metric was given that could explain it"),
        (replace(SEEN, kind="sudden", p=0.4), "the margin of the right answer does not explain it, and no turn is shown"),
        (replace(SEEN, kind="turns", tested="accuracy"), "raw: the accuracy turns at a loss of 3.61 nats/token"),
        (replace(SEEN, kind="smooth", p=0.4), "raw: no break is seen; the margin of the right answer may have risen smoothly"),
        (replace(SEEN, kind="open", p=None), "raw: too few different losses to tell a break from a bend."),
        (replace(SEEN, level="top", kind="chance"), "top: at chance throughout, 26.0 % [22.0, 30.0] at its most compute."),
    ],
)  # fmt: skip
def test_a_sentence_per_kind_of_rise(one, said):
    assert said in words(FIT, {one.level: one}, "raw", 0.05).emergence[one.level]


def test_forecast_and_what_it_is_worth():
    assert _words().forecast == (
        "A run of 3.0e+18 FLOPs, 10 times the largest, would score: raw 55.0 % [48.0, 61.0]. 24 forecasts of the ladder's own "
        "larger runs missed by 2.1 points (root mean square), 1.8 points where the loss was known."
    )
    assert _words(rolling=RollingTask(0, None, None, 1.0)).forecast.endswith("too short to say what such forecasts are worth.")
    assert _words(ahead=()).forecast == ""


def test_which_tasks_can_decide():
    assert "3.0 times the standard error of a difference: this task can tell some of them apart" in _words().signal
    weak = _words(signal=Signal(0.01, 0.01, 1.0, 0.02, None)).signal
    assert re.search(r"cannot decide at this scale. It would take some 4 times the runs.$", weak)
    assert _words(signal=None).signal == ""
