"""Seed-to-seed noise, and what common random numbers take away from it.

Runs of one seed share their initial weights and relative data order on every level. `noise` reads a finished table of
observations and reports, per shape, D and evaluation set, the spread of a level over seeds (unpaired) and the spread of
the difference between two levels over seeds (paired, divided by sqrt 2 so that both are per run): where pairing helps,
the second is smaller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from training.plan import Plan, Run, Stack


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


def noise_stack(plan: Plan, stack_id: str, tokens: Sequence[int], seeds: Iterable[int]) -> Plan:
    """`plan` with one stack "noise-<id>": every level of `stack_id` on each of `seeds`, with a branch to each D of `tokens`."""
    stack = plan.stack(stack_id)
    levels = list(dict.fromkeys(run.level for run in stack.runs))
    runs = tuple(Run(level, seed) for seed in seeds for level in levels)
    repeated = Stack(
        f"noise-{stack_id}", stack.shape, runs, tuple(sorted(tokens)), stack.batch_tokens, stack.lr_K[0], stack.warmup_tokens
    )  # fmt: skip
    others = tuple(other for other in plan.stacks if other.id != stack_id)  # their recipes are part of the certificate
    return replace(plan, stacks=(*others, repeated))


def noise(observations: Iterable[dict[str, Any]]) -> list[Spread]:
    """Spreads from the rows of observations.parquet, one per (shape, tokens, eval_set) with two seeds or more.

    Raises ValueError where no cell has two seeds.
    """
    cells: dict[tuple[str, int, str], dict[str, dict[int, dict[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
    for row in observations:
        cells[row["shape"], row["tokens"], row["eval_set"]][row["level"]][row["seed"]] = row
    spreads = []
    for (shape, tokens, eval_set), levels in sorted(cells.items()):
        losses = {level: {seed: row["loss"] for seed, row in seeds.items()} for level, seeds in levels.items()}
        several = [np.array(list(seeds.values())) for seeds in losses.values() if len(seeds) > 1]
        if not several:
            continue
        unpaired, unpaired_df = _pooled(several)
        differences = []
        for a, b in combinations(sorted(losses), 2):
            shared = sorted(set(losses[a]) & set(losses[b]))
            if len(shared) > 1:
                differences.append(np.array([losses[a][seed] - losses[b][seed] for seed in shared]) / np.sqrt(2))
        paired, paired_df = _pooled(differences) if differences else (None, 0)
        rows = [row for seeds in levels.values() for row in seeds.values()]
        mean, sampling = (float(np.mean([row[name] for row in rows])) for name in ("loss", "loss_se"))
        spreads.append(Spread(shape, tokens, eval_set, mean, unpaired or 0.0, unpaired_df, paired, paired_df, sampling))
    if not spreads:
        raise ValueError("no cell (level, shape, tokens) has two seeds; train at least two seeds of one cell")
    return spreads


def _pooled(groups: list[np.ndarray]) -> tuple[float, int]:
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return float(np.sqrt(squares / freedom)), freedom
