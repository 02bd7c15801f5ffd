"""Stacked training on an NVIDIA GPU against a plain torch.compile loop that trains the runs one after another.

    python benchmarks/training/stacked_gpu.py [--shapes 1.3m 6.4m 39m] [--runs 1 5 15] [--seconds 10]

Prints device, aggregate tokens/s, MFU (dense bfloat16 peak) and the ratio, per shape and stack size; add the output to
a dated file beside this one. Targets (issue 5): >= 4x at 1-2 M, >= 2x at 6 M, MFU >= 40 % from 40 M up.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from plain import PlainLoop

from training.calibrate import calibrate
from training.metrics import peak_flops
from training.recipe import recipe
from training.shapes import SHAPES


def rate(step: Callable[[], None], tokens: int, seconds: float) -> float:
    """Tokens per second of `step` after warm-up."""
    for _ in range(10):
        step()
    torch.cuda.synchronize()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(10):
            step()
        steps += 10
        torch.cuda.synchronize()
    return steps * tokens / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", nargs="+", default=["1.3m", "2m", "6.4m", "39m"])
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 5, 15])
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device; see stacked_cpu.py")
    device = torch.device("cuda")
    peak = peak_flops(device)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    values = np.random.default_rng(0).integers(0, arguments.vocab, 50_000_000).astype(np.int32)
    tokens = torch.from_numpy(values).to(device)
    for name in arguments.shapes:
        shape = SHAPES[name]
        batch = recipe(shape, arguments.vocab, arguments.context, [20 * shape.params_body]).batch_tokens
        flops = shape.flops_per_token(arguments.vocab, arguments.context)
        loop = PlainLoop(shape, arguments.vocab, tokens, arguments.context, batch // arguments.context, True, compiled=True)
        plain = rate(loop.step, batch, arguments.seconds)
        rows = [("plain compiled", plain)]
        for runs in arguments.runs:
            try:
                measured = calibrate(shape, arguments.vocab, arguments.context, batch, runs, seconds=arguments.seconds)
                rows.append((f"stacked {runs}", measured.tokens_per_second))
            except torch.OutOfMemoryError:
                print(f"{name:6} stacked {runs}: out of memory")
        for label, speed in rows:
            mfu = f"MFU {speed * flops / peak:6.1%}" if peak else ""
            print(f"{name:6} batch {batch:7} {label:15} {speed:13,.0f} tokens/s  {mfu}  ratio {speed / plain:.2f}")


if __name__ == "__main__":
    main()
