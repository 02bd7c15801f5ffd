"""Scores of tasks as columns: a row per run, task and metric, with the run's loss on the set that verdicts rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from scaling_fit.observations import Observations, observations
from scaling_fit.table.numerals import numbers
from scaling_fit.table.read import read_table
from scaling_fit.table.scores import split

Array = np.ndarray
ACCURACIES = ("accuracy", "accuracy_bytes")


@dataclass(frozen=True)
class Scores:
    """Columns of equal length; `nan` where a number is unknown. `value`: an accuracy from 0 to 1, a margin in nats, or bits per
    byte; `se`: its sampling error over items; `chance`: the accuracy of guessing; `loss`: the run's, in nats per token; `row`
    as in `Observations`."""

    level: Array
    shape: Array
    seed: Array
    trunk: Array
    N: Array
    D: Array
    flops: Array
    task: Array
    metric: Array
    value: Array
    se: Array
    chance: Array
    n_items: Array
    loss: Array
    row: Array

    def __len__(self) -> int:
        return len(self.value)

    def where(self, rows: Array) -> "Scores":
        """The rows picked by a mask or an index, in that order."""
        return Scores(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def names(self, column: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(getattr(self, column).tolist()))


def read_scores(
    table: object,
    losses: Observations,
    *,
    columns: Mapping[str, str] | None = None,
    parameters: str = "auto",
    where: Sequence[str] = (),
) -> Scores | None:
    """The scores of a table; None where it has none.

    table: anything `read_table` reads. losses: rows of one evaluation set, from which a score takes the loss of its run where
    the table does not say it. The rest: as in `observations`.
    Errors: ValueError naming row, value and fix for an accuracy outside [0, 1] or without chance, a task without a name, and a
    score whose run has no loss.
    """
    whole = read_table(table)
    kept_N = np.logical_and.reduce([np.ones(len(whole.rows), bool), *(whole.condition(text) for text in where)])
    _, raw = split(whole.where(kept_N))
    if not len(raw.rows):
        return None
    if "task" not in raw.columns:
        raise ValueError(f"scores of tasks need a column 'task' that names the task; the table has {', '.join(raw.columns)}")
    said = {name: cells for name, cells in raw.columns.items() if name in ("se", "chance", "n_items", "loss")}
    more = numbers(said, raw.rows, raw.semicolons)
    unknown = np.full(len(raw.rows), np.nan)
    bare = raw.without([*said, "metric"])
    named = {ours: theirs for ours, theirs in (columns or {}).items() if theirs in bare.columns}
    runs = observations(bare, columns=named | {"loss": "value", "eval_set": "task"}, parameters=parameters)
    scores = Scores(
        runs.level, runs.shape, runs.seed, runs.trunk, runs.N, runs.D,
        np.where(np.isfinite(runs.flops), runs.flops, 6.0 * runs.N * runs.D),
        runs.eval_set, np.array(raw.columns["metric"], dtype=object), runs.loss,
        more.get("se", unknown), more.get("chance", unknown), more.get("n_items", unknown), more.get("loss", unknown),
        np.array(raw.rows),
    )  # fmt: skip
    return _checked(_with_losses(scores, losses))


def _with_losses(scores: Scores, losses: Observations) -> Scores:
    """Losses that the table does not give beside a score, from the run's own row."""
    of_run = {key: loss for *key_parts, loss in _runs(losses) if (key := tuple(key_parts))}
    keys = zip(scores.level, scores.shape, scores.seed, scores.N, scores.D, strict=True)
    found = [of_run.get((level, shape, seed, float(N), float(D)), np.nan) for level, shape, seed, N, D in keys]
    loss = np.where(np.isfinite(scores.loss), scores.loss, found)
    return Scores(**{one.name: getattr(scores, one.name) for one in fields(scores)} | {"loss": loss})


def _runs(losses: Observations) -> list[tuple[str, str, str, float, float, float]]:
    columns = (losses.level, losses.shape, losses.seed, losses.N, losses.D, losses.loss)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _checked(scores: Scores) -> Scores:
    accuracy = np.isin(scores.metric, ACCURACIES)
    told = (
        (scores.task == "", scores.task, "names no task: fill column 'task'"),
        (~np.isfinite(scores.value), scores.value, "has no number: write the score, or leave the row out with --where"),
        (accuracy & ~((scores.value >= 0) & (scores.value <= 1)), scores.value, "is no accuracy: write a share from 0 to 1"),
        (accuracy & ~((scores.chance >= 0) & (scores.chance < 1)), scores.chance,
         "is no chance of guessing right: write 1 / choices in column 'chance', or 0 for open answers"),
        (~(scores.loss > 0), scores.loss, "is no loss of its run: give 'loss' beside the score, or a row of losses of it"),
    )  # fmt: skip
    for bad_N, values, why in told:
        if bad_N.any():
            k = int(np.flatnonzero(bad_N)[0])
            place = f"row {scores.row[k]}, {scores.metric[k]} of task {scores.task[k]!r}"
            raise ValueError(f"{place}: {values[k]!s} {why} ({int(bad_N.sum())} such rows)")
    return scores
