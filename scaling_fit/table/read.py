"""A table from a file or a frame, as columns of cells: kind, encoding and delimiter are seen from the content."""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaling_fit.table.numerals import number

DELIMITERS = ",;\t|"
CONDITION = re.compile(r"(.+?)\s*(==|!=|>=|<=|=|>|<)\s*(.*)")


@dataclass(frozen=True)
class Table:
    """Cells by column, as they stand. `rows` numbers each row as a spreadsheet does: the header is row 1 (lines of JSON have
    none). `semicolons`: cells were parted by them, as where the decimal sign is a comma. `notes`: what was seen."""

    columns: dict[str, list[Any]]
    rows: Sequence[int]
    semicolons: bool = False
    notes: tuple[str, ...] = ()

    def where(self, keep_N: np.ndarray, *notes: str) -> "Table":
        kept = np.flatnonzero(keep_N).tolist()
        columns = {name: [cells[k] for k in kept] for name, cells in self.columns.items()}
        return Table(columns, [self.rows[k] for k in kept], self.semicolons, self.notes + notes)

    def without(self, names: Iterable[str]) -> "Table":
        """All columns but `names`. Errors: ValueError for a name that is not there."""
        for name in names:
            self._cells(name, "--ignore")
        columns = {name: cells for name, cells in self.columns.items() if name not in set(names)}
        return Table(columns, self.rows, self.semicolons, self.notes)

    def condition(self, text: str) -> np.ndarray:
        """Mask of the rows where e.g. "dataset=c4", "lr<=0.001" or "state!=crashed" holds: as numbers where both sides are
        numbers, else as text. Errors: ValueError for another form or an unknown column."""
        parts = CONDITION.fullmatch(text)
        if parts is None:
            raise ValueError(f"--where {text!r}: write COLUMN=VALUE, or with !=, <, <=, >, >=")
        name, sign, value = parts.groups()
        cells = self._cells(name, f"--where {text!r}")
        bound, values = number(value), np.array([number(cell) for cell in cells])
        equal = np.array([str("" if cell is None else cell).strip() == value for cell in cells]) | (values == bound)
        if sign in ("=", "==", "!="):
            return ~equal if sign == "!=" else equal
        if np.isnan(bound):
            raise ValueError(f"--where {text!r}: {value!r} is not a number; compare text with = or !=")
        return {"<": values < bound, "<=": values <= bound, ">": values > bound, ">=": values >= bound}[sign]

    def _cells(self, name: str, option: str) -> list[Any]:
        if name not in self.columns:
            raise ValueError(f"{option}: no column {name!r} in the table; it has {', '.join(self.columns)}")
        return self.columns[name]


def read_table(source: Any) -> Table:
    """A path, a dict of columns, a list of records, a polars, pandas or pyarrow table, or what was read of one.

    A file may be CSV (any delimiter), JSON, JSON lines, Parquet or Excel, gzipped, in UTF-8, UTF-16 or Latin-1.
    Errors: ValueError naming the file, and the row where there is one.
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, str | Path):
        return _file(Path(source))
    if isinstance(source, list):
        return _records(source, range(2, 2 + len(source)))
    if isinstance(source, Mapping):
        columns = {str(name): list(cells) for name, cells in source.items()}
    elif hasattr(source, "to_pydict"):  # pyarrow
        columns = source.to_pydict()
    elif hasattr(source, "collect") or hasattr(source, "to_dicts"):  # polars, lazy or not
        frame = source.collect() if hasattr(source, "collect") else source
        columns = {name: frame[name].to_list() for name in frame.columns}
    elif hasattr(source, "to_dict"):  # pandas
        columns = {str(name): cells for name, cells in source.to_dict("list").items()}
    else:
        raise ValueError(f"cannot read a table from {type(source).__name__}; give a path, a dict of columns or a dataframe")
    if len({len(cells) for cells in columns.values()}) > 1:
        raise ValueError("columns differ in length: " + ", ".join(f"{name} {len(cells)}" for name, cells in columns.items()))
    return Table(columns, range(2, 2 + len(next(iter(columns.values()), []))))


def _file(path: Path) -> Table:
    if not path.is_file():
        raise ValueError(f"{path} does not exist; give a CSV, JSON lines, Parquet or Excel table of runs")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:4] == b"PAR1":
        import pyarrow.parquet as pq

        return read_table(pq.read_table(io.BytesIO(content)))
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        return _grid(enumerate(_sheet(path, content), 1), path)
    text, encoding = decode(content)
    notes = () if encoding == "utf-8" else (f"read as {encoding}",)
    try:
        if text.lstrip()[:1] in ("[", "{"):
            table = _json(text, path)
        else:
            delimiter, start = _delimiter(text)
            lines = io.StringIO(text, newline="")
            rows = csv.reader(lines, delimiter=delimiter) if delimiter != " " else (line.split() for line in lines)
            table = _grid(((at, row) for at, row in enumerate(rows, 1) if at > start), path, delimiter == ";")
    except (json.JSONDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: {error}; check quoting and delimiters") from None
    return Table(table.columns, table.rows, table.semicolons, notes)


def decode(content: bytes) -> tuple[str, str]:
    """Text and the encoding it was in: by byte order mark, by where zero bytes stand, UTF-8, else Latin-1."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16"), "utf-16"
    zeros = content[:200:2].count(0), content[1:200:2].count(0)
    if max(zeros) > 20:
        encoding = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        return content.decode(encoding), encoding
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


def _delimiter(text: str) -> tuple[str, int]:
    """What parts cells, and how many lines come before the header ("sep=;", as Excel writes it). The header decides: it holds
    no decimals. A space stands for any white space."""
    lines = [line for line in text[:100_000].splitlines() if line.strip()]
    if lines and (told := re.fullmatch(r"sep=(.)", lines[0].strip())):
        return told[1], 1
    cells = {sign: len(next(csv.reader(lines[:1], delimiter=sign))) for sign in DELIMITERS} if lines else {}
    best = max(cells, key=lambda sign: cells[sign], default=",")
    return (" " if cells and cells[best] == 1 and len(lines[0].split()) > 2 else best), 0


def _sheet(path: Path, content: bytes) -> list[list[Any]]:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        raise ValueError(f"{path} is an Excel file: `pip install assay[excel]`, or save it as CSV") from None
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return next(
        (rows for k in range(len(book.sheet_names)) if (rows := book.get_sheet_by_index(k).to_python(skip_empty_area=False))),
        [],
    )


def _grid(numbered: Iterable[tuple[int, list[Any]]], path: Path, semicolons: bool = False) -> Table:
    """Rows of cells under the first that is not blank, the header."""
    filled = [(at, row) for at, row in numbered if any(cell not in ("", None) for cell in row)]
    if not filled:
        raise ValueError(f"{path} is empty; its first line must name the columns")
    names = [str(cell).strip() for cell in filled[0][1]]
    while names and not names[-1]:
        names.pop()
    names = [name or f"column {k}" for k, name in enumerate(names, 1)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{path}: two columns are headed {twice!r}; rename one")
    rows = []
    for at, row in filled[1:]:
        if len(row) < len(names) or any(cell not in ("", None) for cell in row[len(names) :]):
            raise ValueError(
                f"{path}, row {at} (the header is row {filled[0][0]}): {len(row)} cells under {len(names)} headings; check "
                "quoting and delimiters"
            )
        rows.append(row)
    columns = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    return Table(columns, [at for at, _ in filled[1:]], semicolons)


def _json(text: str, path: Path) -> Table:
    """Records or columns; or one record a line."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise
        lines = {at: line for at, line in enumerate(text.splitlines(), 1) if line.strip()}
        return _records([_line(line, at, path) for at, line in lines.items()], list(lines))
    if isinstance(content, dict) and all(isinstance(cells, list) for cells in content.values()):
        return read_table(content)
    frame = isinstance(content, dict) and all(isinstance(cells, dict) for cells in content.values())
    if frame and len({tuple(cells) for cells in content.values()}) == 1:  # as pandas writes a frame
        return read_table({name: list(cells.values()) for name, cells in content.items()})
    records = content if isinstance(content, list) else [content]
    if records and all(isinstance(row, list) and len(row) == 3 for row in records):  # as TensorBoard writes a scalar
        return read_table(dict(zip(("Wall time", "Step", "Value"), map(list, zip(*records, strict=True)), strict=True)))
    return _records(records, range(2, 2 + len(records)))


def _line(line: str, at: int, path: Path) -> dict[str, Any]:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {at}: not JSON ({error.msg})") from None


def _records(records: list[dict[str, Any]], rows: Sequence[int]) -> Table:
    """Columns of all records, nested ones by a dotted name; what a record lacks is missing."""
    flat = [_flat(record) for record in records]
    names = dict.fromkeys(name for record in flat for name in record)
    return Table({name: [record.get(name) for record in flat] for name in names}, rows)


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in record.items():
        cells |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return cells


def label(cell: Any) -> str:
    """A cell as a label: 1.0 of a spreadsheet is "1"."""
    if cell is None or cell != cell:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
