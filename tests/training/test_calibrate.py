import subprocess
import sys

import pytest
import torch

from training.calibrate import Rate, best_stack, calibrate, estimate, stack_size, step_bytes
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
    assert cost.seconds == pytest.approx((cost.tokens + 0.5 * 300 * 3 * 2) / 1000)
    assert cost.peak_bytes == 123


def test_stacks_are_cut_evenly_to_fit():
    one = step_bytes(SHAPES["2m"], 4096, 256, 4096, 1, torch.bfloat16)
    assert stack_size(SHAPES["2m"], 4096, 256, 4096, 5, 4.5 * one) == 3  # 3 + 2, not 4 + 1
    assert stack_size(SHAPES["2m"], 4096, 256, 4096, 5, 100 * one) == 5
    assert stack_size(SHAPES["2m"], 4096, 256, 4096, 5, 0.5 * one) == 0


def test_the_best_stack_is_the_fastest_that_fits(monkeypatch):
    speed = {1: 100.0, 2: 150.0, 4: 120.0}
    monkeypatch.setattr("training.calibrate.calibrate", lambda *given, seconds: Rate(given[4], speed[given[4]], 0))
    assert best_stack(SHAPES["0.2m"], 512, 64, 1024, 4, 1e12).runs == 2
    with pytest.raises(ValueError, match="set micro_batch, shrink the batch"):
        best_stack(SHAPES["0.2m"], 512, 64, 1024, 4, 1e5)


@pytest.mark.slow
def test_the_memory_estimate_holds():
    """Against the process's own high-water mark, within a factor of two (a CPU has no allocator to ask)."""
    code = (
        "import resource, torch\n"
        "from training.calibrate import calibrate\n"
        "from training.shapes import SHAPES\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rate = calibrate(SHAPES['1.3m'], 4096, 256, 8192, runs=2, seconds=0.1)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024 / rate.peak_bytes)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.5 < float(done.stdout) < 2
