"""Where one unit of work puts its files, and the record that makes its part of a step count as done."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine.records import write_records
from pipelines.engine.workdir import PARQUET, DigestingFile, JsonObject, Workdir, canonical

UNDER_WAY = 4  # files of a part that are on their way to an object store at once


class Output:
    """Where one unit of work (one part of a step) puts its files. `commit` makes the part count as done: with `leaves` its
    record is left in the work directory, else whoever asked for it keeps what `commit` returns.

    On an object store files travel while the next is made; `save` and `commit` wait for them.
    """

    def __init__(self, workdir: Workdir, step_path: str, index: int, *, leaves: bool = True):
        self.workdir, self.path, self.index, self.leaves = workdir, step_path, index, leaves
        self._files: list[JsonObject] = []
        self._sent: list[Future[None]] = []
        self._begun = f"{self.path}/begun/{index:05d}"
        self._n_saved = self._n_saved_files = 0

    @contextmanager
    def writing(self, name: str, **facts: object) -> Iterator[DigestingFile]:
        """Write the file `name` inside the step; `facts` (row counts and the like) go into its record."""
        self._arrive(UNDER_WAY - 1)
        with self.workdir.writing(f"{self.path}/{name}", self._sent) as out:
            yield out
        self._files.append({"name": name, "bytes": out.size, "digest": out.hash.hexdigest(), **facts})

    def write_table(self, name: str, table: pa.Table, **facts: object) -> None:
        """Write one Parquet file in a single go (one row group unless the table is large)."""
        with self.writing(name, rows=table.num_rows, **facts) as out:
            pq.write_table(table, out, **PARQUET)

    @contextmanager
    def parquet(self, name: str, schema: pa.Schema, **facts: object) -> Iterator[pq.ParquetWriter]:
        """A Parquet file written batch by batch: each table written is a row group."""
        with self.writing(name, **facts) as out, pq.ParquetWriter(out, schema, **PARQUET) as writer:
            yield writer

    def write_json(self, name: str, value: object) -> None:
        with self.writing(name) as out:
            out.write((json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())

    def save(self, state: JsonObject) -> None:
        """Remember what was written so far, and a `state`, so that an interrupted unit of work can go on from here."""
        self._arrive()
        record = json.dumps({"files": self._files[self._n_saved_files :], "state": state})  # keys in the order they have
        self.workdir.write_bytes(f"{self._begun}/{self._n_saved:08d}.json", record.encode())
        self._n_saved, self._n_saved_files = self._n_saved + 1, len(self._files)

    def saved(self) -> list[JsonObject]:
        """The states that an interrupted try at this unit of work saved, in order; what it wrote counts as written."""
        records = [self.workdir.read_json(f"{self._begun}/{name}") for name in self.workdir.listing(self._begun)]
        self._files = [file for record in records for file in record["files"]]
        self._n_saved, self._n_saved_files = len(records), len(self._files)
        return [record["state"] for record in records]

    def commit(self, facts: JsonObject) -> JsonObject:
        self._arrive()
        record = json.loads(canonical({"part": self.index, "files": self._files, **facts}))  # as a later run would read it
        if self.leaves:
            write_records(self.workdir, self.path, [record])
        return record

    def _arrive(self, most: int = 0) -> None:
        """Wait until no more than so many files are on their way."""
        while len(self._sent) > most:
            self._sent.pop(0).result()
