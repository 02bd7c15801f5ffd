"""Records to JSON and back: every kind of field, and every kind of mismatch named by its place."""

import json
import math
from dataclasses import dataclass
from typing import Literal

import pytest

from scaling_fit.encoding import decode, encode
from scaling_fit.intervals import Interval


@dataclass(frozen=True)
class Inner:
    share: float
    ends: tuple[float | None, ...]


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    good: bool
    kind: Literal["a", "b"]
    span: tuple[float, float]
    inner: dict[str, Inner]
    rest: Inner | None = None


WHOLE = Outer("x", 3, True, "b", (0.1, 2.0), {"k": Inner(1 / 3, (None, 5e-324, 1e300))}, Inner(0.0, ()))


def test_what_is_written_is_read_back_exactly() -> None:
    for record in (WHOLE, Outer("", 0, False, "a", (0.0, -1.0), {})):
        assert decode(Outer, json.loads(json.dumps(encode(record))), "x") == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "c"}, "x.kind: 'c' is not 'a' or 'b'"),
        ({"count": 1.5}, "x.count: '1.5' is not int"),
        ({"count": True}, "x.count: 'True' is not int"),
        ({"span": [1.0]}, r"x.span: '\[1.0\]' is not 2 items"),
        ({"span": [1.0, "b"]}, r"x.span\[1\]: 'b' is not a number"),
        ({"inner": {"k": {"share": 1.0}}}, "x.inner.k: field 'ends' is missing"),
        ({"more": 1}, "x: field 'more' is not known"),
        ({"inner": [1]}, r"x.inner: '\[1\]' is not an object"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(Outer, encode(WHOLE) | change, "x")


def test_what_json_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        encode({"a": {1}})


def test_an_open_end_is_null_and_comes_back_as_the_infinity_it_was() -> None:
    open_below, open_above = Interval(1.0, -math.inf, 2.0), Interval(1.0, 0.5, math.inf)
    assert encode(open_below) == {"value": 1.0, "low": None, "high": 2.0}
    assert [decode(Interval, encode(one), "x") for one in (open_below, open_above)] == [open_below, open_above]
    with pytest.raises(ValueError, match=r"x.share: 'None' is not a number"):
        decode(Inner, {"share": None, "ends": []}, "x")
