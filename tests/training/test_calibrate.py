import pytest
import torch

from training import calibrate as module
from training.calibrate import Rate, Workload, best_stack, calibrate, estimate
from training.plan import parse_plan
from training.shapes import SHAPES

WORK = Workload(SHAPES["0.2m"], vocab_size=512, context=64, batch_tokens=1024)


def test_a_calibration_measures_tokens_per_second():
    rate = calibrate(Workload(SHAPES["0.03m"], 96, 32, 128), runs=2, seconds=0.1)
    assert rate.runs == 2
    assert 500 < rate.tokens_per_second < 1e7


def test_the_estimate_counts_trunk_branches_and_evaluation(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    cost = estimate(plan, plan.stacks[0], Rate(2, 1000.0, 123), evaluation_tokens=300)
    assert cost.tokens == 2 * 128 * (32 + 2 + 4 + 8)
    assert cost.seconds == pytest.approx((cost.tokens + 0.5 * 300 * 3 * 2) / 1000)
    assert cost.peak_bytes == 123


@pytest.fixture
def measured(monkeypatch):
    """A device on which two runs at once are fastest; the sizes that were tried."""
    speed, tried = {1: 100.0, 2: 150.0, 4: 120.0}, []

    def measure(work, runs, seconds):
        tried.append(runs)
        return Rate(runs, speed[runs], 1000 * runs)

    monkeypatch.setattr(module, "calibrate", measure)
    return tried


def test_the_best_stack_is_the_fastest_that_fits(measured):
    assert [rate.runs for rate in best_stack(WORK, 4, budget_bytes=1e12)] == [2, 4, 1]
    assert measured == [1, 2, 4]
    assert best_stack(WORK, 4, budget_bytes=1e5) == []  # not even one: nothing is tried on a CPU
    assert measured == [1, 2, 4]


def test_what_takes_more_than_the_budget_is_left_out(measured, monkeypatch):
    monkeypatch.setattr(module, "stack_size", lambda *given: 4)  # the estimate was too low
    assert [rate.runs for rate in best_stack(WORK, 4, budget_bytes=1500)] == [1]


def test_running_out_of_memory_is_a_measurement_too(monkeypatch):
    def measure(work, runs, seconds):
        if runs > 2:
            raise torch.OutOfMemoryError("full")
        return Rate(runs, 10.0 * runs, 1)

    monkeypatch.setattr(module, "calibrate", measure)
    assert [rate.runs for rate in best_stack(WORK, 4, budget_bytes=1e12)] == [2, 1]
