"""Deduplication beside its peers on the same documents, in one run on one core: seconds, and truth by all pairs.

    python benchmarks/dedup/peers.py DOCUMENTS.jsonl[.zst] ... [--documents 10000] [--text-dedup PYTHON]

Files hold one JSON object with `text` a line. Documents of 400 to 20,000 characters are taken, by hash of their text.
`PYTHON` is an interpreter of an environment that has text-dedup (its pins do not agree with ours).

1. Signatures, 14 x 8 over word 5-grams: ours from Arrow text; datatrove from text; rensa from 5-gram strings and from our
   shingle hashes; datasketch from our shingle hashes. Rounds are interleaved; the median and the best are printed.
2. The whole stage: ours from text to clusters; datatrove's signatures, buckets, clusters and filter; text-dedup's command.
3. Truth: the pairs of Jaccard 0.7 or more among all pairs (of our shingles) closed to clusters, and how many of the pairs
   within a tool's clusters are right (precision) and how many of the right pairs it has (recall). Tools cut words
   differently, so a pair near the threshold may differ for that alone: pairs of Jaccard 0.8 or more give a second recall.
   Ours is repeated without verification and with other bands.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
os.environ["LOGURU_LEVEL"] = "WARNING"

import datasketch
import numpy as np
import pyarrow as pa
import rensa
import xxhash
from rich.console import Console
from scipy.sparse import csr_array

from curation.document import SCHEMA, Batch, doc_id
from curation.duplicates.clusters import components
from curation.signals.signatures import exact, minhash, shingle_hashes, shingle_sets, units
from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Step
from pipelines.engine.workdir import Workdir

THRESHOLD = 0.7


def documents(paths: list[str], wanted: int) -> list[str]:
    texts: list[str] = []
    for path in paths:
        data = Path(path).read_bytes()
        if path.endswith(".zst"):
            data = subprocess.run(["zstdcat", path], check=True, capture_output=True).stdout
        texts += [t for line in data.splitlines() if 400 <= len(t := json.loads(line)["text"]) <= 20_000]
    return sorted(texts, key=lambda t: xxhash.xxh3_64_intdigest(t.encode()))[:wanted]


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def datatrove_signatures(folder: str) -> Any:
    """datatrove's first stage. It hands str to xxhash, which xxhash 4 refuses: the text is encoded for it."""
    from datatrove.pipeline.dedup import MinhashDedupSignature

    stage = MinhashDedupSignature(folder)
    stage._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())
    return stage


def signatures(texts: list[str]) -> None:
    """Section 1, on these documents."""
    stage = datatrove_signatures(tempfile.mkdtemp())
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    cut = units(Batch(table).words, "word")
    hashes = [shingle_hashes(cut, d, 5) for d in range(len(texts))]
    lists = [h.tolist() for h in hashes]
    base = datasketch.MinHash(112, 1, hashfunc=lambda h: h, scheme="affine32")
    offsets = np.concatenate([[0], np.cumsum([len(h) for h in hashes])]).astype(np.uint64)
    flat = np.concatenate(hashes).astype(np.uint64)

    def by_datasketch() -> None:
        for row in lists:
            base.copy().update_batch(row)

    def by_rensa() -> None:
        for text in texts:
            words = text.lower().split()
            sketch = rensa.RMinHash(112, 1)
            sketch.update([" ".join(words[i : i + 5]) for i in range(len(words) - 4)])
            sketch.digest()

    ready = Batch(table)
    minhash(ready)  # its words are scanned once and stay
    ways: dict[str, Callable[[], Any]] = {
        "assay, from text": lambda: minhash(Batch(table)),
        "rensa, from 5-gram strings of text.split()": by_rensa,
        "assay, from words": lambda: minhash(ready),
        "rensa, all documents at once, from shingle hashes": lambda: rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            flat, offsets, 112, 1
        ),
        "datasketch update_batch, from shingle hashes": by_datasketch,
        "datatrove, from text": lambda: [stage.get_signature(stage.get_shingles(text)) for text in texts],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(9):
        for name, way in ways.items():
            if round_ == 0 or "datatrove" not in name:
                seconds[name].append(timed(way)[0])
    size = sum(len(t.encode()) for t in texts) / 1e6
    print(f"\n1. Signatures of {len(texts):,} documents, {size:.1f} MB; ours is faster by the ratio (from text, or from words)")
    print(f"   {'':50}  median MB/s   ratio    best MB/s   ratio")
    for name, taken in seconds.items():
        ours = seconds["assay, from text" if "text" in name else "assay, from words"]
        cells = [(size / of(taken), of(taken) / of(ours)) for of in (statistics.median, min)]
        print(f"   {name:50} " + " ".join(f"{speed:12.1f} {ratio:7.1f}" for speed, ratio in cells))


def by_assay(texts: list[str], folder: str, bands: int = 14, rows: int = 8, verify: Any = "jaccard") -> np.ndarray:
    """Cluster label of every document, by the pipeline: pool, signals, duplicates."""
    workdir = Workdir(folder)
    context = Context(workdir, InProcess(), Progress(workdir, Console(quiet=True)))
    declared = Duplicates(bands=bands, rows=rows, verify=verify, threshold=THRESHOLD)

    def shard(out: Any) -> dict[str, Any]:
        n = len(texts)
        facts = {"documents": n, "text_bytes": sum(map(len, texts))}
        blank = pa.nulls(n, pa.string())
        text = pa.array(texts, pa.large_string())
        columns = [doc_id(0, n), np.arange(n, dtype=np.uint64), text, ["s"] * n, ["d"] * n, blank, blank, blank]
        with out.parquet("shard-00000000.parquet", SCHEMA, **facts) as writer:
            writer.write_table(pa.table(columns, schema=SCHEMA))
        return facts

    def signal(out: Any, name: str, params: dict[str, Any]) -> dict[str, Any]:
        batch = Batch(workdir.read_table(pool.files()[0], ["text"]))
        out.write_table("shard-00000.parquet", (minhash if name == "minhash" else exact)(batch, **params))
        return {}

    pool = run_step(context, Step("pool", {}, compute=shard))
    signals = {
        n: run_step(context, Step(f"signals/{n}", p, compute=signal, units=lambda n=n, p=p: [(n, p)]))
        for n, p in declared.signals().items()
    }
    manifest = find_duplicates(context, pool, signals, declared)
    return workdir.read_table(manifest.files()[0])["cluster"].to_numpy()


def by_datatrove(texts: list[str], folder: str) -> np.ndarray:
    """The four stages as datatrove's executors run them, in this process."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter

    source = [Document(text=text, id=str(d)) for d, text in enumerate(texts)]
    datatrove_signatures(f"{folder}/signatures").run(iter(source))
    for bucket in range(14):
        MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets").run(None, bucket, 14)
    MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", save_cluster_id=True).run()
    list(MinhashDedupFilter(f"{folder}/remove", load_cluster_ids=True).run(iter(source)))
    label = np.arange(len(texts))
    pairs = np.fromfile(f"{folder}/remove/000000.clusters", np.uint32).reshape(-1, 2)
    label[pairs[:, 0]] = pairs[:, 1] + len(texts)
    return label


def by_text_dedup(texts: list[str], folder: str, python: str) -> np.ndarray:
    """Its command line, one process; clusters from the union-find that --debug leaves."""
    Path(f"{folder}/in.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
    command = [python, "-m", "text_dedup.minhash", "--path", "json", "--data_files", f"{folder}/in.jsonl", "--split", "train",
               "--cache_dir", f"{folder}/cache", "--output", f"{folder}/out", "--column", "text", "--batch_size", "10000",
               "--ngram", "5", "--min_length", "5", "--num_perm", "112", "--b", "14", "--r", "8", "--num_proc", "1",
               "--hash_func", "xxh3", "--hash_bits", "32", "--debug"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    script = "import pickle, sys; u = pickle.load(open(sys.argv[1], 'rb')); print(*(f'{k}:{v}' for k, v in u.parent.items()))"
    command = [python, "-c", script, f"{folder}/out/uf.pkl"]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parent = {int(k): int(v) for k, _, v in (entry.partition(":") for entry in dumped.split())}
    label = np.arange(len(texts))
    for x in parent:
        root = x
        while parent.get(root, root) != root:
            root = parent[root]
        label[x] = root
    return label


def all_pairs(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(a, b, jaccard) of every pair with Jaccard of 5-gram sets at the threshold or above, by one sparse product."""
    hash_S, bounds = shingle_sets(units(Batch(pa.table({"text": pa.array(texts, pa.large_string())})).words, "word"), 5)
    _, column = np.unique(hash_S, return_inverse=True)
    matrix = csr_array((np.ones(len(hash_S), np.int32), column, bounds))
    size, found = np.diff(bounds), []
    for start in range(0, len(texts), 1000):
        common = (matrix[start : start + 1000] @ matrix.T).tocoo()
        a, b = common.row + start, common.col
        jaccard = common.data / (size[a] + size[b] - common.data)
        keep = (a < b) & (jaccard >= THRESHOLD)
        found.append((a[keep], b[keep], jaccard[keep]))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))  # pyright: ignore


def closed(label: np.ndarray) -> set[tuple[int, int]]:
    """All pairs within clusters."""
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return {(int(x), int(y)) for g in groups for i, x in enumerate(g) for y in g[i + 1 :]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--text-dedup", metavar="PYTHON")
    args = parser.parse_args()
    texts = documents(args.files, args.documents)
    minhash(Batch(pa.table({"text": pa.array(texts[:2], pa.large_string())})))  # compiled
    signatures(texts[:1000])

    tools: dict[str, Callable[[list[str], str], np.ndarray]] = {"assay": by_assay, "datatrove": by_datatrove}
    tools["  unverified"] = partial(by_assay, verify="off")
    for bands, rows in ((20, 6), (32, 6), (32, 4)):
        tools[f"  {bands} x {rows}"] = partial(by_assay, bands=bands, rows=rows)
    if args.text_dedup:
        tools["text-dedup"] = lambda t, folder: by_text_dedup(t, folder, args.text_dedup)
    a, b, jaccard = all_pairs(texts)
    node, root = components(a.astype(np.uint64), b.astype(np.uint64))
    truth = np.arange(len(texts), dtype=np.int64)
    truth[node.astype(np.int64)] = root.astype(np.int64)
    high = jaccard >= 0.8
    right, near = closed(truth), {(int(x), int(y)) for x, y in zip(a[high], b[high], strict=True)}
    megabytes = sum(len(t.encode()) for t in texts) / 1e6
    print(f"\n2, 3. Text to clusters of {len(texts):,} documents, {megabytes:.1f} MB")
    print(f"   {len(right):,} pairs of documents are true duplicates, {len(near):,} pairs have Jaccard 0.8 or more")
    print(f"   {'':12} seconds    MB/s  ours is faster by  precision  recall  recall >= 0.8  pairs")
    with tempfile.TemporaryDirectory() as warm:
        by_assay(texts[:50], warm)
    first = 0.0
    for name, tool in tools.items():
        folder = tempfile.mkdtemp(prefix="assay-peers-")
        with contextlib.redirect_stderr(io.StringIO()):
            seconds, label = timed(lambda tool=tool, folder=folder: tool(texts, folder))
        shutil.rmtree(folder)
        first = first or seconds
        pairs = closed(label)
        precision, recall = len(pairs & right) / max(len(pairs), 1), len(pairs & right) / max(len(right), 1)
        print(
            f"   {name:12} {seconds:7.2f} {megabytes / seconds:7.2f} {seconds / first:14.1f} x {precision:14.4f} {recall:7.4f} "
            f"{len(pairs & near) / max(len(near), 1):10.4f} {len(pairs):10,}",
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
