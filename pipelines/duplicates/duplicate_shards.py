"""What counts as a duplicate, and what its phases read of a pool shard: keys, and the shingle sets of some documents.

Between the phases a document goes by its place: position of its shard << 32 | row.

Shapes: D documents of a shard, C of them in a component, S shingles in sets.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import xxhash

from curation.document import Batch
from curation.duplicates.candidates import Bands, band_keys, exact_keys
from curation.duplicates.clusters import survivor_column
from curation.signals.signatures import shingle_sets, units
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.signals.shards import Shard
from pipelines.study.curation import DuplicatesSection

DEFAULT = DuplicatesSection()  # the study's defaults, the only ones
SHARDS_PER_RANGE = 64  # pool shards whose labels and rows lie in one file


@dataclass(frozen=True)
class Duplicates:
    """What counts as a duplicate, and which copy stays.

    `by` text: exact copies and near ones, by MinHash over shingles; documents of fewer than `ngram` units are duplicates of
    exact copies only. `by` url: documents of one normalised URL; the result is the signal `duplicates_url`. `scope` is `global`
    or a document column (`source`, `domain`): copies are then sought within its values. `survivor` names columns, highest first
    (`-name`: lowest first; `name: a > b`: these values first): document columns, `n_bytes`, or `signal.column`; the lowest uid
    decides at last. `removes` says which members of a cluster are no survivors: `linked`, all but the best; `verified`, those
    near a better one that stays; `contained`, those of whose shingles a longer one that stays has the share `threshold`.
    `evidence` keeps the pairs that were tested.
    """

    ngram: int = DEFAULT.ngram
    unit: Literal["word", "character"] = DEFAULT.unit
    bands: int = DEFAULT.bands
    rows: int = DEFAULT.rows
    seed: int = DEFAULT.seed
    verify: Literal["jaccard", "containment", "off"] = DEFAULT.verify
    threshold: float = DEFAULT.threshold
    scope: str = DEFAULT.scope
    removes: Literal["linked", "verified", "contained"] = DEFAULT.removes
    evidence: bool = DEFAULT.evidence
    survivor: tuple[str, ...] = tuple(DEFAULT.survivor)
    by: Literal["text", "url"] = "text"

    @classmethod
    def of(cls, section: DuplicatesSection) -> "Duplicates":
        """As the study declares them, by text."""
        return cls(**section.model_dump(exclude={"also", "earlier", "survivor"}), survivor=tuple(section.survivor))

    def signals(self) -> dict[str, JsonObject]:
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


def scopes(shard: Shard, scope: str) -> np.ndarray:
    """uint64 per document: 0 for the global scope, else a hash of its value of the column `scope`."""
    workdir = shard.workdir
    if scope == "global":
        with workdir.parquet(shard.pool) as file:
            return np.zeros(file.file.metadata.num_rows, np.uint64)
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


def shard_labels(workdir: Workdir, shard: Shard, labels: list[str]) -> pa.Table:
    """(place ascending, component, size) of the shard's documents that are in a component."""
    table = workdir.read_table(labels[shard.index // SHARDS_PER_RANGE])
    first, end = np.searchsorted(table["place"].to_numpy(), np.array([shard.index << 32, (shard.index + 1) << 32], np.uint64))
    return table.slice(first, end - first)


def brings_shingles(uid_C: np.ndarray, exact_C: np.ndarray) -> np.ndarray:
    """bool[C]: of exact copies within a shard the lowest uid alone; the lowest uid of all copies is then among them."""
    order = np.lexsort((uid_C, exact_C))
    brings_C = np.ones(len(uid_C), bool)
    brings_C[order[1:][exact_C[order[1:]] == exact_C[order[:-1]]]] = False
    return brings_C


def candidate_sets(
    shard: Shard, row_C: np.ndarray, reads_C: np.ndarray, declared: Duplicates
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hash_S, bounds, n_bytes): shingle sets of the shard's rows `row_C` (ascending), empty where `reads_C` is false."""
    sets: list[np.ndarray] = [np.empty(0, np.uint32)]
    size_C, n_bytes = np.zeros(len(row_C), np.int64), np.zeros(len(row_C), np.int64)
    start = 0
    with shard.workdir.parquet(shard.pool) as file:
        for group in range(len(file)):
            rows = file.rows(group)
            first, end = np.searchsorted(row_C, [start, start + rows])
            if first < end:  # text without a candidate is not read
                text = file.read([group], ["text"])["text"].combine_chunks()
                lengths = np.diff(np.frombuffer(text.buffers()[1], np.int64, len(text) + 1, text.offset * 8))
                n_bytes[first:end] = lengths[row_C[first:end] - start]
                wanted = np.flatnonzero(reads_C[first:end]) + first
                if len(wanted):
                    chosen = Batch(pa.table({"text": text.take(pa.array(row_C[wanted] - start))}))
                    hash_S, bounds = shingle_sets(units(chosen.composed, declared.unit), declared.ngram)
                    sets.append(hash_S)
                    size_C[wanted] = np.diff(bounds)
            start += rows
    return np.concatenate(sets), np.concatenate([[0], np.cumsum(size_C)]), n_bytes
