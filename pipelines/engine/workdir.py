"""The work directory: where files lie, and how they appear whole or not at all.

Layout, the same on a local disk and on an object store (any fsspec URL):

    <name>/<id>/data files...      written aside and renamed (local) or put as one object (remote)
    <name>/<id>/parts/00007.json   one unit of work is complete: its files, counts and digests
    <name>/<id>/manifest.json      the step is complete; written last, byte for byte the same on every rerun
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

PARQUET = {"compression": "zstd", "compression_level": 1, "store_schema": True, "write_page_index": False}
"""Writer options of every intermediate file: fixed, so that equal tables give equal bytes."""


JsonObject = dict[str, Any]
"""What records and manifests are written from: names to JSON values."""


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: the one text that is hashed for a given value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class DigestingFile(BufferedIOBase):
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
        """Where `path` lies for `self.fs` (no protocol prefix).

        Errors: ValueError for a path that leaves the work directory."""
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(
                f"{path!r} leaves the work directory {self.root}; the manifest that names it is not one of Assay's"
            )
        return f"{self._located[1].rstrip('/')}/{path}"

    def exists(self, path: str) -> bool:
        return self.fs.exists(self.full(path))

    def listing(self, path: str) -> list[str]:
        """Names directly inside the folder `path`, sorted; empty when it is not there."""
        if not self.fs.isdir(self.full(path)):
            return []
        return sorted(Path(entry).name for entry in self.fs.ls(self.full(path), detail=False, refresh=True))

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of every file under `folder`, by its path inside that."""
        place = self.full(folder).rstrip("/")
        self.fs.invalidate_cache(place)
        found = self.fs.find(place, detail=True) if self.fs.isdir(place) else {}
        return {path.removeprefix(f"{place}/"): info["size"] for path, info in found.items()}

    def read_bytes(self, path: str) -> bytes:
        return self.fs.cat_file(self.full(path))

    def read_json(self, path: str) -> Any:
        with self._readable(path, json.JSONDecodeError):
            return json.loads(self.read_bytes(path))

    def read_table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        with self._readable(path, pa.ArrowInvalid):
            return pq.read_table(self.full(path), columns=columns, filesystem=self.fs, use_threads=False)

    def schema(self, path: str) -> pa.Schema:
        """The columns of one Parquet file."""
        with self._readable(path, pa.ArrowInvalid):
            return pq.read_schema(self.full(path), filesystem=self.fs)

    @contextmanager
    def _readable(self, path: str, damage: type[Exception]) -> Iterator[None]:
        """Damage in a file that a step wrote is said with its place and its cure."""
        try:
            yield
        except damage as error:
            step = self.full(path).rpartition("/")[0]
            raise ValueError(
                f"{self.full(path)} cannot be read ({error}); remove {step} and run again, which makes that step anew"
            ) from None

    def batches(self, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The row groups of one Parquet file, one table at a time."""
        with (
            self._readable(path, pa.ArrowInvalid),
            self.fs.open(self.full(path), "rb") as stream,
            pq.ParquetFile(stream) as file,
        ):
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns, use_threads=False)

    @contextmanager
    def writing(self, path: str) -> Iterator[DigestingFile]:
        """Open `path` for writing; it appears, whole, when the block ends well, and not at all when it does not."""
        target = self.full(path)
        if self.is_local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            aside = Path(f"{target}.aside-{token_hex(4)}")
            try:
                with aside.open("wb") as raw:
                    yield DigestingFile(raw)
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)
            return
        raw = self.fs.open(target, "wb", autocommit=False)
        try:
            yield DigestingFile(raw)
        except BaseException:
            raw.discard()
            raise
        raw.close()
        raw.commit()

    def write_bytes(self, path: str, data: bytes) -> None:
        with self.writing(path) as out:
            out.write(data)

    def update(self, path: str, data: bytes) -> None:
        """Write `path` unless it holds `data` already."""
        if not self.exists(path) or self.read_bytes(path) != data:
            self.write_bytes(path, data)

    def remove(self, folder: str) -> None:
        """Remove a folder and all in it, where it is there."""
        if self.exists(folder):
            self.fs.rm(self.full(folder), recursive=True)
