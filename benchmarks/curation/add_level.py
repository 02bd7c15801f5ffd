"""Adding a level to an annotated pool: 1,000,000 short documents, from signal files on disk to token shards, in one process.

    python benchmarks/curation/add_level.py [documents] [shards]

The level drops duplicates, keeps by four conditions and a percentile, and takes the best 40 % of the tokens within each
domain, at pinned domain shares. Timed from reading the columns it needs to the last ledger and token shard, by phase. The
yardstick beside it is copying the tokens of the pool (read Parquet, write Parquet), which any step that touches them has to do.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.hashing import mix64
from curation.levels import heldout, layout, ledger, search, select
from curation.levels.level import Declaration, Top, build_level
from curation.levels.mixture import Mixture, budget
from curation.tokens import shards as token_shards

HELDOUT = heldout.Heldout(seed=5, fraction=0.02, tokens_per_set=100_000)
STUDY = [
    Declaration("raw"),
    Declaration(
        "best",
        extends="raw",
        drop=("exact", "near"),
        keep=(
            "gopher.n_words >= 20 and 3 <= gopher.mean_word_length <= 10 and gopher.symbols <= 0.1",
            "quality.score > percentile(quality.score, 10)",
        ),
        top=Top(0.4, "quality.score", within="domain"),
    ),
]
COLUMNS = ["doc_id", "uid", "source", "domain", "n_tokens", "n_bytes", "duplicates.cluster"]
LIMIT_S = 20


def write_pool(folder: Path, documents: int, n_shards: int) -> list[Path]:
    """Shards with the columns that the document, signal and token files of a pool have; 100 tokens a document on average."""
    paths = []
    for index, rows in enumerate(np.array_split(np.arange(documents), n_shards)):
        rng, n = np.random.default_rng(index), len(rows)
        uid = mix64(1, rows.astype(np.uint64))
        n_tokens = rng.geometric(0.01, n)
        bounds = np.concatenate([[0], np.cumsum(n_tokens)])
        values = (rng.zipf(1.3, bounds[-1]) % 8192).astype(np.uint16)
        table = pa.table(
            {
                "doc_id": np.uint64(index << 32) | np.arange(n, dtype=np.uint64),
                "uid": uid,
                "source": pa.array(["crawl"]).take(pa.array(np.zeros(n, np.int32))),
                "domain": pa.array(["web", "news", "code", "wiki"]).take(pa.array(rng.choice(4, n, p=[0.6, 0.2, 0.15, 0.05]))),
                "n_tokens": n_tokens.astype(np.uint32),
                "n_bytes": (n_tokens * 4).astype(np.uint32),
                "duplicates.cluster": np.where(rng.random(n) < 0.2, mix64(1, (rows // 50).astype(np.uint64)), uid),
                "duplicates.survivor": rng.random(n) < 0.8,
                "duplicates.exact_survivor": rng.random(n) < 0.9,
                "gopher.n_words": rng.geometric(0.0125, n).astype(np.int32),
                "gopher.mean_word_length": rng.normal(5, 1, n).astype(np.float32),
                "gopher.symbols": rng.exponential(0.03, n).astype(np.float32),
                "quality.score": rng.beta(1, 8, n).astype(np.float32),
                "tokens": pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(values)),
            }
        )
        paths.append(folder / f"pool-{index:03d}.parquet")
        pq.write_table(table, paths[-1], compression="zstd")
    return paths


@contextmanager
def phase(name: str, seconds: dict[str, float]) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0) + time.perf_counter() - begun


def add_level(paths: list[Path], out: Path) -> tuple[dict[str, float], pl.DataFrame]:
    """The level `best` as a shell makes it, a shard at a time."""
    seconds: dict[str, float] = {}
    out.mkdir()
    known = pq.read_schema(paths[0]).names
    level = build_level("best", STUDY, known, {})
    columns = list(dict.fromkeys([*COLUMNS, *sorted(level.columns)]))
    nobody = heldout.union([])

    def frame(path: Path) -> tuple[pl.DataFrame, pl.Series]:
        rows = pl.read_parquet(path, columns=columns)
        return rows, heldout.withheld(rows, HELDOUT, nobody)

    with phase("thresholds", seconds):
        found = select.Thresholds.of(level)
        while not found.done:
            parts = [select.measure(level, rows, found, why) for rows, why in map(frame, paths)]
            found = select.settle(level, found, search.merge(parts))
    with phase("select", seconds):
        available: dict[str, int] = {}
        pinned: dict[str, int] = {}
        for path in paths:
            rows, why = frame(path)
            decided = select.select(level, rows, found, why)
            decided.write_parquet(out / f"decided-{path.name}")
            for keep, tokens in ((decided["keep"], available), (why.is_null(), pinned)):
                for domain, n in rows.filter(keep).group_by("domain").agg(pl.col("n_tokens").sum()).iter_rows():
                    tokens[domain] = tokens.get(domain, 0) + n
    amount, cut = budget("best", Mixture(), available, pinned), layout.Cut(7, 2048)
    n_partitions = -(-amount.total // 2**24)
    with phase("boundaries", seconds):
        state = layout.boundary_search(amount, n_partitions)
        while not state.done:
            parts = []
            for path in paths:
                keep = pl.read_parquet(out / f"decided-{path.name}", columns=["keep"])["keep"]
                kept = pl.read_parquet(path, columns=COLUMNS).filter(keep)
                parts.append(layout.measure(state, kept, amount, cut))
            state = search.narrow(state, search.merge(parts))
        bounds = layout.Boundaries.of(state, amount, n_partitions)
    with phase("lay", seconds):
        funnels = []
        for path in paths:
            decided = pl.read_parquet(out / f"decided-{path.name}")
            rows = pl.read_parquet(path, columns=COLUMNS)
            tokens = pq.read_table(path, columns=["tokens"])["tokens"].filter(decided["keep"].to_arrow()).combine_chunks()
            kept = rows.filter(decided["keep"])
            laid = layout.lay(kept, tokens, amount, bounds, cut)
            final = ledger.settle_mixture(decided, kept, laid, amount)
            final.write_parquet(out / f"ledger-{path.name}")
            funnels.append(ledger.funnel(final, rows, amount))
            for partition, part in laid.partitions.items():
                pq.write_table(part, out / f"exchange-{partition}-{path.name}", compression="lz4")
        total = ledger.merge(funnels)
        ledger.check_conservation("best", total)
    with phase("arrange", seconds):
        for partition in range(n_partitions):
            parts = pa.concat_tables([pq.read_table(part) for part in sorted(out.glob(f"exchange-{partition}-*"))])
            token_shards.write(out / token_shards.name(partition), parts, layout.order(parts, partition, amount, bounds))
    return seconds, total


def copy_tokens(paths: list[Path], out: Path) -> float:
    begun = time.perf_counter()
    out.mkdir()
    for path in paths:
        pq.write_table(pq.read_table(path, columns=["tokens"]), out / path.name, compression="zstd", compression_level=3)
    return time.perf_counter() - begun


def main() -> None:
    documents, n_shards = (int(x) for x in (sys.argv[1:] + ["1000000", "16"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        # made by a process of its own, so that the peak memory is the level's
        with ProcessPoolExecutor(1, get_context("spawn")) as maker:
            paths = maker.submit(write_pool, Path(folder), documents, n_shards).result()
        print(f"{documents:,} documents in {n_shards} shards")
        for repeat in range(3):
            copied = copy_tokens(paths, Path(folder) / f"copy-{repeat}")
            cpu = time.process_time()
            seconds, total = add_level(paths, Path(folder) / f"level-{repeat}")
            cpu = time.process_time() - cpu
            phases = ", ".join(f"{name} {s:.2f}" for name, s in seconds.items())
            spent = sum(seconds.values())
            print(f"add a level {spent:.2f} s, {cpu:.2f} s of processor ({phases});", end=" ")
            print(f"copy the pool's tokens {copied:.2f} s; ratio {spent / copied:.2f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"limit {LIMIT_S} s; peak memory of the process {peak:.2f} GiB")
        print(total.drop("order"))


if __name__ == "__main__":
    main()
