"""Duplicates: from signatures to the signal `duplicates`, in six phases that each restart from their committed parts.

    keys        per pool shard      signatures, exact hashes -> keys, exchanged by key
    edges       per key partition   buckets -> star edges, contracted to a forest
    components  in one task or over partitions (`components`), the largest split beforehand (`large_components`) -> labels
    sets        per pool shard      shingle sets and keys of the documents in a component, exchanged by component
    clusters    per component part  verified clusters and survivors, exchanged by range of shards
    signal      per pool shard      rows for all documents, in the pool's order

Text is read once more only for documents in a component. No phase holds more than its partition, and no document passes
through the driver. The result depends on the documents and the declaration alone: not on shards, nodes, order or retries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.duplicates.candidates import Bands, partition_cuts, star_edges
from curation.duplicates.clusters import best_of, forest, ranks
from curation.duplicates.redundant import removals
from curation.duplicates.verify import Near, Sets
from curation.hashing import mix64
from pipelines.duplicates.components import label_components
from pipelines.duplicates.duplicate_shards import (
    SHARDS_PER_RANGE,
    Duplicates,
    brings_shingles,
    candidate_sets,
    shard_keys,
    shard_labels,
)
from pipelines.duplicates.evidence import is_evidence, verify, write_evidence
from pipelines.duplicates.large_components import split_large
from pipelines.engine.exchange import receive, send, send_by
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step, read_manifest
from pipelines.engine.workdir import PARQUET, JsonObject
from pipelines.signals.shards import Shard, shard_file, shards

KEYS_PER_PARTITION = 4_000_000  # 64 MB, and twice that while they are sorted
SET_PARTITION = 2**27  # bytes of candidate text per component partition: some 100 MB of shingles and keys

SIGNAL = pa.schema(
    [
        ("doc_id", pa.uint64()),
        ("exact", pa.uint64()),  # hash of the normalised text (or URL; null without one)
        ("cluster", pa.uint64()),  # the lowest uid of the duplicates; its own when alone
        ("cluster_size", pa.uint32()),
        ("survivor", pa.bool_()),  # stays: the best of the cluster, or what `removes` leaves of it
        ("kept_uid", pa.uint64()),  # of the document that stays in its place; its own where it stays
        ("exact_survivor", pa.bool_()),  # best of the exact copies
    ]
)


@dataclass(frozen=True)
class SignedPool:
    """A pool's shards with the signals that line up with them, by name; all in one work directory."""

    pool: Manifest
    signals: Mapping[str, Manifest]

    def inputs(self, age: int, names: Iterable[str]) -> dict[str, Manifest]:
        """The pool and the signals `names` as inputs of a step; those of the `age`-th earlier pool are told apart by it."""
        prefix = f"earlier-{age}/" if age else ""
        return {f"{prefix}pool": self.pool} | {f"{prefix}{name}": self.signals[name] for name in sorted(names)}


def find_duplicates(
    context: Context, pool: Manifest, signals: Mapping[str, Manifest], declared: Duplicates, earlier: Sequence[SignedPool] = ()
) -> Manifest:
    """The signal `duplicates` of the pool: `duplicates_of_all`, the last one."""
    return duplicates_of_all(context, [*earlier, SignedPool(pool, signals)], declared)[-1]


def duplicates_of_all(context: Context, pools: Sequence[SignedPool], declared: Duplicates) -> list[Manifest]:
    """Run the six phases; the last one's manifests are the signal `duplicates` of every pool, one file per shard.

    A pool's `signals` map a signal's name to its manifest: `declared.signals()` and those that `declared.survivor` names. Pools
    but the last were deduplicated before: the new one joins them as if all had been there from the start, and of the old text
    only documents in a candidate component are read. What becomes of their documents is said anew beside the new ones'.

    The summary has the counts: documents, short ones, candidates, pairs tested and joined, clusters, duplicates, the S-curve.
    Raises ValueError for a survivor column of a signal that is not among `signals`.
    """
    used = {*declared.signals(), *(name.partition(".")[0] for name in declared.columns if "." in name)}
    for p in pools:
        if missing := used - set(p.signals):
            place = f" in {p.pool.elsewhere.root}" if p.pool.elsewhere else ""
            raise ValueError(
                f"duplicates: the signal {sorted(missing)[0]!r} is needed (survivor: {', '.join(declared.survivor)}) and was "
                f"not computed before{place} (there are: {', '.join(sorted(p.signals))}); declare it under signals, or leave "
                "it out"
            )
    by_pool = [shards(p.pool.elsewhere or context.workdir, p.pool, {name: p.signals[name] for name in used}) for p in pools]
    numbers = count()
    placed = [[replace(shard, index=next(numbers)) for shard in mine] for mine in by_pool]
    here = [shard for mine in placed for shard in mine]
    documents, text_bytes = (sum(p.pool.total(key) for p in pools) for key in ("documents", "text_bytes"))

    def inputs(names: Iterable[str]) -> dict[str, Manifest]:
        return {key: m for age, p in enumerate(reversed(pools)) for key, m in p.inputs(age, names).items()}

    keys = run_step(context, keys_step(here, declared, inputs(declared.signals()), documents))
    edges = run_step(context, edges_step(keys))
    labels = label_components(context, edges, ceil(len(here) / SHARDS_PER_RANGE), SHARDS_PER_RANGE)
    if declared.verifies:
        labels = split_large(context, labels, here, declared, text_bytes / max(documents, 1), inputs(used))
    n_candidates = labels.total("documents")
    sets = run_step(context, sets_step(here, declared, inputs(used), labels, text_bytes * n_candidates / max(documents, 1)))
    clusters = run_step(context, clusters_step(declared, sets, len(here)))
    totals = {
        "documents": documents,
        "short": keys.total("short"),
        "candidates": n_candidates,
        **{name: clusters.total(name) for name in ("tested", "joined", "oversized", "untested")},
        "curve": Bands(declared.bands, declared.rows).curve() if declared.by == "text" else [],
    }
    steps = [signal_step(mine, declared, clusters, totals, age) for age, mine in enumerate(reversed(placed))]
    signal = steps[0]
    if declared.by == "text" and not context.reading and read_manifest(context.workdir, signal) is None:
        curve = ", ".join(f"{p:.2f} at {s:g}" for s, p in Bands(declared.bands, declared.rows).curve(np.arange(5, 10) / 10))
        hashes = f"{declared.bands} bands of {declared.rows} hashes"
        context.progress.say(f"near duplicates: {hashes} find a pair with probability {curve} (Jaccard)")
    return [run_step(context, step) for step in reversed(steps)]


def search_config(declared: Duplicates) -> JsonObject:
    """What of the declaration decides which documents become candidates."""
    return {"by": declared.by, "bands": declared.bands, "rows": declared.rows, "scope": declared.scope}


def keys_step(here: list[Shard], declared: Duplicates, inputs: Mapping[str, Manifest], documents: int) -> Step:
    partitions = ceil(documents * (1 if declared.by == "url" else declared.bands + 1) / KEYS_PER_PARTITION) or 1
    return Step(
        "duplicates/keys", search_config(declared) | {"partitions": partitions}, inputs, compute=send_keys,
        units=lambda: [(shard, declared, partitions) for shard in here],
    )  # fmt: skip


def edges_step(keys: Manifest) -> Step:
    partitions = keys.step.config["partitions"]
    return Step(
        "duplicates/edges", {}, {"keys": keys}, compute=reduce_keys,
        units=lambda: [(keys.files(), p) for p in range(partitions)], unit="partitions",
    )  # fmt: skip


def sets_step(
    here: list[Shard], declared: Duplicates, inputs: Mapping[str, Manifest], labels: Manifest, candidate_bytes: float
) -> Step:
    partitions = ceil(candidate_bytes / SET_PARTITION) or 1
    config = search_config(declared) | {
        "columns": declared.columns, "partitions": partitions, "verifies": declared.verifies,
        "ngram": declared.ngram, "unit": declared.unit,
    }  # fmt: skip
    return Step(
        "duplicates/sets", config, {**inputs, "labels": labels}, compute=send_sets,
        units=lambda: [(shard, labels.files(), declared, partitions) for shard in here],
    )  # fmt: skip


def clusters_step(declared: Duplicates, sets: Manifest, n_shards: int) -> Step:
    ranges, partitions = ceil(n_shards / SHARDS_PER_RANGE), sets.step.config["partitions"]
    config = {
        "verify": declared.verify, "threshold": declared.threshold, "removes": declared.removes, "evidence": declared.evidence,
        "survivor": list(declared.survivor), "ranges": ranges,
    }  # fmt: skip
    return Step(
        "duplicates/clusters", config, {"sets": sets}, compute=split_components,
        units=lambda: [(sets.files(), p, declared, ranges) for p in range(partitions)], unit="partitions",
    )  # fmt: skip


def signal_step(mine: list[Shard], declared: Duplicates, clusters: Manifest, totals: JsonObject, age: int) -> Step:
    """The signal of the pool's own shards (age 0), or of the `age`-th pool before it."""

    def summarize(parts: list[JsonObject]) -> JsonObject:
        return totals | {name: sum(part[name] for part in parts) for name in ("duplicates", "exact_duplicates")}

    name = "signals/duplicates" if declared.by == "text" else "signals/duplicates_url"
    files = exchanged(clusters)
    return Step(
        f"{name}-earlier-{age}" if age else name, asdict(declared) | {"survivor": list(declared.survivor)},
        {"clusters": clusters}, compute=write_signal, units=lambda: [(shard, files, declared) for shard in mine],
        summarize=summarize,
    )  # fmt: skip


def exchanged(clusters: Manifest) -> list[str]:
    """The files of the phase clusters that the last one reads; those beside them are evidence."""
    return [path for path in clusters.files() if not is_evidence(path)]


def send_keys(out: Output, shard: Shard, declared: Duplicates, partitions: int) -> JsonObject:
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


def reduce_keys(out: Output, files: list[str], partition: int) -> JsonObject:
    """Phase edges: the buckets of one partition of keys, as a forest."""
    keys = receive(out.workdir, files, partition)
    root, node = forest(*star_edges(keys["key"].to_numpy(), keys["place"].to_numpy()))
    with out.writing(f"edges-{partition:05d}.parquet", rows=len(node)) as stream:
        pq.write_table(pa.table({"root": root, "node": node}), stream, **PARQUET)
    return {"edges": len(node)}


def send_sets(out: Output, shard: Shard, labels: list[str], declared: Duplicates, partitions: int) -> JsonObject:
    """Phase sets: what is needed to decide the components that this shard has documents in."""
    label = shard_labels(out.workdir, shard, labels)
    place_C, component_C = label["place"].to_numpy(), label["component"].to_numpy()
    row_C = (place_C & np.uint64(2**32 - 1)).astype(np.int64)

    key_DB, signed_D, exact_D, _ = shard_keys(shard, declared)
    exact_C, uid_C = exact_D[row_C], shard.workdir.read_table(shard.pool, ["uid"])["uid"].to_numpy()[row_C]
    reads_C = signed_D[row_C] & declared.verifies & brings_shingles(uid_C, exact_C)
    hash_S, bounds, n_bytes = candidate_sets(shard, row_C, reads_C, declared)

    columns: JsonObject = {"component": component_C, "place": place_C, "uid": uid_C, "exact": exact_C, "n_bytes": n_bytes}
    if declared.verifies:
        bands = pa.FixedSizeListArray.from_arrays(pa.array(key_DB[row_C].ravel()), declared.bands)
        columns |= {"signed": signed_D[row_C], "bands": bands, "shingles": pa.LargeListArray.from_arrays(bounds, hash_S)}
    columns |= {name: shard.frame([name])[name].gather(row_C).to_arrow() for name in declared.columns if name != "n_bytes"}
    partition = (mix64(0, component_C) % np.uint64(partitions)).astype(np.int64)
    send_by(out, f"sets-{out.index:05d}.parquet", pa.table(columns), partition, partitions)
    return {"candidates": len(row_C)}


def split_components(out: Output, files: list[str], partition: int, declared: Duplicates, ranges: int) -> JsonObject:
    """Phase clusters: verify the components of one partition and choose survivors."""
    table = receive(out.workdir, files, partition)
    table = table.take(pa.array(np.argsort(table["uid"].to_numpy()))).combine_chunks()
    uid_N, exact_N, n = table["uid"].to_numpy(), table["exact"].to_numpy(), table.num_rows
    rank_N = ranks(uid_N, table, list(declared.survivor))
    if declared.verifies:
        signed = np.flatnonzero(table["signed"].to_numpy())
        shingles = table["shingles"].combine_chunks()
        key_NB = table["bands"].combine_chunks().flatten().to_numpy().reshape(n, declared.bands)
        key_K = np.concatenate([key_NB[signed].ravel(), exact_N])
        document_K = np.concatenate([np.repeat(signed, declared.bands), np.arange(n)])
        sets = Sets(shingles.values.to_numpy(), shingles.offsets.to_numpy())
        verified = verify(key_K, document_K, sets, declared)
        root_N, counts, found = verified.root_N, verified.counts(), {"link": verified.pairs}
        if declared.removes != "linked":
            near, longest_first = Near(declared.threshold, declared.verify == "containment"), declared.removes == "contained"
            removed = removals(
                key_K, document_K, sets, rank_N, near, longest_first=longest_first, evidence=declared.evidence
            )  # fmt: skip
            kept_N, found["removal"] = removed.by_N, removed.pairs
            counts |= {"untested": counts["untested"] + removed.untested, "tested": counts["tested"] + removed.tested}
        else:
            kept_N = best_of(root_N, rank_N)
        if declared.evidence:
            write_evidence(out, partition, found, sets, uid_N)
    else:
        _, first, label_N = np.unique(table["component"].to_numpy(), return_index=True, return_inverse=True)
        root_N, counts = first[label_N], {"tested": 0, "joined": 0, "oversized": 0, "untested": 0}
        kept_N = best_of(root_N, rank_N)
    rows = pa.table(
        {
            "place": table["place"],
            "cluster": uid_N[root_N],
            "cluster_size": np.bincount(root_N, minlength=n)[root_N].astype(np.uint32),
            "kept_uid": uid_N[kept_N],
            "survivor": kept_N == np.arange(n),
            "exact_survivor": best_of(exact_N, rank_N) == np.arange(n),
        }
    )
    home = (table["place"].to_numpy() >> np.uint64(32)).astype(np.int64) // SHARDS_PER_RANGE
    send_by(out, f"clusters-{partition:05d}.parquet", rows, home, ranges)
    return counts


def write_signal(out: Output, shard: Shard, files: list[str], declared: Duplicates) -> JsonObject:
    """Phase signal: every document of one pool shard; a document in no component is alone."""
    workdir = shard.workdir  # of the pool; the clusters lie in the study's own
    documents = workdir.read_table(shard.pool, ["doc_id", "uid"])
    n = documents.num_rows
    cluster_D, kept_D = documents["uid"].to_numpy().copy(), documents["uid"].to_numpy().copy()
    size_D, survivor_D, exact_D = np.ones(n, np.uint32), np.ones(n, bool), np.ones(n, bool)
    found = receive(out.workdir, files, shard.index // SHARDS_PER_RANGE)
    row = found["place"].to_numpy().astype(np.int64) - (shard.index << 32)
    mine = np.flatnonzero((row >= 0) & (row < 2**32))
    row = row[mine]
    cluster_D[row] = found["cluster"].to_numpy()[mine]
    size_D[row] = found["cluster_size"].to_numpy()[mine]
    kept_D[row] = found["kept_uid"].to_numpy()[mine]
    survivor_D[row] = found["survivor"].to_numpy()[mine]
    exact_D[row] = found["exact_survivor"].to_numpy()[mine]
    exact = workdir.read_table(shard.signals["exact" if declared.by == "text" else "url"], ["hash"])["hash"]
    columns = [documents["doc_id"], exact, cluster_D, size_D, survivor_D, kept_D, exact_D]
    out.write_table(shard_file(out.index), pa.table(columns, schema=SIGNAL))
    return {"duplicates": int((~survivor_D).sum()), "exact_duplicates": int((~exact_D).sum())}
