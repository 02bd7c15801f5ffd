"""The document: one row of the pool, its identity, and the batch that every signal reads.

Shapes: D documents in a batch, R records of one file.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import xxhash

from curation.segments import segments
from curation.words import Words, scan

SCHEMA = pa.schema(
    [
        pa.field("doc_id", pa.uint64(), nullable=False),  # where it stands: shard << 32 | row
        pa.field("uid", pa.uint64(), nullable=False),  # what it is: see `uid`
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("meta", pa.string()),  # JSON
    ]
)

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix64(seed: int, x: np.ndarray) -> np.ndarray:
    """Splitmix64's finaliser (Steele, Lea, Flood 2014) of ``x + seed * golden``: uint64 in, uint64 out, same shape.

    A bijection of `x` for every seed, so distinct inputs never collide. Every order and every sample is this of a `uid`.
    """
    offset = np.uint64(seed * int(GOLDEN) & 0xFFFFFFFFFFFFFFFF)
    z = np.asarray(x, np.uint64) + offset
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uid(source: str, path: str, record_R: np.ndarray) -> np.ndarray:
    """Identity of records `record_R` (their numbers in the file) of the file `path` of `source`: uint64[R].

    It does not depend on shards, order or machines, and records of one file never collide.
    """
    return mix64(xxhash.xxh3_64_intdigest(f"{source}\0{path}".encode()), record_R)


def doc_id(shard: int, rows: int) -> np.ndarray:
    """``shard << 32 | row`` of the `rows` documents of a pool shard: uint64[rows]."""
    return np.uint64(shard << 32) | np.arange(rows, dtype=np.uint64)


@dataclass(frozen=True)
class Batch:
    """Some rows of the pool (`SCHEMA`; signals read `text` and, where there, `url`) and what several signals share of them."""

    documents: pa.Table

    @property
    def text(self) -> pa.ChunkedArray:
        return self.documents["text"]

    @cached_property
    def words(self) -> Words:
        """The words of all documents, scanned once for however many signals read them."""
        return scan(self.text)

    @cached_property
    def segments(self) -> Words:
        """Words and punctuation marks, as the Gopher and FineWeb rules count them."""
        return segments(self.text)
