"""Files wherever they are: listing and opening through fsspec, and decompression that notices what is broken."""

import io
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa

from curation.sources.source import COMPRESSED

MAX_EXPANSION = 200  # text compresses 3- to 30-fold, server logs up to 100-fold; a bomb starts at 1000
FREE_EXPANSION = 64_000_000  # bytes that any file may expand to, however small it is


class BrokenFileError(Exception):
    """The bytes of a file are not what its name says: truncated, damaged or a decompression bomb."""


def filesystem(location: str) -> tuple[Any, str]:
    """The fsspec file system of a location and the path in it; credentials come from the usual places."""
    try:
        return fsspec.url_to_fs(location)
    except ImportError as error:
        raise ValueError(f"{location}: {error}; install the package that fsspec asks for") from error
    except ValueError as error:
        raise ValueError(f"{location}: {error}") from error


def is_remote(location: str) -> bool:
    return "://" in location


def stored(path: str) -> tuple[str, str | None]:
    """Format suffix and codec of a file name: "a/b.jsonl.gz" -> (".jsonl", "gzip")."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        return (suffixes[-2] if len(suffixes) > 1 else ""), COMPRESSED[suffixes[-1]]
    return (suffixes[-1] if suffixes else ""), None


def open_stored(location: str) -> BinaryIO:
    """The file as it is stored, seekable where the store can."""
    if not is_remote(location):
        return Path(location).open("rb")
    fs, path = filesystem(location)
    return fs.open(path, "rb")


class _Raw(io.RawIOBase):
    """The stored bytes; remembers that reading them failed, so that a lost connection is not taken for a broken file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.n_read = 0
        self.failed = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            data = self.file.read(size)
        except BaseException:
            self.failed = True
            raise
        self.n_read += len(data)
        return data


class Uncompressed:
    """Reads a file's content in blocks, from its plain, gzip or zstd bytes (several members or frames are one content).

    Raises BrokenFileError where the file is damaged, ends early, or expands more than `MAX_EXPANSION`-fold.
    """

    def __init__(self, location: str, codec: str | None) -> None:
        self.file = open_stored(location)
        self.raw = _Raw(self.file)
        self.stream: Any = self.file
        if codec is not None:
            self.stream = pa.CompressedInputStream(pa.PythonFile(self.raw, mode="r"), codec)
        self.codec = codec
        self.n_out = 0

    def __enter__(self) -> "Uncompressed":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def seek(self, offset: int) -> None:
        """To a byte of a plain file."""
        self.file.seek(offset)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        try:
            data = self.stream.read(size)
        except OSError as error:
            if self.codec is None or self.raw.failed:
                raise
            raise BrokenFileError(f"broken {self.codec} file: {error}") from error
        self.n_out += len(data)
        if self.codec is not None and self.n_out > max(FREE_EXPANSION, MAX_EXPANSION * self.raw.n_read):
            raise BrokenFileError(f"{self.codec} file expands more than {MAX_EXPANSION}-fold: taken for a decompression bomb")
        return data
