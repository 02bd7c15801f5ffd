"""Frozen dataclasses to plain JSON and back: the declared types of their fields say how to read them.

JSON has no infinity: a number that is not finite is written as null. A field whose null stands for such a number says which
one by `open_as`; every other null is None.
"""

import math
import types
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
T = TypeVar("T")


def open_as(value: float) -> float:
    """A dataclass field for a number that null stands for where it is `value`, which is not finite."""
    return field(metadata={"open": value})


def encode(record: object) -> Json:
    """Plain JSON of a record: dataclasses as objects, tuples as lists. Errors: TypeError for a type JSON does not have."""
    if isinstance(record, float):
        return float(record) if math.isfinite(record) else None
    if record is None or isinstance(record, (str, bool, int)):
        return record
    if is_dataclass(record) and not isinstance(record, type):
        return {one.name: encode(getattr(record, one.name)) for one in fields(record)}
    if isinstance(record, Mapping):
        return {str(key): encode(value) for key, value in record.items()}
    if isinstance(record, (tuple, list)):
        return [encode(item) for item in record]
    raise TypeError(f"{type(record).__name__} has no JSON form; give dataclasses of text, numbers, tuples and mappings")


def decode(kind: type[T], body: Json, place: str) -> T:
    """The record of type `kind` that `encode` wrote as `body`. Errors: ValueError naming the place that does not fit."""
    return _decode(kind, body, place)


def _decode(kind: Any, body: Any, place: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):  # `X | None`, the only union in use
        return None if body is None else _decode(next(part for part in parts if part is not types.NoneType), body, place)
    if origin is Literal:
        _require(body in parts, body, place, " or ".join(map(repr, parts)))
        return body
    if origin is tuple:
        _require(isinstance(body, list), body, place, "a list")
        each = parts[:1] * len(body) if parts[-1] is Ellipsis else parts
        _require(len(each) == len(body), body, place, f"{len(each)} items")
        return tuple(_decode(one, item, f"{place}[{k}]") for k, (one, item) in enumerate(zip(each, body, strict=True)))
    if origin is dict:
        _require(isinstance(body, dict), body, place, "an object")
        return {key: _decode(parts[1], value, f"{place}.{key}") for key, value in body.items()}
    if hasattr(kind, "__dataclass_fields__"):
        _require(isinstance(body, dict), body, place, "an object")
        types_of, open_of = _field_types(kind)
        for name in sorted(types_of.keys() ^ body.keys()):
            raise ValueError(f"{place}: field {name!r} is {'missing' if name in types_of else 'not known'}")
        return kind(
            **{
                name: open_of[name] if body[name] is None and name in open_of else _decode(one, body[name], f"{place}.{name}")
                for name, one in types_of.items()
            }
        )
    if kind is float:
        _require(type(body) in (int, float), body, place, "a number")
        return float(body)
    _require(type(body) is kind, body, place, str(kind.__name__))
    return body


def _require(good: bool, body: object, place: str, wanted: str) -> None:
    if not good:
        raise ValueError(f"{place}: {str(body)[:60]!r} is not {wanted}")


@cache
def _field_types(kind: Any) -> tuple[dict[str, Any], dict[str, float]]:
    types_of = get_type_hints(kind)
    open_of = {one.name: one.metadata["open"] for one in fields(kind) if "open" in one.metadata}
    return {one.name: types_of[one.name] for one in fields(kind)}, open_of
