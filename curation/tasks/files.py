"""Items from a task's files: JSON lines or Parquet, compressed or not, local or remote."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from curation.sources import storage
from curation.sources.source import Malformed
from curation.tasks.items import Item, parse

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")


class Found(NamedTuple):
    """An item and the line or row that it stands in, in words."""

    place: str
    item: Item


def locations(pattern: str) -> list[str]:
    """The files that a path, folder, glob or URL stands for. Raises FileNotFoundError without one of the right kind."""
    listed = storage.listing(pattern)
    named = [str(info["name"]) for info in listed[1]] if listed else []
    files = sorted(name for name in named if storage.stored(name)[0] in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{pattern}: no file of items is there; give a path to JSON lines or Parquet")
    return files


def read(path: str, named: Mapping[str, str], between: str) -> Iterator[Found | Malformed]:
    """Every item of a file in its order; what is none is yielded as Malformed, with its line (from 1) or row (from 0)."""
    kind = None
    for place, record, head in _records(path):
        try:
            if isinstance(record, Malformed):
                yield record
                continue
            item = parse(record, named, between)
            if kind not in (None, item.kind):
                raise ValueError(f"an item of kind {item.kind} in a task of kind {kind}; make two tasks of them")
        except ValueError as error:
            yield Malformed(path, place, str(error), head)
            continue
        kind = item.kind
        yield Found(place, item)


def _records(path: str) -> Iterator[tuple[str, object, bytes]]:
    """(place, record, its first bytes) of a file."""
    suffix, codec = storage.stored(path)
    try:
        if suffix == ".parquet":
            with storage.Stored(path) as file:
                rows = pq.read_table(pa.PythonFile(file, mode="r")).to_pylist()
            yield from ((f"row {number}", row, b"") for number, row in enumerate(rows))
            return
        with storage.Uncompressed(path, codec) as file:
            data = b"".join(iter(lambda: file.read(1 << 20), b""))
    except (storage.BrokenFileError, pa.ArrowInvalid) as error:
        yield "file", Malformed(path, "file", str(error)), b""
        return
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield f"line {number}", _parsed(path, number, line), line[:200]


def _parsed(path: str, number: int, line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason}"
    except (ValueError, RecursionError) as error:
        reason = f"not JSON: {getattr(error, 'msg', 'nested too deeply')}"
    return Malformed(path, f"line {number}", reason, line[:200])
