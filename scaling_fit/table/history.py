"""The log of runs, a row per step, read at its end: a law is of final losses, and of a log only the last one is final.

A loss read before the end of a decaying schedule is too high, which bends beta (by 0.10 in Gemstones, arXiv 2502.06857).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_fit.table.headings import GUESSES, heading, match, plain, unfinished
from scaling_fit.table.numerals import is_missing, numbers
from scaling_fit.table.read import Table, label

RUN = ("run", "runname", "runid", "name", "file")
TAG = ("tag", "key", "metric")
REACH = 0.03  # of a run's steps, where points along it begin: the warm-up and the steepest part are over


@dataclass(frozen=True)
class Log:
    """Rows of runs at their steps. `run` and `axis` are columns: the run of a row, and what orders the rows of one."""

    table: Table
    run: str
    axis: str


def wide(table: Table) -> Log | None:
    """A long table (tag, step, value, and mostly a run) with a row per run and step and a column per tag."""
    by_key = {plain(name): name for name in table.columns}
    tag = next((by_key[key] for key in TAG if key in by_key), None)
    if tag is None or not {"step", "value"} <= set(by_key) or "chance" in by_key:  # with `chance`: scores of tasks
        return None
    run, step, value = _run(table), by_key["step"], by_key["value"]
    runs = [label(cell) for cell in table.columns[run]] if run else ["run"] * len(table.rows)
    places: dict[tuple[str, object], int] = {}
    first: list[int] = []
    metrics: dict[str, dict[int, object]] = {}
    for at, key in enumerate(zip(runs, table.columns[step], strict=True)):
        if places.setdefault(key, len(first)) == len(first):
            first.append(at)
        metrics.setdefault(str(table.columns[tag][at]), {})[places[key]] = table.columns[value][at]
    other = [name for name in table.columns if name not in (run, tag, step, value, *metrics)]
    columns: dict[str, list[object]] = {
        "run": [name for name, _ in places],
        "_step": [at for _, at in places],
        **{name: [cells.get(place) for place in range(len(first))] for name, cells in metrics.items()},
        **{name: [table.columns[name][at] for at in first] for name in other},
    }
    return Log(Table(columns, [table.rows[at] for at in first], table.semicolons, table.notes), "run", "_step")


def rows(table: Table) -> Log | None:
    """A table with `_step`, as W&B's `run.history()`, of several rows to a run (or of one run, without a column that names it).

    None for a table of runs: it says how they ended, has one row of each, or has sizes and no runs."""
    run = _run(table)
    if "_step" not in table.columns or unfinished(table.columns) is not None:
        return None
    if run is not None:
        return Log(table, run, "_step") if len(set(map(label, table.columns[run]))) < len(table.rows) else None
    if "N" in match(table.columns, {})[0]:
        return None
    columns = {**table.columns, "run": ["run"] * len(table.rows)}
    return Log(Table(columns, table.rows, table.semicolons, table.notes), "run", "_step")


def ends(log: Log, named: Mapping[str, str], checkpoints: int = 1) -> Table:
    """The last row of every run that has a loss; of `checkpoints` > 1 as many rows, evenly in the logarithm of their steps.

    named: our name of a column -> the table's, as told. Errors: ValueError where all rows are of one run, and only its end is
    asked for.
    """
    table = log.table
    axis_N = numbers({log.axis: table.columns[log.axis]}, table.rows, table.semicolons)[log.axis]
    told_N = np.isfinite(axis_N)
    loss = match(table.columns, named)[0].get("loss")
    if loss is not None:
        told_N &= np.array([not is_missing(cell) for cell in table.columns[loss.name]])
    of_run: dict[str, list[int]] = {}
    for at in np.flatnonzero(told_N)[np.argsort(axis_N[told_N], kind="stable")].tolist():
        of_run.setdefault(label(table.columns[log.run][at]), []).append(at)
    if len(of_run) < 2 and checkpoints == 1:
        raise ValueError(
            "the table is the log of one run, and a law takes several: give a folder with the logs of all, or read points "
            "along this one with --checkpoints 10"
        )
    keep_N = np.zeros(len(table.rows), bool)
    for places in of_run.values():
        keep_N[_along(places, axis_N, checkpoints)] = True
    what = "its end" if checkpoints == 1 else f"{checkpoints} points along it, where a decaying rate makes losses too high"
    return table.where(keep_N, f"the log of each of {len(of_run)} runs is read at {what} (--checkpoints)")


def _run(table: Table) -> str | None:
    """The column that names the run of a row."""
    by_key = {heading(name).key: name for name in table.columns}
    return next((by_key[key] for key in (*RUN, *GUESSES["trunk"]) if key in by_key), None)


def _along(places: list[int], axis_N: np.ndarray, checkpoints: int) -> list[int]:
    """The rows (in order of steps) nearest to steps evenly in log from `REACH` of the last to the last."""
    steps = axis_N[places]
    wanted = steps[-1] * np.geomspace(REACH, 1, checkpoints) if checkpoints > 1 else steps[-1:]
    return [places[int(np.argmin(np.abs(steps - step)))] for step in wanted.tolist()]
