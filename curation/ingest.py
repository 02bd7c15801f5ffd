"""Records into pool shards: Arrow tables in `document.SCHEMA`, and a quarantine table of what could not become a document."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pyarrow as pa

from curation.document import SCHEMA, doc_id
from curation.hashing import uid
from curation.sources.source import Malformed, Place, Record, Source

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # within the source
        pa.field("place", pa.string(), nullable=False),  # "line 7", "row 12", "file"
        pa.field("reason", pa.string(), nullable=False),
        pa.field("head", pa.string(), nullable=False),  # the first 200 bytes; what is not UTF-8 is written as \\xNN
        pa.field("lost", pa.int64(), nullable=False),  # stored bytes that were not read, beside the record itself
    ]
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]+")
"""What no name may hold: it ends lines of reports, and renderers refuse it."""
MAX_SHARD_BYTES = 256_000_000  # of text; the declared size of a shard may not exceed it
SHARDS_PER_SLICE = 1024
MAX_REASON = 300  # characters
PLACES = {"jsonl": "byte", "warc": "byte", "parquet": "row"}  # what the number of a record counts


@dataclass(frozen=True)
class Shard:
    """A pool shard (`document.SCHEMA`) and what was quarantined (`QUARANTINE`) since the shard before it.

    `then` is where the next shard begins: reading on from there (`readers.read`) makes the shards that are left. None for the
    last one.
    """

    documents: pa.Table
    quarantine: pa.Table
    then: Place | None
    lacking: dict[str, int]  # documents without a url, date or domain of their own
    renamed: int  # documents whose domain had control characters, which are spaces now


def shards(
    records: Iterable[Record | Malformed], source: Source, first: int, max_bytes: int = 64_000_000, done: int = 0
) -> Iterator[Shard]:
    """Cut a slice's records, in their order, into pool shards numbered `first` + `done`, `first` + `done` + 1, ...

    A shard holds at most `max_bytes` of text and other fields (one document at least). There is always one shard, maybe of no
    documents, and only the last one may have none. `done` shards were made before, and `records` begin where they end. Raises
    ValueError when `max_bytes` exceeds `MAX_SHARD_BYTES` or a slice needs more than `SHARDS_PER_SLICE` shards.
    """
    if not 0 < max_bytes <= MAX_SHARD_BYTES:
        raise ValueError(f"max_bytes is {max_bytes}; a shard of the pool holds 1 to {MAX_SHARD_BYTES} bytes of text")
    number = first + done
    open_shard = _Open(source)
    for record in records:
        if isinstance(record, Malformed):
            open_shard.malformed.append(record)
            continue
        text = _checked(record, source.kind, source.max_record_bytes)
        if isinstance(text, Malformed):
            open_shard.malformed.append(text)
            continue
        if open_shard.texts and open_shard.n_bytes + len(text) + len(record.meta or "") > max_bytes:
            yield open_shard.close(number, Place(record.path, record.record))
            number, open_shard = number + 1, _Open(source)
            if number - first == SHARDS_PER_SLICE:
                raise ValueError(
                    f"source {source.name!r}: {record.path} and what is read with it fill more than {SHARDS_PER_SLICE} "
                    f"shards of {max_bytes} bytes; make the shards larger (at most {MAX_SHARD_BYTES}) or split the file"
                )
        open_shard.add(record, text)
    yield open_shard.close(number, None)


def row_groups(documents: pa.Table, max_bytes: int = 16_000_000) -> Iterator[pa.Table]:
    """Consecutive rows with at most `max_bytes` of text each (one row at least): what to write as one Parquet row group."""
    sizes = documents["text"].combine_chunks() if documents.num_rows else None
    if sizes is None:
        yield documents
        return
    array = sizes.chunk(0) if isinstance(sizes, pa.ChunkedArray) else sizes
    offset_D = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    start = 0
    while start < documents.num_rows:
        stop = int(np.searchsorted(offset_D, offset_D[start] + max_bytes, side="right")) - 1
        stop = max(stop, start + 1)
        yield documents.slice(start, stop - start)
        start = stop


def _checked(record: Record, kind: str, limit: int) -> bytes | Malformed:
    """The document's text in UTF-8, or why the record cannot become a document: every field must have a UTF-8 form."""
    place = f"{PLACES.get(kind, 'record')} {record.record}"
    for name in ("domain", "url", "date", "meta", "text"):
        try:
            text = (getattr(record, name) or "").encode()
        except UnicodeEncodeError as error:
            head = getattr(record, name)[:200].encode(errors="backslashreplace")[:200]
            return Malformed(
                record.path, f"{place}, character {error.start} of its {name}", f"half a surrogate pair in the {name}", head
            )
    if len(text) + len(record.meta or "") > limit:
        return Malformed(record.path, place, f"over the record limit of {limit} bytes", text[:200])
    if b"\0" in text:
        return Malformed(record.path, f"{place}, byte {text.index(0)} of it", "a NUL byte: not text", text[:200])
    if not text or text.isspace():
        return Malformed(record.path, place, "no text")
    return text


@dataclass
class _Open:
    """The shard that is being filled."""

    source: Source
    records: list[Record] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    n_bytes: int = 0
    renamed: int = 0

    def add(self, record: Record, text: bytes) -> None:
        domain = CONTROL.sub(" ", record.domain or "").strip() or None
        self.renamed += record.domain not in (None, domain)
        self.records.append(record._replace(text="", domain=domain))
        self.texts.append(text)
        self.n_bytes += len(text) + len(record.meta or "")

    def close(self, shard: int, then: Place | None) -> Shard:
        uids = [
            uid(self.source.name, path, np.array([record.record for record in group], np.uint64))
            for path, group in groupby(self.records, key=lambda record: record.path)
        ]
        columns = {
            "doc_id": doc_id(shard, len(self.records)),
            "uid": np.concatenate(uids) if uids else np.empty(0, np.uint64),
            "text": pa.array(self.texts, pa.large_binary()).view(pa.large_string()),
            "source": pa.repeat(pa.scalar(self.source.name), len(self.records)),
            "domain": [record.domain or self.source.name for record in self.records],
            "url": [record.url for record in self.records],
            "date": [record.date for record in self.records],
            "meta": [record.meta for record in self.records],
        }
        documents = pa.table([pa.array(columns[name], type=SCHEMA.field(name).type) for name in SCHEMA.names], schema=SCHEMA)
        rows = [
            {
                "source": self.source.name,
                "path": bad.path,
                "place": bad.place,
                "reason": bad.reason[:MAX_REASON].encode(errors="backslashreplace").decode(),  # it may quote a field's name
                "head": bad.head.decode(errors="backslashreplace"),
                "lost": bad.lost,
            }
            for bad in self.malformed
        ]
        lacking = {name: sum(not getattr(record, name) for record in self.records) for name in ("url", "date", "domain")}
        return Shard(documents, pa.Table.from_pylist(rows, schema=QUARANTINE), then, lacking, self.renamed)
