"""TensorBoard: event files, and its download of a run's scalar as CSV or JSON, as a long table (run, tag, step, value)."""

import re
from collections.abc import Sequence
from pathlib import Path

from scaling_fit.table.event_file import read_events
from scaling_fit.table.read import Table

EVENTS = "*tfevents*"
DOWNLOAD = ("Wall time", "Step", "Value")
TAGGED = re.compile(r"(?:.*/)?(?:run-)?(.+?)[-_.]tag-(.+)")


def events(folder: Path) -> Table:
    """All scalars under a folder; a run is a folder with event files, and has its hyperparameters as further columns.

    Errors: ValueError naming a file that is no event file."""
    columns: dict[str, list[object]] = {name: [] for name in ("run", "tag", "step", "value")}
    told: dict[str, dict[str, object]] = {}
    for path in sorted(folder.rglob(EVENTS)):
        run = path.parent.relative_to(folder).as_posix().removeprefix(".") or folder.name
        try:
            scalars, hparams = read_events(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        told.setdefault(run, {}).update(hparams)
        for scalar in scalars:
            for name, cell in zip(columns, (run, scalar.tag, scalar.step, scalar.value), strict=True):
                columns[name].append(cell)
    for name in dict.fromkeys(name for hparams in told.values() for name in hparams):
        columns[f"hparams.{name}"] = [told[str(run)].get(name) for run in columns["run"]]
    return Table(columns, range(1, 1 + len(columns["run"])))


def downloads(table: Table) -> Table:
    """Downloaded scalars as a long table; a file is named `run-RUN-tag-TAG`, or after its run. Other tables as they are."""
    if not set(DOWNLOAD) <= set(table.columns):
        return table
    files: Sequence[object] = table.columns.get("file", ["run"] * len(table.rows))
    named = {str(file): TAGGED.fullmatch(str(file)) for file in files}
    of_file = {file: (found[1], found[2]) if found else (file, "loss") for file, found in named.items()}
    runs, tags = zip(*(of_file[str(file)] for file in files), strict=True)
    columns = {"run": [*runs], "tag": [*tags], "step": table.columns["Step"], "value": table.columns["Value"]}
    return Table(columns, table.rows, table.semicolons, table.notes)
