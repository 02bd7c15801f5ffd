"""What a ladder will cost on this device, from a short measured calibration.

`calibrate` trains a few steps of each shape on random tokens and `Estimate` turns the rate into seconds and bytes for a
stack: its trunk, its branches and its evaluations. `assay ladder` prints it; the planner takes its stack size from it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from training.model import Architecture
from training.plan import Optimizer, Plan, Stack
from training.schedule import tokens_of_ladder
from training.shapes import Shape
from training.step import Trainer, keep_freed_memory, resolve_precision
from training.tokens import Batches, Stream

EVALUATION_SHARE = 0.5  # of a training step per token: a forward pass, its head in float32 (measured on a CPU: 0.4 to 0.55)


@dataclass(frozen=True)
class Rate:
    """Measured on one device for `runs` runs at once: aggregate tokens per second, and bytes at the peak of a step
    (on a CPU estimated by `step_bytes`)."""

    runs: int
    tokens_per_second: float
    peak_bytes: int


@dataclass(frozen=True)
class Estimate:
    """`tokens` are those trained by all runs of the stack (trunk and branches), evaluation excluded."""

    tokens: int
    flops: float
    seconds: float
    peak_bytes: int


def step_bytes(shape: Shape, vocab_size: int, context: int, batch_tokens: int, runs: int, dtype: torch.dtype) -> int:
    """Bytes a stack needs: weights, gradients, two moments, a snapshot of the trunk, and what backward keeps.

    Per layer and token the blocks keep about 13 widths and 6 ff in `dtype` (and, on a CPU, heads * context attention
    odds), the head's chunk and its float32 gradient on top; tests hold it within a factor of two of the measured peak.
    """
    size = torch.finfo(dtype).bits // 8
    state = 4 * 7 * shape.params_total(vocab_size)  # weights, gradient, 2 moments, and a snapshot of 3
    attention = shape.heads * context
    kept = shape.depth * (13 * shape.width + 6 * shape.ff + attention) * size
    head = 4 * shape.params_head(vocab_size) + (1 << 22)
    return runs * (state + batch_tokens * kept + head)


def calibrate(
    shape: Shape,
    vocab_size: int,
    context: int,
    batch_tokens: int,
    runs: int = 1,
    precision: str = "auto",
    threads: int = 1,
    seconds: float = 1.0,
    document_mask: bool = False,
) -> Rate:
    """Train `runs` runs of `shape` for about `seconds` (at least three steps) on random tokens; the median step counts."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    values = np.random.default_rng(0).integers(0, vocab_size, max(4 * batch_tokens, 2 * context)).astype(np.uint32)
    stream = Stream(values, np.array([0, len(values)]), np.zeros(1, dtype=np.uint64), context)
    architecture = Architecture(shape, vocab_size)
    dtype = resolve_precision(precision, device)
    trainer = Trainer(
        architecture,
        Batches([stream] * runs, list(range(runs)), batch_tokens // context, device),
        torch.stack([architecture.initial(seed) for seed in range(runs)]),
        (1e-3,) * runs,
        Optimizer(),
        dtype,
        masked_eot=0 if document_mask else None,
    )
    trainer.set_schedule(np.ones(100_000, dtype=np.float32))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    times: list[float] = []
    trainer.advance()
    while len(times) < 3 or sum(times) < seconds:
        _synchronize(device)
        began = time.perf_counter()
        trainer.advance()
        _synchronize(device)
        times.append(time.perf_counter() - began)
    peak = step_bytes(shape, vocab_size, context, batch_tokens, runs, dtype)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated()
    return Rate(runs, runs * batch_tokens / float(np.median(times)), int(peak))


def estimate(plan: Plan, stack: Stack, rate: Rate, evaluation_tokens: int) -> Estimate:
    """The cost of `stack` at a measured `rate`; an evaluated token costs EVALUATION_SHARE of a trained one."""
    shape = plan.shapes[stack.shape]
    ladder = [stack.steps(tokens) * stack.batch_tokens for tokens in stack.tokens]
    trained = ladder[-1] if plan.schedule.kind == "cosine" else tokens_of_ladder(ladder, plan.schedule.cooldown)
    tokens = round(trained * len(stack.runs))
    evaluated = evaluation_tokens * len(ladder) * len(stack.runs)
    per_token = shape.flops_per_token(plan.vocab_size, plan.context)
    seconds = (tokens + EVALUATION_SHARE * evaluated) / rate.tokens_per_second
    return Estimate(tokens, per_token * (tokens + evaluated / 3), seconds, rate.peak_bytes)


def stack_size(shape: Shape, vocab_size: int, context: int, batch_tokens: int, runs: int, budget_bytes: float) -> int:
    """How many of `runs` runs to stack within `budget_bytes`: as many as fit, in parts of equal size; 0 if not one does."""
    one = step_bytes(shape, vocab_size, context, batch_tokens, 1, torch.bfloat16)
    most = int(budget_bytes // one)
    if most < 1:
        return 0
    parts = -(-runs // min(most, runs))
    return -(-runs // parts)


def best_stack(
    shape: Shape, vocab_size: int, context: int, batch_tokens: int, runs: int, budget_bytes: float, seconds: float = 1.0
) -> Rate:
    """The fastest measured way to train `runs` runs within `budget_bytes`: of one at a time, half of them, and all.

    Raises ValueError where not even one run fits.
    """
    most = stack_size(shape, vocab_size, context, batch_tokens, runs, budget_bytes)
    if most == 0:
        raise ValueError(
            f"one run of width {shape.width} needs {step_bytes(shape, vocab_size, context, batch_tokens, 1, torch.bfloat16)} "
            f"bytes, the budget is {budget_bytes:.0f}; set micro_batch, shrink the batch, or train it data-parallel"
        )
    sizes = sorted({1, -(-most // 2), most})
    rates = [calibrate(shape, vocab_size, context, batch_tokens, size, seconds=seconds) for size in sizes]
    return max(rates, key=lambda rate: rate.tokens_per_second)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
