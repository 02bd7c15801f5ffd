"""Band keys -> verified clusters, for millions of synthetic documents on one core: seconds, CPU seconds and peak memory.

    python benchmarks/dedup/scale.py 1 10            # millions of documents, in one process
    python benchmarks/dedup/scale.py 1 10 --apart    # every task in a process of its own: memory of the largest task by phase

Only the two functions that would read signatures and text are replaced: they make keys and shingle sets from the document's
number instead. All after them (exchange, buckets, components, verification, survivors, the signal) is the pipeline's own.

Planted: three in ten documents belong to families, of 2 or 3 but for some of 300. Members share 104 of their 120 shingles
(Jaccard 0.76) and 9 of 14 band keys; one document in fifty shares a band key with strangers besides (false candidates, which
verification must drop). The clusters found are compared with the planted families.
"""

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from curation.document import doc_id
from curation.hashing import mix64
from pipelines.duplicates import duplicates
from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.engine.capacity import Resources
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Step
from pipelines.engine.workdir import Workdir

SHARD = 100_000  # documents
SHINGLES, SHARED = 120, 104
EVEN = ~np.uint64(1)


def families(row: np.ndarray) -> np.ndarray:
    """The family of each document number: its own number where it is alone."""
    block, place = row // 1000, row % 1000
    large = (block % 300 == 7) & (place < 300)
    size = 2 + (mix64(3, (row // 10).astype(np.uint64)) % np.uint64(2)).astype(np.int64)
    small = (place % 10 < size) & ~large
    return np.where(large, block * 1000, np.where(small, row - place % 10, row))


def numbers(shard: Any) -> np.ndarray:
    return np.arange(SHARD, dtype=np.int64) + shard.index * SHARD


def keys(shard: Any, declared: Duplicates) -> tuple[np.ndarray, ...]:
    row = numbers(shard)
    family = families(row)
    key_DB = np.empty((SHARD, declared.bands), np.uint64)
    for band in range(declared.bands):
        own = mix64(band + 100, row.astype(np.uint64))
        key_DB[:, band] = np.where(band < 9, mix64(band + 100, family.astype(np.uint64)), own) & EVEN
    strangers = row % 50 == 11
    key_DB[strangers, 13] = mix64(9, (row[strangers] // 200).astype(np.uint64)) & EVEN
    every = np.ones(SHARD, bool)
    return key_DB, every, mix64(7, row.astype(np.uint64)) | np.uint64(1), every


def sets(shard: Any, row_C: np.ndarray, reads_C: np.ndarray, declared: Any) -> tuple[np.ndarray, ...]:
    row = numbers(shard)[row_C]
    family = families(row)
    column = np.arange(SHINGLES, dtype=np.uint64)
    seed = np.where(column < SHARED, family[:, None], row[:, None]).astype(np.uint64)
    hash_CS = (mix64(5, seed * np.uint64(256) + column) >> np.uint64(32)).astype(np.uint32)
    hash_CS.sort(axis=1)
    return hash_CS.ravel(), np.arange(len(row) + 1) * SHINGLES, np.full(len(row), 600)


def pool_shard(out: Any) -> dict[str, Any]:
    ids = doc_id(out.index, SHARD)
    facts = {"documents": SHARD, "text_bytes": SHARD * 600}
    schema = pa.schema([("doc_id", pa.uint64()), ("uid", pa.uint64())])
    with out.parquet(f"shard-{out.index:08d}.parquet", schema, **facts) as writer:
        writer.write_table(pa.table({"doc_id": ids, "uid": numbers(out).astype(np.uint64)}))
    return facts


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def unit(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, float]:
    return function(*args), peak_gb()


class Apart(InProcess):
    """One unit after another, each in a process forked for it; prints the peak memory of a phase's largest unit."""

    def map(
        self,
        function: Callable[..., Any],
        arguments: Sequence[tuple[Any, ...]],
        resources: Resources | Sequence[Resources] = Resources(),
        names: Sequence[str] = (),
        done: Callable[[], float] = lambda: 0.0,
    ) -> Iterator[tuple[int, Any]]:
        peaks = []
        for index, args in enumerate(arguments):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                result, peak = pool.apply(unit, (function, args))
            peaks.append(peak)
            yield index, result
        print(f"   {arguments[0][2][0][0].rpartition('/')[0]:22} {len(peaks):4} tasks, at most {max(peaks):.2f} GB")


def measure(millions: float, folder: str, executor: InProcess) -> None:
    duplicates.shard_keys, duplicates.candidate_sets = keys, sets  # pyright: ignore
    workdir = Workdir(folder)
    context = Context(workdir, executor, Progress(workdir, Console(quiet=True)))
    pool = run_step(context, Step("pool", {}, compute=pool_shard, units=lambda: [()] * round(millions * 1e6 / SHARD)))
    exact = run_step(context, Step("exact", {}, compute=exact_shard, units=lambda: [(i,) for i in range(len(pool.parts))]))
    started, cpu_started = time.perf_counter(), time.process_time()
    manifest = find_duplicates(context, pool, {"minhash": exact, "exact": exact}, Duplicates(bands=14, rows=8))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    wrong = 0
    for index, file in enumerate(manifest.files()):
        cluster = workdir.read_table(file, ["cluster"])["cluster"].to_numpy()
        wrong += int((cluster != families(np.arange(SHARD) + index * SHARD).astype(np.uint64)).sum())
    facts = {k: v for k, v in manifest.summary.items() if k != "curve"}
    print(
        f"{millions:g} M documents: {seconds:.1f} s ({cpu:.1f} s of CPU), peak {peak_gb():.2f} GB, {wrong} in a wrong cluster"
    )
    print(f"  {facts}")
    for line in (Path(folder) / "events.jsonl").read_text().splitlines():
        if '"finished"' in line:
            print("  ", line.split('"event"')[1])


def exact_shard(out: Any, index: int) -> dict[str, Any]:
    hashes = mix64(7, np.arange(SHARD, dtype=np.uint64) + index * SHARD)
    out.write_table(f"shard-{index:05d}.parquet", pa.table({"hash": hashes}))
    return {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("millions", type=float, nargs="+")
    parser.add_argument("--apart", action="store_true")
    args = parser.parse_args()
    for number in args.millions:
        folder = tempfile.mkdtemp(prefix="assay-dedup-")
        try:
            measure(number, folder, Apart() if args.apart else InProcess())
        finally:
            shutil.rmtree(folder)
        sys.stdout.flush()
