"""The exchange: all-to-all work through Parquet files in the work directory, a row group per partition.

Every unit of the sending step writes one file whose row group p holds its rows of partition p; unit p of the receiving step
reads row group p of every file. So S senders make S files, not S x P, a receiver reads what is its own, and both restart from
what is committed. Nothing of it passes through the driver or Ray's object store.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine.output import Output
from pipelines.engine.workdir import Workdir

WRITER = {"compression": "lz4", "use_dictionary": False, "write_statistics": False, "store_schema": True}
"""Hashes do not compress and are read once: spend no time on either."""


def send(out: Output, name: str, table: pa.Table, cuts: np.ndarray) -> None:
    """Write `table`, whose rows stand in order of partition, as `name`: partition p is rows cuts[p]:cuts[p + 1]."""
    send_parts(out, name, [table.slice(first, end - first) for first, end in pairwise(cuts.tolist())], WRITER)


def send_parts(out: Output, name: str, parts: Sequence[pa.Table], writer_options: Mapping[str, Any]) -> None:
    """Write `parts`, of one schema, as `name`: partition p is parts[p]."""
    rows = sum(part.num_rows for part in parts)
    with out.writing(name, rows=rows) as stream, pq.ParquetWriter(stream, parts[0].schema, **writer_options) as writer:
        for part in parts:
            writer.write_table(part, row_group_size=max(part.num_rows, 1))


def send_by(out: Output, name: str, table: pa.Table, partition: np.ndarray, partitions: int) -> None:
    """Write `table` as `name`, each row to its entry of `partition` (int, below `partitions`), in order within it."""
    order = np.argsort(partition, kind="stable")
    cuts = np.searchsorted(partition[order], np.arange(partitions + 1))
    send(out, name, table.take(pa.array(order)), cuts)


def receive(workdir: Workdir, files: Iterable[str], partition: int, columns: list[str] | None = None) -> pa.Table:
    """All rows of one partition, in the order of `files`. Its size is the receiver's memory."""

    def row_group(name: str) -> pa.Table:
        with workdir.parquet(name) as file:
            return file.read([partition], columns)

    return pa.concat_tables(workdir.each(row_group, files))
