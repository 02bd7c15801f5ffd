"""Duplicates: from signatures to the signal `duplicates`, in six phases that each restart from their committed parts.

    keys        per pool shard      signatures, exact hashes -> keys, exchanged by key
    edges       per key partition   buckets -> star edges, contracted to a forest
    components  in one task or, above `pipelines.steps.components.IN_MEMORY` edges, over partitions -> labels by range of shards
    sets        per pool shard      shingle sets and keys of the documents in a component, exchanged by component
    clusters    per component part  verified clusters and survivors, exchanged by range of shards
    signal      per pool shard      rows for all documents, in the pool's order

Text is read once more only for documents in a component. No phase holds more than its partition, and no document passes
through the driver. The result depends on the documents and the declaration alone: not on shards, nodes, order or retries.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from curation.document import Batch, mix64
from curation.duplicates.candidates import Bands, band_keys, exact_keys, partition_cuts, star_edges
from curation.duplicates.clusters import forest, survivors
from curation.duplicates.verify import verified_clusters
from curation.signals.signatures import shingle_sets, units
from pipelines.exchange import receive, send, send_by
from pipelines.run_step import Context, run_step
from pipelines.steps.components import label_components, range_of
from pipelines.steps.shards import Shard, shard_file, shards
from pipelines.workdir import PARQUET, Manifest, Output, Step, Workdir

KEYS_PER_PARTITION = 4_000_000  # 64 MB, and twice that while they are sorted
SET_PARTITION = 2**27  # bytes of candidate text per component partition: some 100 MB of shingles and keys
SHARDS_PER_RANGE = 64  # pool shards whose labels and rows lie in one file

SIGNAL = pa.schema(
    [
        ("doc_id", pa.uint64()),
        ("exact", pa.uint64()),  # hash of the normalised text
        ("cluster", pa.uint64()),  # the lowest uid of the duplicates; its own when alone
        ("cluster_size", pa.uint32()),
        ("survivor", pa.bool_()),  # best of the cluster
        ("exact_survivor", pa.bool_()),  # best of the exact copies
    ]
)


@dataclass(frozen=True)
class Duplicates:
    """What counts as a duplicate, and which copy stays.

    Documents of fewer than `ngram` units are duplicates of exact copies only. `scope` is `global` or a document column
    (`source`, `domain`): copies are then sought within its values. `survivor` names columns, highest first (`-name`: lowest
    first): document columns, `n_bytes`, or `signal.column`; the lowest uid decides at last.
    """

    ngram: int = 5
    unit: Literal["word", "character"] = "word"
    bands: int = 14
    rows: int = 8
    seed: int = 1
    verify: Literal["jaccard", "containment", "off"] = "jaccard"
    threshold: float = 0.7
    scope: str = "global"
    survivor: Sequence[str] = ("n_bytes",)

    def signals(self) -> dict[str, dict[str, Any]]:
        """The signals that must be there first, with their parameters."""
        num_perm = self.bands * self.rows
        return {"minhash": {"num_perm": num_perm, "seed": self.seed, "ngram": self.ngram, "unit": self.unit}, "exact": {}}

    def columns(self) -> list[str]:
        return [name.removeprefix("-") for name in self.survivor]


def find_duplicates(context: Context, pool: Manifest, signals: dict[str, Manifest], declared: Duplicates) -> Manifest:
    """Run the six phases; the last one's manifest is that of the signal `duplicates`.

    `signals` maps a signal's name to its manifest: `minhash`, `exact` and those that `declared.survivor` names. The summary has
    the counts: documents, short ones, candidates, pairs tested and joined, clusters, duplicates, and the S-curve.
    """
    here = shards(context.workdir, pool, signals)
    starts = tuple(shard_number(shard) for shard in here[::SHARDS_PER_RANGE])
    bands = Bands(declared.bands, declared.rows)

    key_partitions = ceil(pool.total("documents") * (declared.bands + 1) / KEYS_PER_PARTITION) or 1
    keys = run_step(
        context,
        Step(
            "duplicates/keys",
            {"bands": declared.bands, "rows": declared.rows, "scope": declared.scope, "partitions": key_partitions},
            {"pool": pool.digest, "minhash": signals["minhash"].digest, "exact": signals["exact"].digest},
        ),
        send_keys,
        [(shard, bands, declared.scope, key_partitions) for shard in here],
    )
    files = keys.files()
    edges = run_step(
        context,
        Step("duplicates/edges", {}, {"keys": keys.digest}),
        reduce_keys,
        [(files, p) for p in range(key_partitions)],
        unit="partitions",
    )
    labels = label_components(context, edges, starts)

    candidates, documents = labels.total("documents"), pool.total("documents")
    share = candidates / max(documents, 1)
    set_partitions = ceil(share * pool.total("text_bytes") / SET_PARTITION) or 1
    sets = run_step(
        context,
        Step(
            "duplicates/sets",
            {
                "ngram": declared.ngram, "unit": declared.unit, "columns": declared.columns(), "partitions": set_partitions,
                "bands": declared.bands, "rows": declared.rows, "scope": declared.scope, "verify": declared.verify != "off",
            },
            {"labels": labels.digest, "pool": pool.digest} | {name: signals[name].digest for name in signals},
        ),
        send_sets,
        [(shard, labels.files(), declared, set_partitions) for shard in here],
    )  # fmt: skip
    files = sets.files()
    clusters = run_step(
        context,
        Step(
            "duplicates/clusters",
            {"verify": declared.verify, "threshold": declared.threshold, "survivor": list(declared.survivor), "ranges": starts},
            {"sets": sets.digest},
        ),
        split_components,
        [(files, p, declared, starts) for p in range(set_partitions)],
        unit="partitions",
    )

    def summarise(parts: list[dict[str, Any]]) -> dict[str, Any]:
        counted = ("tested", "joined", "oversized", "untested")
        return {
            "documents": documents,
            "short": keys.total("short"),
            "candidates": candidates,
            **{name: clusters.total(name) for name in counted},
            **{name: sum(part[name] for part in parts) for name in ("duplicates", "exact_duplicates")},
            "curve": bands.curve(),
        }

    files = clusters.files()
    return run_step(
        context,
        Step("signals/duplicates", asdict(declared) | {"survivor": list(declared.survivor)}, {"clusters": clusters.digest}),
        write_signal,
        [(shard, files) for shard in here],
        summarise,
    )


def scopes(workdir: Workdir, shard: Shard, scope: str) -> np.ndarray:
    """uint64 per document: 0 for the global scope, else a hash of its value of the column `scope`."""
    if scope == "global":
        return np.zeros(pq.read_metadata(workdir.full(shard.pool), filesystem=workdir.fs).num_rows, np.uint64)
    column = workdir.read_table(shard.pool, [scope])[scope].combine_chunks().dictionary_encode()
    values = [*column.dictionary.to_pylist(), ""]  # the last for nulls
    hashes = np.array([xxhash.xxh3_64_intdigest(value.encode()) for value in values], np.uint64)
    return hashes[column.indices.fill_null(len(hashes) - 1).to_numpy(zero_copy_only=False)]


def shard_keys(workdir: Workdir, shard: Shard, bands: Bands, scope: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(key_DB, signed_D bool, exact_D): the band keys of a shard's documents, whether they have any, and their exact keys."""
    scope_D = scopes(workdir, shard, scope)
    minhash = workdir.read_table(shard.signals["minhash"], ["signature", "n_shingles"])
    signature = minhash["signature"].combine_chunks()
    signature_DP = signature.flatten().to_numpy().reshape(len(signature), signature.type.list_size)
    exact_D = workdir.read_table(shard.signals["exact"], ["hash"])["hash"].to_numpy()
    signed_D = minhash["n_shingles"].to_numpy() > 0
    return band_keys(signature_DP, bands, scope_D), signed_D, exact_keys(exact_D, scope_D)


def send_keys(out: Output, shard: Shard, bands: Bands, scope: str, partitions: int) -> dict[str, Any]:
    """Phase keys: (key, doc_id) of one pool shard."""
    key_DB, signed_D, exact_D = shard_keys(out.workdir, shard, bands, scope)
    doc_id = out.workdir.read_table(shard.pool, ["doc_id"])["doc_id"].to_numpy()
    key_K = np.concatenate([key_DB[signed_D].ravel(), exact_D])
    id_K = np.concatenate([np.repeat(doc_id[signed_D], bands.bands), doc_id])
    order = np.argsort(key_K)
    key_K = key_K[order]
    send(
        out, f"keys-{out.index:05d}.parquet", pa.table({"key": key_K, "doc_id": id_K[order]}), partition_cuts(key_K, partitions)
    )
    return {"documents": len(doc_id), "short": int((~signed_D).sum())}


def reduce_keys(out: Output, files: list[str], partition: int) -> dict[str, Any]:
    """Phase edges: the buckets of one partition of keys, as a forest."""
    keys = receive(out.workdir, files, partition)
    root, node = forest(*star_edges(keys["key"].to_numpy(), keys["doc_id"].to_numpy()))
    with out.writing(f"edges-{partition:05d}.parquet", rows=len(node)) as stream:
        pq.write_table(pa.table({"root": root, "node": node}), stream, **PARQUET)
    return {"edges": len(node)}


def shard_number(shard: Shard) -> int:
    """The upper half of the shard's doc_ids, from the name of its file: shard-00000042.parquet."""
    return int(Path(shard.pool).stem.rpartition("-")[2])


def send_sets(out: Output, shard: Shard, labels: list[str], declared: Duplicates, partitions: int) -> dict[str, Any]:
    """Phase sets: what is needed to decide the components that this shard has documents in.

    Of exact copies within the shard only the lowest uid brings its shingles: the lowest of all is among those.
    """
    workdir = out.workdir
    base = np.uint64(shard_number(shard) << 32)
    label = workdir.read_table(labels[shard.index // SHARDS_PER_RANGE])
    id_L, component_L = label["doc_id"].to_numpy(), label["component"].to_numpy()
    first, end = np.searchsorted(id_L, [base, base + np.uint64(2**32)])
    row_C, component_C = (id_L[first:end] - base).astype(np.int64), component_L[first:end]

    key_DB, signed_D, exact_D = shard_keys(workdir, shard, Bands(declared.bands, declared.rows), declared.scope)
    names = [name for name in declared.columns() if name != "n_bytes"]
    uid_C = workdir.read_table(shard.pool, ["uid"])["uid"].to_numpy()[row_C]
    order = np.lexsort((uid_C, exact_D[row_C]))
    again = np.concatenate([[False], np.diff(exact_D[row_C][order]) == 0]) if len(order) else np.zeros(0, bool)
    reads_C = np.ones(len(row_C), bool)
    reads_C[order[again]] = False
    reads_C &= signed_D[row_C]
    hash_S, bounds, n_bytes = candidate_sets(workdir, shard, row_C, reads_C, declared)

    columns: dict[str, Any] = {
        "component": component_C, "doc_id": row_C.astype(np.uint64) + base, "uid": uid_C, "exact": exact_D[row_C],
        "signed": signed_D[row_C], "bands": pa.FixedSizeListArray.from_arrays(pa.array(key_DB[row_C].ravel()), declared.bands),
        "shingles": pa.LargeListArray.from_arrays(bounds, hash_S), "n_bytes": n_bytes,
    }  # fmt: skip
    columns |= {name: shard.frame([name])[name].gather(row_C).to_arrow() for name in names}
    partition = (mix64(0, component_C) % np.uint64(partitions)).astype(np.int64)
    send_by(out, f"sets-{out.index:05d}.parquet", pa.table(columns), partition, partitions)
    return {"candidates": len(row_C)}


def candidate_sets(
    workdir: Workdir, shard: Shard, row_C: np.ndarray, reads_C: np.ndarray, declared: Duplicates
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hash_S, bounds, n_bytes): shingle sets of the shard's rows `row_C` (ascending), empty where `reads_C` is false."""
    sets: list[np.ndarray] = [np.empty(0, np.uint32)]
    size_C, n_bytes = np.zeros(len(row_C), np.int64), np.zeros(len(row_C), np.int64)
    start = 0
    for documents in workdir.batches(shard.pool, ["text"]):
        first, end = np.searchsorted(row_C, [start, start + documents.num_rows])
        text = documents["text"].combine_chunks()
        lengths = np.diff(np.frombuffer(text.buffers()[1], np.int64, len(text) + 1, text.offset * 8))
        n_bytes[first:end] = lengths[row_C[first:end] - start]
        wanted = np.flatnonzero(reads_C[first:end]) + first
        if declared.verify != "off" and len(wanted):
            chosen = Batch(pa.table({"text": text.take(pa.array(row_C[wanted] - start))}))
            hash_S, bounds = shingle_sets(units(chosen.words, declared.unit), declared.ngram)
            sets.append(hash_S)
            size_C[wanted] = np.diff(bounds)
        start += documents.num_rows
    return np.concatenate(sets), np.concatenate([[0], np.cumsum(size_C)]), n_bytes


def split_components(
    out: Output, files: list[str], partition: int, declared: Duplicates, starts: tuple[int, ...]
) -> dict[str, Any]:
    """Phase clusters: verify the components of one partition and choose survivors."""
    table = receive(out.workdir, files, partition)
    table = table.take(pa.array(np.argsort(table["uid"].to_numpy()))).combine_chunks()
    uid_N, exact_N, n = table["uid"].to_numpy(), table["exact"].to_numpy(), table.num_rows
    if declared.verify == "off":
        _, first, label_N = np.unique(table["component"].to_numpy(), return_index=True, return_inverse=True)
        root_N, counts = first[label_N], {"tested": 0, "joined": 0, "oversized": 0, "untested": 0}
    else:
        signed = np.flatnonzero(table["signed"].to_numpy())
        shingles = table["shingles"].combine_chunks()
        key_NB = table["bands"].combine_chunks().flatten().to_numpy().reshape(n, declared.bands)
        verified = verified_clusters(
            np.concatenate([key_NB[signed].ravel(), exact_N]),
            np.concatenate([np.repeat(signed, declared.bands), np.arange(n)]),
            shingles.values.to_numpy(),
            shingles.offsets.to_numpy(),
            threshold=declared.threshold,
            similarity=declared.verify,
        )
        root_N, counts = verified.root_N, {k: v for k, v in vars(verified).items() if k != "root_N"}
    cluster_N = uid_N[root_N]
    order = list(declared.survivor)
    rows = pa.table(
        {
            "doc_id": table["doc_id"],
            "cluster": cluster_N,
            "cluster_size": np.bincount(root_N, minlength=n)[root_N].astype(np.uint32),
            "survivor": survivors(cluster_N, uid_N, table, order),
            "exact_survivor": survivors(exact_N, uid_N, table, order),
        }
    )
    home = range_of(table["doc_id"].to_numpy(), starts)
    send_by(out, f"clusters-{partition:05d}.parquet", rows, home, len(starts))
    return counts


def write_signal(out: Output, shard: Shard, files: list[str]) -> dict[str, Any]:
    """Phase signal: every document of one pool shard; a document in no component is alone."""
    workdir = out.workdir
    documents = workdir.read_table(shard.pool, ["doc_id", "uid"])
    n = documents.num_rows
    cluster_D = documents["uid"].to_numpy().copy()
    size_D, survivor_D, exact_D = np.ones(n, np.uint32), np.ones(n, bool), np.ones(n, bool)
    found = receive(workdir, files, shard.index // SHARDS_PER_RANGE)
    row = found["doc_id"].to_numpy().astype(np.int64) - (shard_number(shard) << 32)
    mine = np.flatnonzero((row >= 0) & (row < 2**32))
    row = row[mine]
    cluster_D[row] = found["cluster"].to_numpy()[mine]
    size_D[row] = found["cluster_size"].to_numpy()[mine]
    survivor_D[row] = found["survivor"].to_numpy()[mine]
    exact_D[row] = found["exact_survivor"].to_numpy()[mine]
    table = pa.table(
        [
            documents["doc_id"], workdir.read_table(shard.signals["exact"], ["hash"])["hash"], pa.array(cluster_D),
            pa.array(size_D), pa.array(survivor_D), pa.array(exact_D),
        ],
        schema=SIGNAL,
    )  # fmt: skip
    out.write_table(shard_file(shard.index), table)
    return {"duplicates": int((~survivor_D).sum()), "exact_duplicates": int((~exact_D).sum())}
