"""What curation asks of a cluster and of its store, by the number of shards: tasks, requests, bytes, and what the driver holds.

    python -m benchmarks.scale.curate --times 1 10
    python -m benchmarks.scale.curate --megabytes 1.6 --latency 0.05

Each size is curated from a made-up pool of shards of 17 KB, in this process, with its work directory in the store of
`store.py`. Tasks and requests do not depend on how large a shard is, as long as what is read of it comes in one stretch.
"""

import argparse
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.scale.store import BUCKET, serving
from pipelines import run_study
from pipelines.engine.capacity import Resources
from pipelines.engine.executor import Compute, InProcess, Unit
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.step import upstream
from pipelines.engine.workdir import Workdir
from pipelines.study.study import parse

STUDY = """
name: scale
sources: [{kind: jsonl, name: made, path: "corpus/*.jsonl"}]
pool: {shard_megabytes: SHARD}
signals: [gopher_quality, gopher_repetition]
classifiers: {quality: {positives: "domain == 'essays'", examples: 100, bucket: 1000, dim: 4, epochs: 1}}
levels:
  raw: {}
  dedup: {extends: raw, drop: [exact, near]}
  clean: {extends: dedup, keep: ["gopher_quality.n_words >= 60"]}
  top: {extends: clean, top: {fraction: 0.6, by: quality.score, within: domain}}
mixture: {kind: pinned, to: dedup}
tokenizer: {vocab_size: 384, sample_megabytes: 0.1}
ladder:
  shapes: {a: {width: 16, depth: 1, heads: 1}}
  tokens: [1024, 2048, 4096]
  context: 32
  batch_tokens: 128
  warmup_tokens: 256
evaluation: {heldout: 0.1, tokens_per_set: 1500, passage_tokens: 128}
"""
WORDS = [f"{a}{b}{c}" for a in "btkmnsl" for b in "aeiou" for c in ("n", "r", "st", "m", "ll")]
SHARD = 0.017  # megabytes


class Counting(InProcess):
    """Counts the tasks that a cluster would be given."""

    def __init__(self):
        self.tasks: Counter[str] = Counter()

    def map(
        self, function: Compute, arguments: Sequence[Unit], resources: Resources | Sequence[Resources] = Resources(),
        names: Sequence[str] = (),
        done: Callable[[], float] = lambda: 0.0,
    ) -> Iterator[tuple[int, Any]]:  # fmt: skip
        self.tasks[names[0].rpartition(" ")[0] or names[0] if names else "searches"] += len(arguments)
        return super().map(function, arguments)


def write_pool(folder: Path, megabytes: float) -> None:
    """Documents of some 400 bytes in three domains; every sixth is a copy."""
    rng, texts, size = random.Random(1), [], 0
    folder.mkdir()
    with (folder / "made.jsonl").open("w") as out:
        while size < megabytes * 1e6:
            sentences = (" ".join(rng.choices(WORDS, k=12)) + ".\n" for _ in range(rng.randint(3, 9)))
            texts.append(texts[-3] if len(texts) % 6 == 5 else "".join(sentences))
            size += len(texts[-1])
            out.write(json.dumps({"text": texts[-1], "domain": ("essays", "letters", "notes")[len(texts) % 3]}) + "\n")


def measure(megabytes: float, shard: float, latency: float) -> dict[str, float]:
    with TemporaryDirectory() as folder, serving(latency) as store:
        write_pool(Path(folder, "corpus"), megabytes)
        study = parse(STUDY.replace("SHARD", str(shard)), Path(folder, "study.yaml"))
        workdir, executor = Workdir(f"s3://{BUCKET}/work"), Counting()
        context = Context(workdir, executor, Progress(workdir, Console(quiet=True)))
        began = time.monotonic()
        made = run_study.curate(context, study, Path(folder))
        seconds = time.monotonic() - began
        shards = len(made.pool.documents.files(".parquet"))
        last = [*made.levels.values(), *made.quality.levels.values(), *made.own.values()]
        held = sum(len(manifest.to_bytes()) for manifest in upstream(last))
        print(f"\n{shards} shards, {megabytes:g} MB, {seconds:.0f} s; tasks: {dict(executor.tasks)}")
        return {
            "shards": shards, "tasks": executor.tasks.total() / shards, "requests": store.total / shards,
            **{name: store.requests[name] / shards for name in ("get", "put", "head", "list", "delete", "multipart")},
            "KB read": store.sent / 1e3 / shards, "KB of manifests": held / 1e3 / shards, "seconds": seconds,
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=float, nargs="+", default=[1.0], help="of 16 shards")
    parser.add_argument("--megabytes", type=float, help="curate so much text in shards of 0.1 MB instead")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer of the store")
    asked = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    sizes = [(asked.megabytes, 0.1)] if asked.megabytes else [(16 * times * SHARD, SHARD) for times in asked.times]
    rows = [measure(megabytes, shard, asked.latency) for megabytes, shard in sizes]
    print("\nper shard, but for `shards` and `seconds`:")
    for name in rows[0]:
        print(f"{name:<18}" + "".join(f"{row[name]:>12,.1f}" for row in rows))


if __name__ == "__main__":
    main()
