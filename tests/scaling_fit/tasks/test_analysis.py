import json
from dataclasses import fields, replace

import numpy as np
import pytest

from scaling_fit import Result, Settings, analyse, summary, with_tasks
from scaling_fit.tasks.scores import Scores


def _join(*parts: Scores) -> Scores:
    return Scores(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Scores)))


@pytest.fixture(scope="module")
def losses(runs) -> Result:
    return analyse(runs, Settings("raw", replicates=40, test_replicates=0))


@pytest.fixture(scope="module")
def result(losses, accuracies, margins) -> Result:
    def guessed(loss):
        return -30.0 + 0.0 * loss

    made = _join(accuracies(lambda loss: 1.5 * (3.8 - loss), 0.4), margins(lambda loss: 1.5 * (3.8 - loss), 0.4))
    lost = accuracies(guessed, seed=5)
    return with_tasks(losses, _join(made, replace(lost, task=np.full(len(lost), "lost", dtype=object))))


def test_nothing_is_made_of_no_scores(losses):
    assert with_tasks(losses, None) is losses
    assert losses.tasks is None


def test_tasks_that_decide_come_first(result):
    assert list(result.tasks.tasks) == ["made", "lost"]
    made = result.tasks.tasks["made"]
    assert made.leading == "accuracy"
    assert set(made.metrics) == {"accuracy", "margin"}
    assert made.lead.signal.ratio > 2 > result.tasks.tasks["lost"].lead.signal.ratio


def test_a_level_is_better_at_equal_loss(result):
    made = result.tasks.tasks["made"]
    (found,) = made.lead.equal_loss
    assert found.level == "worth"
    assert found.offset.low > 0
    assert found.p_adjusted >= found.p
    assert "teaches this task more than the loss shows" in made.words.equal_loss["worth"]


def test_forecasts_go_from_the_largest_budget_to_ten_times_it(result):
    ahead = result.tasks.tasks["made"].lead.ahead
    assert {one.level for one in ahead} == {"raw", "worth"}
    assert min(one.times for one in ahead) >= 0.99
    assert 5 < max(one.times for one in ahead) < 10.2
    for one in ahead:
        assert (
            one.value.low
            < 0.25 + 0.75 / (1 + np.exp(-1.5 * (3.8 - one.loss.value) - 0.4 * (one.level == "worth")))
            < one.value.high
        )
    assert result.tasks.tasks["made"].lead.rolling.forecasts > 20


def test_at_chance_nothing_is_forecast(result):
    lost = result.tasks.tasks["lost"]
    assert [one.kind for one in lost.emergence.values()] == ["chance", "chance"]
    assert lost.lead.ahead == ()
    assert lost.words.forecast == ""
    assert lost.words.finding.startswith("At chance throughout.")


def test_json_holds_it_and_gives_it_back(result):
    back = Result.from_json(result.to_json())
    assert back.tasks.tasks["made"].words == result.tasks.tasks["made"].words
    assert json.loads(back.to_json())["tasks"] == json.loads(result.to_json())["tasks"]


def test_the_summary_says_it(result):
    text = summary(result)
    for task in result.tasks.tasks.values():
        assert task.words.finding in text
        assert all(said in text for said in task.words.emergence.values())


def test_scores_that_are_too_few_say_why(losses, accuracies):
    few = with_tasks(losses, accuracies(lambda loss: 3.8 - loss).where(np.array([0, 1, 40, 41])))
    assert few.tasks.tasks["made"].lead.reason == "4 runs of 2 levels: too few for a curve over the loss"
    assert few.tasks.tasks["made"].words.finding
