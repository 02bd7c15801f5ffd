"""One table, however it is written, is the same table."""

import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling_fit.table.read import Table, read_table

FRAME = pl.DataFrame({"Größe": [1e6, 4e6], "tokens": [1e7, 2e7], "loss": [4.125, 3.5], "level": ["raw", "dé,dup"]})
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1")


def write(text: str, folder: Path, encoding: str = "utf-8", zipped: bool = False) -> Path:
    content = text.encode(encoding)
    path = folder / "runs.csv"
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@given(st.sampled_from(",;\t|"), st.sampled_from(ENCODINGS), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_delimiters_encodings_and_line_ends_are_seen(folder, delimiter, encoding, zipped, end, comma: bool) -> None:
    text = FRAME.write_csv(separator=delimiter, line_terminator=end)
    text = text.replace("4.125", "4,125") if comma and delimiter != "," else text
    table = read_table(write(text, folder, encoding, zipped))
    assert list(table.columns) == FRAME.columns
    assert table.columns["level"] == ["raw", "dé,dup"]
    assert table.columns["loss"][0] == ("4,125" if comma and delimiter != "," else "4.125")
    assert (table.rows, table.semicolons) == ([2, 3], delimiter == ";")


def test_excel(tmp_path: Path) -> None:
    FRAME.write_excel(tmp_path / "runs.xlsx")
    assert read_table(tmp_path / "runs.xlsx").columns == FRAME.to_dict(as_series=False)


@pytest.mark.parametrize("kind", ["records", "lines", "columns", "pandas", "parquet"])
def test_json_and_parquet(tmp_path: Path, kind: str) -> None:
    path, cells = tmp_path / "runs", FRAME.to_dict(as_series=False)
    match kind:
        case "parquet":
            FRAME.write_parquet(path)
        case "lines":
            FRAME.write_ndjson(path)
        case "records":
            path.write_text(json.dumps(FRAME.to_dicts()), "utf-8")
        case "columns":
            path.write_text(json.dumps(cells), "utf-8")
        case "pandas":
            FRAME.to_pandas().to_json(path)
    table = read_table(path)
    assert table.columns == cells
    assert list(table.rows) == ([1, 2] if kind == "lines" else [2, 3])


def test_records_may_differ_in_their_columns(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text('{"N": 1, "config": {"lr": 3}}\n\n{"N": 2, "level": "raw"}\n', "utf-8")
    table = read_table(tmp_path / "runs.jsonl")
    assert table.columns == {"N": [1, 2], "config.lr": [3, None], "level": [None, "raw"]}
    assert list(table.rows) == [1, 3]


def test_excel_writes_its_separator_first_and_blank_lines_count(tmp_path: Path) -> None:
    table = read_table(write("sep=;\nN;loss\n1;2\n\n3;4\n;\n", tmp_path))
    assert table.columns == {"N": ["1", "3"], "loss": ["2", "4"]}
    assert list(table.rows) == [3, 5]


def test_white_space_parts_cells_where_nothing_else_does(tmp_path: Path) -> None:
    assert read_table(write("N   D  loss\n1e6 2e7   3.5\n", tmp_path)).columns == {"N": ["1e6"], "D": ["2e7"], "loss": ["3.5"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("N,D,loss\n1,2,3\n\n1,2\n", r"row 4 \(the header is row 1\): 2 cells under 3 headings"),
        ("N,D,loss\n1,2,3,4\n", r"row 2 .*: 4 cells under 3 headings"),
        ("N,N\n1,2\n", "two columns are headed 'N'"),
        ("\n\n", "is empty"),
        ('{"N": 1}\n{"N": 2\n', "line 2: not JSON"),
        ("[1, 2", "check quoting"),
    ],
)
def test_a_broken_file_names_its_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(write(text, tmp_path))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length: N 1, D 2"):
        read_table({"N": [1], "D": [1, 2]})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("lr<=0.001", [1, 1, 0, 0]), ("lr > 1e-3", [0, 0, 1, 0]), ("lr=1e-3", [0, 1, 0, 0]), ("data=c4", [1, 0, 0, 1]),
        ("data != c4", [0, 1, 1, 0]), ("data==", [0, 0, 1, 0]), ("data!=", [1, 1, 0, 1]),
    ],
)  # fmt: skip
def test_conditions(text: str, kept: list[int]) -> None:
    table = Table({"lr": ["3e-4", "0.001", 0.003, ""], "data": ["c4", "web", None, "c4"]}, range(2, 6))
    assert table.condition(text).tolist() == [bool(k) for k in kept]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "write COLUMN=VALUE"),
        ("rate=1", "no column 'rate' in the table; it has lr"),
        ("lr<high", "'high' is not a number"),
    ],
)
def test_a_condition_that_cannot_hold_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Table({"lr": [1]}, [2]).condition(text)


def test_a_buffer_is_no_table() -> None:
    with pytest.raises(ValueError, match="cannot read a table from StringIO"):
        read_table(io.StringIO("N,loss"))
