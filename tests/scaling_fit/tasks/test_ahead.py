from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.intervals import Interval
from scaling_fit.levels.outlook import ForecastError
from scaling_fit.tasks.ahead import near, roll, score
from scaling_fit.tasks.curve import fit_curve


def _errors(scores, cut: float, percent: float) -> tuple[ForecastError, ...]:
    ahead = scores.where(scores.flops > cut)
    rows = zip(ahead.level.tolist(), ahead.shape.tolist(), ahead.N.tolist(), ahead.D.tolist(), strict=True)
    return tuple(ForecastError(level, shape, cut, N, D, 1.0, percent) for level, shape, N, D in rows)


def test_an_interval_carries_both_steps(margins):
    curve = fit_curve(margins(lambda loss: 1.2 * (5.2 - loss)))
    sure = score(curve, "raw", Interval(2.5, 2.4999, 2.5001), 1.0, 0.95)
    loose = score(curve, "raw", Interval(2.5, 2.3, 2.7), 1.0, 0.95)
    assert sure.value == loose.value == pytest.approx(1.2 * 2.7, abs=0.1)
    # 1.2 per nat: a loss known to 0.2 is a margin known to 0.24, beside what the curve leaves open
    alone = (sure.high - sure.low) / 2
    assert (loose.high - loose.low) / 2 == pytest.approx(np.hypot(alone, 1.2 * 0.2), rel=0.1)
    wider = score(curve, "raw", Interval(2.5, 2.4999, 2.5001), 3.0, 0.95)
    assert wider.high - wider.low > 1.3 * (sure.high - sure.low)


def test_a_loss_without_an_interval_gives_none(accuracies):
    curve = fit_curve(accuracies(lambda loss: 2.0 * (3.5 - loss)))
    assert not score(curve, "raw", Interval(2.5, -np.inf, np.inf), 1.0, 0.95).bounded
    bounded = score(curve, "raw", Interval(1.0, 0.5, 2.0), 1.0, 0.95)
    assert 0 <= bounded.low <= bounded.value <= bounded.high <= 1


def test_errors_of_the_chain_and_of_the_curve(margins):
    scores = margins(lambda loss: 1.2 * (5.2 - loss), luck=0.0)
    cut = float(np.median(scores.flops))
    right, wrong = roll(scores, _errors(scores, cut, 0.0)), roll(scores, _errors(scores, cut, 3.0))
    assert right.forecasts == int((scores.flops > cut * 1.01).sum())
    assert right.at_known_loss == wrong.at_known_loss == pytest.approx(0.06, abs=0.03)
    # 3 % of a loss of about 3.2 is a tenth of a nat
    assert wrong.chained == pytest.approx(np.hypot(right.chained, 1.2 * 0.03 * 3.2), rel=0.25)


def test_a_curve_of_the_wrong_form_is_widened(margins):
    def turning(loss):
        return 0.3 * (5.2 - loss) + 3.0 * np.maximum(0.0, 3.2 - loss)

    cut = 6 * 8e7 * 3.2e9
    told = [roll(one, _errors(one, cut, 0.0)).widened for one in (margins(lambda loss: 5.2 - loss), margins(turning))]
    assert told[0] < 1.6 < told[1]


def test_a_forecast_is_made_from_the_runs_next_to_it(margins):
    scores = margins(lambda loss: 5.2 - loss)
    middle = (scores.loss.min() + scores.loss.max()) / 2
    assert near(scores).loss.max() <= middle
    assert len(near(scores)) == (scores.loss <= middle).sum()
    few = scores.where((scores.level == "raw") | (scores.loss > middle))
    assert near(few) is few


def test_too_few_runs_below_a_cut(margins):
    scores = margins(lambda loss: 5.2 - loss)
    nothing = roll(scores, _errors(scores, float(scores.flops.min()), 0.0))
    assert nothing == replace(nothing, forecasts=0, chained=None, at_known_loss=None, widened=1.0)
