"""Files wherever they are: listing and opening through fsspec, and decompression that notices what is broken.

Credentials, endpoints and proxies come from where each store's own tools look for them (environment, configuration files,
instance roles). A store that does not answer is an OSError that names the location, which the shell retries; it is never
taken for a broken or missing file.
"""

import io
import lzma
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import fsspec
import pyarrow as pa

from curation.sources import folders
from curation.sources.folders import FileInfo
from curation.sources.source import COMPRESSED

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TIMEOUT = 30.0  # seconds that a store may be silent
MAX_EXPANSION = 200  # text compresses 3- to 30-fold, server logs up to 100-fold; a bomb starts at 1000
PIECE = 16384  # bytes asked of a decompressor at a time: a request that meets damage returns nothing
FREE_EXPANSION = 64_000_000  # bytes that any file may expand to, however small it is


EXTRAS = {"s3fs": "assay[remote]", "aiohttp": "assay[remote]", "huggingface_hub": "assay[huggingface]"}
"""What to install for a package that a protocol needs, where that is an extra of Assay."""


class BrokenFileError(Exception):
    """The bytes of a file are not what its name says: truncated, damaged or a decompression bomb."""


def stored(path: str) -> tuple[str, str | None]:
    """Format suffix and codec of a file name: "a/b.jsonl.gz" -> (".jsonl", "gzip")."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        return (suffixes[-2] if len(suffixes) > 1 else ""), COMPRESSED[suffixes[-1]]
    return (suffixes[-1] if suffixes else ""), None


def listing(pattern: str) -> tuple[str, list[FileInfo]] | None:
    """The files that a path, directory, glob or URL stands for, as (directory searched or "", description of each, its `name`
    something to open, see `folders.listing`); None where nothing is there. Hidden files are listed too."""
    if not is_remote(pattern):
        return folders.listing(str(Path(pattern).expanduser().absolute()))
    fs, path = _filesystem(pattern)
    with _naming(pattern):
        fs.invalidate_cache()
        info = None if has_magic(path) and "[" not in path else _info(fs, path)  # a name may have brackets
        if info is None:
            directory, infos = "", _glob(fs, path) if has_magic(path) else None
        elif info["type"] == "directory":
            directory, infos = fs.unstrip_protocol(path), list(fs.find(path, detail=True).values())
        else:
            directory, infos = "", [info]
    return None if infos is None else (directory, [info | {"name": fs.unstrip_protocol(info["name"])} for info in infos])


def is_remote(location: str) -> bool:
    return "://" in location


def require_protocol(location: str) -> None:
    """Errors: ValueError where `location` is a URL whose protocol nobody knows, or needs a package that is not installed."""
    if is_remote(location):
        try:
            fsspec.get_filesystem_class(location.partition("://")[0])
        except (ImportError, ValueError) as error:
            raise ValueError(f"{location}: {uninstalled(error) or error}") from None


def uninstalled(error: Exception) -> str | None:
    """What is not installed, and the command that does it, of an error that fsspec raises for a protocol or `_options` for its
    package; None for any other error."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    package = (cause.name or "").partition(".")[0] if isinstance(cause, ImportError) else ""
    if package in EXTRAS or (package and cause is not error):
        return f"the package {package} is not installed: pip install '{EXTRAS.get(package, package)}'"
    return None


class Stored(io.RawIOBase):
    """The bytes of a file as they are stored, seekable where the store can. It remembers that reading failed, so that a lost
    connection, however a library in between reports it, is not taken for a broken file."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.n_read = 0
        self.failed = False
        if is_remote(location):
            fs, path = _filesystem(location)
            with _naming(location):
                self.file: BinaryIO = fs.open(path, "rb")
        else:
            self.file = Path(location).open("rb")  # noqa: SIM115

    def read(self, size: int = -1) -> bytes:
        try:
            with _naming(self.location):
                data = self.file.read(size)
        except BaseException:
            self.failed = True
            raise
        self.n_read += len(data)
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()
        super().close()


class Uncompressed:
    """Reads a file's content in blocks, from its plain or compressed bytes; several members, frames or streams are one content.

    Raises BrokenFileError where the file is damaged, ends early, or expands more than `MAX_EXPANSION`-fold, after all but the
    last `PIECE` bytes of what can be read.
    """

    def __init__(self, location: str, codec: str | None) -> None:
        self.file = Stored(location)
        self.stream: Any = self.file
        if codec == "zstd":  # Arrow refuses the windows over 128 MB of `zstd --long`; these are of up to 2 GB
            self.stream = zstd.ZstdFile(cast(BinaryIO, self.file), options={zstd.DecompressionParameter.window_log_max: 31})
        elif codec == "xz":
            self.stream = lzma.LZMAFile(cast(BinaryIO, self.file))  # noqa: SIM115
        elif codec is not None:
            self.stream = pa.CompressedInputStream(pa.PythonFile(self.file, mode="r"), codec)
        self.codec = codec
        self.n_out = 0
        self.broken: BrokenFileError | None = None

    def __enter__(self) -> "Uncompressed":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def seek(self, offset: int) -> None:
        """To a byte of a plain file."""
        self.file.seek(offset)

    def tell(self) -> int:
        """Bytes of content read so far."""
        return self.n_out

    def lost(self, size: int) -> int:
        """Bytes that were not read of a broken file of `size` bytes as stored: all of one that ends early, as nobody knows how
        much is missing."""
        return size - self.file.n_read if self.file.n_read < size else self.file.n_read

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        if self.codec is None:
            data = self.file.read(size)
            self.n_out += len(data)
            return data
        pieces: list[bytes] = []
        wanted = size
        while wanted and self.broken is None:
            try:
                piece = self.stream.read(min(wanted, PIECE))
            except (OSError, EOFError, lzma.LZMAError, zstd.ZstdError) as error:
                if self.file.failed:
                    raise
                reason = "Truncated compressed stream" if isinstance(error, EOFError) else error
                self.broken = BrokenFileError(f"broken {self.codec} file: {reason}")
                break
            if not piece:
                break
            pieces.append(piece)
            wanted -= len(piece)
            self.n_out += len(piece)
            if self.n_out > max(FREE_EXPANSION, MAX_EXPANSION * self.file.n_read):
                self.broken = BrokenFileError(
                    f"{self.codec} file expands over {MAX_EXPANSION}-fold: taken for a decompression bomb"
                )
        if self.broken is not None and not pieces:
            raise self.broken
        return b"".join(pieces)


def _filesystem(location: str) -> tuple[Any, str]:
    protocol = location.partition("://")[0] if is_remote(location) else "file"
    try:
        return fsspec.url_to_fs(location, **_options(protocol))
    except (ImportError, ValueError) as error:
        raise ValueError(f"{location}: {uninstalled(error) or error}") from error


def _options(protocol: str) -> dict[str, object]:
    """What makes a silent store fail after `TIMEOUT` seconds; the defaults are five minutes (http) and more."""
    if protocol in ("http", "https"):
        import aiohttp

        return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=TIMEOUT)}}
    if protocol in ("s3", "s3a"):
        once = {"total_max_attempts": 1}  # s3fs itself tries five times
        return {"config_kwargs": {"connect_timeout": TIMEOUT, "read_timeout": TIMEOUT, "retries": once}}
    return {}


@contextmanager
def _naming(location: str) -> Iterator[None]:
    """Errors of a store as OSError with the location; the libraries beneath raise everything from KeyError to ClientError."""
    try:
        yield
    except Exception as error:
        if not is_remote(location) or (isinstance(error, OSError) and location in str(error)):
            raise
        reason = f"no answer within {TIMEOUT:g} s" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        raise OSError(f"{location} could not be read: {reason}; check the address, the credentials and the store") from error


def _glob(fs: Any, path: str) -> list[FileInfo]:
    try:
        return [info for info in fs.glob(path, detail=True).values() if info["type"] == "file"]
    except FileNotFoundError:  # some stores say so of the folder
        return []


def _info(fs: Any, path: str) -> FileInfo | None:
    try:
        return fs.info(path)
    except FileNotFoundError as error:
        # fsspec's http reports everything as not found; what really happened is its cause
        cause = error.__cause__
        if cause is None or isinstance(cause, FileNotFoundError) or getattr(cause, "status", None) in (404, 410):
            return None
        raise cause from None
