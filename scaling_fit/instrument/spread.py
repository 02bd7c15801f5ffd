"""Seed-to-seed noise, and what common random numbers take away from it.

Runs of one seed share their initial weights and relative data order on every level. Per shape, D and evaluation set: the
spread of a level over seeds (unpaired), and the spread of the difference between two levels over seeds (paired, divided by
sqrt 2 so that both are per run). Where pairing helps, the second is smaller.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from scaling_fit.observations import Observations
from scaling_fit.wording import Check


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


def luck(spreads: Sequence[Spread], eval_set: str) -> Check | None:
    """What the repeated runs say over all cells, in percent of loss; None where there are none on the set."""
    rows = [spread for spread in spreads if spread.eval_set == eval_set]
    if not rows:
        return None
    seeds, seeds_df = _rms([(row.unpaired / row.loss, row.unpaired_df) for row in rows])
    paired, paired_df = _rms([(row.paired / row.loss, row.paired_df) for row in rows if row.paired is not None])
    sampling, _ = _rms([(row.sampling / row.loss, 1) for row in rows])
    answer = f"{seeds:.2f}% between seeds ({seeds_df} degrees of freedom)"
    meaning = "Sharing a seed between levels did not make their comparison sharper here."
    if not paired_df:
        meaning = "With one level only, nothing was compared at the same seed."
    else:
        answer += f", {paired:.2f}% at the same seed ({paired_df})"
        if paired < seeds:
            gain = (seeds / paired) ** 2 if paired else np.inf
            meaning = f"Comparing levels at the same seed is worth {gain:.1f} times as many seeds."
    return Check("Luck, measured apart", f"{answer}; {sampling:.2f}% from the choice of evaluation documents", meaning)


def _rms(shares: list[tuple[float, int]]) -> tuple[float, int]:
    """Root mean square in percent, weighted by degrees of freedom, and their sum."""
    freedom = sum(df for _, df in shares)
    return 100 * (sum(df * share**2 for share, df in shares) / max(freedom, 1)) ** 0.5, freedom
