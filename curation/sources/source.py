"""A source is declared, planned into slices, and read as records. These are the words that the three share."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import NamedTuple

from curation.sources.fields import check

SUFFIXES = {
    "text": (".txt", ".text", ".md", ".rst"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "html": (".html", ".htm", ".xhtml"),
    "warc": (".warc", ".wet"),
}
EXTRACTORS = ("resiliparse", "trafilatura")
NEEDED = {
    "html": ("resiliparse", "charset_normalizer"),
    "warc": ("fastwarc", "brotli", "resiliparse", "charset_normalizer"),
}  # packages of the extra `web`
COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
KINDS = ("python_environment", *SUFFIXES)


@dataclass(frozen=True)
class Fields:
    """Paths of the fields (JSON) or columns (Parquet) that hold a document's parts; only `text` has to be there.

    See `fields.value` for what is a path. With `meta` all other fields are kept, as one JSON object; of a file that is one
    document its path, of a WARC record its headers.
    """

    text: str = "text"
    url: str = "url"
    domain: str = "domain"
    date: str = "date"
    meta: bool = False

    def __post_init__(self) -> None:
        for path in (self.text, self.url, self.domain, self.date):
            check(path)


@dataclass(frozen=True)
class Source:
    """Where documents come from.

    name: part of every document's identity; renaming a source renames its documents.
    kind: one of `KINDS`.
    paths: files, directories (searched for the kind's suffixes) or globs; local or any fsspec URL. None for
        python_environment.
    domain: of every record; when not given, the record's own, else the source's name.
    extract: html and warc only: the library that finds the main text of a page, one of `EXTRACTORS` (see `html.main_text`).
    slice_megabytes: input (as stored) that one unit of work reads: bigger files are split where the format allows it,
        smaller ones are read together.
    max_record_megabytes: a larger record is quarantined.
    max_megabytes: python_environment only: about how much text to take; None takes all of it.
    """

    name: str
    kind: str
    paths: tuple[str, ...] = ()
    fields: Fields = field(default_factory=Fields)
    domain: str | None = None
    extract: str = "resiliparse"
    slice_megabytes: float = 64
    max_record_megabytes: float = 16
    max_megabytes: float | None = 24

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"source {self.name!r}: kind {self.kind!r} is not known; use one of {', '.join(KINDS)}")
        if not self.name:
            raise ValueError("a source has an empty name; its name is part of every document's identity")
        if (self.kind == "python_environment") == bool(self.paths):
            fix = "remove its paths" if self.paths else "give `paths`: files, directories or globs"
            raise ValueError(f"source {self.name!r} of kind {self.kind} has {len(self.paths)} paths; {fix}")
        if self.extract not in EXTRACTORS:
            raise ValueError(f"source {self.name!r}: extract {self.extract!r} is not known; use one of {', '.join(EXTRACTORS)}")
        for package in (*NEEDED[self.kind], self.extract) if self.kind in NEEDED else ():
            if find_spec(package) is None:
                raise ValueError(f"source {self.name!r} of kind {self.kind} needs {package}: pip install 'assay[web]'")
        for limit in ("slice_megabytes", "max_record_megabytes"):
            if not getattr(self, limit) > 0:
                raise ValueError(f"source {self.name!r}: {limit} is {getattr(self, limit)}; it must be above 0")

    @property
    def max_record_bytes(self) -> int:
        return int(self.max_record_megabytes * 1e6)


class Part(NamedTuple):
    """A file, or a range of one, of a slice.

    path: within the source, with "/"; with the record's number it makes the document's identity.
    location: what to open (an absolute path or a URL).
    size: bytes as stored, of the whole file. stamp: what changes with the content (modification time, ETag, version).
    start, stop: bytes (JSON lines) or row groups (Parquet); stop None reads to the end.
    role: how python_environment reads the file; empty elsewhere.
    """

    path: str
    location: str
    size: int
    stamp: str
    start: int = 0
    stop: int | None = None
    role: str = ""


@dataclass(frozen=True)
class Slice:
    """One unit of work: enough to be read on any node that reaches the files. It holds no text."""

    source: Source
    index: int
    parts: tuple[Part, ...]

    @property
    def stored_bytes(self) -> int:
        """Of the files that begin in this slice, so that the slices of a source have the bytes of its files."""
        return sum(part.size for part in self.parts if part.start == 0)


class Record(NamedTuple):
    """A document as found. `record` is its number in the file: the byte offset of its line in the uncompressed file
    (JSON lines), its row (Parquet), its place in the file (docstrings), 0 where a file is one document. Without a `domain` it
    is of the source's."""

    path: str
    record: int
    text: str
    domain: str | None = None
    url: str | None = None
    date: str | None = None
    meta: str | None = None


class Malformed(NamedTuple):
    """What could not become a document. `place` says where in words ("line 7"); `reason` has no numbers of its own, so that
    reasons can be counted; `head` is the first bytes; `lost` are stored bytes that were not read, beside the record itself."""

    path: str
    place: str
    reason: str
    head: bytes = b""
    lost: int = 0


class Place(NamedTuple):
    """A record's place in a slice: its file's path and its number, which grows with the place in the file."""

    path: str
    record: int


Records = Iterator[Record | Malformed]
