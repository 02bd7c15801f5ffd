"""Fields of records by their paths: `url`, `meta.url`, `urls[0]`, `meta["a.b"]`, and what is left of a record without them.

A path goes through objects by key and through lists by number; where it meets text that holds a JSON object or list, as columns
of tables do, it goes on inside. A key that is spelled like the whole path comes first: a column named `a.b` needs no quotes.
"""

import json
import re
from functools import lru_cache

import pyarrow as pa

STEP = re.compile(r"""(?:([^.\[\]]+)|\[(-?\d+)\]|\[(?:"([^"]*)"|'([^']*)')\])(?:\.(?=[^.\[])|(?=\[)|$)""")


@lru_cache(maxsize=1024)
def split(path: str) -> tuple[str | int, str]:
    """The first step of a path and the rest of it. Raises ValueError for what is no path."""
    found = STEP.match(path)
    if found is None:
        raise ValueError(f'{path!r} is no path to a field; write it as url, meta.url, urls[0] or meta["a key"]')
    name, number, *quoted = found.groups()
    key = name or next((text for text in quoted if text is not None), None)
    return int(number) if key is None else key, path[found.end() :]


def check(path: str) -> None:
    """Raise ValueError where `path` is none."""
    while path:
        _, path = split(path)


def value(record: object, path: str) -> object:
    """What stands at `path`; None where nothing does."""
    record = _opened(record)
    if isinstance(record, dict) and path in record:
        return record[path]
    first, rest = split(path)
    if isinstance(record, list) and isinstance(first, int) and -len(record) <= first < len(record):
        inner = record[first]
    elif isinstance(record, dict):
        inner = record.get(first)
    else:
        return None
    return value(inner, rest) if rest else inner


def has(record: dict[str, object], path: str) -> bool:
    """Whether something, maybe null, stands at `path` under objects."""
    if path in record:
        return True
    first, rest = split(path)
    inner = _opened(record.get(str(first)))
    return has(inner, rest) if rest and isinstance(inner, dict) else not rest and str(first) in record


def without(record: dict[str, object], path: str) -> dict[str, object]:
    """The record without the field at `path`. What lies in a list, or in text, stays: it has no key to leave out."""
    if path in record:
        return {name: inner for name, inner in record.items() if name != path}
    first, rest = split(path)
    inner = record.get(str(first))
    return record | {str(first): without(inner, rest)} if rest and isinstance(inner, dict) else record


def names(record: object, limit: int = 12) -> list[str]:
    """The paths of a record's fields, down to three levels: what an error can offer."""

    def below(inner: object, path: str, depth: int) -> list[str]:
        inner = _opened(inner)
        if not isinstance(inner, dict) or depth == 3:
            return [path]
        return [name for key, one in inner.items() for name in below(one, f"{path}.{key}" if path else key, depth + 1)]

    found = below(record, "", 0)
    return [*found[:limit], "..."] if len(found) > limit else found


def top(record: dict[str, object], path: str) -> str | int:
    """The key of the record that a path begins with."""
    return path if path in record else split(path)[0]


def column_type(schema: pa.Schema, path: str) -> pa.DataType | None:
    """The type of what stands at `path` in a table, None where it has no such column; of a field inside JSON text, text."""
    if path in schema.names:
        return schema.field(path).type
    first, rest = split(path)
    kind = schema.field(first).type if isinstance(first, str) and first in schema.names else None
    return _type_below(kind, rest) if rest and kind is not None else None


def _type_below(kind: pa.DataType, path: str) -> pa.DataType | None:
    if pa.types.is_struct(kind):
        return column_type(pa.schema(list(kind)), path)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    first, rest = split(path)
    inner = None
    if pa.types.is_map(kind) and isinstance(first, str):
        inner = kind.item_type
    elif isinstance(first, int) and hasattr(kind, "value_type"):
        inner = kind.value_type
    return _type_below(inner, rest) if inner is not None and rest else inner


def _opened(inner: object) -> object:
    """A JSON object or list in text as what it holds; all else as it is."""
    if isinstance(inner, str) and inner[:1] in ("{", "["):
        try:
            return json.loads(inner)
        except (ValueError, RecursionError):
            return inner
    return inner
