"""Read one slice of a source: records in the order of the file, and, for what cannot be read, why."""

import base64
import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq

from curation.sources import fields, html, python_environment, storage, warc
from curation.sources.source import Malformed, Part, Place, Record, Records, Slice, Source

BLOCK = 1 << 20  # bytes read at a time
MANY = 1000  # fields of a record that are told apart
ROWS = 32  # Parquet rows decoded at a time: with the record limit this bounds the memory


def read(piece: Slice, since: Place | None = None) -> Records:
    """All records of a slice, or those from the record at `since` on: what is before it is passed over, not parsed.

    Damage in the data is yielded as Malformed; a store that fails raises OSError, and a declaration that does not fit the data
    (a Parquet column that is missing or of the wrong type) raises ValueError.
    """
    source = piece.source
    first = [part.path for part in piece.parts].index(since.path) if since else 0
    for index, part in enumerate(piece.parts[first:]):
        number = since.record if since and index == 0 else 0
        if source.kind == "python_environment":
            yield from python_environment.read(part, source.max_record_bytes, number)
        elif source.kind == "jsonl":
            yield from _json_lines(part, source, number)
        elif source.kind == "parquet":
            yield from _parquet(part, source, number)
        elif source.kind == "warc":
            yield from warc.read(part, source, number)
        else:
            yield from _file(part, source)


def field_names(piece: Slice) -> list[str]:
    """Paths of the fields of a slice's first line (jsonl) or of its columns (Parquet). Raises ValueError or OSError where that
    cannot be read."""
    part = piece.parts[0]
    if piece.source.kind == "parquet":
        with storage.Stored(part.location) as stored:
            return _paths(pq.ParquetFile(stored).schema_arrow)
    with storage.Uncompressed(part.location, storage.stored(part.path)[1]) as file:
        return fields.names(next((json.loads(line) for _, line, _ in _lines(file, 0, None, BLOCK)), {}), MANY)


def _file(part: Part, source: Source) -> Records:
    """A file that is one document: a page, or text in UTF-8."""
    limit = source.max_record_bytes
    pieces: list[bytes] = []
    try:
        with storage.Uncompressed(part.location, storage.stored(part.path)[1]) as file:
            while sum(map(len, pieces)) <= limit and (block := file.read(BLOCK)):
                pieces.append(block)
    except storage.BrokenFileError as error:
        yield Malformed(part.path, "file", str(error), b"".join(pieces)[:200])
        return
    data = b"".join(pieces)
    if len(data) > limit:
        yield Malformed(part.path, "file", f"over the record limit of {limit} bytes", data[:200])
        return
    try:
        text = html.main_text(data, source.extract) if source.kind == "html" else data.decode("utf-8-sig")
        meta = json.dumps({"path": part.path}, ensure_ascii=False) if source.fields.meta else None
        yield Record(part.path, 0, text, source.domain, meta=meta)
    except UnicodeDecodeError as error:
        yield Malformed(part.path, f"byte {error.start}", f"not UTF-8: {error.reason}", data[:200])
    except ValueError as error:
        yield Malformed(part.path, "file", str(error), data[:200])


def _lines(file: storage.Uncompressed, start: int, stop: int | None, limit: int) -> Iterator[tuple[int, bytes, int]]:
    """(offset, line without its newline, its length) of the lines that begin in [start, stop); of a line over the limit
    only the head is kept, so that memory stays bounded."""
    offset = start
    if start:
        file.seek(start - 1)
    held: list[bytes] = []
    n_held = 0
    skipping = start > 0  # the line that holds byte start - 1 belongs to the range before
    if skipping:
        offset = start - 1
    while block := file.read(BLOCK):
        *ended, rest = block.split(b"\n")
        for index, piece in enumerate(ended):
            line = b"".join([*held, piece]) if index == 0 and held else piece
            length = n_held + len(piece) if index == 0 else len(piece)
            if not skipping:
                yield offset, line, length
            skipping = False
            offset += length + 1
            held, n_held = [], 0
            if stop is not None and offset >= stop:
                return
        if n_held <= limit and not skipping:
            held.append(rest)
        n_held += len(rest)
    if n_held and not skipping:
        yield offset, b"".join(held), n_held


def _json_lines(part: Part, source: Source, since: int) -> Records:
    limit, number = source.max_record_bytes, 0
    with storage.Uncompressed(part.location, storage.stored(part.path)[1]) as file:
        try:
            for number, (offset, line, length) in enumerate(_lines(file, part.start, part.stop, limit), start=1):
                if offset < since:
                    continue
                place = f"line {number}" if part.start == 0 else f"byte {offset}"
                if length > limit:
                    yield Malformed(part.path, place, f"over the record limit of {limit} bytes", line[:200])
                elif line and not line.isspace():
                    record = _from_json(line, offset, place, part, source)
                    ends_file = offset + length == max(part.start - 1, 0) + file.tell()  # without a newline, that is
                    if ends_file and isinstance(record, Malformed) and record.reason.startswith("not "):
                        record = record._replace(reason=f"{record.reason}; the file ends inside it", lost=part.size)
                    yield record
        except storage.BrokenFileError as error:
            reason = f"{error}; the rest of the file is not read"
            yield Malformed(part.path, f"after line {number}", reason, lost=file.lost(part.size))


def _from_json(line: bytes, offset: int, place: str, part: Part, source: Source) -> Record | Malformed:
    try:
        value = json.loads(line.removeprefix(codecs.BOM_UTF8).decode() if offset == 0 else line.decode())
    except UnicodeDecodeError as error:
        return Malformed(part.path, f"{place}, byte {error.start} of it", f"not UTF-8: {error.reason}", line[:200])
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else getattr(error, "msg", str(error))
        return Malformed(part.path, place, f"not JSON: {reason}", line[:200])
    if not isinstance(value, dict):
        return Malformed(part.path, place, f"a JSON {type(value).__name__}, not an object", line[:200])
    try:
        return _record(part.path, offset, place, value, source, line[:200])
    except RecursionError:  # read, and too deep to be written again
        return Malformed(part.path, place, "not JSON: nested too deeply", line[:200])


def _record(path: str, number: int, place: str, value: dict[str, object], source: Source, head: bytes) -> Record | Malformed:
    """The record that an object's fields make, or why there is none."""
    wanted = source.fields
    paths = {key: getattr(wanted, key) for key in ("text", "url", "date", "domain") if not (key == "domain" and source.domain)}
    for name in {str(fields.top(value, path)) for path in paths.values()}:
        if isinstance(read := value.get(name), Unreadable):
            return Malformed(path, place, f"field {name!r} {read.reason}", head)
    found = {key: fields.value(value, name) for key, name in paths.items()}
    text = found.pop("text")
    if not isinstance(text, str):
        if text is not None or fields.has(value, wanted.text):
            kind = "null" if text is None else f"{type(text).__name__}, not text"
            return Malformed(path, place, f"field {wanted.text!r} is {kind}", head)
        return Malformed(
            path, place, f"no field {wanted.text!r}; it has {', '.join(sorted(fields.names(value, MANY))[:8])}", head
        )
    for key, other in found.items():
        if isinstance(other, dict | list):
            if paths[key] != key:
                return Malformed(path, place, f"field {paths[key]!r} is {type(other).__name__}, not text", head)
            paths.pop(key)  # not meant: it only has the name
            found[key] = None
    url, date, domain = (None if (one := found.get(key)) is None else str(one) or None for key in ("url", "date", "domain"))
    meta = _meta(reduce(fields.without, paths.values(), value)) if wanted.meta else None
    return Record(path, number, text, source.domain or domain, url, date, meta)


def _meta(rest: dict[str, object]) -> str | None:
    """Fields as a JSON object, None without any. Numbers that JSON does not know (NaN, infinities) become null."""
    if not rest:
        return None
    try:
        text = json.dumps(rest, default=_plain, ensure_ascii=False, allow_nan=False)
    except ValueError:
        loose = json.dumps(rest, default=_plain)
        text = json.dumps(json.loads(loose, parse_constant=lambda _: None), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair stays, escaped
        text = json.dumps(json.loads(text))
    return text


def _plain(value: object) -> str:
    """What JSON has no form for, as text: times, decimals, bytes (base64 where not UTF-8), and what could not be read."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value.shown if isinstance(value, Unreadable) else str(value)


def _parquet(part: Part, source: Source, since: int) -> Records:
    with storage.Stored(part.location) as stored:
        try:
            file = pq.ParquetFile(stored)
        except (pa.ArrowException, OSError) as error:
            if stored.failed:
                raise
            yield Malformed(part.path, "file", f"not Parquet: {error}", lost=part.size)
            return
        columns = _columns(file.schema_arrow, part, source)
        row = sum(file.metadata.row_group(group).num_rows for group in range(part.start))
        for group in range(part.start, file.num_row_groups if part.stop is None else part.stop):
            after = row + file.metadata.row_group(group).num_rows
            if after <= since:
                row = after
                continue
            try:
                _refuse_bomb(file.metadata.row_group(group).total_byte_size, part.size)
                for batch in file.iter_batches(ROWS, row_groups=[group], columns=columns):
                    for value in _rows(batch):
                        if row >= since:
                            yield _record(part.path, row, f"row {row}", value, source, b"")
                        row += 1
            except (pa.ArrowException, OSError, storage.BrokenFileError) as error:
                if stored.failed:
                    raise
                lost = part.size * (after - row) // max(file.metadata.num_rows, 1)
                yield Malformed(part.path, f"rows {row} to {after - 1}", f"broken Parquet: {error}", lost=lost)
            row = after


def _refuse_bomb(n_bytes: int, stored: int) -> None:
    # Against the whole file's size: pyarrow 26 aborts the process when asked for a damaged column's own (`group.column(i)`).
    if n_bytes > max(storage.FREE_EXPANSION, storage.MAX_EXPANSION * stored):
        raise storage.BrokenFileError(f"expands over {storage.MAX_EXPANSION}-fold: taken for a decompression bomb")


@dataclass(frozen=True)
class Unreadable:
    """A value of a Parquet column that has no form in Python: writers may put any bytes into a string column. `shown` is the
    best that can be said of it."""

    reason: str
    shown: str


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, object]]:
    """The batch's rows as dictionaries, what cannot be read as `Unreadable`."""
    for values in zip(*map(_values, batch.columns), strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":  # which pyarrow gives to pandas only
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return column.to_pylist(maps_as_pydicts="lossy")
    except (ValueError, OverflowError, LookupError):
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py(maps_as_pydicts="lossy")
    except UnicodeDecodeError:
        return Unreadable("is not UTF-8", _shown(scalar))
    except (ValueError, OverflowError, LookupError):
        return Unreadable(f"holds no readable {scalar.type}", _shown(scalar))


def _shown(scalar: pa.Scalar) -> str:
    """Bytes that are not UTF-8 with \\xNN for the odd ones, a time outside Python's years as Arrow or its number says it."""
    if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar | pa.StringViewScalar):
        return scalar.as_buffer().to_pybytes().decode(errors="backslashreplace")
    try:
        return str(scalar.cast(pa.string()).as_py())
    except (pa.ArrowException, ValueError):
        return f"unreadable {scalar.type}"


def _columns(schema: pa.Schema, part: Part, source: Source) -> list[str] | None:
    """The columns to read, None for all. Raises ValueError where one that is named is not there, or the text is none."""
    wanted = source.fields
    if doubled := [name for name in schema.names if schema.names.count(name) > 1]:
        raise ValueError(
            f"source {source.name!r}: {part.location} has the column {doubled[0]!r} twice; rename one, or one would be lost"
        )
    named = {key: getattr(wanted, key) for key in ("text", "url", "domain", "date")}
    types = {key: fields.column_type(schema, path) for key, path in named.items()}
    for key, path in named.items():
        if types[key] is None and (key == "text" or path != key):
            raise ValueError(
                f"source {source.name!r}: {part.location} has no column {path!r}; it has {', '.join(_paths(schema))}; "
                f"name the right one in `fields.{key}`"
            )
    kind = types["text"]
    assert kind is not None
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(value_type) or pa.types.is_large_string(value_type) or pa.types.is_string_view(value_type)):
        raise ValueError(f"source {source.name!r}: column {wanted.text!r} of {part.location} is {kind}, not text")
    if wanted.meta:
        return None
    columns = dict.fromkeys(path if path in schema.names else str(fields.split(path)[0]) for path in named.values())
    return [name for name in columns if name in schema.names]


def _paths(schema: pa.Schema) -> list[str]:
    """The columns, and the fields of columns of objects."""
    return [
        f"{column.name}.{inner.name}" if inner is not column else column.name
        for column in schema
        for inner in (column.type if pa.types.is_struct(column.type) else [column])
    ]
