"""Seed-to-seed noise, and what common random numbers take away from it.

Runs of one seed share their initial weights and relative data order on every level. Per shape, D and evaluation set: the
spread of a level over seeds (unpaired), and the spread of the difference between two levels over seeds (paired, divided by
sqrt 2 so that both are per run). Where pairing helps, the second is smaller.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scaling_fit.observations import Observations


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the loss (nats per token) at one cell, with the degrees of freedom behind each.

    `paired` is None with fewer than two levels. `sampling` is the mean sampling error over evaluation documents.
    """

    shape: str
    tokens: int
    eval_set: str
    loss: float
    unpaired: float
    unpaired_df: int
    paired: float | None
    paired_df: int
    sampling: float


def spreads(table: Observations) -> list[Spread]:
    """One spread per (shape, D, evaluation set) with two seeds or more.

    Errors: ValueError where no cell has two seeds.
    """
    cells: dict[tuple[str, float, str], list[int]] = defaultdict(list)
    for row, cell in enumerate(zip(table.shape, table.D, table.eval_set, strict=True)):
        cells[cell].append(row)
    out = []
    for (shape, tokens, eval_set), rows in sorted(cells.items()):
        levels: dict[str, dict[str, float]] = defaultdict(dict)
        for row in rows:
            levels[table.level[row]][table.seed[row]] = float(table.loss[row])
        several = [np.array(list(losses.values())) for losses in levels.values() if len(losses) > 1]
        if not several:
            continue
        unpaired, unpaired_df = _pooled(several)
        differences = []
        for a, b in combinations(sorted(levels), 2):
            shared = sorted(levels[a].keys() & levels[b].keys())
            if len(shared) > 1:
                differences.append(np.array([levels[a][seed] - levels[b][seed] for seed in shared]) / np.sqrt(2))
        paired, paired_df = _pooled(differences) if differences else (None, 0)
        loss, sampling = float(table.loss[rows].mean()), float(table.loss_se[rows].mean())
        out.append(Spread(shape, int(tokens), eval_set, loss, unpaired, unpaired_df, paired, paired_df, sampling))
    if not out:
        raise ValueError("no cell (level, shape, tokens) has two seeds; train at least two seeds of one cell")
    return out


def _pooled(groups: list[np.ndarray]) -> tuple[float, int]:
    """Standard deviation within groups and its degrees of freedom."""
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return float(np.sqrt(squares / freedom)), freedom
