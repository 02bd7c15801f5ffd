"""Where one unit of work puts its files, and the record that makes its part of a step count as done."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine.workdir import PARQUET, DigestingFile, JsonObject, Workdir, canonical


def part_path(step_path: str, index: int) -> str:
    """Where the record of part `index` lies until its step is complete."""
    return f"{step_path}/parts/{index:05d}.json"


class Output:
    """Where one unit of work (one part of a step) puts its files. `commit` makes the part count as done."""

    def __init__(self, workdir: Workdir, step_path: str, index: int):
        self.workdir, self.path, self.index = workdir, step_path, index
        self._files: list[JsonObject] = []
        self._begun = f"{self.path}/begun/{index:05d}"
        self._n_saved = self._n_saved_files = 0

    @contextmanager
    def writing(self, name: str, **facts: object) -> Iterator[DigestingFile]:
        """Write the file `name` inside the step; `facts` (row counts and the like) go into its record."""
        with self.workdir.writing(f"{self.path}/{name}") as out:
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
        record = canonical({"part": self.index, "files": self._files, **facts})
        self.workdir.write_bytes(part_path(self.path, self.index), record.encode())
        return json.loads(record)  # what a later run would read, to the order of the keys
