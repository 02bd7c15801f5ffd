import pytest
import torch

from training.calibrate import Rate, calibrate, estimate, stack_size, step_bytes
from training.plan import parse_plan
from training.shapes import SHAPES


def test_a_calibration_measures_tokens_per_second():
    rate = calibrate(SHAPES["0.03m"], 96, 32, 128, runs=2, seconds=0.1)
    assert rate.runs == 2
    assert 500 < rate.tokens_per_second < 1e7


def test_the_estimate_counts_trunk_branches_and_evaluation(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    cost = estimate(plan, plan.stacks[0], Rate(2, 1000.0, 123), evaluation_tokens=300)
    assert cost.tokens == 2 * 128 * (32 + 2 + 4 + 8)
    assert cost.seconds == pytest.approx((cost.tokens + 300 * 3 * 2 / 3) / 1000)
    assert cost.peak_bytes == 123


def test_stacks_are_cut_evenly_to_fit():
    one = step_bytes(SHAPES["2m"], 4096, 256, 4096, 1, torch.bfloat16)
    assert stack_size(SHAPES["2m"], 4096, 256, 4096, 5, 4.5 * one) == 3  # 3 + 2, not 4 + 1
    assert stack_size(SHAPES["2m"], 4096, 256, 4096, 5, 100 * one) == 5
    assert stack_size(SHAPES["2m"], 4096, 256, 4096, 5, 0.5 * one) == 0
