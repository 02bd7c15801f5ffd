"""Quality axes: measured numbers of each level, against which its law is set.

A table has a row per level: `level`, a column of numbers per axis (`kept`, `quality.score`, `zstd`), and `overlap:SET`, the
share of an evaluation set's text that the level covers. A table of runs may carry the same as `quality`, `quality:AXIS` and
`overlap:SET`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from scaling_fit.table.headings import match
from scaling_fit.table.numerals import decimal_point, is_missing, number
from scaling_fit.table.read import Table, label, read_table

OVERLAP, QUALITY = "overlap:", "quality:"
PLAIN = "quality"
"""An axis that has no other name: the column `quality` of a table of runs."""


@dataclass(frozen=True)
class Axes:
    """`values`: axis -> level -> its number, in the axis's own units; `overlap`: evaluation set -> level -> covered share, from
    0 to 1. A level that was not measured on an axis is not in its mapping. The first axis leads where none is asked for.
    `titles`: what an axis is called in a sentence, where that is not its name; a "share ..." is told in percent."""

    values: dict[str, dict[str, float]]
    overlap: dict[str, dict[str, float]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(level for of_level in self.values.values() for level in of_level))

    def differing(self, levels: Iterable[str]) -> tuple[str, ...]:
        """The axes on which at least two of `levels` were measured and differ."""
        there = set(levels)
        return tuple(
            axis for axis, row in self.values.items() if len({value for level, value in row.items() if level in there}) > 1
        )

    def of(self, levels: tuple[str, ...]) -> "Axes":
        """Of these levels alone. Errors: ValueError where none of them was measured."""
        if not set(levels) & set(self.levels):
            raise ValueError(
                f"the quality table has levels {', '.join(self.levels)}, the runs have {', '.join(levels)}: name them alike"
            )
        return replace(self, values=_only(self.values, levels), overlap=_only(self.overlap, levels))


def _only(numbers: Mapping[str, Mapping[str, float]], levels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {name: {level: row[level] for level in levels if level in row} for name, row in numbers.items()}


def read_axes(table: object) -> Axes:
    """Read a table with a row per level, from anything `read_table` reads.

    Errors: ValueError naming the column or the row, its value and what to write.
    """
    raw = read_table(table)
    if "level" not in raw.columns:
        raise ValueError(f"no column 'level' in the quality table; it has {', '.join(raw.columns)}")
    levels = [label(cell) for cell in raw.columns["level"]]
    rows_of: dict[str, list[int]] = {}
    for level, row in zip(levels, raw.rows, strict=True):
        rows_of.setdefault(level, []).append(row)
        if not level:
            raise ValueError(f"row {row} of the quality table names no level")
    twice = next((level for level, rows in rows_of.items() if len(rows) > 1), None)
    if twice is not None:
        raise ValueError(f"level {twice!r} has rows {', '.join(map(str, rows_of[twice]))}: give each level one row")
    names = {name: name for name in raw.columns if name != "level"}
    axes = _axes(raw, levels, names)
    if not axes.values:
        raise ValueError("the quality table has no axis: give it a column of numbers beside 'level', such as kept")
    return axes


def axes_of_runs(table: object, columns: Mapping[str, str]) -> Axes | None:
    """The axes that a table of runs carries in its own columns; None where it has none.

    columns: as in `observations`. Errors: ValueError where the runs of one level disagree.
    """
    if isinstance(table, str | Path) and Path(table).is_dir():
        return None
    raw = read_table(table)
    names = {name: name.removeprefix(QUALITY) for name in raw.columns if name == PLAIN or name.startswith((QUALITY, OVERLAP))}
    headings, _ = match({name: cells for name, cells in raw.columns.items() if name not in names}, columns)
    if "level" not in headings or not any(not name.startswith(OVERLAP) for name in names):
        return None
    return _axes(raw, [label(cell) for cell in raw.columns[headings["level"].name]], names)


def _axes(raw: Table, levels: list[str], names: Mapping[str, str]) -> Axes:
    """names: column of the table -> the name that its axis or `overlap:SET` gets."""
    point = decimal_point((cell for name in names for cell in raw.columns[name]), raw.semicolons)
    values: dict[str, dict[str, float]] = {}
    overlap: dict[str, dict[str, float]] = {}
    for column, name in names.items():
        of_level: dict[str, float] = {}
        for level, cell, row in zip(levels, raw.columns[column], raw.rows, strict=True):
            if is_missing(cell):
                continue
            value = number(cell, point)
            if not np.isfinite(value):
                raise ValueError(
                    f"row {row}, column {column!r}: {cell!r} is not a number; write one such as 0.42, or nothing where the "
                    "level was not measured"
                )
            if name.startswith(OVERLAP) and not 0 <= value <= 1:
                raise ValueError(f"row {row}, column {column!r}: {cell!r} is not a share; write one between 0 and 1")
            if of_level.setdefault(level, value) != value:
                raise ValueError(
                    f"row {row}, column {column!r}: {cell!r}, but an earlier row of level {level!r} has {of_level[level]:g}; "
                    "an axis is one number per level"
                )
        if name.startswith(OVERLAP):
            overlap[name.removeprefix(OVERLAP)] = of_level
        else:
            values[name] = of_level
    return Axes(values, overlap)
