import base64
import bz2
import gzip
import json
import lzma
import random
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.sources import Fields, Malformed, Place, Record, Source, read, readers, slices
from curation.sources.storage import zstd

SUFFIXES = ["", ".gz", ".zst", ".bz2", ".xz"]


def records(path: Path, kind: str = "jsonl", **declared: object) -> list[Record | Malformed]:
    source = Source("s", kind, (str(path),), **declared)  # type: ignore[arg-type]
    return [record for piece in slices(source) for record in read(piece)]


def pack(data: bytes, suffix: str) -> bytes:
    pack = {
        "": bytes,
        ".gz": gzip.compress,
        ".zst": zstd.compress,
        ".bz2": bz2.compress,
        ".xz": partial(lzma.compress, preset=0),
    }[suffix]
    return pack(data)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_json_lines(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack('{"text": "caf\u00e9", "url": "u", "n": 1}\n\n  \n{"text": "b", "domain": "d"}'.encode(), suffix))
    assert records(path) == [
        Record(path.name, 0, "caf\u00e9", None, "u"),
        Record(path.name, 42, "b", "d"),
    ]


ROW = {
    "id": 7, "doc": {"text": "t", "kind": "page"}, "meta": {"source": {"url": "u"}, "days": ["2024", "2025"]},
    "a.b": "d", "odd key": {"x": 1.5}, "empty": None,
}  # fmt: skip


def write_row(path: Path, kind: str, row: dict, **types: pa.DataType) -> Path:
    path = path / f"a.{kind}"
    if kind == "jsonl":
        path.write_text(json.dumps(row) + "\n", "utf-8")
    else:
        columns = {name: pa.array([value], types.get(name)) for name, value in row.items()}
        pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_fields_are_named_by_their_paths_and_the_rest_is_kept(tmp_path: Path, kind: str) -> None:
    path = write_row(tmp_path, kind, ROW)
    fields = Fields(text="doc.text", url='meta["source"].url', date="meta.days[-1]", domain="a.b", meta=True)
    (record,) = records(path, kind, fields=fields)
    assert record[:6] == (path.name, 0, "t", "d", "u", "2025")
    assert json.loads(record[6]) == {
        "id": 7, "doc": {"kind": "page"}, "meta": {"source": {}, "days": ["2024", "2025"]},
        "odd key": {"x": 1.5}, "empty": None,
    }  # fmt: skip
    (plain,) = records(path, kind, fields=Fields(text="doc.text"))
    assert plain == Record(path.name, 0, "t")
    (declared,) = records(path, kind, fields=fields, domain="web")
    assert json.loads(declared[6])["a.b"] == "d", "a field that a declared domain takes the place of is kept too"


@pytest.mark.parametrize(
    "meta",
    [pa.array(['{"url": "u", "n": [1]}']), pa.array([[("url", "u")]], pa.map_(pa.string(), pa.string()))],
    ids=["JSON text", "map"],
)
def test_a_path_goes_into_json_text_and_maps(tmp_path: Path, meta: pa.Array) -> None:
    pq.write_table(pa.table({"text": ["t"], "meta": meta}), tmp_path / "a.parquet")
    (record,) = records(tmp_path / "a.parquet", "parquet", fields=Fields(url="meta.url"))
    assert record == Record("a.parquet", 0, "t", None, "u")


@pytest.mark.parametrize("path", ["meta[url", ".url", "a..b", "[]", ""])
def test_what_is_no_path_is_said(path: str) -> None:
    if path:
        with pytest.raises(ValueError, match=r"is no path to a field; write it as url, meta.url, urls\[0\]"):
            Fields(url=path)


def test_a_field_that_is_an_object_is_no_url(tmp_path: Path) -> None:
    path = write_row(tmp_path, "jsonl", {"text": "t", "meta": {"url": "u"}})
    (bad,) = records(path, fields=Fields(url="meta"))
    assert bad[2] == "field 'meta' is dict, not text"
    path = write_row(tmp_path, "jsonl", {"text": "t", "date": {"$date": 0}})
    assert records(path, fields=Fields(meta=True)) == [Record("a.jsonl", 0, "t", meta='{"date": {"$date": 0}}')]


def test_odd_values_of_other_fields_lose_no_document(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"text": "t", "n": NaN, "big": 1e999, "half": "\\ud83d", "nul": "\\u0000", "i": 123456789012345678901234567890}\n'
    )
    (record,) = records(path, fields=Fields(meta=True))
    record[6].encode()
    assert json.loads(record[6]) == {
        "n": None, "big": None, "half": "\ud83d", "nul": "\0", "i": 123456789012345678901234567890,
    }  # fmt: skip
    columns = {
        "odd": pa.array([b"\xff bad"], pa.binary()).view(pa.string()), "time": pa.array([2**62], pa.timestamp("us")),
        "raw": pa.array([b"\xffa"], pa.binary()),
        "nested": pa.array([[b"\xff"]], pa.list_(pa.binary())).view(pa.list_(pa.string())),
        "when": pa.array([0], pa.timestamp("s")), "nan": [float("nan")],
    }  # fmt: skip
    pq.write_table(pa.table({"text": ["t"], **columns}), tmp_path / "a.parquet")
    (record,) = records(tmp_path / "a.parquet", "parquet", fields=Fields(meta=True))
    kept = json.loads(record[6])
    assert kept["odd"] == "\\xff bad"
    assert base64.b64decode(kept["raw"]) == b"\xffa"
    assert kept["when"] == "1970-01-01 00:00:00"
    assert kept["nan"] is None
    assert kept["time"]
    assert kept["nested"]


def test_fields_nested_to_any_depth_stop_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    depths = [*range(100, 1100, 20), 5000, 100_000]
    path.write_text("".join('{"text": "t", "a": ' + "[" * n + "]" * n + "}\n" for n in depths))
    found = records(path, fields=Fields(meta=True))
    assert len(found) == len(depths)
    assert isinstance(found[0], Record)
    assert {bad[2] for bad in found if isinstance(bad, Malformed)} == {"not JSON: nested too deeply"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
)


@given(st.dictionaries(st.text(min_size=1), VALUES))
@settings(max_examples=100, deadline=None)
def test_nothing_of_a_record_is_lost(row: dict) -> None:
    row = {name: value for name, value in row.items() if name not in ("text", "url", "date", "domain")}
    made = readers._record(
        "a", 0, "line 1", row | {"text": "t", "url": "u"}, Source("s", "jsonl", ("a",), Fields(meta=True)), b""
    )
    assert isinstance(made, Record)
    assert (json.loads(made.meta) if made.meta else {}) == row


def test_a_declared_domain_is_every_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "t", "domain": "own"}\n')
    assert [record.domain for record in records(path, domain="web")] == ["web"]  # type: ignore[union-attr]
    assert [record.domain for record in records(path)] == ["own"]  # type: ignore[union-attr]


BAD_LINES = {
    b'{"text": "open': "not JSON",
    b'{"text": "\xff\xfe"}': "not UTF-8: invalid start byte",
    b'["text"]': "a JSON list, not an object",
    b'{"text": 3}': "field 'text' is int, not text",
    b'{"text": null}': "field 'text' is null",
    b'{"title": "x", "page": {"body": "y"}}': "no field 'text'; it has page.body, title",
    b"[" * 100_000: "not JSON: nested too deeply",
    b'{"a":' * 100_000: "not JSON: nested too deeply",
    b'{"text": ' + b"9" * 5000 + b"}": "not JSON: Exceeds the limit",
}


def test_every_bad_line_is_reported_and_its_neighbours_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "first"}\n' + b"".join(bad + b'\n{"text": "good"}\n' for bad in BAD_LINES))
    found = records(path)
    assert [record.text for record in found if isinstance(record, Record)] == ["first"] + ["good"] * len(BAD_LINES)
    malformed = [record for record in found if isinstance(record, Malformed)]
    for number, (bad, (line, reason)) in enumerate(zip(malformed, BAD_LINES.items(), strict=True)):
        assert bad.place.partition(",")[0] == f"line {2 * number + 2}"
        assert reason in bad.reason
        assert bad.head == line[:200]


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "t"}\n')
    assert records(path) == [Record("a.jsonl", 0, "t")]


def test_a_line_over_the_limit_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "' + b"x" * 5_000_000 + b'"}\n{"text": "b"}\n')
    first, big, last = records(path, max_record_megabytes=1)
    assert isinstance(big, Malformed)
    assert big[1:3] == ("line 2", "over the record limit of 1000000 bytes")
    assert first == Record("a.jsonl", 0, "a")
    assert last == Record("a.jsonl", 5_000_027, "b")


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_several_members_are_one_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(pack(b'{"text": "first"}\n{"te', suffix) + pack(b'xt": "second"}\n', suffix))
    assert [record[2] for record in records(path)] == ["first", "second"]


def test_a_window_of_two_gigabytes(tmp_path: Path) -> None:
    """As `zstd --long=31` writes it; the frame does not say how long its content is."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 31, zstd.CompressionParameter.hash_log: 6})
    (tmp_path / "a.jsonl.zst").write_bytes(packer.compress(b'{"text": "some words"}\n') + packer.flush())
    assert records(tmp_path) == [Record("a.jsonl.zst", 0, "some words")]


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_a_truncated_file_keeps_what_is_there_and_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    data = b"".join(b'{"text": "%d"}\n' % i**5 for i in range(30_000))
    packed = pack(data, suffix)
    path.write_bytes(packed[: len(packed) * 3 // 4])
    *good, bad = records(path)
    assert (0 if suffix == ".bz2" else 10_000) <= len(good) < 30_000  # one block of bzip2 holds it all
    assert all(isinstance(record, Record) for record in good)
    assert isinstance(bad, Malformed)
    assert bad.place == f"after line {len(good)}"
    assert "Truncated compressed stream; the rest of the file is not read" in bad.reason
    assert bad.lost == path.stat().st_size


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2"])
def test_damage_in_the_middle_loses_the_rest(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    draw = random.Random(0)
    member = pack(b"".join(b'{"text": "%x"}\n' % draw.getrandbits(800) for _ in range(3000)), suffix)
    path.write_bytes(member * 2 + b"rubbish" + member * 2)
    bad = records(path)[-1]
    assert isinstance(bad, Malformed)
    assert 0.3 < bad.lost / path.stat().st_size <= 0.5


def test_a_plain_file_that_ends_inside_a_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = b'{"text": "some words"}\n'
    for ending, n_good, lost in ((line[:-1], 101, 0), (line[:-4], 100, True), (b"{rubbish\n", 100, 0)):
        path.write_bytes(line * 100 + ending)
        for megabytes in (64, 0.0005):
            found = records(path, slice_megabytes=megabytes)
            assert sum(isinstance(record, Record) for record in found) == n_good
            assert sum(record.lost for record in found if isinstance(record, Malformed)) == lost * path.stat().st_size


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=40), cut=st.integers(1, 400))
def test_ranges_partition_the_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cut: int) -> None:
    from curation.sources.readers import _lines
    from curation.sources.storage import Uncompressed

    path = tmp_path_factory.mktemp("lines") / "x"
    data = b"\n".join(lines)
    path.write_bytes(data)
    bounds = [*range(0, max(len(data), 1), cut)]
    found = []
    for start, stop in zip(bounds, [*bounds[1:], None], strict=True):
        with Uncompressed(str(path), None) as file:
            found += [(offset, line) for offset, line, _ in _lines(file, start, stop, 1000)]
    expected, offset = [], 0
    for line in data.split(b"\n"):
        expected.append((offset, line))
        offset += len(line) + 1
    assert found == (expected if expected[-1][1] else expected[:-1])


def test_text_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo")
    (tmp_path / "b.md.gz").write_bytes(gzip.compress(b"three"))
    (tmp_path / "c.txt").write_bytes("na\u00efve".encode("latin-1"))
    (tmp_path / "d.txt").write_bytes(b"x" * 2000)
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress(b"cut" * 100)[:-5])
    assert records(tmp_path, "text", max_record_megabytes=0.001) == [
        Record("a.txt", 0, "one\ntwo"),
        Record("b.md.gz", 0, "three"),
        Malformed("c.txt", "byte 2", "not UTF-8: invalid continuation byte", b"na\xefve"),
        Malformed("d.txt", "file", "over the record limit of 1000 bytes", b"x" * 200),
        Malformed("e.txt.gz", "file", "broken gzip file: Truncated compressed stream"),
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["a", None, "b"], kind), "url": ["u", "v", None], "extra": [1, 2, 3]}), path)
    assert records(path, "parquet", fields=Fields(meta=True)) == [
        Record("a.parquet", 0, "a", None, "u", None, '{"extra": 1}'),
        Malformed("a.parquet", "row 1", "field 'text' is null"),
        Record("a.parquet", 2, "b", None, None, None, '{"extra": 3}'),
    ]


def test_parquet_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    text = pa.array([b"good", b"\xff bad", b"good"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": text}), path)
    assert [type(record).__name__ for record in records(path, "parquet")] == ["Record", "Malformed", "Record"]


ODD_COLUMNS = {
    "bytes": (pa.array([b"good", b"\xff"], pa.binary()).view(pa.string()), "is not UTF-8"),
    "time": (pa.array([1, 2**62], pa.timestamp("us")), "holds no readable timestamp[us]"),
    "day": (pa.array([1, 2**31 - 1], pa.date32()), "holds no readable date32[day]"),
    "list": (pa.array([[b"good"], [b"\xff"]], pa.list_(pa.binary())).view(pa.list_(pa.string())), "is not UTF-8"),
}


@pytest.mark.parametrize("name", ODD_COLUMNS)
@pytest.mark.parametrize("field", ["url", "domain", "date"])
def test_a_parquet_field_that_cannot_be_read_is_quarantined(tmp_path: Path, name: str, field: str) -> None:
    column, reason = ODD_COLUMNS[name]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], field: column}), path)
    good, bad = records(path, "parquet")
    assert good[:3] == ("a.parquet", 0, "a")
    assert bad == Malformed("a.parquet", "row 1", f"field {field!r} {reason}")


def test_parquet_time_stamps(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    stamp = 1_714_979_289_000_000_001  # 2024-05-06T07:08:09 and a nanosecond, which no datetime holds
    for unit, value in (("s", stamp // 10**9), ("us", stamp // 1000), ("ns", stamp)):
        pq.write_table(pa.table({"text": ["a"], "date": pa.array([value], pa.timestamp(unit))}), path)
        (record,) = records(path, "parquet")
        assert record[5] == "2024-05-06 07:08:09"


def test_parquet_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [1, 2], "content": ["a", "b"]}), path)
    with pytest.raises(ValueError, match=r"source 's': column 'text' of .*a.parquet is int64, not text"):
        records(path, "parquet")
    with pytest.raises(ValueError, match=r"has no column 'meta.url'; it has text, content; name the right one in `fields.url`"):
        records(path, "parquet", fields=Fields(text="content", url="meta.url"))
    with pytest.raises(ValueError, match=r"has no column 'body'; it has text, content; name the right one in `fields.text`"):
        records(path, "parquet", fields=Fields(text="body"))


def test_a_parquet_column_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    for name in ("text", "x"):
        table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["c"])], names=["text", "x", name])
        pq.write_table(table, tmp_path / "a.parquet")
        with pytest.raises(ValueError, match=rf"a.parquet has the column '{name}' twice; rename one"):
            records(tmp_path / "a.parquet", "parquet")


@pytest.mark.parametrize("kind", ["decimal", "time", "duration", "null", "fixed", "date", "map", "infinite", "half", "large"])
def test_any_type_of_column_has_a_form_in_meta(tmp_path: Path, kind: str) -> None:
    columns = {
        "decimal": (pa.array([Decimal("1.50")]), "1.50"), "time": (pa.array([3_723_000], pa.time32("ms")), "01:02:03"),
        "duration": (pa.array([5], pa.duration("s")), "0:00:05"), "null": (pa.nulls(1), None),
        "fixed": (pa.array([b"\xff\x00"], pa.binary(2)), "/wA="), "date": (pa.array([0], pa.date32()), "1970-01-01"),
        "map": (pa.array([[(1, ["x"])]], pa.map_(pa.int32(), pa.list_(pa.string()))), {"1": ["x"]}),
        "infinite": (pa.array([{"x": float("inf")}]), {"x": None}), "half": (pa.array([1.5], pa.float16()), 1.5),
        "large": (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
    }  # fmt: skip
    column, wanted = columns[kind]
    pq.write_table(pa.table({"text": ["t"], "x": column}), tmp_path / "a.parquet")
    (record,) = records(tmp_path / "a.parquet", "parquet", fields=Fields(meta=True))
    assert json.loads(record[6]) == {"x": wanted}


def test_parquet_that_is_broken_is_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"row {i} {i**7}" for i in range(10_000)]}), path, row_group_size=1000)
    data = bytearray(path.read_bytes())
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    assert [record.reason[:11] for record in records(tmp_path / "cut.parquet", "parquet")] == ["not Parquet"]  # type: ignore[union-attr]
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    (tmp_path / "holed.parquet").write_bytes(data)
    found = records(tmp_path / "holed.parquet", "parquet")
    bad = [record for record in found if isinstance(record, Malformed)]
    assert 1 <= len(bad) <= 3
    assert sum(b.lost for b in bad) <= 0.4 * len(data)
    lost = sum(int(last) - int(first) + 1 for first, last in (b.place.removeprefix("rows ").split(" to ") for b in bad))
    good = [record for record in found if isinstance(record, Record)]
    assert len(good) + lost == 10_000
    assert {record.record for record in good} >= {0, 9_999}
    assert all(record.text == f"row {record.record} {record.record**7}" for record in good)


def test_a_parquet_bomb_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), compression="zstd", use_dictionary=False) as writer:
        for text in ("first", "x" * 90_000_000, "last"):
            writer.write_table(pa.table({"text": [text]}))
    first, bomb, last = records(path, "parquet", max_record_megabytes=500)
    assert (first[2], last[1:3]) == ("first", (2, "last"))
    assert isinstance(bomb, Malformed)
    assert bomb[1:3] == ("rows 1 to 1", "broken Parquet: expands over 200-fold: taken for a decompression bomb")


DAMAGED = {
    "a.jsonl.gz": gzip.compress,
    "a.jsonl.zst": zstd.compress,
    "a.jsonl.xz": lzma.compress,
    "a.jsonl.bz2": bz2.compress,
    "a.warc.gz": gzip.compress,
    "a.parquet": None,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_random_damage_is_reported_and_never_raised(tmp_path: Path, name: str) -> None:
    rng = random.Random(name)
    whole = tmp_path / name
    if "warc" in name:
        page = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"some text of the page " * 20
        head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"
        data = b"".join([head, b"Content-Length: %d\r\n\r\n" % len(page), page, b"\r\n\r\n"]) * 300
    else:
        data = b"".join(b'{"text": "%d %s"}\n' % (i**5, b"word " * (i % 30)) for i in range(2000))
    if name == "a.parquet":
        texts = [json.loads(line)["text"] for line in data.splitlines()]
        pq.write_table(pa.table({"text": texts}), whole, row_group_size=300, compression="zstd")
    else:
        whole.write_bytes(DAMAGED[name](data))
    intact = whole.read_bytes()
    for _ in range(25):
        broken = bytearray(intact)
        at = rng.randrange(len(broken))
        match rng.randrange(3):
            case 0:
                broken[at] ^= 1 << rng.randrange(8)
            case 1:
                del broken[max(at, 1) :]
            case _:
                broken[at:at] = rng.randbytes(rng.randrange(1, 2000))
        whole.write_bytes(broken)
        assert all(isinstance(found, Record | Malformed) for found in records(whole, name.split(".")[1]))


def _sample_of(kind: str, folder: Path) -> Path:
    """Several records of every kind, bad ones among them, and damage at the end or in the middle."""
    lines = [b'{"text": "document %d"}' % i if i % 7 else b"{rubbish %d" % i for i in range(3000)]
    match kind:
        case "jsonl":
            (folder / "a.jsonl").write_bytes(b"\n".join(lines[:50]))
            (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines))[:-2000])
            (folder / "c.jsonl.zst").write_bytes(pa.compress(b"\n".join(lines[:60]), "zstd", asbytes=True))
        case "parquet":
            table = pa.table({"text": [None if i % 7 == 0 else f"row {i} {i**7}" for i in range(1000)]})
            pq.write_table(table, folder / "a.parquet", row_group_size=100)
            data = bytearray((folder / "a.parquet").read_bytes())
            data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
            (folder / "a.parquet").write_bytes(data)
        case "warc":
            page = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsome text"
            head = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"
            record = head + b"Content-Length: %d\r\n\r\n" % len(page) + page + b"\r\n\r\n"
            (folder / "a.warc.gz").write_bytes(b"".join([gzip.compress(record)] * 600)[:-50])
        case _:
            for i in range(5):
                (folder / f"{i}.txt").write_bytes(b"text" if i % 2 else b"\xff")
    return folder


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "warc", "text"])
def test_reading_on_from_any_record_gives_what_is_left(tmp_path: Path, kind: str) -> None:
    (piece,) = slices(Source("s", kind, (str(_sample_of(kind, tmp_path)),)))
    whole = list(read(piece))
    places = [(k, found) for k, found in enumerate(whole) if isinstance(found, Record)]
    assert any(isinstance(found, Malformed) for found in whole)
    for k, found in [*places[:: len(places) // 40 + 1], *places[-2:]]:
        assert list(read(piece, Place(found.path, found.record))) == whole[k:]


def test_what_was_read_before_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (piece,) = slices(Source("s", "jsonl", (str(_sample_of("jsonl", tmp_path)),)))
    found = [record for record in read(piece) if isinstance(record, Record) and record.path == "b.jsonl.gz"]
    parsed: list[str] = []
    monkeypatch.setattr(json, "loads", lambda line: parsed.append(line) or {"text": "x"})
    list(read(piece, Place("b.jsonl.gz", found[-1].record)))
    assert len(parsed) < 3 + 60  # the rest of the file, and the next one
