"""Verification as it is declared, and the evidence of it: every pair that was tested, with its similarity, in files of pairs.

A cluster can then be judged link by link: which pairs made it, and which candidates were no duplicates.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.duplicates.verify import Pairs, Sets, Verified, shared_shingles, verified_clusters
from pipelines.duplicates.duplicate_shards import Duplicates
from pipelines.engine.output import Output
from pipelines.engine.step import Manifest, upstream
from pipelines.engine.workdir import PARQUET, Workdir

SCHEMA = pa.schema(
    [
        ("uid_a", pa.uint64()),
        ("uid_b", pa.uint64()),
        ("shingles_a", pa.uint32()),
        ("shingles_b", pa.uint32()),
        ("shared", pa.uint32()),
        ("jaccard", pa.float32()),  # shared by those of both
        ("containment", pa.float32()),  # shared by those of the smaller
        ("test", pa.string()),  # "link": are they one cluster; "removal": does b go for a
        ("accepted", pa.bool_()),
    ]
)


def verify(key_K: np.ndarray, document_K: np.ndarray, sets: Sets, declared: Duplicates) -> Verified:
    """Clusters by the declared similarity and threshold."""
    return verified_clusters(
        key_K, document_K, sets.hash_S, sets.bounds, threshold=declared.threshold,
        similarity="containment" if declared.verify == "containment" else "jaccard", evidence=declared.evidence,
    )  # fmt: skip


def write_evidence(out: Output, partition: int, found: Mapping[str, Pairs], sets: Sets, uid_N: np.ndarray) -> None:
    """One file of the pairs that a partition tested, by kind of test."""
    tables = []
    for test, pairs in found.items():
        a, b = pairs.document_U2.T
        size_a, size_b = (np.diff(sets.bounds)[side] for side in (a, b))
        shared = shared_shingles(sets, pairs)
        columns = [
            uid_N[a], uid_N[b], size_a, size_b, shared,
            shared / np.maximum(size_a + size_b - shared, 1), shared / np.maximum(np.minimum(size_a, size_b), 1),
            np.full(len(shared), test), pairs.accepted_U,
        ]  # fmt: skip
        tables.append(pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA))
    table = pa.concat_tables(tables)
    with out.writing(f"pairs-{partition:05d}.parquet", rows=table.num_rows) as stream:
        pq.write_table(table, stream, **PARQUET)


def is_evidence(path: str) -> bool:
    return "/pairs-" in path


def evidence_files(duplicates: Manifest) -> list[str]:
    """The files of pairs behind a signal `duplicates`; none where it was made without `evidence`."""
    steps = ("duplicates/clusters", "duplicates/large-edges")
    return [path for made in upstream([duplicates]) if made.step.name in steps for path in made.files() if is_evidence(path)]


def pairs_with(workdir: Workdir, files: Iterable[str], uid: int) -> pa.Table:
    """The pairs that a document was tested in, the most similar first."""
    found = [
        table.filter(np.isin(table["uid_a"].to_numpy(), [uid]) | np.isin(table["uid_b"].to_numpy(), [uid]))
        for table in map(workdir.read_table, files)
    ]
    return pa.concat_tables([SCHEMA.empty_table(), *found]).sort_by([("jaccard", "descending"), ("uid_a", "ascending")])
