"""The work directory: where files lie, and how they appear whole or not at all.

Layout, the same on a local disk and on an object store (any fsspec URL):

    <name>/<id>/data files...      written aside and renamed (local) or put as one object (remote)
    <name>/<id>/parts/00007.json   part 7, and others after it, are complete: their files, counts and digests
    <name>/<id>/manifest.json      the step is complete; written last, byte for byte the same on every rerun
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, partial
from io import BufferedIOBase
from pathlib import Path
from secrets import token_hex
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipelines.engine.row_groups import RowGroups, read_tail, stored_parquet
from pipelines.engine.store import AT_ONCE, Store, located, senders

PARQUET = {"compression": "zstd", "compression_level": 1, "store_schema": True, "write_page_index": False}
"""Writer options of every intermediate file: fixed, so that equal tables give equal bytes."""


ASIDE = ".aside-"  # of a file that is being written

T = TypeVar("T")

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
class Held:
    """What was read of Parquet files: columns by file and name, and the ends of stored files."""

    columns: dict[str, dict[str, pa.ChunkedArray]] = field(default_factory=dict)
    tails: dict[str, bytes] = field(default_factory=dict)


_HELD: ContextVar[Held | None] = ContextVar("what was read", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Columns that are read inside the block, and the ends of a few stored files, are held until it is over."""
    token = _HELD.set(Held())
    try:
        yield
    finally:
        _HELD.reset(token)


@dataclass(frozen=True)
class Workdir:
    """A folder or an object-store prefix (`s3://bucket/prefix`) that holds everything a study makes."""

    root: str

    @cached_property
    def _located(self) -> tuple[Any, str]:
        return located(self.root)

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

    @cached_property
    def store(self) -> Store | None:
        """The object store that the work directory lies in; None for a folder."""
        return None if self.is_local else Store(self.root)

    def exists(self, path: str) -> bool:
        """Whether a file, or a folder with something in it, is there."""
        if self.store is None:
            return Path(self.full(path)).exists()
        return self.store.exists(self.full(path))

    def listing(self, path: str) -> list[str]:
        """Names directly inside the folder `path`, sorted; empty when it is not there."""
        if self.store is not None:
            return self.store.listing(self.full(path).rstrip("/"))
        folder = Path(self.full(path))
        return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of every file under `folder`, by its path inside that."""
        place = self.full(folder).rstrip("/")
        if self.store is not None:
            return self.store.sizes(place)
        found = self.fs.find(place, detail=True) if self.fs.isdir(place) else {}
        return {path.removeprefix(f"{place}/"): info["size"] for path, info in found.items()}

    def read_bytes(self, path: str) -> bytes:
        return Path(self.full(path)).read_bytes() if self.store is None else self.store.read(self.full(path))

    def bring(self, path: str, to: Path) -> None:
        """Copy a file, or a folder and all in it, to this machine's disk."""
        for name in self.sizes(path) or [""]:
            source, target = (f"{path}/{name}", to / name) if name else (path, to)
            if self.store is not None:
                self.store.bring(self.full(source), target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.full(source), target)

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        """A file in blocks of `size` bytes."""
        if self.store is not None:
            yield from self.store.blocks(self.full(path), size)
            return
        with Path(self.full(path)).open("rb") as stream:
            while block := stream.read(size):
                yield block

    def read_json(self, path: str) -> Any:
        with self._readable(path, json.JSONDecodeError):
            return json.loads(self.read_bytes(path))

    def each(self, read: Callable[[str], T], paths: Iterable[str]) -> list[T]:
        """What `read` makes of every path, in their order; a store is asked for several at once."""
        return list(map(read, paths) if self.store is None else senders().map(read, paths))

    def expect(self, paths: Iterable[str]) -> None:
        """Inside `reading_once`: bring the ends of these stored Parquet files, which are about to be read, at once."""
        held, store = _HELD.get(), self.store
        if held is not None and store is not None:
            missing = [place for place in map(self.full, paths) if place not in held.tails]
            held.tails.update(zip(missing, senders().map(partial(read_tail, store), missing), strict=True))

    def read_table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """A Parquet file, or some of its columns, in this order. Inside `reading_once` no column is read twice."""
        held = _HELD.get()
        if held is None or columns is None:
            with self.parquet(path) as file:
                return file.read(range(len(file)), columns)
        here = held.columns.setdefault(self.full(path), {})
        if missing := [name for name in columns if name not in here]:
            with self.parquet(path) as file:
                table = file.read(range(len(file)), missing)
            here.update(zip(missing, table.columns, strict=True))
        return pa.table({name: here[name] for name in columns})

    def schema(self, path: str) -> pa.Schema:
        """The columns of one Parquet file."""
        with self.parquet(path) as file:
            return file.file.schema_arrow

    @contextmanager
    def parquet(self, path: str) -> Iterator[RowGroups]:
        """A Parquet file, to be read by row groups. Damage in it is said with its place and its cure."""
        held = _HELD.get()
        with self._readable(path, pa.ArrowInvalid):
            if self.store is not None:
                with stored_parquet(self.store, self.full(path), held.tails if held else {}) as file:
                    yield file
            else:
                with pq.ParquetFile(self.full(path)) as file:
                    yield RowGroups(file)

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
        with self.parquet(path) as file:
            for group in range(len(file)):
                yield file.read([group], columns)

    @contextmanager
    def writing(self, path: str, sent: "list[Future[None]] | None" = None) -> Iterator[DigestingFile]:
        """Open `path` for writing; it appears, whole, when the block ends well, and not at all when it does not. On an object
        store, where `sent` is given, it appears when what is added there is done."""
        target = self.full(path)
        if self.store is not None:
            spool = SpooledTemporaryFile(AT_ONCE)  # noqa: SIM115 - the store closes it
            yield DigestingFile(spool)
            if sent is None:
                self.store.write(target, spool)
            else:
                sent.append(senders().submit(self.store.write, target, spool))
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        aside = Path(f"{target}{ASIDE}{token_hex(4)}")
        try:
            with aside.open("wb") as raw:
                with suppress(OSError):  # of a disk that knows no locks
                    fcntl.flock(raw, fcntl.LOCK_EX)  # while it is held, nobody sweeps it away (`leftovers`)
                yield DigestingFile(raw)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)

    def write_bytes(self, path: str, data: bytes) -> None:
        with self.writing(path) as out:
            out.write(data)

    def update(self, path: str, data: bytes) -> None:
        """Write `path` unless it holds `data` already."""
        if not self.exists(path) or self.read_bytes(path) != data:
            self.write_bytes(path, data)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, where they are there, and the folders that this leaves empty."""
        places = [self.full(path) for path in paths]
        if self.store is not None:
            self.store.remove(places)
            return
        for place in map(Path, places):
            place.unlink(missing_ok=True)
        for folder in sorted({Path(place).parent for place in places}, reverse=True):
            while not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent

    def clear(self, folder: str) -> None:
        """Remove a folder and all in it, where it is there."""
        if self.store is None:
            shutil.rmtree(self.full(folder), ignore_errors=True)
        else:
            self.remove(f"{folder}/{path}" for path in self.sizes(folder))
