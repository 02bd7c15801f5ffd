"""Runs of one cell (N, D, seed) that differ in a setting the law does not know, such as a learning rate, are no repeats.

A column whose few values recur in cell after cell is a setting or a seed. A seed does nothing on average; a setting moves
log loss alike in every cell, which an F test on the losses within cells tells.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import fdtrc

Array = np.ndarray
LARGEST_P = 1e-3
RECURS = 2  # values of a setting in the whole table, at most this many times those of one cell


def settings(columns: Mapping[str, Sequence[Any]], used: Collection[str], cell_N: Array, loss_N: Array) -> Array:
    """The values "lr=0.001" of the column, among those not `used`, that moves loss most surely within cells; "" in every row
    where none does. cell_N: a number per row."""
    size_C = np.bincount(cell_N)
    best, setting_N = LARGEST_P, np.full(len(cell_N), "", dtype=object)
    if size_C.max(initial=0) < 2 or not (np.isfinite(loss_N) & (loss_N > 0)).all():
        return setting_N
    for name in (name for name in columns if name not in used):
        cells = [str(cell) for cell in columns[name]]
        values, value_N = np.unique(cells, return_inverse=True)
        within_C = np.bincount(np.unique(np.stack([cell_N, value_N]), axis=1)[0])
        if within_C.max() < 2 or len(values) > RECURS * within_C.max():
            continue
        p = effect(value_N, cell_N, loss_N)
        if p < best:
            best, setting_N = p, np.array([f"{name}={cell}" for cell in cells], dtype=object)
    return setting_N


def effect(value_N: Array, cell_N: Array, loss_N: Array) -> float:
    """p of the log losses within cells being alike at every value."""
    log_loss = np.log(loss_N)
    within_N = log_loss - (np.bincount(cell_N, log_loss) / np.maximum(np.bincount(cell_N), 1))[cell_N]
    count_V = np.bincount(value_N)
    between = float((np.bincount(value_N, within_N) ** 2 / count_V).sum())
    df1 = len(count_V) - 1
    df2 = len(loss_N) - len(np.unique(cell_N)) - df1
    if df1 < 1 or df2 < 1:
        return 1.0
    rest = max(float((within_N**2).sum()) - between, 1e-30)
    return float(fdtrc(df1, df2, between / df1 / (rest / df2)))
