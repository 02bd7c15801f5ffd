"""Peak memory of the workers in all of curation, on a part of a pool and on ten times as much, by step.

    python benchmarks/curation/memory.py ../shared/data/text/pool [--share 20 --share 2]

`--share n` takes every n-th record of each file, by its number. Two workers on a local Ray. Resident memory of every worker is
read from /proc every 50 ms and put down to the step that was under way; the peak of a process is the kernel's own (VmHWM).
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from pipelines import run_study
from pipelines.engine.executor import OnRay
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.study.study import Study

LIMIT_GB = 1.5
SIGNALS = ["gopher_quality", "gopher_repetition", "c4_datatrove", "fineweb", "refinedweb", "nemo", "language", "pii"]
LEVELS = {
    "raw": {},
    "dedup": {"extends": "raw", "drop": ["exact", "near"]},
    "filtered": {"extends": "dedup", "keep": ["gopher_quality", "gopher_repetition"]},
    "top": {"extends": "filtered", "top": {"fraction": 0.5, "by": "quality.score", "within": "domain"}},
    "copies": {"extends": "dedup", "duplicate": 0.3, "duplicate_noise": 0.02},
    "edited": {"extends": "dedup", "edit": ["pii", "c4_lines_tfds"]},
}


def sample(folder: Path, share: int, out: Path) -> None:
    """Every `share`-th line of each file of the folder, compressed as they are."""
    out.mkdir()
    for path in sorted(folder.glob("*.jsonl.zst")):
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as file:
            lines = file.read().split(b"\n")
        (out / path.name).write_bytes(pa.compress(b"\n".join(lines[::share]), "zstd", asbytes=True))


def children() -> list[int]:
    """Processes below this one."""
    parents = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(fields[1])].append(int(entry.name))
    found = [os.getpid()]
    for pid in found:
        found += parents[pid]
    return found[1:]


class Watch(threading.Thread):
    """(time, resident kB) of every Ray worker, and the peak of each."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, int]] = []
        self.peak: dict[int, int] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            for pid in children():
                try:
                    if not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
                        continue
                    status = dict(
                        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
                    )
                    self.seen.append((time.time(), int(status["VmRSS"].split()[0])))
                    self.peak[pid] = int(status["VmHWM"].split()[0])
                except (OSError, KeyError):
                    continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--share", type=int, action="append")
    arguments = parser.parse_args()
    for share in arguments.share or [20, 2]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sample(arguments.pool, share, folder / "pool")
            study = Study.model_validate(
                {
                    "name": "memory", "signals": SIGNALS, "levels": LEVELS, "mixture": {"kind": "natural"},
                    "sources": [{"kind": "jsonl", "name": "pool", "path": "pool/*.zst"}],
                    "classifiers": {"quality": {"positives": "domain == 'wiki'"}},
                    "ladder": {"shapes": {"a": {"width": 16, "depth": 1, "heads": 1}}, "tokens": [65_536]},
                }
            )  # fmt: skip
            workdir, executor, watch = Workdir(str(folder / "work")), OnRay(workers=2), Watch()
            watch.start()
            begun = time.perf_counter()
            made = run_study.curate(Context(workdir, executor, Progress(workdir, Console(quiet=True))), study, folder)
            taken = time.perf_counter() - begun
            watch.done.set()
            watch.join()
            executor.close()
            steps = spans(folder / "work" / "events.jsonl")
        megabytes = made.pool.documents.total("text_bytes") / 1e6
        peaks = ", ".join(f"{kb * 1024 / 1e9:.2f}" for kb in sorted(watch.peak.values(), reverse=True))
        print(f"{megabytes:.0f} MB of text, {taken:.0f} s: peak of each worker process {peaks} GB; limit {LIMIT_GB} GB")
        by_step: dict[str, int] = defaultdict(int)
        for at, kb in watch.seen:
            for step in [step for step, start, end in steps if start <= at <= end]:
                by_step[step] = max(by_step[step], kb)
        for step, kb in sorted(by_step.items(), key=lambda item: -item[1])[:8]:
            print(f"    {step:40}{kb * 1024 / 1e9:6.2f} GB")


def spans(events: Path) -> list[tuple[str, float, float]]:
    """(label, begin, end) of all that was computed, one after the other."""
    rows = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    begun = [(row["step"], datetime.fromisoformat(row["time"]).timestamp()) for row in rows if row["event"] == "started"]
    return [(label, start, end) for (label, start), (_, end) in pairwise([*begun, ("", time.time())])]


if __name__ == "__main__":
    main()
