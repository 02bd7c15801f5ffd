"""Large components: split by bucket before any task has to hold one whole.

Candidates of templates and boilerplate chain into components of any size, which are mostly false. A component of more than
`LARGE` documents is therefore not brought together: its documents' shingle sets go to the partitions of their band keys, each
bucket is verified where it is, and the true edges alone are closed again. What was one component is then its clusters, in which
the later phases find the same edges once more. The result is that of verifying the component whole; the price is a set per band
instead of one.
"""

from collections.abc import Mapping
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.duplicates.candidates import partition_cuts
from curation.duplicates.clusters import forest
from curation.duplicates.verify import Sets
from pipelines.duplicates import components
from pipelines.duplicates.components import label_components, write_labels
from pipelines.duplicates.duplicate_shards import (
    SHARDS_PER_RANGE,
    Duplicates,
    brings_shingles,
    candidate_sets,
    shard_keys,
    shard_labels,
)
from pipelines.duplicates.evidence import verify, write_evidence
from pipelines.engine.exchange import receive, send
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import PARQUET, JsonObject
from pipelines.signals.shards import Shard

BYTES_PER_PARTITION = 2**27  # of text, once per band


def split_large(
    context: Context,
    labels: Manifest,
    here: list[Shard],
    declared: Duplicates,
    mean_bytes: float,
    inputs: Mapping[str, Manifest],
) -> Manifest:
    """`labels` with every large component replaced by its verified clusters; `labels` itself when there is none.

    `mean_bytes` is the pool's mean text per document; `inputs` are the pool and its signals.
    """
    if not (large := labels.total("large")):
        return labels
    limit = components.LARGE
    partitions = ceil(large * mean_bytes * declared.bands / BYTES_PER_PARTITION)
    config = {
        "ngram": declared.ngram, "unit": declared.unit, "bands": declared.bands, "rows": declared.rows, "scope": declared.scope,
        "large": limit, "partitions": partitions,
    }  # fmt: skip
    step = Step(
        "duplicates/large-sets", config, {**inputs, "labels": labels}, compute=send_large,
        units=lambda: [(shard, labels.files(), declared, partitions, limit) for shard in here],
    )  # fmt: skip
    sets = run_step(context, step)
    step = Step(
        "duplicates/large-edges",
        {"verify": declared.verify, "threshold": declared.threshold, "evidence": declared.evidence}, {"sets": sets},
        compute=verify_buckets, units=lambda: [(sets.files(), p, declared) for p in range(partitions)], unit="partitions",
    )  # fmt: skip
    edges = run_step(context, step)
    clusters = label_components(context, edges, len(labels.files()), SHARDS_PER_RANGE)
    step = Step(
        "duplicates/labels", {"large": limit}, {"labels": labels, "clusters": clusters}, compute=merge_labels,
        units=lambda: [(old, new, limit) for old, new in zip(labels.files(), clusters.files(), strict=True)], unit="ranges",
    )  # fmt: skip
    return run_step(context, step)


def send_large(out: Output, shard: Shard, labels: list[str], declared: Duplicates, partitions: int, limit: int) -> JsonObject:
    """A row (key, place, uid, shingles) per key of every document of a large component; exact keys bring no shingles."""
    label = shard_labels(out.workdir, shard, labels)
    place_C = label["place"].to_numpy()[label["size"].to_numpy() > limit]
    row_C = (place_C & np.uint64(2**32 - 1)).astype(np.int64)
    key_DB, signed_D, exact_D, _ = shard_keys(shard, declared)
    uid_C = out.workdir.read_table(shard.pool, ["uid"])["uid"].to_numpy()[row_C]
    reads_C = signed_D[row_C] & brings_shingles(uid_C, exact_D[row_C])
    hash_S, bounds, _ = candidate_sets(shard, row_C, reads_C, declared)
    sets = pa.LargeListArray.from_arrays(bounds, hash_S)

    reads = np.flatnonzero(reads_C)
    key_K = np.concatenate([key_DB[row_C[reads]].ravel(), exact_D[row_C]])
    owner_K = np.concatenate([np.repeat(reads, key_DB.shape[1]), np.arange(len(row_C))])
    banded_K = np.arange(len(key_K)) < len(reads) * key_DB.shape[1]
    order = np.argsort(key_K)
    key_K, owner_K, banded_K = key_K[order], owner_K[order], banded_K[order]
    shingles = sets.take(pa.array(np.where(banded_K, owner_K, -1), mask=~banded_K))
    table = pa.table({"key": key_K, "place": place_C[owner_K], "uid": uid_C[owner_K], "shingles": shingles})
    send(out, f"large-{out.index:05d}.parquet", table, partition_cuts(key_K, partitions))
    return {}


def verify_buckets(out: Output, files: list[str], partition: int, declared: Duplicates) -> JsonObject:
    """The true edges within the buckets of one partition, as a forest of places."""
    table = receive(out.workdir, files, partition)
    uid_N, first_N, document_K = np.unique(table["uid"].to_numpy(), return_index=True, return_inverse=True)
    key_K, place_N = table["key"].to_numpy(), table["place"].to_numpy()[first_N]
    bounds_K = table["shingles"].combine_chunks().value_lengths().fill_null(0).to_numpy()
    longest = np.lexsort((-bounds_K, document_K))  # of a document's rows here, one with its shingles
    chosen = longest[np.searchsorted(document_K[longest], np.arange(len(uid_N)))]
    chunks = table["shingles"].combine_chunks().take(pa.array(chosen))
    sets = Sets(chunks.flatten().to_numpy(), np.concatenate([[0], np.cumsum(bounds_K[chosen])]))
    verified = verify(key_K, document_K, sets, declared)
    if declared.evidence:
        write_evidence(out, partition, {"link": verified.pairs}, sets, uid_N)
    joined = verified.root_N != np.arange(len(uid_N))
    root, node = forest(place_N[verified.root_N[joined]], place_N[joined])
    with out.writing(f"edges-{partition:05d}.parquet", rows=len(node)) as stream:
        pq.write_table(pa.table({"root": root, "node": node}), stream, **PARQUET)
    return {"edges": len(node)} | verified.counts()


def merge_labels(out: Output, old: str, new: str, limit: int) -> JsonObject:
    """One range of shards: small components as they were, large ones as their clusters."""
    before = out.workdir.read_table(old)
    small = before.filter(pa.array(before["size"].to_numpy() <= limit))
    counts = write_labels(out, pa.concat_tables([small, out.workdir.read_table(new)]), out.index)
    return counts | {"large": 0}
