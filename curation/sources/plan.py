"""Which files a source has, and how they are cut into slices: big ones split, small ones read together."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from curation.sources import python_environment, storage
from curation.sources.folders import FileInfo
from curation.sources.source import COMPRESSED, SUFFIXES, Part, Slice, Source

MAX_PARTS = 20_000  # files in one slice, so that a slice of tiny files stays a small message


def slices(source: Source) -> list[Slice]:
    """The slices of a source: `survey` without the files that are not read."""
    return survey(source)[0]


def survey(source: Source) -> tuple[list[Slice], dict[str, int]]:
    """Cut a source into slices, in the order of its paths: the same input gives the same slices on every machine. Beside them
    the number of files that were come across and are not read, by reason.

    Raises ValueError for a path that is not there, holds no file of the source's kind, or only empty ones.
    """
    unread: Counter[str] = Counter()
    if source.kind == "python_environment":
        parts = python_environment.parts(source)
    else:
        parts = [piece for part in _files(source, unread) for piece in _split(source, part)]
    groups = _merge(parts, source.slice_megabytes * 1e6)
    return [Slice(source, index, group) for index, group in enumerate(groups)], dict(sorted(unread.items()))


def fingerprint(plan: Iterable[Slice]) -> str:
    """Hash (32 hex digits) of a plan and of the cheap marks of its content: sizes, times or ETags, versions.

    Where the files are does not count, only their paths within the source.
    """
    digest = xxhash.xxh3_128()
    for piece in plan:
        declared = {name: value for name, value in vars(piece.source).items() if name != "paths"}
        digest.update(repr((declared, piece.index)).encode())
        for part in piece.parts:
            digest.update(repr(part._replace(location="")).encode())
    return digest.hexdigest()


def _files(source: Source, unread: Counter[str]) -> Iterator[Part]:
    """The files of all paths by location; `unread` counts, by reason, those that are left out."""
    parts: dict[str, Part] = {}  # by the file that a link leads to
    for pattern in source.paths:
        listed = storage.listing(pattern)
        if listed is None:
            raise ValueError(f"source {source.name!r}: {pattern} does not exist; check `paths`")
        directory, infos = listed
        n_of_kind = 0
        for info in infos:
            name = info["name"]
            part = Part("", name, info.get("size") or 0, _stamp(info))
            if reason := info.get("unread") or (_unread(source, directory, name) if directory else None):
                unread[reason] += 1
                continue
            n_of_kind += 1
            other = parts.setdefault(info.get("real", name), part)
            unread["link to a file that is read"] += other.location != name
        if not n_of_kind:
            wanted = f"{' '.join(SUFFIXES[source.kind])}, plain or with {' '.join(COMPRESSED)}"
            others = ", ".join(f"{n} {reason}" for reason, n in unread.most_common(8))
            raise ValueError(
                f"source {source.name!r}: {pattern} holds no file of kind {source.kind} ({wanted})"
                + (f"; it holds {others}" if others else "")
            )
    if not any(part.size or storage.is_remote(part.location) for part in parts.values()):  # some stores tell no size
        raise ValueError(f"source {source.name!r}: all {len(parts)} files of {', '.join(source.paths)} are empty")
    unread -= Counter()  # without zeros
    ordered = sorted(parts.values(), key=lambda part: part.location)
    common = _common_directory([part.location for part in ordered])
    for part in ordered:
        yield part._replace(path=_portable(part.location[len(common) :]))


def _portable(path: str) -> str:
    """A path as the store holds it, read as UTF-8 whatever the locale; what is not UTF-8 is written as \\xNN."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _unread(source: Source, directory: str, name: str) -> str | None:
    """Why a file in a folder that is searched is not read."""
    if any(piece.startswith((".", "_")) for piece in PurePosixPath(name[len(directory) :]).parts):
        return "hidden"
    suffix, codec = storage.stored(name)
    if suffix in SUFFIXES[source.kind]:
        return None
    return "".join(PurePosixPath(name).suffixes[-2 if codec else -1 :]) or "without a suffix"


def _stamp(info: FileInfo) -> str:
    marks = ("ETag", "etag", "blob_id", "mtime", "LastModified", "last_modified")
    return str(next((info[mark] for mark in marks if info.get(mark)), ""))


def _common_directory(locations: list[str]) -> str:
    """What all locations start with, up to the last "/"."""
    common = os.path.commonprefix(locations)  # noqa: RUF071 (commonpath breaks "s3://")
    return common[: common.rfind("/") + 1]


def _split(source: Source, part: Part) -> Iterator[Part]:
    """The ranges of a file that can be read on their own. Compressed text has none; records keep their numbers."""
    target = source.slice_megabytes * 1e6
    if source.kind == "jsonl" and storage.stored(part.path)[1] is None and part.size > 1.5 * target:
        n_pieces = round(part.size / target)
        bounds = [part.size * piece // n_pieces for piece in range(n_pieces)]
        for start, stop in zip(bounds, [*bounds[1:], None], strict=True):
            yield part._replace(start=start, stop=stop)
    elif source.kind == "parquet" and part.size > 1.5 * target:
        yield from _row_groups(part, target)
    else:
        yield part


def _row_groups(part: Part, target: float) -> Iterator[Part]:
    with storage.Stored(part.location) as file:
        try:
            metadata = pq.read_metadata(file)
        except (pa.ArrowException, OSError):
            if file.failed:
                raise
            yield part  # not Parquet: reading it will say so
            return
    start, size = 0, 0.0
    for group in range(metadata.num_row_groups):
        size += part.size * metadata.row_group(group).num_rows / max(metadata.num_rows, 1)
        if size >= target and group + 1 < metadata.num_row_groups:
            yield part._replace(start=start, stop=group + 1)
            start, size = group + 1, 0.0
    yield part._replace(start=start)


def _merge(parts: Iterable[Part], target: float) -> Iterator[tuple[Part, ...]]:
    group: list[Part] = []
    size = 0.0
    for part in parts:
        group.append(part)
        size += part.size if part.start == 0 and part.stop is None else target
        if size >= target or len(group) == MAX_PARTS:
            yield tuple(group)
            group, size = [], 0.0
    if group:
        yield tuple(group)
