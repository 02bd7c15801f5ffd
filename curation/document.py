"""The document: one row of the pool, its identity, and the batch that every signal reads.

Shapes: D documents in a batch.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from curation.segments import segments
from curation.words import Words, composed, scan

SCHEMA = pa.schema(
    [
        pa.field("doc_id", pa.uint64(), nullable=False),  # where it stands: shard << 32 | row
        pa.field("uid", pa.uint64(), nullable=False),  # what it is: see curation.hashing.uid
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("meta", pa.string()),  # JSON
    ]
)


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
    def composed(self) -> Words:
        """The words of the texts in Unicode's composed form (NFC), by which copies are told: `words` where all are composed."""
        text = composed(self.text)
        return self.words if text is None else scan(text)

    @cached_property
    def segments(self) -> Words:
        """Words and punctuation marks, as the Gopher and FineWeb rules count them."""
        return segments(self.text)
