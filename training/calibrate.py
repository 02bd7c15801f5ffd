"""What a ladder will cost on this device, from a short measured calibration.

`calibrate` trains a few steps of each shape on random tokens and `Estimate` turns the rate into seconds and bytes for a
stack: its trunk, its branches and its evaluations. `assay ladder` prints it; the planner takes its stack size from it.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch

from training.course import trained_steps
from training.memory import evenly, stack_size, step_bytes
from training.model import Architecture
from training.plan import Optimizer, Plan, Stack
from training.shapes import Shape
from training.step import Trainer, keep_freed_memory, resolve_precision
from training.tokens import Batches

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


@dataclass(frozen=True)
class Workload:
    """What every run of a stack does, step by step."""

    shape: Shape
    vocab_size: int
    context: int
    batch_tokens: int
    precision: str = "auto"
    threads: int = 1
    document_mask: bool = False


def calibrate(work: Workload, runs: int = 1, seconds: float = 1.0) -> Rate:
    """Train `runs` runs for about `seconds` (at least three steps) on random tokens; the median step counts.

    One CPU thread is timed by its processor time, so that other work on the machine does not count.

    Raises torch.OutOfMemoryError where a GPU cannot hold them.
    """
    torch.set_num_threads(work.threads)
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sequences = work.batch_tokens // work.context
    windows = np.random.default_rng(0).integers(0, work.vocab_size, (4 * sequences, work.context + 1)).astype(np.uint32)
    architecture = Architecture(work.shape, work.vocab_size)
    dtype = resolve_precision(work.precision, device)
    trainer = Trainer(
        architecture,
        Batches([windows] * runs, sequences, device),
        torch.stack([architecture.initial(seed) for seed in range(runs)]),
        (1e-3,) * runs,
        Optimizer(),
        dtype,
        masked_eot=0 if work.document_mask else None,
    )
    trainer.set_schedule(np.ones(100_000, dtype=np.float32))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    clock = time.process_time if device.type == "cpu" and work.threads == 1 else time.perf_counter
    block = 1 if device.type == "cpu" else 10  # steps between two waits: a GPU works ahead of its host
    times: list[float] = []
    trainer.advance()
    while len(times) < 3 or block * sum(times) < seconds:
        _synchronize(device)
        began = clock()
        for _ in range(block):
            trainer.advance()
        _synchronize(device)
        times.append((clock() - began) / block)
    peak = step_bytes(work.shape, work.vocab_size, work.context, work.batch_tokens, runs, dtype)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated()
    return Rate(runs, runs * work.batch_tokens / float(np.median(times)), int(peak))


def estimate(plan: Plan, stack: Stack, rate: Rate, evaluation_tokens: int) -> Estimate:
    """The cost of `stack` at a measured `rate`; an evaluated token costs EVALUATION_SHARE of a trained one."""
    shape = plan.shapes[stack.shape]
    ends, by_seed = [stack.steps(tokens) for tokens in stack.tokens], defaultdict(list)
    for run, lr in zip(stack.runs, stack.lr_K, strict=True):
        by_seed[run.seed, lr].append(plan.course(run.level))
    steps = sum(trained_steps(courses, ends, plan.schedule.cooldown) for courses in by_seed.values())
    tokens = (ends[-1] * len(stack.runs) if plan.schedule.kind == "cosine" else steps) * stack.batch_tokens
    evaluated = evaluation_tokens * len(ends) * len(stack.runs)
    per_token = shape.flops_per_token(plan.vocab_size, plan.context)
    seconds = (tokens + EVALUATION_SHARE * evaluated) / rate.tokens_per_second
    return Estimate(tokens, per_token * (tokens + evaluated / 3), seconds, rate.peak_bytes)


def best_stack(work: Workload, runs: int, budget_bytes: float, seconds: float = 1.0) -> list[Rate]:
    """Measured ways to train `runs` runs within `budget_bytes`, the fastest first: one at a time, half as many as fit at
    once, and as many as fit. Empty where not even one run fits."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = resolve_precision(work.precision, device)
    size = work.shape, work.vocab_size, work.context, work.batch_tokens
    most = stack_size(*size, runs, budget_bytes, dtype, device.type)
    rates = []
    if not most and device.type == "cpu":
        return []  # a GPU refuses what it cannot hold, a CPU is brought down by it
    for together in sorted({1, evenly(runs, -(-most // 2)), most} if most else {1}):
        try:
            rate = calibrate(work, together, seconds)
        except torch.OutOfMemoryError:
            break
        finally:
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
        if rate.peak_bytes > budget_bytes:
            break
        rates.append(rate)
    return sorted(rates, key=lambda rate: -rate.tokens_per_second)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
