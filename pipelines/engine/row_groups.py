"""Parquet files in an object store, of which only what is read travels.

One request brings the end of a file, which is all of a small one; more, at once, every stretch of the columns that are read.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine.store import Store

TAIL = 2**16  # bytes of the end of a file, read first: its footer, or all of a small one
MOST_TAILS = 64  # that are held at once: more than the files of a shard, few where all shards are read
GAP = 2**18  # bytes between two columns that are read rather than asked for separately


@dataclass(frozen=True)
class RowGroups:
    """An open Parquet file, read by row groups; of a stored one `ranges` brings the columns before they are parsed."""

    file: pq.ParquetFile
    ranges: "Ranges | None" = None

    def __len__(self) -> int:
        return self.file.num_row_groups

    def rows(self, group: int) -> int:
        return self.file.metadata.row_group(group).num_rows

    def read(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of `groups`, with `columns` in this order (None: all)."""
        if self.ranges is not None:
            self.ranges.hold(merged([part for group in groups for part in chunks(self.file.metadata, group, columns)]))
        wanted = None if columns is None else list(columns)
        table = self.file.read_row_groups(list(groups), columns=wanted, use_threads=False)
        return table if wanted is None else table.select(wanted)


@contextmanager
def stored_parquet(store: Store, path: str, tails: dict[str, bytes]) -> Iterator[RowGroups]:
    """A Parquet file, of which only what is read travels; a small one comes whole, in one request, and none where its end is
    among `tails` already."""
    if (tail := tails.get(path)) is None:
        tail = read_tail(store, path)
        if len(tails) < MOST_TAILS:
            tails[path] = tail
    if len(tail) < TAIL:
        with pq.ParquetFile(pa.BufferReader(tail)) as file:
            yield RowGroups(file)
        return
    metadata = pq.read_metadata(pa.BufferReader(tail))
    with Ranges(store, path, metadata, tail) as ranges, pq.ParquetFile(ranges, metadata=metadata) as file:
        yield RowGroups(file, ranges)


def read_tail(store: Store, path: str) -> bytes:
    """The end of a stored Parquet file, with its whole footer."""
    tail = store.read(path, start=-TAIL)
    whole = len(tail) < TAIL or footer_bytes(tail) <= TAIL
    return tail if whole else store.read(path, start=-footer_bytes(tail))


def chunks(metadata: pq.FileMetaData, group: int, columns: Sequence[str] | None) -> Iterator[tuple[int, int]]:
    """Where (start, end) the chunks of `columns` lie in one row group."""
    row_group = metadata.row_group(group)
    for number in range(row_group.num_columns):
        chunk = row_group.column(number)
        if columns is None or chunk.path_in_schema.partition(".")[0] in columns:
            start = chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
            yield start, start + chunk.total_compressed_size


def merged(stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches in order, those that are no more than `GAP` apart as one."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if out and start - out[-1][1] <= GAP:
            out[-1] = out[-1][0], max(end, out[-1][1])
        else:
            out.append((start, end))
    return out


def footer_bytes(tail: bytes) -> int:
    """Bytes of a Parquet file's footer, with its length and magic, from the file's last bytes."""
    return int.from_bytes(tail[-8:-4], "little") + 8


class Ranges(io.RawIOBase):
    """A stored Parquet file whose end is at hand, and whatever `hold` brought last; what else is read is asked for."""

    def __init__(self, store: Store, path: str, metadata: pq.FileMetaData, tail: bytes) -> None:
        self.store, self.path, self.place = store, path, 0
        data = [end for group in range(metadata.num_row_groups) for _, end in chunks(metadata, group, None)]
        self.size = max(data, default=4) + footer_bytes(tail)  # Assay's files have nothing in between
        self.tail = (self.size - len(tail), tail)
        self.held = [self.tail]

    def hold(self, stretches: Sequence[tuple[int, int]]) -> None:
        """Bring these stretches, all at once, and let go of those before."""
        missing = [stretch for stretch in stretches if stretch[0] < self.tail[0]]
        self.held = [self.tail]
        if not missing:
            return
        starts, ends = (list(bounds) for bounds in zip(*missing, strict=True))
        paths, fs = [self.path] * len(starts), self.store.fs
        found = self.store.ask("be read", self.path, lambda: fs.cat_ranges(paths, starts, ends, on_error="raise"))
        self.held += zip(starts, found, strict=True)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.place + size, self.size)
        start, self.place = self.place, end
        for first, data in self.held:
            if first <= start and end <= first + len(data):
                return data[start - first : end - first]
        return self.store.read(self.path, start, end) if start < end else b""
