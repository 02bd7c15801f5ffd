"""What measuring the levels' quality costs: the processor time of its steps and of all of curation, in one process.

    python benchmarks/curation/quality.py STUDY.yaml

The study is curated from nothing into a temporary folder. Kernels are compiled and the language model is loaded before, as in a
worker that goes on for long; the model of clean text is trained within. fastText's training, a process of its own, is not
counted.
"""

import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from curation.quality import text
from pipelines import run_study
from pipelines.engine.capacity import Resources
from pipelines.engine.executor import Compute, InProcess, Unit
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_job
from pipelines.engine.workdir import Workdir
from pipelines.study.study import load


class Timed(InProcess):
    """Adds up processor time by the module whose function a unit of work runs."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
        names: Sequence[str] = (),
        done: Callable[[], float] = lambda: 0.0,
    ) -> Iterator[tuple[int, Any]]:
        for index, unit in enumerate(arguments):
            target = unit[0] if function is run_job else function
            target = target.args[0] if isinstance(target, partial) else target
            started = time.process_time()
            result = function(*unit)
            self.seconds[target.__module__] += time.process_time() - started
            yield index, result


def warm() -> None:
    sample = text.Sample.of(pa.array(["some words of English text " * 20_000], pa.large_string()))
    text.languages(sample)
    text.variety(sample)
    text.bits_per_byte(sample, text.reference_model(sample.pieces))


def main() -> None:
    path = Path(sys.argv[1])
    warm()
    with tempfile.TemporaryDirectory() as folder:
        timed, study = Timed(), load(path)
        started = time.process_time()
        curated = run_study.curate(Context(Workdir(folder), timed, Progress(None)), study, path.parent)
        whole = time.process_time() - started
    ours = {name.rpartition(".")[2]: s for name, s in timed.seconds.items() if ".levels.quality" in name}
    megabytes, levels = curated.pool.documents.total("text_bytes") / 1e6, len(study.levels)
    print(f"pool of {megabytes:.0f} MB, {levels} levels: {whole:.1f} s of curation, processor time")
    print(f"of these for quality {sum(ours.values()):.1f} s ({sum(ours.values()) / whole:.1%})")
    for name, seconds in ours.items():
        print(f"  {name}: {seconds:.2f} s, {seconds / levels:.2f} s a level")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
