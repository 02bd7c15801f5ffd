"""How much memory a stack takes, and how to cut runs so that they fit: into stacks, micro-batches and ranks.

The estimate decides what is tried; what was tried is measured (training/calibrate.py), and a GPU that runs out of memory
all the same trains the stack in halves (training/run.py).
"""

from __future__ import annotations

import os

import torch

from training.kernels import HEAD_ELEMENTS_CPU, HEAD_ELEMENTS_GPU
from training.shapes import Shape

USABLE = 0.8  # of a device's memory, for training: the rest is for evaluation, fragments and the CUDA context


def step_bytes(
    shape: Shape, vocab_size: int, context: int, batch_tokens: int, runs: int, dtype: torch.dtype, device: str = "cpu"
) -> int:
    """Bytes a stack needs: weights, gradients, two moments, two snapshots, and what backward keeps of `batch_tokens` a run.

    Per layer and token the blocks keep about 13 widths and 6 ff in `dtype` (and, on a CPU, heads * context attention
    odds), the head's chunk and its float32 gradient on top; tests hold it within a factor of two of the measured peak.
    """
    size = torch.finfo(dtype).bits // 8
    state = (4 * 7 + size) * shape.params_total(vocab_size)  # weights, gradient, 2 moments, a snapshot of 3; copies in dtype
    attention = shape.heads * context if device == "cpu" else 0
    kept = shape.depth * (13 * shape.width + 6 * shape.ff + attention) * size
    most = HEAD_ELEMENTS_CPU if device == "cpu" else HEAD_ELEMENTS_GPU
    chunk = min(most, runs * batch_tokens * vocab_size) * size
    return runs * (state + batch_tokens * kept + 4 * shape.params_head(vocab_size)) + 2 * chunk


def device_bytes(device: torch.device) -> int:
    """All the memory of the GPU, or of this machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def token_bytes(vocab_size: int, tokens: int, runs: int) -> int:
    """Bytes of what `runs` runs to `tokens` read, each in its own order; it lies on the device."""
    return (2 if vocab_size <= 1 << 16 else 4) * tokens * runs


def stack_size(
    shape: Shape,
    vocab_size: int,
    context: int,
    batch_tokens: int,
    runs: int,
    budget_bytes: float,
    dtype: torch.dtype = torch.bfloat16,
    device: str = "cpu",
) -> int:
    """How many of `runs` runs to stack within `budget_bytes`: as many as fit, in parts of equal size; 0 if not one does."""
    most = 0
    while most < runs and step_bytes(shape, vocab_size, context, batch_tokens, most + 1, dtype, device) <= budget_bytes:
        most += 1
    return most and evenly(runs, most)


def evenly(runs: int, most: int) -> int:
    """The size of the parts that `runs` are cut into when at most `most` go together: 5 by 4 is 3 and 2, not 4 and 1."""
    parts = -(-runs // most)
    return -(-runs // parts)


def ranks_or_micro_batch(
    shape: Shape,
    vocab_size: int,
    context: int,
    batch_tokens: int,
    budget_bytes: float,
    devices: int,
    dtype: torch.dtype = torch.bfloat16,
    device: str = "cpu",
) -> tuple[int, int]:
    """(ranks, micro_batch) with which one run that is too large for one device fits: over as few of `devices` as do, each
    with its share of the batch; else over one, with that many sequences at a time.

    Raises ValueError where not even one sequence fits.
    """
    sequences = batch_tokens // context

    def fits(at_once: int) -> bool:
        return step_bytes(shape, vocab_size, context, at_once * context, 1, dtype, device) <= budget_bytes

    for ranks in range(1, devices + 1):
        if sequences % ranks == 0 and fits(sequences // ranks):
            return ranks, 0
    for at_once in range(sequences - 1, 0, -1):
        if fits(at_once):
            return 1, at_once
    needed = step_bytes(shape, vocab_size, context, context, 1, dtype, device)
    raise ValueError(
        f"one run of width {shape.width} and depth {shape.depth} needs {needed:,} bytes for a single sequence of {context} "
        f"tokens, the budget is {budget_bytes:,.0f}; take a smaller shape, vocabulary or context, or a larger device"
    )
