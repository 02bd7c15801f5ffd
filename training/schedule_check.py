"""Does a branch of the trunk say what a whole cosine run says? The same cells by both schedules, paired over levels and seeds.

A trunk runs at a constant rate and wants about half of what a cosine wants (Hagele et al., arXiv:2405.18392, their released
notebook: 0.001 against 0.002), so the cosine is trained at the trunk's peak rate and at twice that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from training.plan import Plan, Run, Stack

FACTORS = (1.0, 2.0)


@dataclass(frozen=True)
class Gap:
    """Loss of the cosine at `factor` times the trunk's peak rate minus the branch's (nats per token), over `pairs` pairs of
    level and seed: the mean, its standard error (None for one pair), and the branch's mean loss."""

    eval_set: str
    factor: float
    difference: float
    se: float | None
    pairs: int
    loss: float


def cosine_stack(plan: Plan, stack_id: str, tokens: int) -> Plan:
    """`plan` under a cosine schedule: one stack "cosine-<id>", the runs of `stack_id` to D = `tokens` at each of FACTORS."""
    stack = plan.stack(stack_id)
    both = list(product(FACTORS, stack.runs))
    lr = tuple(stack.lr_K[0] * factor for factor, _ in both)
    runs = tuple(Run(run.level, run.seed) for _, run in both)
    cosine = Stack(f"cosine-{stack_id}", stack.shape, runs, (tokens,), stack.batch_tokens, lr, stack.warmup_tokens)
    return replace(plan, schedule=replace(plan.schedule, kind="cosine"), stacks=(cosine,))


def gaps(branches: Iterable[dict[str, Any]], cosines: Iterable[dict[str, Any]], lr: float) -> list[Gap]:
    """One Gap per evaluation set and factor, from the observation rows of both stacks; `lr` is the trunk's peak rate.

    Raises ValueError where a cosine run has no branch of the same level, seed, D and evaluation set.
    """
    trunk = {(row["eval_set"], row["level"], row["seed"], row["tokens"]): row["loss"] for row in branches}
    found: dict[tuple[str, float], list[tuple[float, float]]] = defaultdict(list)
    for row in cosines:
        key = row["eval_set"], row["level"], row["seed"], row["tokens"]
        if key not in trunk:
            raise ValueError(
                f"no branch of level {key[1]!r}, seed {key[2]}, D {key[3]} on {key[0]!r} to compare the cosine with"
            )
        factor = round(float(row["trunk"].rsplit("/lr=", 1)[1]) / lr, 3)
        found[row["eval_set"], factor].append((row["loss"] - trunk[key], trunk[key]))
    made = []
    for (eval_set, factor), pairs in sorted(found.items()):
        differences, losses = np.array(pairs).T
        n = len(differences)
        se = float(differences.std(ddof=1) / np.sqrt(n)) if n > 1 else None
        made.append(Gap(eval_set, factor, float(differences.mean()), se, n, float(losses.mean())))
    return made
