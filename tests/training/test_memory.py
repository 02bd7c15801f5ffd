import subprocess
import sys

import numpy as np
import pytest
import torch

from training.memory import device_bytes, evenly, ranks_or_micro_batch, stack_size, step_bytes, token_bytes
from training.shapes import SHAPES
from training.tokens import Batches

CELL = SHAPES["2m"], 4096, 256, 4096  # shape, vocabulary, context, tokens per batch


def bytes_of(runs, batch_tokens=4096, device="cpu"):
    return step_bytes(SHAPES["2m"], 4096, 256, batch_tokens, runs, torch.bfloat16, device)


def test_stacks_are_cut_evenly_to_fit():
    assert [evenly(5, most) for most in (1, 2, 3, 4, 5, 9)] == [1, 2, 3, 3, 5, 5]
    assert stack_size(*CELL, runs=5, budget_bytes=bytes_of(4)) == 3  # 3 + 2, not 4 + 1
    assert stack_size(*CELL, runs=5, budget_bytes=bytes_of(5)) == 5
    assert stack_size(*CELL, runs=5, budget_bytes=bytes_of(1) - 1) == 0


def test_what_does_not_fit_is_spread_over_as_few_devices_as_do():
    """16 sequences: 2, 4, 8 or 16 ranks; the budget of 6 sequences takes 4."""
    budget = bytes_of(1, 6 * 256)
    assert ranks_or_micro_batch(*CELL, budget_bytes=bytes_of(1), devices=8) == (1, 0)
    assert ranks_or_micro_batch(*CELL, budget_bytes=budget, devices=8) == (4, 0)
    assert ranks_or_micro_batch(*CELL, budget_bytes=budget, devices=3) == (1, 6)  # two devices are too few, three do not divide
    with pytest.raises(ValueError, match="for a single sequence of 256 tokens, the budget is 1,000; take a smaller"):
        ranks_or_micro_batch(*CELL, budget_bytes=1000, devices=8)


def test_a_gpu_keeps_no_attention_odds():
    assert bytes_of(1, 1 << 20, "cuda") < 0.8 * bytes_of(1, 1 << 20, "cpu")


def test_each_run_holds_what_it_reads():
    windows = [np.zeros((10, 33), np.uint16), np.zeros((10, 33), np.uint16)]
    held = sum(tokens.nbytes for tokens, _ in Batches(windows, 2, torch.device("cpu")).held)
    assert token_bytes(96, 10 * 32, 2) <= held <= 1.04 * token_bytes(96, 10 * 32, 2)
    assert token_bytes(1 << 17, 320, 1) == 4 * 320


def test_this_machine_has_memory():
    assert 1 << 28 < device_bytes(torch.device("cpu")) < 1 << 50


@pytest.mark.slow
def test_the_memory_estimate_holds():
    """Against the process's own high-water mark, within a factor of two (a CPU has no allocator to ask)."""
    code = (
        "import resource, torch\n"
        "from training.calibrate import Workload, calibrate\n"
        "from training.shapes import SHAPES\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rate = calibrate(Workload(SHAPES['1.3m'], 4096, 256, 8192), runs=2, seconds=0.1)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024 / rate.peak_bytes)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.5 < float(done.stdout) < 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["1.3m", "39m"])
def test_the_memory_estimate_holds_on_a_gpu(name):
    from training.calibrate import Workload, calibrate

    rate = calibrate(Workload(SHAPES[name], 8192, 512, 32_768), runs=3, seconds=0.1)
    assert 0.5 < step_bytes(SHAPES[name], 8192, 512, 32_768, 3, torch.bfloat16, "cuda") / rate.peak_bytes < 2
