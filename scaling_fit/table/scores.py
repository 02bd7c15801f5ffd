"""Rows of a table that score a task, told from rows of losses.

A row scores a task where its column `metric` names a metric of tasks, or, in a table without that column, where its column
`chance` is filled: then it is an accuracy. The score stands in `value` (or `accuracy`, `score`; in a table that has none of
them in the column of the loss), the task in `task` or `eval_set`.
"""

from collections.abc import Mapping

import numpy as np

from scaling_fit.table.numerals import is_missing
from scaling_fit.table.read import Table, label

METRICS = {"accuracy": 1, "accuracy_bytes": 1, "margin": 1, "bits_per_byte": -1}
"""Metrics of tasks, and whether more (1) or less (-1) of it is better."""
ALIASES = {"acc": "accuracy", "acc_norm": "accuracy_bytes", "acc_bytes": "accuracy_bytes", "bpb": "bits_per_byte"}
VALUES = ("value", "accuracy", "score")


def metric_of(cell: object) -> str:
    """The metric that a cell names, "" for a loss or nothing. `acc_norm` is that of lm-evaluation-harness, per byte."""
    name = label(cell).strip().lower().removesuffix(",none")
    name = ALIASES.get(name, name)
    return name if name in METRICS else ""


def split(raw: Table) -> tuple[Table, Table]:
    """The rows of losses and the rows of scores, the latter with plain names in `metric` and their numbers in `value`.

    Errors: ValueError for a metric that is neither a loss nor one of `METRICS` where others are, named with its row.
    """
    n = len(raw.rows)
    if "metric" in raw.columns:
        metrics = [metric_of(cell) for cell in raw.columns["metric"]]
        for metric, cell, row in zip(metrics, raw.columns["metric"], raw.rows, strict=True):
            if any(metrics) and not metric and not is_missing(cell) and label(cell).strip().lower() != "loss":
                known = ", ".join(METRICS)
                raise ValueError(f"row {row}: metric {label(cell)!r} is not known; use loss, {known}, or --ignore metric")
    else:
        chances = raw.columns.get("chance", [None] * n)
        metrics = ["" if is_missing(cell) else "accuracy" for cell in chances]
    scored_N = np.array([bool(metric) for metric in metrics], bool)
    if not scored_N.any():
        return raw, raw.where(scored_N)
    losses, scores = raw.where(~scored_N), raw.where(scored_N)
    columns = dict(scores.columns) | {"metric": [metric for metric in metrics if metric]}
    name = next((one for one in VALUES if one in columns and not all(map(is_missing, columns[one]))), None)
    if name is None:
        name = "loss"
    if name not in columns:
        raise ValueError(f"scores of tasks need a column 'value' beside 'metric'; the table has {', '.join(raw.columns)}")
    columns["value"] = columns.pop(name)
    if "task" not in columns and "eval_set" in columns:
        columns["task"] = columns.pop("eval_set")
    return _loss_rows(losses), Table(columns, scores.rows, scores.semicolons, scores.notes)


def _loss_rows(losses: Table) -> Table:
    columns: Mapping[str, list] = {name: cells for name, cells in losses.columns.items() if name not in ("metric", "chance")}
    return Table(dict(columns), losses.rows, losses.semicolons, losses.notes)
