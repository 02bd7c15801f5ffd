from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import SCHEMA
from curation.hashing import uid
from curation.ingest import MAX_REASON, QUARANTINE, SHARDS_PER_SLICE, Shard, row_groups, shards
from curation.sources import Malformed, Record, Source

SOURCE = Source("web", "jsonl", ("x",), max_record_megabytes=0.001)


def made(texts: Iterable[str | Malformed], max_bytes: int = 1000, first: int = 0) -> list[Shard]:
    found = [text if isinstance(text, Malformed) else Record("a/b.jsonl", 7 * i, text, "d") for i, text in enumerate(texts)]
    return list(shards(found, SOURCE, first, max_bytes))


def test_the_table_is_the_contract() -> None:
    record = Record("p", 3, "caf\u00e9", "d", "u", "2024", '{"a": 1}')
    (shard,) = shards([record], SOURCE, first=5)
    assert shard.documents.schema == SCHEMA
    assert shard.documents.to_pylist() == [
        {
            "doc_id": 5 << 32, "uid": int(uid("web", "p", np.array([3]))[0]), "text": "caf\u00e9", "source": "web",
            "domain": "d", "url": "u", "date": "2024", "meta": '{"a": 1}',
        }
    ]  # fmt: skip
    assert shard.quarantine.schema == QUARANTINE
    assert shard.quarantine.num_rows == 0


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=300), max_size=60), st.integers(50, 900))
def test_nothing_is_lost_and_no_shard_is_over_its_size(texts: list[str], max_bytes: int) -> None:
    found = made(texts, max_bytes, first=3 * SHARDS_PER_SLICE)
    rows = [row for shard in found for row in shard.documents.to_pylist()]
    bad = [row for shard in found for row in shard.quarantine.to_pylist()]
    assert len(rows) + len(bad) == len(texts)
    assert [row["text"] for row in rows] == [text for text in texts if not text.encode().isspace() and "\0" not in text]
    assert [row["doc_id"] for row in rows] == [
        (3 * SHARDS_PER_SLICE + k) << 32 | row for k, shard in enumerate(found) for row in range(shard.documents.num_rows)
    ]
    for shard in found:
        sizes = [len(text.encode()) for text in shard.documents["text"].to_pylist()]
        assert sum(sizes) <= max_bytes or len(sizes) == 1
    assert len({row["uid"] for row in rows}) == len(rows)


def test_uids_do_not_depend_on_the_size_of_shards() -> None:
    texts = [f"document {i}" for i in range(100)]
    one, many = made(texts, 100_000), made(texts, max_bytes=50)
    assert len(many) > 20
    assert one[0].documents["uid"].to_pylist() == [value for shard in many for value in shard.documents["uid"].to_pylist()]


def test_the_shards_that_are_left_can_be_made_from_where_one_ended() -> None:
    found = [Record("f", 7 * i, f"document {i}", "d") if i % 5 else Malformed("f", f"line {i}", "bad") for i in range(100)]
    whole = list(shards(found, SOURCE, 0, max_bytes=90))
    assert len(whole) == 10
    assert whole[-1].then is None
    for done, shard in enumerate(whole[:-1], start=1):
        at = next(k for k, one in enumerate(found) if isinstance(one, Record) and (one.path, one.record) == shard.then)
        left = list(shards(found[at:], SOURCE, 0, max_bytes=90, done=done))
        assert [one.documents for one in left] == [one.documents for one in whole[done:]]
        assert [one.quarantine for one in left] == [one.quarantine for one in whole[done:]]


def test_what_is_no_document_is_quarantined_with_place_and_reason() -> None:
    (shard,) = made(["ok", "", " \n\t", "a\0b", "\ud800", "x" * 1001, Malformed("f", "line 2", "not JSON", b"\xff{")])
    assert shard.documents["text"].to_pylist() == ["ok"]
    assert [(row["place"], row["reason"], row["head"]) for row in shard.quarantine.to_pylist()] == [
        ("byte 7", "no text", ""),
        ("byte 14", "no text", ""),
        ("byte 21, byte 1 of it", "a NUL byte: not text", "a\0b"),
        ("byte 28, character 0 of its text", "half a surrogate pair in the text", "\\ud800"),
        ("byte 35", "over the record limit of 1000 bytes", "x" * 200),
        ("line 2", "not JSON", "\\xff{"),
    ]


@pytest.mark.parametrize("name", ["domain", "url", "date", "meta"])
def test_every_field_is_guarded(name: str) -> None:
    good = Record("a.jsonl", 0, "text", "d")
    (shard,) = shards([good, good._replace(record=9, **{name: "x\ud83d"}), good._replace(record=20)], SOURCE, 0)
    assert shard.documents["uid"].to_pylist() == uid("web", "a.jsonl", np.array([0, 20])).tolist()
    (row,) = shard.quarantine.to_pylist()
    assert (row["path"], row["place"], row["head"]) == ("a.jsonl", f"byte 9, character 1 of its {name}", "x\\ud83d")
    assert row["reason"] == f"half a surrogate pair in the {name}"


def test_a_domain_has_no_control_characters_and_they_are_counted() -> None:
    domains = ["plain", "two\nlines", "bell\x07 and \x1b[31m", "\x00\x85", None, "\u2028", "non\uffff", "caf\u00e9 \u4e2d"]
    (shard,) = shards([Record("p", i, "text", domain) for i, domain in enumerate(domains)], SOURCE, first=0)
    assert shard.documents["domain"].to_pylist() == [
        "plain", "two lines", "bell  and  [31m", "web", "web", "web", "non", "caf\u00e9 \u4e2d",
    ]  # fmt: skip
    assert shard.renamed == 5


def test_a_reason_may_quote_anything() -> None:
    (shard,) = made([Malformed("f", "line 1", "no field 'text'; it has \ud83d" + "x" * 10_000)])
    assert shard.quarantine["reason"].to_pylist() == ["no field 'text'; it has \\ud83d" + "x" * (MAX_REASON - 25)]


def test_an_empty_slice_is_one_empty_shard() -> None:
    (shard,) = made([])
    assert shard.documents.schema == SCHEMA
    assert shard.documents.num_rows == shard.quarantine.num_rows == 0
    assert [group.num_rows for group in row_groups(shard.documents)] == [0]


def test_limits_are_errors() -> None:
    with pytest.raises(ValueError, match="max_bytes is 300000000; a shard of the pool holds 1 to 256000000 bytes"):
        made(["x"], max_bytes=300_000_000)
    with pytest.raises(ValueError, match=r"'web': a/b.jsonl .* fill more than 1024 shards of 1 bytes; make the shards larger"):
        made(["x"] * 2000, max_bytes=1)


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=50), st.integers(100, 1000))
def test_row_groups_are_whole_and_bounded(sizes: list[int], max_bytes: int) -> None:
    (shard,) = made(["x" * size for size in sizes], max_bytes=100_000)
    groups = list(row_groups(shard.documents, max_bytes))
    assert [text for group in groups for text in group["text"].to_pylist()] == shard.documents["text"].to_pylist()
    for group in groups:
        assert sum(map(len, group["text"].to_pylist())) <= max_bytes or group.num_rows == 1
