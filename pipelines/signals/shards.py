"""A pool shard as later steps see it: its text, and the narrow columns of every signal that lines up with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from pipelines.engine.step import Manifest
from pipelines.engine.workdir import Workdir


def shard_file(index: int) -> str:
    """The file of pool shard `index` in any step that makes one file per shard."""
    return f"shard-{index:05d}.parquet"


@dataclass(frozen=True)
class Shard:
    """Paths only, so it travels to workers: the pool file and, by signal name, the signal's file of the same rows."""

    workdir: Workdir
    index: int
    pool: str
    signals: Mapping[str, str]

    def frame(self, columns: Collection[str]) -> pl.DataFrame:
        """`columns` of every document: `signal.column`, or a bare name for the document's own (`n_tokens` and `n_bytes` are
        those of the token signal)."""
        own = [name for name in columns if name in DOCUMENT_COLUMNS]
        by_signal: dict[str, dict[str, str]] = {}
        for name in columns:
            if name in TOKEN_COLUMNS:
                by_signal.setdefault("tokens", {})[name] = name
            elif name not in DOCUMENT_COLUMNS:
                signal, _, column = name.partition(".")
                by_signal.setdefault(signal, {})[column] = name
        self.workdir.expect([*([self.pool] if own else []), *(self.signals[signal] for signal in by_signal)])
        frames = [pl.DataFrame(self.workdir.read_table(self.pool, own))] if own else []
        for signal, names in by_signal.items():
            frames.append(pl.DataFrame(self.workdir.read_table(self.signals[signal], list(names))).rename(names))
        return pl.concat(frames, how="horizontal").select(list(columns))

    def text(self, rows: pl.Series, columns: Collection[str] = ("text",)) -> pa.Table:
        """Document columns of the rows where the boolean series `rows` holds, read one row group at a time."""
        kept, start = [], 0
        for batch in self.workdir.batches(self.pool, list(columns)):
            mask = rows.slice(start, batch.num_rows).to_arrow()
            kept.append(batch.filter(mask))
            start += batch.num_rows
        return pa.concat_tables(kept)


DOCUMENT_COLUMNS = frozenset({"doc_id", "uid", "source", "domain", "url", "date", "meta"})
TOKEN_COLUMNS = frozenset({"n_tokens", "n_bytes"})


def shards(workdir: Workdir, pool: Manifest, signals: Mapping[str, Manifest]) -> list[Shard]:
    """The pool's shards, each with its signal files."""
    files = {name: manifest.files(".parquet") for name, manifest in signals.items()}
    return [
        Shard(workdir, index, path, {name: paths[index] for name, paths in files.items()})
        for index, path in enumerate(pool.files(".parquet"))
    ]


def known_columns(workdir: Workdir, pool: Manifest, signals: Mapping[str, Manifest]) -> dict[str, pl.DataType]:
    """Every column a level expression may name, with its type."""
    known: dict[str, pl.DataType] = {name: pl.String() for name in ("source", "domain", "url", "date")}
    for signal, manifest in signals.items():
        schema = workdir.schema(manifest.files(".parquet")[0])
        known |= {
            f"{signal}.{name}": dtype for name, dtype in pl.DataFrame(schema.empty_table()).schema.items() if name != "doc_id"
        }
    return known
