"""An object store as steps use it: few requests, patience with its faults, and one line when it stays away.

What fails for a while (refused, too many requests, a cut answer) is asked for again, with growing waits, for `PATIENCE`
seconds. A small object is one PUT; whether something is there is known from listings.
"""

import io
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from socket import gethostname
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

import fsspec

PATIENCE = 300.0  # seconds that a fault may last
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds before a fault is asked again, doubled each time
AT_ONCE = 32 * 2**20  # bytes: a larger object goes in parts, through a nameless file on the node's disk
REFUSALS = ("AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoCredentials", "PartialCredentials",
            "ExpiredToken", "NoSuchBucket", "InvalidRange")  # fmt: skip
"""Names of what no patience mends."""

T = TypeVar("T")


class StoreError(ValueError):
    """A store refused, or stayed away for too long: the object, the node that asked, and what the store said."""


@dataclass(frozen=True)
class Store:
    """The store that `root` (`s3://bucket/prefix`) names; paths are whole, without protocol. `clock` and `sleep` are time's."""

    root: str
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def fs(self) -> Any:
        return located(self.root)[0]

    def ask(self, deed: str, path: str, request: Callable[[], T]) -> T:
        """The answer to a request that may be repeated. deed: "be read", "be written".

        Errors: FileNotFoundError as itself (of what is read); StoreError for a refusal, or after `PATIENCE` seconds."""
        began = self.clock()
        try:
            return patiently(request, is_passing, self.clock, self.sleep)
        except Exception as error:
            absent = isinstance(error, FileNotFoundError) and deed != "be written"
            if absent or not is_fault(error):
                raise
            raise StoreError(self._line(deed, path, error, self.clock() - began)) from error

    def _line(self, deed: str, path: str, error: BaseException, elapsed: float) -> str:
        """One line: the object, the node, the cause, and what to do."""
        scheme = self.root.partition("://")[0]
        said = " ".join(str(error).split()) or type(error).__name__
        if is_refusal(error):
            fix = "check the bucket, and that the key of every node may read, write, list and delete there"
        else:
            fix = f"asked again for {elapsed:.0f} s; finished parts are kept: run again when the store answers"
        return f"{scheme}://{path} could not {deed} from node {gethostname()}: {type(error).__name__}: {said}; {fix}"

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes start:end, none behind the object's end; a negative start counts from there. One request."""
        try:
            return self.ask("be read", path, lambda: self.fs.cat_file(path, start=start, end=end))
        except StoreError as error:
            if "InvalidRange" in str(error.__cause__.__cause__ if error.__cause__ else ""):
                return b""
            raise

    def blocks(self, path: str, size: int) -> Iterator[bytes]:
        """An object in blocks of `size` bytes, a request each."""
        start = 0
        while len(block := self.read(path, start, start + size)) == size:
            yield block
            start += size
        yield block

    def abort_uploads(self, folder: str, before: float) -> None:
        """Give up the uploads in parts under `folder` that began before a time (seconds since 1970) and were never joined.

        Only S3 tells them; a key that may not list them leaves them to the bucket's lifecycle rule."""
        if not self.root.startswith("s3"):
            return
        bucket, _, key = folder.partition("/")
        asked = {"Bucket": bucket, "Prefix": f"{key}/"}
        with suppress(StoreError):
            found = self.ask("be listed", folder, lambda: self.fs.call_s3("list_multipart_uploads", **asked))
            for upload in found.get("Uploads", []):
                if upload["Initiated"].timestamp() < before:
                    self.fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def bring(self, path: str, to: Path) -> None:
        """Copy an object to this machine's disk."""
        to.parent.mkdir(parents=True, exist_ok=True)
        self.ask("be read", path, lambda: self.fs.get_file(path, str(to)))

    def take(self, path: str, source: Path) -> None:
        """Copy a file of this machine's disk to an object."""
        self.ask("be written", path, lambda: self.fs.put_file(str(source), path))

    def exists(self, path: str) -> bool:
        """Whether there is an object, or one under that folder."""
        return self.ask("be looked for", path, lambda: self.fs.exists(path))

    def write(self, path: str, spool: "SpooledTemporaryFile[bytes]") -> None:
        """Put what was spooled as one object; it appears whole or not at all. The spool is closed."""
        with spool:
            size = spool.seek(0, io.SEEK_END)
            spool.seek(0)
            if size <= AT_ONCE:
                data = spool.read()
                self.ask("be written", path, lambda: self.fs.pipe_file(path, data))
            else:
                self.ask("be written", path, lambda: self._in_parts(path, spool))

    def _in_parts(self, path: str, spool: "SpooledTemporaryFile[bytes]") -> None:
        spool.seek(0)
        out = self.fs.open(path, "wb", block_size=AT_ONCE // 2, autocommit=False)
        try:
            shutil.copyfileobj(spool, out, 2**20)
        except BaseException:
            out.discard()
            raise
        out.close()
        out.commit()

    def listing(self, folder: str) -> list[str]:
        """Names directly inside `folder`, sorted, without the empty object that some tools leave in its place (`folder/`)."""
        try:
            found = self.ask("be listed", folder, lambda: self.fs.ls(folder, detail=False, refresh=True))
        except (FileNotFoundError, NotADirectoryError):
            return []
        inside = [path.rstrip("/")[len(folder) + 1 :] for path in found]
        return sorted(name for name in inside if name and "/" not in name)

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of every object under `folder`, by its path inside that."""
        try:
            found = self.ask("be listed", folder, lambda: self.fs.find(folder, detail=True))
        except FileNotFoundError:
            return {}
        inside = {
            path.removeprefix(f"{folder}/"): info["size"] for path, info in found.items() if path.startswith(f"{folder}/")
        }
        return {path: size for path, size in inside.items() if path and not path.endswith("/")}

    def remove(self, paths: Sequence[str]) -> None:
        """Remove these objects, where they are there."""
        if paths:
            with suppress(FileNotFoundError):
                self.ask("be removed", paths[0], lambda: self.fs.rm(list(paths)))


@cache
def senders() -> ThreadPoolExecutor:
    """The threads of this process that wait for a store while others compute."""
    return ThreadPoolExecutor(16, "store")


def located(root: str) -> tuple[Any, str]:
    """The fsspec file system of a work directory, and its place there."""
    once: dict[str, Any] = {
        "config_kwargs": {"retries": {"total_max_attempts": 1}}
    }  # `patiently` and s3fs ask again themselves
    options = {"use_listings_cache": False} | (once if root.startswith("s3") else {}) if "://" in root else {}
    return fsspec.core.url_to_fs(root, **options)


def patiently(
    request: Callable[[], T], passing: Callable[[Exception], bool], clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:  # fmt: skip
    """What `request` returns; while its error is a `passing` one it is asked again, for `PATIENCE` seconds."""
    began, wait = clock(), FIRST_WAIT
    while True:
        try:
            return request()
        except Exception as error:
            if not passing(error) or clock() - began + wait > PATIENCE:
                raise
        sleep(wait * random.uniform(0.7, 1.0))  # so that a thousand workers do not come back at once
        wait = min(2 * wait, LONGEST_WAIT)


def is_fault(error: BaseException) -> bool:
    """Whether an error is the store's, and no mistake in the program: of the system, or of a library that talks to stores."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] not in ("builtins", "pyarrow", "pipelines")


def is_refusal(error: BaseException) -> bool:
    """Whether asking again cannot help: no permission, no credentials, no bucket, no such object."""
    said = f"{type(error).__name__} {error} {error.__cause__ or ''}"
    return isinstance(error, PermissionError | FileNotFoundError) or any(name in said for name in REFUSALS)


def is_passing(error: Exception) -> bool:
    """Whether a fault may be gone in a minute."""
    return is_fault(error) and not is_refusal(error)
