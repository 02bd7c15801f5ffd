"""Scoring with a fastText classifier: `quality.score` from Arrow against the library's own bulk predict, on one core.

    python benchmarks/curation/classifier.py POOL.jsonl.zst REFERENCE.jsonl.zst [--fasttext PATH_OF_CLI]

Trains on the reference against the pool, then scores the pool, both sides in turns, and prints the medians of the ratios. The
peer is what a user of fastText would write: `model.predict(list of lines, k=2)`, with the lines ready. With `--fasttext` the
C++ command `predict-prob` reads the same lines from a file, loading and printing included.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from curation.signals import quality
from curation.sources import Record, Source, read, slices


def texts(path: str, limit_bytes: float) -> pa.Table:
    found, size = [], 0
    for piece in slices(Source("x", "jsonl", (path,))):
        for record in read(piece):
            if isinstance(record, Record) and size < limit_bytes:
                found.append(record.text)
                size += len(record.text.encode())
    return pa.table({"text": pa.array(found, pa.large_string())})


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("reference")
    parser.add_argument("--fasttext")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    pool, good = texts(given.pool, given.megabytes * 1e6), texts(given.reference, 5e6)
    megabytes = pool["text"].nbytes / 1e6
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        classifier = quality.train(good, pool.slice(0, 5000))
        classifier.save(Path(directory))
        trained = time.perf_counter() - started
        model = quality.load(str(Path(directory, "model.bin")))
        lines = [text.replace("\n", " ") for text in pool["text"].to_pylist()]
        Path(directory, "lines").write_text("\n".join(line.replace("\r", " ") for line in lines) + "\n", encoding="utf-8")
        sides: dict[str, Callable[[], object]] = {
            "assay": lambda: quality.score(model, pool["text"]),
            "fasttext": lambda: model.predict(lines, k=2),
        }
        if given.fasttext:
            command = [given.fasttext, "predict-prob", f"{directory}/model.bin", f"{directory}/lines", "2"]
            sides["fasttext CLI"] = lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(given.rounds):
            for name, run in sides.items():
                taken[name].append(seconds(run))
    print(f"{len(pool)} documents, {megabytes:.1f} MB; model {len(classifier.model) / 1e6:.1f} MB, trained in {trained:.1f} s")
    print(f"held-out AUC {classifier.report.auc:.4f}; length bias {classifier.report.length_bias}")
    for name, times in taken.items():
        median = statistics.median(times)
        print(f"{name:13} {megabytes / median:7.1f} MB/s {len(pool) / median:9.0f} documents/s")
    for name in list(sides)[1:]:
        ratios = [peer / ours for ours, peer in zip(taken["assay"], taken[name], strict=True)]
        print(f"assay / {name}: {statistics.median(ratios):.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
