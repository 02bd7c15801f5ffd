from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.tasks.emergence import decided, emergence, explained
from scaling_fit.tasks.records import Emergence


def _raw(scores):
    return scores.where(scores.level == "raw")


def _seen(accuracy, margin, chance: bool = False) -> Emergence:
    metrics = {"accuracy": _raw(accuracy)} | ({"margin": _raw(margin)} if margin is not None else {})
    return decided([emergence("raw", metrics, {"accuracy": 0.0, "margin": 0.3}, chance)], 0.05)[0]


def test_a_threshold_explains_a_leap_of_the_accuracy(accuracies, margins):
    """Eight nats of margin per nat of loss: the accuracy leaves chance and is near 1 half a nat on."""
    found = _seen(accuracies(lambda loss: 8.0 * (3.3 - loss)), margins(lambda loss: 8.0 * (3.3 - loss)))
    assert found.kind == "explained"
    assert found.tested == "margin"
    assert found.p >= 0.05
    assert found.span == pytest.approx(4.4 / 8.0 / 2.47, abs=0.06)  # 10 to 90 % of a sigmoid, of 2.47 nats tested
    assert found.follows > 0.9


def test_without_a_continuous_metric_a_leap_stays_one(accuracies):
    found = _seen(accuracies(lambda loss: 8.0 * (3.3 - loss)), None)
    assert found.kind == "sudden"
    assert found.tested == "accuracy"
    assert found.follows is None
    onset = _seen(accuracies(lambda loss: np.log(np.maximum(1.5 * (3.6 - loss), 1e-9))), None)
    assert onset.kind == "turns"
    assert onset.loss == pytest.approx(3.6, abs=0.3)


def test_a_margin_that_turns_is_a_break(accuracies, margins):
    def ability(loss):
        return 4.0 * np.maximum(0.0, 3.5 - loss)

    found = _seen(accuracies(lambda loss: ability(loss) - 2.0), margins(ability))
    assert found.kind == "break"
    assert found.loss == pytest.approx(3.5, abs=0.2)


def test_a_smooth_rise_and_chance_and_too_few(accuracies, margins):
    accuracy, margin = accuracies(lambda loss: 1.5 * (4.0 - loss)), margins(lambda loss: 1.5 * (4.0 - loss))
    assert _seen(accuracy, margin).kind == "smooth"
    assert _seen(accuracy, margin, chance=True) == Emergence("raw", "chance", None, "margin", None, None, None)
    few = np.arange(6)
    metrics = {"accuracy": _raw(accuracy).where(few), "margin": _raw(margin).where(few)}
    assert emergence("raw", metrics, {}, False).kind == "open"


def test_what_a_margin_explains(accuracies, margins):
    accuracy, margin = _raw(accuracies(lambda loss: 2.0 * (3.8 - loss))), _raw(margins(lambda loss: 2.0 * (3.8 - loss)))
    assert explained(accuracy, margin) > 0.95
    shuffled = replace(margin, value=np.random.default_rng(0).permutation(margin.value))
    assert explained(accuracy, shuffled) < 0.3


def test_many_tests_are_adjusted():
    one = Emergence("raw", "open", 0.7, "margin", 3.0, 0.02, 0.9)
    assert decided([one], 0.05)[0].kind == "break"
    many = decided([one, replace(one, p=0.4), replace(one, p=None), replace(one, p=0.6)], 0.05)
    assert [found.kind for found in many] == ["smooth", "smooth", "open", "smooth"]
    assert many[0].p == pytest.approx(0.06)
