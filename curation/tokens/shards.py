"""Token shards: a level's training data as Parquet, rows in the stream's order across files by name.

An end-of-text token, which is not stored, follows each row that is its document's `last` (its pieces may stand apart); runs
read windows of the rows in orders of their own (`training.order`). Files written from the same rows have the same bytes: the
writer's options are fixed here.
"""

from collections.abc import Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP = 8192  # rows; a row has at most `piece_tokens` tokens, so a group stays within some 32 MB


def schema(token_type: pa.DataType) -> pa.Schema:
    """The columns of a token shard, for tokens of `token_type` (uint16, or uint32 for large vocabularies)."""
    return pa.schema(
        [
            pa.field("doc_id", pa.uint64(), nullable=False),
            pa.field("uid", pa.uint64(), nullable=False),  # what a run's order is drawn from: the same on any shards
            pa.field("piece", pa.uint32(), nullable=False),  # number of the piece within its document
            pa.field("last", pa.bool_(), nullable=False),  # the document ends here
            pa.field("domain", pa.string(), nullable=False),
            pa.field("tokens", pa.list_(token_type), nullable=False),
            pa.field("n_bytes", pa.uint32(), nullable=False),
        ]
    )


def name(index: int) -> str:
    """The file name of a level's token shard number `index`."""
    return f"tokens-{index:05d}.parquet"


def write(where: str | Path | IO[bytes] | BufferedIOBase, rows: pa.Table, order: pa.Array | None = None) -> dict[str, Any]:
    """Write one token shard to a path or an open file, its rows in `order` (row numbers, of `levels.layout.order`; default as
    they stand); returns its facts, for `dataset`.

    Rows are put in order a row group at a time: a whole shard at once would be held three times over. Content-defined chunking
    lets stores that deduplicate share what nested levels have in common.
    """
    columns = schema(rows.schema.field("tokens").type.value_type)
    rows = rows.select(columns.names)
    with pq.ParquetWriter(where, columns, compression="zstd", compression_level=3, use_content_defined_chunking=True) as file:
        for start in range(0, max(rows.num_rows, 1), ROW_GROUP):
            group = rows.slice(start, ROW_GROUP) if order is None else rows.take(order.slice(start, ROW_GROUP))
            file.write_table(group.cast(columns), row_group_size=ROW_GROUP)
    lengths = pc.list_value_length(rows["tokens"])  # pyright: ignore[reportAttributeAccessIssue]
    counts = pl.DataFrame(rows.select(["domain", "n_bytes"])).with_columns(tokens=pl.Series(lengths).cast(pl.Int64))
    domains = dict(counts.group_by("domain").agg(pl.col("tokens").sum()).sort("domain").iter_rows())
    return {
        "rows": rows.num_rows,
        "tokens": sum(domains.values()),
        "bytes": int(counts["n_bytes"].cast(pl.Int64).sum()),
        "domains": domains,
    }


def read(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """The rows of a token shard, all columns or some."""
    return pq.read_table(path, columns=columns)


def dataset(
    level: str,
    shards: Iterable[Mapping[str, Any]],
    kept: Mapping[str, int],
    *,
    vocab_size: int,
    eot: int,
    tokenizer: str,
    order_seed: int,
    piece_tokens: int,
) -> dict[str, Any]:
    """The content of a level's `dataset.json`, from the facts of its shards and the `kept` row of its funnel.

    `unique_tokens` counts text tokens, without end-of-texts, and once where a domain is gone through more often
    (`max_epochs`); `domains` counts the tokens of all rows.
    """
    shards = list(shards)
    domains: dict[str, int] = {}
    for shard in shards:
        for domain, tokens in shard["domains"].items():
            domains[domain] = domains.get(domain, 0) + tokens
    return {
        "level": level,
        "unique_tokens": kept["tokens"],
        "documents": kept["documents"],
        "bytes": kept["bytes"],
        "domains": dict(sorted(domains.items())),
        "vocab_size": vocab_size,
        "eot": eot,
        "tokenizer": tokenizer,
        "order_seed": order_seed,
        "piece_tokens": piece_tokens,
        "shards": [{"path": name(index), **shard} for index, shard in enumerate(shards)],
    }
