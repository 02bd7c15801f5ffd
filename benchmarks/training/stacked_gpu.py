"""Stacked training on an NVIDIA GPU against a plain torch.compile loop that trains the runs one after another.

    python benchmarks/training/stacked_gpu.py [--shapes 1.3m 3.5m 6.4m 39m] [--runs 1 5 15] [--seconds 10]

Prints device, aggregate tokens/s, MFU (dense bfloat16 peak) and the ratio, per shape and stack size, and from the best rates
the time of a ladder of 5 levels x 3 seeds x 3 shapes with 6 D each; add the output to a dated file beside this one. Targets:
>= 4x at 1-2 M, >= 2x at 6 M, MFU >= 40 % from 40 M up, the ladder within 40 minutes on one H200. Without a CUDA device it
rehearses on the CPU, eager and with what is given: that shows that it runs, and nothing else.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from plain import PlainLoop

from training.calibrate import Workload, calibrate
from training.metrics import peak_flops
from training.recipe import recipe
from training.schedule import tokens_of_ladder
from training.shapes import SHAPES, Shape

LADDER = ("1.3m", "3.5m", "6.4m")
LEVELS, SEEDS, BRANCHES, TOKENS_PER_PARAMETER = 5, 3, 6, 20
H200 = 989e12


def ladder_of(shape: Shape) -> list[int]:
    """6 D at ratio 2, up to 20 tokens per body parameter."""
    return [TOKENS_PER_PARAMETER * shape.params_body // 2**i for i in reversed(range(BRANCHES))]


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def rate(step: Callable[[], None], tokens: int, seconds: float) -> float:
    """Tokens per second of `step` after warm-up."""
    block = 10 if torch.cuda.is_available() else 1
    for _ in range(block):
        step()
    synchronize()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(block):
            step()
        steps += block
        synchronize()
    return steps * tokens / (time.perf_counter() - began)


def show_ladder(best: dict[str, float], vocab: int, context: int) -> None:
    """The planned ladder: its FLOPs, the MFU that 40 minutes of an H200 ask for, and its time at the measured rates."""
    runs, flops, seconds = LEVELS * SEEDS, 0.0, 0.0
    for name in LADDER:
        shape = SHAPES[name]
        tokens = runs * tokens_of_ladder(ladder_of(shape), 0.2)
        flops += tokens * shape.flops_per_token(vocab, context)
        seconds += tokens / best[name] if name in best else float("nan")
    print(
        f"ladder {LEVELS} levels x {SEEDS} seeds x {'/'.join(LADDER)}, {BRANCHES} D to {TOKENS_PER_PARAMETER} tokens/parameter"
    )
    print(f"    {flops:.2e} FLOPs: 40 minutes of an H200 at {flops / 2400 / H200:.1%} MFU; here {seconds / 60:.1f} minutes")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", nargs="+", default=["1.3m", "2m", "3.5m", "6.4m", "39m"])
    parser.add_argument("--runs", nargs="+", type=int, default=[1, 5, 15])
    parser.add_argument("--vocab", type=int, default=8192)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    peak, best = peak_flops(device), {}
    print(f"{torch.cuda.get_device_name() if cuda else 'CPU: a rehearsal'}, torch {torch.__version__}")
    values = np.random.default_rng(0).integers(0, arguments.vocab, 50_000_000 if cuda else 1_000_000).astype(np.int32)
    tokens = torch.from_numpy(values).to(device)
    for name in arguments.shapes:
        shape = SHAPES[name]
        batch = recipe(shape, arguments.vocab, arguments.context, ladder_of(shape)[-1:]).batch_tokens
        flops = shape.flops_per_token(arguments.vocab, arguments.context)
        loop = PlainLoop(shape, arguments.vocab, tokens, arguments.context, batch // arguments.context, True, compiled=cuda)
        plain = rate(loop.step, batch, arguments.seconds)
        del loop
        rows = [("plain compiled" if cuda else "plain", plain)]
        for runs in arguments.runs:
            try:
                measured = calibrate(Workload(shape, arguments.vocab, arguments.context, batch), runs, arguments.seconds)
                rows.append((f"stacked {runs}", measured.tokens_per_second))
            except torch.OutOfMemoryError:
                print(f"{name:6} stacked {runs}: out of memory")
            if cuda:
                torch.cuda.empty_cache()
        best[name] = max([speed for _, speed in rows[1:]], default=float("nan"))
        for label, speed in rows:
            mfu = f"MFU {speed * flops / peak:6.1%}" if peak else ""
            print(f"{name:6} batch {batch:7} {label:15} {speed:13,.0f} tokens/s  {mfu}  ratio {speed / plain:.2f}")
    show_ladder(best, arguments.vocab, arguments.context)


if __name__ == "__main__":
    main()
