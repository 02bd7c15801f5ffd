"""The work directory: what a step is called, where its files lie, and how they appear whole or not at all.

A step's identity is the hash of its name, version, configuration and the digests of its inputs, so a step that is there never
runs again and a changed threshold touches only what depends on it. A digest covers what a step *made*, not how: a source file
that was touched but reads the same changes no digest, and nothing downstream runs.

Layout, the same on a local disk and on an object store (any fsspec URL):

    <name>/<id>/data files...      written aside and renamed (local) or put as one object (remote)
    <name>/<id>/parts/00007.json   one unit of work is complete: its files, counts and digests
    <name>/<id>/manifest.json      the step is complete; written last, byte for byte the same on every rerun
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

SCHEMA_VERSION = 1

PARQUET = {"compression": "zstd", "compression_level": 1, "store_schema": True, "write_page_index": False}
"""Writer options of every intermediate file: fixed, so that equal tables give equal bytes."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: the one text that is hashed for a given value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Step:
    """One step of a study: a name, the version of its code, its configuration and the digests of its inputs."""

    name: str
    config: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    version: int = 1

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that change when, and only when, the step's result may change."""
        body = {"name": self.name, "version": self.version, "config": self.config, "inputs": self.inputs}
        return sha256(canonical(body).encode()).hexdigest()[:12]

    @property
    def path(self) -> str:
        return f"{self.name}/{self.id}"


@dataclass(frozen=True)
class Manifest:
    """What a complete step made. `parts` holds one record per unit of work, in order; `summary` its totals and findings."""

    step: Step
    parts: list[dict[str, Any]]
    summary: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        return sha256(canonical({"parts": self.parts, "summary": self.summary}).encode()).hexdigest()[:32]

    def records(self, suffix: str = "") -> list[dict[str, Any]]:
        """Records (name, bytes, digest and facts) of all files, or of those ending in `suffix`, in part order."""
        return [file for part in self.parts for file in part["files"] if file["name"].endswith(suffix)]

    def files(self, suffix: str = "") -> list[str]:
        """Paths of those files, relative to the work directory."""
        return [f"{self.step.path}/{record['name']}" for record in self.records(suffix)]

    def total(self, key: str) -> int:
        return sum(part[key] for part in self.parts)

    def to_bytes(self) -> bytes:
        body = {
            "schema": SCHEMA_VERSION, "name": self.step.name, "id": self.step.id, "version": self.step.version,
            "config": self.step.config, "inputs": self.step.inputs, "digest": self.digest,
            "summary": self.summary, "parts": self.parts,
        }  # fmt: skip
        return (json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        body = json.loads(data)
        step = Step(body["name"], body["config"], body["inputs"], body["version"])
        return cls(step, body["parts"], body["summary"])


class _Digesting(BufferedIOBase):
    """A write-only file that digests what passes through it."""

    def __init__(self, raw: IO[bytes]):
        self._raw, self.hash, self.size = raw, xxhash.xxh3_128(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        self.size += memoryview(data).nbytes
        self._raw.write(data)
        return memoryview(data).nbytes


@dataclass(frozen=True)
class Workdir:
    """A folder or an object-store prefix (`s3://bucket/prefix`) that holds everything a study makes."""

    root: str

    @cached_property
    def _located(self) -> tuple[Any, str]:
        return fsspec.core.url_to_fs(self.root)

    @property
    def fs(self) -> Any:
        return self._located[0]

    @property
    def is_local(self) -> bool:
        return "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,))

    def full(self, path: str) -> str:
        """Where `path` lies for `self.fs` (no protocol prefix)."""
        return f"{self._located[1].rstrip('/')}/{path}"

    def exists(self, path: str) -> bool:
        return self.fs.exists(self.full(path))

    def listing(self, path: str) -> list[str]:
        """Names directly inside the folder `path`, sorted; empty when it is not there."""
        if not self.fs.isdir(self.full(path)):
            return []
        return sorted(Path(entry).name for entry in self.fs.ls(self.full(path), detail=False, refresh=True))

    def read_bytes(self, path: str) -> bytes:
        return self.fs.cat_file(self.full(path))

    def read_json(self, path: str) -> Any:
        return json.loads(self.read_bytes(path))

    def read_table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        return pq.read_table(self.full(path), columns=columns, filesystem=self.fs, use_threads=False)

    def batches(self, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The row groups of one Parquet file, one table at a time."""
        with self.fs.open(self.full(path), "rb") as stream, pq.ParquetFile(stream) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns, use_threads=False)

    @contextmanager
    def writing(self, path: str) -> Iterator[_Digesting]:
        """Open `path` for writing; it appears, whole, when the block ends well, and not at all when it does not."""
        target = self.full(path)
        if self.is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            aside = Path(f"{target}.aside-{os.getpid()}")
            try:
                with aside.open("wb") as raw:
                    yield _Digesting(raw)
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)
            return
        raw = self.fs.open(target, "wb", autocommit=False)
        try:
            yield _Digesting(raw)
        except BaseException:
            raw.discard()
            raise
        raw.close()
        raw.commit()

    def write_bytes(self, path: str, data: bytes) -> None:
        with self.writing(path) as out:
            out.write(data)

    def manifest(self, step: Step) -> Manifest | None:
        """The step's manifest when the step is complete, else None."""
        path = f"{step.path}/manifest.json"
        return Manifest.from_bytes(self.read_bytes(path)) if self.exists(path) else None

    def commit(self, step: Step, parts: list[dict[str, Any]], summary: dict[str, Any]) -> Manifest:
        """Declare the step complete. The part records move into the manifest, which is written last."""
        manifest = Manifest(step, parts, summary)
        self.write_bytes(f"{step.path}/manifest.json", manifest.to_bytes())
        for folder in ("parts", "begun"):
            if self.exists(f"{step.path}/{folder}"):
                self.fs.rm(self.full(f"{step.path}/{folder}"), recursive=True)
        return manifest


class Output:
    """Where one unit of work (one part of a step) puts its files. `commit` makes the part count as done."""

    def __init__(self, workdir: Workdir, step: Step, index: int):
        self.workdir, self.step, self.index = workdir, step, index
        self._files: list[dict[str, Any]] = []
        self._begun = f"{self.path}/begun/{index:05d}"
        self._n_saved = self._n_saved_files = 0

    @property
    def path(self) -> str:
        return self.step.path

    @contextmanager
    def writing(self, name: str, **facts: Any) -> Iterator[_Digesting]:
        """Write the file `name` inside the step; `facts` (row counts and the like) go into its record."""
        with self.workdir.writing(f"{self.path}/{name}") as out:
            yield out
        self._files.append({"name": name, "bytes": out.size, "digest": out.hash.hexdigest(), **facts})

    def write_table(self, name: str, table: pa.Table, **facts: Any) -> None:
        """Write one Parquet file in a single go (one row group unless the table is large)."""
        with self.writing(name, rows=table.num_rows, **facts) as out:
            pq.write_table(table, out, **PARQUET)

    @contextmanager
    def parquet(self, name: str, schema: pa.Schema, **facts: Any) -> Iterator[pq.ParquetWriter]:
        """A Parquet file written batch by batch: each table written is a row group."""
        with self.writing(name, **facts) as out, pq.ParquetWriter(out, schema, **PARQUET) as writer:
            yield writer

    def write_json(self, name: str, value: Any) -> None:
        with self.writing(name) as out:
            out.write((json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())

    def save(self, state: dict[str, Any]) -> None:
        """Remember what was written so far, and a `state`, so that an interrupted unit of work can go on from here."""
        record = json.dumps({"files": self._files[self._n_saved_files :], "state": state})  # keys in the order they have
        self.workdir.write_bytes(f"{self._begun}/{self._n_saved:08d}.json", record.encode())
        self._n_saved, self._n_saved_files = self._n_saved + 1, len(self._files)

    def saved(self) -> list[dict[str, Any]]:
        """The states that an interrupted try at this unit of work saved, in order; what it wrote counts as written."""
        records = [self.workdir.read_json(f"{self._begun}/{name}") for name in self.workdir.listing(self._begun)]
        self._files = [file for record in records for file in record["files"]]
        self._n_saved, self._n_saved_files = len(records), len(self._files)
        return [record["state"] for record in records]

    def commit(self, facts: dict[str, Any]) -> dict[str, Any]:
        record = canonical({"part": self.index, "files": self._files, **facts})
        self.workdir.write_bytes(f"{self.path}/parts/{self.index:05d}.json", record.encode())
        return json.loads(record)  # what a later run would read, to the order of the keys
