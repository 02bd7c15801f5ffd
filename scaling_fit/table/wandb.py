"""Weights & Biases: the download of a chart (a column for each run and metric), and runs whose config is one cell of text.

A download of the table of runs needs no more than its headings (`scaling_fit.table.headings`).
"""

import ast
import re

from scaling_fit.table.headings import GUESSES, heading
from scaling_fit.table.history import Log
from scaling_fit.table.read import Table

OF_RUN = re.compile(r"(?:Group: )?(.+) - (\S+)")
RANGES = ("__MIN", "__MAX")
NO_NUMBER = re.compile(r"(?<![\w'\"])(-?inf|nan)(?![\w'\"])")


def chart(table: Table) -> Log | None:
    """The lines of a chart, `RUN - METRIC` over a first column, as rows of runs with a column per metric.

    Errors: ValueError where the first column is neither steps nor tokens, and `_step` is no line."""
    first, *names = [*table.columns, ""]
    lines = {name: found for name in names if not name.endswith(RANGES) and (found := OF_RUN.fullmatch(name))}
    if not lines or any(name and not name.endswith(RANGES) and name not in lines for name in names):
        return None
    cells: dict[tuple[str, int], dict[str, object]] = {}
    for name, found in lines.items():
        for place, cell in enumerate(table.columns[name]):
            if cell not in ("", None):
                cells.setdefault((found[1], place), {})[found[2]] = cell
    metrics = dict.fromkeys(metric for row in cells.values() for metric in row)
    columns: dict[str, list[object]] = {
        "run": [run for run, _ in cells],
        first: [table.columns[first][place] for _, place in cells],
        **{metric: [row.get(metric) for row in cells.values()] for metric in metrics},
    }
    key = heading(first).key
    if key in GUESSES["step"] and "_step" not in metrics:
        columns = {"_step" if name == first else name: column for name, column in columns.items()}
    elif key not in GUESSES["D"] and "_step" not in metrics:
        raise ValueError(f"the chart is over {first!r}: set its x axis to Step or to tokens before the download")
    axis = "_step" if "_step" in columns else first
    return Log(Table(columns, [table.rows[place] for _, place in cells], table.semicolons, table.notes), "run", axis)


def unpacked(table: Table) -> Table:
    """Cells that are a printed dict (as `summary` and `config` of the public API, written by pandas) as columns of their own,
    named with a dot. Other tables as they are."""
    columns: dict[str, list[object]] = {}
    for name, cells in table.columns.items():
        dicts = [_dict(cell) for cell in cells]
        if not any(dicts) or any(one is None for one in dicts):
            columns[name] = cells
            continue
        for key in dict.fromkeys(key for one in dicts if one for key in one):
            columns[f"{name}.{key}"] = [one.get(key) for one in dicts if one is not None]
    return Table(columns, table.rows, table.semicolons, table.notes)


def _dict(cell: object) -> dict[str, object] | None:
    text = cell.strip() if isinstance(cell, str) else ""
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        found = ast.literal_eval(NO_NUMBER.sub("None", text))
    except (ValueError, SyntaxError):
        return None
    return found if isinstance(found, dict) else None
