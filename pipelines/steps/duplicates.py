"""Duplicates: from signatures to the signal `duplicates`, in six phases that each restart from their committed parts.

    keys        per pool shard      signatures, exact hashes -> keys, exchanged by key
    edges       per key partition   buckets -> star edges, contracted to a forest
    components  in one task or, above `pipelines.steps.components.IN_MEMORY` edges, over partitions -> labels by range of shards
    sets        per pool shard      shingle sets and keys of the documents in a component, exchanged by component
    clusters    per component part  verified clusters and survivors, exchanged by range of shards
    signal      per pool shard      rows for all documents, in the pool's order

Text is read once more only for documents in a component. No phase holds more than its partition, and no document passes
through the driver. The result depends on the documents and the declaration alone: not on shards, nodes, order or retries.

Between the phases a document goes by its place: position of its shard << 32 | row.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from curation.document import Batch, mix64
from curation.duplicates.candidates import Bands, band_keys, exact_keys, optimal_bands, partition_cuts, star_edges
from curation.duplicates.clusters import forest, survivor_column, survivors
from curation.duplicates.verify import verified_clusters
from curation.signals.signatures import shingle_sets, units
from pipelines.exchange import receive, send, send_by
from pipelines.run_step import Context, run_step
from pipelines.steps.components import label_components
from pipelines.steps.shards import Shard, shard_file, shards
from pipelines.workdir import PARQUET, Manifest, Output, Step

KEYS_PER_PARTITION = 4_000_000  # 64 MB, and twice that while they are sorted
SET_PARTITION = 2**27  # bytes of candidate text per component partition: some 100 MB of shingles and keys
SHARDS_PER_RANGE = 64  # pool shards whose labels and rows lie in one file

SIGNAL = pa.schema(
    [
        ("doc_id", pa.uint64()),
        ("exact", pa.uint64()),  # hash of the normalised text (or URL; null without one)
        ("cluster", pa.uint64()),  # the lowest uid of the duplicates; its own when alone
        ("cluster_size", pa.uint32()),
        ("survivor", pa.bool_()),  # best of the cluster
        ("exact_survivor", pa.bool_()),  # best of the exact copies
    ]
)


@dataclass(frozen=True)
class Duplicates:
    """What counts as a duplicate, and which copy stays.

    `by` text: exact copies and near ones, by MinHash over shingles; documents of fewer than `ngram` units are duplicates of
    exact copies only. `by` url: documents of one normalised URL; the result is the signal `duplicates_url`. `scope` is `global`
    or a document column (`source`, `domain`): copies are then sought within its values. `survivor` names columns, highest first
    (`-name`: lowest first; `name: a > b`: these values first): document columns, `n_bytes`, or `signal.column`; the lowest uid
    decides at last.
    """

    ngram: int = 5
    unit: Literal["word", "character"] = "word"
    bands: int = 14
    rows: int = 8
    seed: int = 1
    verify: Literal["jaccard", "containment", "off"] = "jaccard"
    threshold: float = 0.7
    scope: str = "global"
    survivor: tuple[str, ...] = ("n_bytes",)
    by: Literal["text", "url"] = "text"

    @classmethod
    def of_threshold(cls, threshold: float, num_perm: int = 112, **others: Any) -> "Duplicates":
        """Bands and rows by datasketch's rule for a threshold, at most `num_perm` permutations; `others` are fields."""
        bands = optimal_bands(threshold, num_perm)
        return cls(bands=bands.bands, rows=bands.rows, threshold=threshold, **others)

    def signals(self) -> dict[str, dict[str, Any]]:
        """The signals that must be there first, with their parameters."""
        if self.by == "url":
            return {"url": {}}
        num_perm = self.bands * self.rows
        return {"minhash": {"num_perm": num_perm, "seed": self.seed, "ngram": self.ngram, "unit": self.unit}, "exact": {}}

    @property
    def verifies(self) -> bool:
        return self.by == "text" and self.verify != "off"

    @property
    def columns(self) -> list[str]:
        return [survivor_column(rule) for rule in self.survivor]


@dataclass(frozen=True)
class Part:
    """Pool shards with the signals that line up with them, by name. Parts may be of different age: see `find_duplicates`."""

    pool: Manifest
    signals: dict[str, Manifest]


def find_duplicates(
    context: Context, pool: Manifest, signals: dict[str, Manifest], declared: Duplicates, earlier: Sequence[Part] = ()
) -> Manifest:
    """Run the six phases; the last one's manifest is that of the signal `duplicates`, one file per shard.

    `signals` maps a signal's name to its manifest: `declared.signals()` and those that `declared.survivor` names. `earlier` are
    pools that were deduplicated before, with their signals: the new one joins them as if all had been there from the start, and
    of the old text only documents in a candidate component are read. Their shards' files come first.

    The summary has the counts: documents, short ones, candidates, pairs tested and joined, clusters, duplicates, the S-curve.
    Raises ValueError for a survivor column of a signal that is not among `signals`.
    """
    parts = [*earlier, Part(pool, signals)]
    used = {*declared.signals(), *(name.partition(".")[0] for name in declared.columns if "." in name)}
    if missing := used - set(signals):
        raise ValueError(
            f"duplicates: the signal {sorted(missing)[0]!r} is needed (survivor: {', '.join(declared.survivor)}) and was not "
            f"computed before (there are: {', '.join(sorted(signals))}); declare it under signals, or leave it out"
        )
    here = [shard for part in parts for shard in shards(context.workdir, part.pool, {n: part.signals[n] for n in used})]
    here = [Shard(shard.workdir, index, shard.pool, shard.signals) for index, shard in enumerate(here)]
    inputs = {"pool": "+".join(part.pool.digest for part in parts)}
    inputs |= {name: "+".join(part.signals[name].digest for part in parts) for name in sorted(used)}
    documents, text_bytes = (sum(part.pool.total(key) for part in parts) for key in ("documents", "text_bytes"))
    n_keys = 1 if declared.by == "url" else declared.bands + 1
    ranges = ceil(len(here) / SHARDS_PER_RANGE)

    seeking = {"by": declared.by, "bands": declared.bands, "rows": declared.rows, "scope": declared.scope}
    key_partitions = ceil(documents * n_keys / KEYS_PER_PARTITION) or 1
    keys = run_step(
        context,
        Step(
            "duplicates/keys", seeking | {"partitions": key_partitions}, {n: inputs[n] for n in ("pool", *declared.signals())}
        ),
        send_keys,
        [(shard, declared, key_partitions) for shard in here],
    )
    edges = run_step(
        context,
        Step("duplicates/edges", {}, {"keys": keys.digest}),
        reduce_keys,
        [(keys.files(), p) for p in range(key_partitions)],
        unit="partitions",
    )
    labels = label_components(context, edges, ranges, SHARDS_PER_RANGE)

    candidates = labels.total("documents")
    set_partitions = ceil(text_bytes * candidates / max(documents, 1) / SET_PARTITION) or 1
    config = seeking | {"columns": declared.columns, "partitions": set_partitions, "verifies": declared.verifies}
    sets = run_step(
        context,
        Step("duplicates/sets", config | {"ngram": declared.ngram, "unit": declared.unit}, inputs | {"labels": labels.digest}),
        send_sets,
        [(shard, labels.files(), declared, set_partitions) for shard in here],
    )
    config = {"verify": declared.verify, "threshold": declared.threshold, "survivor": list(declared.survivor), "ranges": ranges}
    clusters = run_step(
        context,
        Step("duplicates/clusters", config, {"sets": sets.digest}),
        split_components,
        [(sets.files(), p, declared, ranges) for p in range(set_partitions)],
        unit="partitions",
    )

    def summarise(parts: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "documents": documents,
            "short": keys.total("short"),
            "candidates": candidates,
            **{name: clusters.total(name) for name in ("tested", "joined", "oversized", "untested")},
            **{name: sum(part[name] for part in parts) for name in ("duplicates", "exact_duplicates")},
            "curve": Bands(declared.bands, declared.rows).curve() if declared.by == "text" else [],
        }

    name = "signals/duplicates" if declared.by == "text" else "signals/duplicates_url"
    if declared.by == "text":
        curve = ", ".join(f"{p:.2f} at {s:g}" for s, p in Bands(declared.bands, declared.rows).curve(np.arange(5, 10) / 10))
        context.progress.say(f"{declared.bands} bands of {declared.rows}: a pair becomes a candidate with probability {curve}")
    config = asdict(declared) | {"survivor": list(declared.survivor)}
    units = [(shard, clusters.files(), declared) for shard in here]
    return run_step(context, Step(name, config, {"clusters": clusters.digest}), write_signal, units, summarise)


def scopes(shard: Shard, scope: str) -> np.ndarray:
    """uint64 per document: 0 for the global scope, else a hash of its value of the column `scope`."""
    workdir = shard.workdir
    if scope == "global":
        return np.zeros(pq.read_metadata(workdir.full(shard.pool), filesystem=workdir.fs).num_rows, np.uint64)
    column = workdir.read_table(shard.pool, [scope])[scope].combine_chunks().dictionary_encode()
    values = [*column.dictionary.to_pylist(), ""]  # the last for nulls
    hashes = np.array([xxhash.xxh3_64_intdigest(value.encode()) for value in values], np.uint64)
    return hashes[column.indices.fill_null(len(hashes) - 1).to_numpy(zero_copy_only=False)]


def shard_keys(shard: Shard, declared: Duplicates) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(band key_DB, signed_D, exact_D, named_D): a shard's keys, which documents have band keys, and which an exact key."""
    scope_D = scopes(shard, declared.scope)
    hashes = shard.workdir.read_table(shard.signals["exact" if declared.by == "text" else "url"], ["hash"])["hash"]
    named_D = hashes.is_valid().to_numpy()
    exact_D = exact_keys(hashes.fill_null(0).to_numpy(), scope_D)
    if declared.by == "url":
        return np.empty((len(exact_D), 0), np.uint64), np.zeros(len(exact_D), bool), exact_D, named_D
    minhash = shard.workdir.read_table(shard.signals["minhash"], ["signature", "n_shingles"])
    signature = minhash["signature"].combine_chunks()
    signature_DP = signature.flatten().to_numpy().reshape(len(signature), signature.type.list_size)
    key_DB = band_keys(signature_DP, Bands(declared.bands, declared.rows), scope_D)
    return key_DB, minhash["n_shingles"].to_numpy() > 0, exact_D, named_D


def send_keys(out: Output, shard: Shard, declared: Duplicates, partitions: int) -> dict[str, Any]:
    """Phase keys: (key, place) of one pool shard."""
    key_DB, signed_D, exact_D, named_D = shard_keys(shard, declared)
    place_D = np.uint64(shard.index << 32) + np.arange(len(exact_D), dtype=np.uint64)
    key_K = np.concatenate([key_DB[signed_D].ravel(), exact_D[named_D]])
    place_K = np.concatenate([np.repeat(place_D[signed_D], key_DB.shape[1]), place_D[named_D]])
    order = np.argsort(key_K)
    key_K = key_K[order]
    send(
        out,
        f"keys-{out.index:05d}.parquet",
        pa.table({"key": key_K, "place": place_K[order]}),
        partition_cuts(key_K, partitions),
    )
    return {"short": int((~signed_D).sum())}


def reduce_keys(out: Output, files: list[str], partition: int) -> dict[str, Any]:
    """Phase edges: the buckets of one partition of keys, as a forest."""
    keys = receive(out.workdir, files, partition)
    root, node = forest(*star_edges(keys["key"].to_numpy(), keys["place"].to_numpy()))
    with out.writing(f"edges-{partition:05d}.parquet", rows=len(node)) as stream:
        pq.write_table(pa.table({"root": root, "node": node}), stream, **PARQUET)
    return {"edges": len(node)}


def send_sets(out: Output, shard: Shard, labels: list[str], declared: Duplicates, partitions: int) -> dict[str, Any]:
    """Phase sets: what is needed to decide the components that this shard has documents in.

    Of exact copies within the shard only the lowest uid brings its shingles: the lowest of all is among those.
    """
    workdir, base = out.workdir, np.uint64(shard.index << 32)
    label = workdir.read_table(labels[shard.index // SHARDS_PER_RANGE])
    place_L, component_L = label["place"].to_numpy(), label["component"].to_numpy()
    first, end = np.searchsorted(place_L, [base, base + np.uint64(2**32)])
    place_C, component_C = place_L[first:end], component_L[first:end]
    row_C = (place_C - base).astype(np.int64)

    key_DB, signed_D, exact_D, _ = shard_keys(shard, declared)
    exact_C, uid_C = exact_D[row_C], workdir.read_table(shard.pool, ["uid"])["uid"].to_numpy()[row_C]
    order = np.lexsort((uid_C, exact_C))
    reads_C = signed_D[row_C] & declared.verifies
    reads_C[order[1:][exact_C[order[1:]] == exact_C[order[:-1]]]] = False
    hash_S, bounds, n_bytes = candidate_sets(shard, row_C, reads_C, declared)

    columns: dict[str, Any] = {"component": component_C, "place": place_C, "uid": uid_C, "exact": exact_C, "n_bytes": n_bytes}
    if declared.verifies:
        bands = pa.FixedSizeListArray.from_arrays(pa.array(key_DB[row_C].ravel()), declared.bands)
        columns |= {"signed": signed_D[row_C], "bands": bands, "shingles": pa.LargeListArray.from_arrays(bounds, hash_S)}
    columns |= {name: shard.frame([name])[name].gather(row_C).to_arrow() for name in declared.columns if name != "n_bytes"}
    partition = (mix64(0, component_C) % np.uint64(partitions)).astype(np.int64)
    send_by(out, f"sets-{out.index:05d}.parquet", pa.table(columns), partition, partitions)
    return {"candidates": len(row_C)}


def candidate_sets(
    shard: Shard, row_C: np.ndarray, reads_C: np.ndarray, declared: Duplicates
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hash_S, bounds, n_bytes): shingle sets of the shard's rows `row_C` (ascending), empty where `reads_C` is false."""
    sets: list[np.ndarray] = [np.empty(0, np.uint32)]
    size_C, n_bytes = np.zeros(len(row_C), np.int64), np.zeros(len(row_C), np.int64)
    start = 0
    for documents in shard.workdir.batches(shard.pool, ["text"]):
        first, end = np.searchsorted(row_C, [start, start + documents.num_rows])
        text = documents["text"].combine_chunks()
        lengths = np.diff(np.frombuffer(text.buffers()[1], np.int64, len(text) + 1, text.offset * 8))
        n_bytes[first:end] = lengths[row_C[first:end] - start]
        wanted = np.flatnonzero(reads_C[first:end]) + first
        if len(wanted):
            chosen = Batch(pa.table({"text": text.take(pa.array(row_C[wanted] - start))}))
            hash_S, bounds = shingle_sets(units(chosen.words, declared.unit), declared.ngram)
            sets.append(hash_S)
            size_C[wanted] = np.diff(bounds)
        start += documents.num_rows
    return np.concatenate(sets), np.concatenate([[0], np.cumsum(size_C)]), n_bytes


def split_components(out: Output, files: list[str], partition: int, declared: Duplicates, ranges: int) -> dict[str, Any]:
    """Phase clusters: verify the components of one partition and choose survivors."""
    table = receive(out.workdir, files, partition)
    table = table.take(pa.array(np.argsort(table["uid"].to_numpy()))).combine_chunks()
    uid_N, exact_N, n = table["uid"].to_numpy(), table["exact"].to_numpy(), table.num_rows
    if declared.verifies:
        signed = np.flatnonzero(table["signed"].to_numpy())
        shingles = table["shingles"].combine_chunks()
        key_NB = table["bands"].combine_chunks().flatten().to_numpy().reshape(n, declared.bands)
        verified = verified_clusters(
            np.concatenate([key_NB[signed].ravel(), exact_N]),
            np.concatenate([np.repeat(signed, declared.bands), np.arange(n)]),
            shingles.values.to_numpy(),
            shingles.offsets.to_numpy(),
            threshold=declared.threshold,
            similarity="containment" if declared.verify == "containment" else "jaccard",
        )
        root_N, counts = verified.root_N, {k: v for k, v in vars(verified).items() if k != "root_N"}
    else:
        _, first, label_N = np.unique(table["component"].to_numpy(), return_index=True, return_inverse=True)
        root_N, counts = first[label_N], {"tested": 0, "joined": 0, "oversized": 0, "untested": 0}
    cluster_N, order = uid_N[root_N], list(declared.survivor)
    rows = pa.table(
        {
            "place": table["place"],
            "cluster": cluster_N,
            "cluster_size": np.bincount(root_N, minlength=n)[root_N].astype(np.uint32),
            "survivor": survivors(cluster_N, uid_N, table, order),
            "exact_survivor": survivors(exact_N, uid_N, table, order),
        }
    )
    home = (table["place"].to_numpy() >> np.uint64(32)).astype(np.int64) // SHARDS_PER_RANGE
    send_by(out, f"clusters-{partition:05d}.parquet", rows, home, ranges)
    return counts


def write_signal(out: Output, shard: Shard, files: list[str], declared: Duplicates) -> dict[str, Any]:
    """Phase signal: every document of one pool shard; a document in no component is alone."""
    workdir = out.workdir
    documents = workdir.read_table(shard.pool, ["doc_id", "uid"])
    n = documents.num_rows
    cluster_D = documents["uid"].to_numpy().copy()
    size_D, survivor_D, exact_D = np.ones(n, np.uint32), np.ones(n, bool), np.ones(n, bool)
    found = receive(workdir, files, shard.index // SHARDS_PER_RANGE)
    row = found["place"].to_numpy().astype(np.int64) - (shard.index << 32)
    mine = np.flatnonzero((row >= 0) & (row < 2**32))
    row = row[mine]
    cluster_D[row] = found["cluster"].to_numpy()[mine]
    size_D[row] = found["cluster_size"].to_numpy()[mine]
    survivor_D[row] = found["survivor"].to_numpy()[mine]
    exact_D[row] = found["exact_survivor"].to_numpy()[mine]
    exact = workdir.read_table(shard.signals["exact" if declared.by == "text" else "url"], ["hash"])["hash"]
    columns = [documents["doc_id"], exact, cluster_D, size_D, survivor_D, exact_D]
    out.write_table(shard_file(shard.index), pa.table(columns, schema=SIGNAL))
    return {"duplicates": int((~survivor_D).sum()), "exact_duplicates": int((~exact_D).sum())}
