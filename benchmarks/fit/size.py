"""Seconds and memory of `assay fit` on large tables: `python benchmarks/fit/size.py [ROWS ...]`.

Tables are simulated from the published law (Besiroglu et al. 2024) with 0.3 % noise: one level of every size, and two levels
of twelve sizes. Each fit is a process of its own; its peak memory and processor seconds are what the system counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TRUTH = {"E": 1.8172, "A": 477.8, "alpha": 0.3473, "B": 2143.0, "beta": 0.3672}


def write(path: Path, rows: int, levels: int) -> None:
    rng = np.random.default_rng(0)
    N, D = (
        np.exp(rng.uniform(*np.log([[1e7], [1e10]]), rows)).round(),
        np.exp(rng.uniform(*np.log([[1e8], [1e12]]), rows)).round(),
    )
    level = np.arange(rows) % levels
    if levels > 1:
        N = rng.choice(np.geomspace(1e7, 1e10, 12).round(), rows)
    loss = TRUTH["E"] + TRUTH["A"] / N ** TRUTH["alpha"] + (1 - 0.1 * level) * TRUTH["B"] / D ** TRUTH["beta"]
    loss *= np.exp(0.003 * rng.standard_normal(rows))
    with path.open("w", encoding="utf-8") as file:
        file.write("level,params,tokens,loss\n")
        np.savetxt(file, np.stack([level, N, D, loss], 1), fmt=["%d", "%d", "%d", "%.6f"], delimiter=",")


def measure(path: Path) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak GiB of one fit."""
    begun = time.perf_counter()
    code = "from pipelines.cli import app; app()"
    process = subprocess.Popen([sys.executable, "-c", code, "fit", str(path), "--json"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def main(rows: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for levels in (1, 2):
            for n in rows:
                path = Path(folder) / "runs.csv"
                write(path, n, levels)
                seconds, processor, memory = measure(path)
                print(
                    f"{n:>9,} rows, {levels} level(s): {seconds:6.1f} s, {processor:6.1f} processor s, {memory:.2f} GiB",
                    flush=True,
                )


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1_000, 10_000, 100_000, 1_000_000])
