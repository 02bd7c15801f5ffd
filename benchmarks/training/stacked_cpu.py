"""Stacked training of 4 runs against a plain loop that trains them one after another, on CPU cores.

    python benchmarks/training/stacked_cpu.py [--threads 2] [--shapes 0.3m 2m] [--batch 4096] [--rounds 9]

Each round times one optimizer step of every run on each side, interleaved; the medians give the ratio. The plain side
is timed in float32 and in bfloat16 autocast and its better one counts. CPU seconds are printed too: they hold on a busy
machine, where wall time does not.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from plain import PlainLoop

from training.model import Architecture
from training.plan import Optimizer
from training.shapes import SHAPES
from training.step import Trainer, keep_freed_memory, resolve_precision
from training.tokens import Batches

RUNS, CPU = 4, torch.device("cpu")


def stacked(shape_name: str, vocab: int, context: int, batch: int, tokens: np.ndarray, precision: str) -> Trainer:
    architecture = Architecture(SHAPES[shape_name], vocab)
    windows = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[::context].copy()
    batches = Batches([windows] * RUNS, batch, CPU)
    initial = torch.stack([architecture.initial(seed) for seed in range(RUNS)])
    dtype = resolve_precision(precision, CPU)
    trainer = Trainer(architecture, batches, initial, (1e-3,) * RUNS, Optimizer(), dtype)
    trainer.set_schedule(np.ones(10_000, dtype=np.float32))
    return trainer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shapes", nargs="+", default=["0.3m", "2m"])
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4096, help="tokens per run and step")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compiled", action="store_true", help="also torch.compile the plain side")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()  # for both sides
    sequences = arguments.batch // arguments.context
    values = np.random.default_rng(0).integers(0, arguments.vocab, 400_000).astype(np.uint16)
    tokens = torch.from_numpy(values.astype(np.int32))
    for name in arguments.shapes:
        sides: dict[str, Callable[[], None]] = {}
        for label, bfloat16, compiled in (("plain float32", False, False), ("plain bfloat16", True, False)):
            loops = [
                PlainLoop(SHAPES[name], arguments.vocab, tokens, arguments.context, sequences, bfloat16, compiled)
                for _ in range(RUNS)
            ]
            sides[label] = lambda loops=loops: [loop.step() for loop in loops]
            if arguments.compiled:
                loop = PlainLoop(SHAPES[name], arguments.vocab, tokens, arguments.context, sequences, bfloat16, True)
                sides[f"{label} compiled"] = lambda loop=loop: [loop.step() for _ in range(RUNS)]
        for precision in ("float32", "auto"):
            trainer = stacked(name, arguments.vocab, arguments.context, sequences, values, precision)
            sides[f"stacked {str(trainer.dtype)[6:]}"] = trainer.advance
        wall: dict[str, list[float]] = {label: [] for label in sides}
        cpu: dict[str, list[float]] = {label: [] for label in sides}
        for r in range(arguments.rounds + 2):
            for label, advance in sides.items():
                began, busy = time.perf_counter(), time.process_time()
                advance()
                if r >= 2:
                    wall[label].append(time.perf_counter() - began)
                    cpu[label].append(time.process_time() - busy)
        count = RUNS * arguments.batch
        flops = SHAPES[name].flops_per_token(arguments.vocab, arguments.context)
        for label in sides:
            w, c = statistics.median(wall[label]), statistics.median(cpu[label])
            print(
                f"{name:6} {label:22} {count / w:9,.0f} tokens/s  {count / c:9,.0f} tokens per CPU second  "
                f"{flops * count / w / 1e9:6.0f} GFLOP/s"
            )
        for what, times in (("wall", wall), ("CPU", cpu)):
            plain = min(statistics.median(times[label]) for label in sides if label.startswith("plain"))
            ours = min(statistics.median(times[label]) for label in sides if label.startswith("stacked"))
            print(f"{name:6} ratio by {what} time, best dtype each: {plain / ours:.2f}")


if __name__ == "__main__":
    main()
