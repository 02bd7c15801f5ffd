"""The whole stage, text to clusters, with one and with two workers on Ray, in turn: seconds and their ratio.

    python benchmarks/dedup/scaling.py POOL_WORKDIR [--rounds 3]

`POOL_WORKDIR` is a work directory with one complete pool; everything else is made in a copy beside it and removed. The workers
are started and warmed (imports, compiled code) before the clock.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

from curation.signals import signatures
from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.engine.executor import OnRay
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import Workdir
from pipelines.signals.signals import Signal, annotate


def stage(folder: Path, executor: OnRay) -> float:
    """Signals and duplicates of the pool in `folder`, from nothing."""
    for made in ("signals", "duplicates"):
        shutil.rmtree(folder / made, ignore_errors=True)
    workdir = Workdir(str(folder))
    context = Context(workdir, executor, Progress(workdir, Console(quiet=True)))
    body = json.loads(next(folder.glob("pool/*/manifest.json")).read_bytes())
    pool = Manifest(Step("pool", body["config"]), body["parts"], body["summary"])
    declared = Duplicates(bands=14, rows=8)
    started = time.perf_counter()
    wanted = [
        Signal(Step(f"signals/{name}", params, {"pool": pool}), getattr(signatures, name), params)
        for name, params in declared.signals().items()
    ]
    find_duplicates(context, pool, annotate(context, pool, wanted), declared)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="assay-dedup-"))
    shutil.copytree(args.workdir / "pool", folder / "pool")
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(args.rounds):
        for workers, taken in seconds.items():
            executor = OnRay(workers=workers)
            stage(folder, executor)
            taken.append(stage(folder, executor))
            executor.close()
    shutil.rmtree(folder)
    for workers, taken in seconds.items():
        print(f"{workers} worker(s): median {statistics.median(taken):.2f} s, best {min(taken):.2f} s of {taken}")
    ratios = [of(seconds[1]) / of(seconds[2]) for of in (statistics.median, min)]
    print(f"one worker takes {ratios[0]:.2f} times the median of two, {ratios[1]:.2f} times the best")


if __name__ == "__main__":
    main()
