import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.sources.source import Malformed
from curation.tasks.files import locations, read
from curation.tasks.items import Item, parse


def test_the_three_kinds():
    assert parse({"context": "a", "choices": ["b", "c"], "answer": 1}, {}) == Item("choice", "a", ("b", "c"), 1)
    assert parse({"context": "a", "target": "b"}, {}) == Item("cloze", "a", ("b",))
    assert parse({"good": "b", "bad": "c"}, {}) == Item("pair", "", ("b", "c"))
    assert [parse(one, {}).chance for one in ({"target": "b"}, {"good": "b", "bad": "c"})] == [0, 0.5]


def test_public_names_are_mapped():
    arc = {"question": "q", "choices": {"text": ["x", "y", "z"], "label": ["A", "B", "C"]}, "answerKey": "C"}
    named = {"context": "question", "choices": "choices.text", "answer": "answerKey"}
    assert parse(arc, named) == Item("choice", "q", ("x", "y", "z"), 2)
    assert (
        parse(
            {"ctx": "q", "endings": ["x", "y"], "label": "1"}, {"context": "ctx", "choices": "endings", "answer": "label"}
        ).answer
        == 1
    )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([1], "a JSON list, not an object"),
        ({"context": "a"}, "it has context; an item has"),
        ({"context": "a", "choices": ["b", "c"], "answer": 2}, "answer is 2; choices are numbered 0 to 1"),
        ({"context": "a", "choices": ["b", "c"], "answer": True}, "answer is True; give the number"),
        ({"context": "a", "choices": ["b", "c"], "answer": "no"}, "answer is 'no'; give the number"),
        ({"context": "a", "choices": ["b", "b"], "answer": 0}, "two choices are alike"),
        ({"context": "a", "choices": ["b"], "answer": 0}, "one choice; at least two"),
        ({"context": "a", "choices": ["b", 3], "answer": 0}, "a choice is not text"),
        ({"context": "a", "choices": "bc", "answer": 0}, "a choice is not text"),
        ({"context": "a", "target": " "}, "a choice is empty"),
        ({"context": 3, "target": "b"}, "context is int, not text"),
        ({"target": "b", "good": "b", "bad": "c"}, "an item has"),
    ],
)
def test_what_is_no_item_says_why(record, reason):
    with pytest.raises(ValueError, match=reason):
        parse(record, {})


def test_white_space_between_is_scored_with_the_choice():
    """As lm-eval splits context and continuation."""
    assert Item("cloze", "a b", ("c",)).joined("c") == ("a b", " c")
    assert Item("cloze", "a b ", ("c",)).joined("c") == ("a b", " c")
    assert Item("cloze", "a b\n", ("c",)).joined("c") == ("a b", "\nc")
    assert Item("cloze", "a b", ("c",)).joined(" c") == ("a b", " c")
    assert Item("cloze", "", ("c",)).joined("c") == ("", "c")
    assert Item("cloze", "猫", ("犬",), between="").joined("犬") == ("猫", "犬")


def test_a_bad_line_is_told_with_its_number(tmp_path):
    good = json.dumps({"context": "a", "target": "b"})
    lines = [
        b"\xef\xbb\xbf" + good.encode(),
        b"",
        b"{half",
        b'{"context": "\xff"}',
        json.dumps({"good": "x", "bad": "y"}).encode(),
        good.encode(),
    ]
    (tmp_path / "items.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    (path,) = locations(str(tmp_path / "items.jsonl.gz"))
    found = list(read(path, {}, " "))
    bad = [(one.place, one.reason) for one in found if isinstance(one, Malformed)]
    assert [place for place, _ in bad] == ["line 3", "line 4", "line 5"]
    assert [reason.partition(":")[0] for _, reason in bad[:2]] == ["not JSON", "not UTF-8"]
    assert bad[2][1] == "an item of kind pair in a task of kind cloze; make two tasks of them"
    assert [one.place for one in found if not isinstance(one, Malformed)] == ["line 1", "line 6"]


def test_parquet_and_folders(tmp_path):
    rows = [{"context": "a", "choices": ["b", "c"], "answer": 0}, {"context": "a", "choices": ["b", "c"], "answer": 9}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "items.parquet")
    (path,) = locations(str(tmp_path))
    item, bad = read(path, {}, " ")
    assert item.item.choices == ("b", "c")
    assert (bad.place, bad.reason) == ("row 1", "answer is 9; choices are numbered 0 to 1")
    (tmp_path / "items.parquet").write_bytes(b"PAR1 no")
    (broken,) = read(path, {}, " ")
    assert broken.place == "file"
    with pytest.raises(FileNotFoundError, match="no file of items is there"):
        locations(str(tmp_path / "nothing*.jsonl"))
