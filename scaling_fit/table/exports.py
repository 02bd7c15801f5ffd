"""Runs as their tracker exports them: a file, a frame, or a folder of them, as a table with a row per run (and evaluation set).

Each form is a function from a table as exported to one with rows of runs. It leaves every other table as it is, or says None.
"""

from collections.abc import Mapping
from pathlib import Path

from scaling_fit.table import history, lm_eval, run_names, tensorboard, wandb
from scaling_fit.table.read import Table, read_table

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".gz")


def read_runs(source: object, named: Mapping[str, str], checkpoints: int = 1) -> Table:
    """Anything `read_table` reads, or a folder of such files or of TensorBoard's event files.

    named: our name of a column -> the table's, as told. checkpoints: how many rows of each run's log are read, if it is a log.
    Errors: as `read_table`; ValueError for a folder with nothing to read, and for the log of one run.
    """
    folder = Path(source) if isinstance(source, str | Path) else None
    table = read_folder(folder) if folder is not None and folder.is_dir() else read_table(source)
    table = tensorboard.downloads(lm_eval.evaluations(wandb.unpacked(table)))
    log = history.wide(table) or wandb.chart(table) or history.rows(table)
    return run_names.told(table if log is None else history.ends(log, named, checkpoints))


def read_folder(folder: Path) -> Table:
    """All tables under a folder as one, with a column `file` (path without its ending); or its event files, if there are any.

    Errors: ValueError naming the folder where there is neither."""
    if next(folder.rglob(tensorboard.EVENTS), None) is not None:
        return tensorboard.events(folder)
    # lm-eval writes what each model answered (samples_TASK.jsonl) beside its results
    paths = sorted(p for p in folder.rglob("*") if p.name.endswith(ENDINGS) and not p.name.startswith(("samples_", ".")))
    if not paths:
        raise ValueError(f"{folder} holds no table of runs: neither {', '.join(ENDINGS)} nor TensorBoard's event files")
    columns: dict[str, list[object]] = {}
    rows: list[int] = []
    notes: dict[str, None] = {}
    semicolons = False
    for path in paths:
        part = read_table(path)
        semicolons |= part.semicolons
        name = path.relative_to(folder).as_posix()
        file = name[: -sum(map(len, path.suffixes[-1:]))]
        for column in {**dict.fromkeys(columns), **dict.fromkeys(part.columns), "file": None}:
            earlier = columns.setdefault(column, [None] * len(rows))
            earlier += [file] * len(part.rows) if column == "file" else part.columns.get(column, [None] * len(part.rows))
        rows += part.rows
        notes |= dict.fromkeys(part.notes)
    return Table(columns, rows, semicolons, (f"{len(paths)} files of {folder}", *notes))
