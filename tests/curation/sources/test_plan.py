import os
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.sources import Source, fingerprint, read, slices
from curation.sources.plan import survey


def write(path: Path, content: str = '{"text": "hello"}\n') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def paths(source: Source) -> list[list[str]]:
    return [[part.path for part in piece.parts] for piece in slices(source)]


def test_directory_glob_and_file(tmp_path: Path) -> None:
    for name in ("a.jsonl", "sub/b.jsonl.gz", "sub/c.txt", ".hidden/d.jsonl", "sub/_temporary.jsonl"):
        write(tmp_path / name)
    assert paths(Source("s", "jsonl", (str(tmp_path),))) == [["a.jsonl", "sub/b.jsonl.gz"]]
    assert paths(Source("s", "jsonl", (f"{tmp_path}/*.jsonl",))) == [["a.jsonl"]]
    assert paths(Source("s", "jsonl", (f"{tmp_path}/**/c.txt",))) == [["c.txt"]]
    assert paths(Source("s", "jsonl", (f"{tmp_path}/sub/b.jsonl.gz", f"{tmp_path}/a.jsonl"))) == [["a.jsonl", "sub/b.jsonl.gz"]]


def contents(path: str, kind: str = "jsonl") -> list[str]:
    return [record[0] for piece in slices(Source("s", kind, (path,))) for record in read(piece)]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    """As in a Hugging Face cache: blobs without a suffix, and links to them."""
    write(tmp_path / "blobs" / "abc")
    write(tmp_path / "other" / "b.jsonl")
    snapshot = tmp_path / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "a.jsonl").symlink_to("../../blobs/abc")
    (snapshot / "more").symlink_to("../../other")
    assert contents(str(snapshot)) == contents(f"{snapshot}/**/*.jsonl") == ["a.jsonl", "more/b.jsonl"]
    assert contents(f"{snapshot}/*.jsonl") == contents(f"{snapshot}/a.jsonl") == ["a.jsonl"]
    assert contents(f"{tmp_path}/snap*/*/[ab].jsonl") == ["a.jsonl"]


def test_a_loop_of_links_ends_and_a_file_is_read_once_by_its_own_name(tmp_path: Path) -> None:
    write(tmp_path / "data" / "z.jsonl")
    (tmp_path / "data" / "a.jsonl").symlink_to("z.jsonl")
    for name in ("again", "data/up", "data/here"):
        (tmp_path / name).symlink_to(tmp_path if name == "data/up" else tmp_path / "data")
    for path in (str(tmp_path), f"{tmp_path}/**", f"{tmp_path}/**/*.jsonl"):
        (piece,), unread = survey(Source("s", "jsonl", (path,)))
        assert [part.location for part in piece.parts] == [str(tmp_path / "data" / "z.jsonl")]
        assert unread == {"link to a file that is read": 1}


def test_files_that_are_not_read_are_counted_by_reason(tmp_path: Path) -> None:
    for name in ("a.jsonl", "README.md", "b.csv.gz", "c.csv.gz", "LICENSE", ".git/x.jsonl", "d.jsonl.bz2"):
        write(tmp_path / name)
    (tmp_path / "e.jsonl").symlink_to("nowhere")
    os.mkfifo(tmp_path / "f.jsonl")
    _, unread = survey(Source("s", "jsonl", (str(tmp_path),)))
    assert unread == {
        ".csv.gz": 2, ".md": 1, "hidden": 1, "link to nothing": 1, "no regular file": 1, "without a suffix": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"no file of kind warc .*; it holds 2 .csv.gz, "):
        survey(Source("s", "warc", (str(tmp_path),)))


def test_a_path_with_brackets_is_a_path_where_it_is_there(tmp_path: Path) -> None:
    write(tmp_path / "pool [v1]" / "a.jsonl")
    write(tmp_path / "pool v" / "b.jsonl")
    assert contents(f"{tmp_path}/pool [v1]") == contents(f"{tmp_path}/pool [v1]/a.jsonl") == ["a.jsonl"]
    assert contents(f"{tmp_path}/pool [v1]/*.jsonl") == ["a.jsonl"]


def test_a_file_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9.txt").write_text("one", "utf-8")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:  # noqa: PTH123
        file.write(b"two")
    (piece,) = slices(Source("s", "text", (str(tmp_path),)))
    assert [(record.path, record[2]) for record in read(piece)] == [("caf\u00e9.txt", "one"), ("caf\\xe9.txt", "two")]
    assert len(fingerprint([pickle.loads(pickle.dumps(piece))])) == 32


def test_overlapping_patterns_read_a_file_once(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    assert paths(Source("s", "jsonl", (str(tmp_path), f"{tmp_path}/a.jsonl"))) == [["a.jsonl"]]


def test_small_files_are_merged_and_big_ones_split(tmp_path: Path) -> None:
    for i in range(10):
        write(tmp_path / f"{i}.jsonl", '{"text": "small"}\n' * 100)
    write(tmp_path / "big.jsonl", '{"text": "big document"}\n' * 1000)
    plan = slices(Source("s", "jsonl", (str(tmp_path),), slice_megabytes=0.005))
    assert [[part.path for part in piece.parts] for piece in plan] == [
        ["0.jsonl", "1.jsonl", "2.jsonl"], ["3.jsonl", "4.jsonl", "5.jsonl"], ["6.jsonl", "7.jsonl", "8.jsonl"],
        ["9.jsonl", "big.jsonl"], *[["big.jsonl"]] * 4,
    ]  # fmt: skip
    assert [piece.index for piece in plan] == list(range(8))
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_the_size_of_slices_changes_no_record(tmp_path: Path) -> None:
    lines = [f'{{"text": "{"x" * (i % 50)} {i}"}}\n' for i in range(3000)]
    write(tmp_path / "a.jsonl", "".join(lines))
    pq.write_table(pa.table({"text": [f"row {i}" for i in range(5000)]}), tmp_path / "b.parquet", row_group_size=500)
    for name, kind in (("a.jsonl", "jsonl"), ("b.parquet", "parquet")):
        found = []
        for megabytes in (64, 0.01, 0.0007):
            plan = slices(Source("s", kind, (str(tmp_path / name),), slice_megabytes=megabytes))
            found.append([record for piece in plan for record in read(piece)])
        assert len(plan) > 3
        assert found[0] == found[1] == found[2]
        assert len(found[0]) == (3000 if kind == "jsonl" else 5000)


def test_errors_name_path_and_fix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"source 's': .*/none does not exist; check `paths`"):
        slices(Source("s", "jsonl", (str(tmp_path / "none"),)))
    with pytest.raises(ValueError, match=r"holds no file of kind jsonl \(.jsonl .ndjson .json, plain or with .gz"):
        slices(Source("s", "jsonl", (str(tmp_path),)))
    with pytest.raises(ValueError, match=r"\*.jsonl holds no file"):
        slices(Source("s", "jsonl", (f"{tmp_path}/*.jsonl",)))
    write(tmp_path / "a.jsonl", "")
    with pytest.raises(ValueError, match=r"all 1 files of .* are empty"):
        slices(Source("s", "jsonl", (str(tmp_path),)))


def test_fingerprint_follows_content_and_declaration_but_not_place(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1" / "a.jsonl"), write(tmp_path / "2" / "a.jsonl")
    for path in (first, second):
        os.utime(path, (1, 1))

    def of(path: Path, **settings: float) -> str:
        return fingerprint(slices(Source("s", "jsonl", (str(path.parent / "*"),), **settings)))

    before = of(first)
    assert of(second) == before
    assert of(first, slice_megabytes=1) != before
    os.utime(first, (2, 2))
    assert of(first) != before
