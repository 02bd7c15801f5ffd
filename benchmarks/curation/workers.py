"""The annotate pass through Ray with one and with two workers, in turns: seconds from text to signal files, and their ratio.

    python benchmarks/curation/workers.py ../shared/data/text/pool/web.jsonl.zst [--model classifier.bin] [--rounds 3]

The pool is made once (shards of 2 MB, so that neither worker waits long for the last one); the workers are started and warmed
on its first shards (imports, compiled code, the model) before the clock.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from annotate import NAMES
from rich.console import Console

from curation.signals import quality
from pipelines.engine.executor import InProcess, OnRay
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import Workdir
from pipelines.signals import pool, signals
from pipelines.study.study import Study

LIMIT = 1.8


def annotate(folder: Path, executor: OnRay, made: Manifest, model: str | None) -> float:
    """Every signal of the pool, from nothing, into a folder of its own."""
    workdir = Workdir(str(folder))
    context = Context(workdir, executor, Progress(workdir, Console(quiet=True)))
    wanted = signals.declared(made, {name: {} for name in NAMES}, folder)
    if model:
        step = Step("signals/quality", {}, {"pool": made})
        wanted.append(signals.Signal(step, quality.compute, {"model": model}))
    for signal in wanted:
        if workdir.exists(signal.step.path):
            workdir.fs.rm(workdir.full(signal.step.path), recursive=True)
    started = time.perf_counter()
    signals.annotate(context, made, wanted)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--model", help="a fastText quality classifier")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    source = {"kind": "jsonl", "name": "pool", "path": str(arguments.pool.absolute())}
    ladder = {"shapes": {"a": {"width": 16, "depth": 1, "heads": 1}}, "tokens": [1024]}
    small = {"shard_megabytes": 2}
    study = Study.model_validate({"name": "x", "sources": [source], "pool": small, "levels": {"raw": {}}, "ladder": ladder})
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        workdir = Workdir(name)
        made = pool.pool(Context(workdir, InProcess(), Progress(None)), study, Path(name))
        first = [{**part, "files": part["files"][:6]} for part in made.parts[:1]]
        model = str(Path(arguments.model).absolute()) if arguments.model else None
        for _ in range(arguments.rounds):
            for workers, taken in seconds.items():
                executor = OnRay(workers=workers)
                annotate(Path(name), executor, replace(made, parts=first), model)
                taken.append(annotate(Path(name), executor, made, model))
                executor.close()
    megabytes = made.total("text_bytes") / 1e6
    for workers, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{workers} worker(s): {median:.2f} s ({min(taken):.2f} to {max(taken):.2f}), {megabytes / median:.1f} MB/s")
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    print(f"two against one: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f}); limit {LIMIT}x")


if __name__ == "__main__":
    main()
