"""Does the best learning rate move with curation? Three rates or more at one cell of the two extreme levels.

All rates and levels train as one stack. A parabola through loss against log lr gives each level's optimum and what the
ladder's own rate costs there; if the optima agree to well within a factor of two, and both costs are within noise, a
level-specific rate cannot pass for a better exponent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from training.plan import Plan, Run, Stack


@dataclass(frozen=True)
class Optimum:
    """Per level: the losses by rate, the rate at the parabola's minimum, and the loss that `used` gives up against it.

    `inside` is false where the minimum lies outside the rates tried: then `lr` is the best rate tried, and only a bound.
    """

    level: str
    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    lr: float
    inside: bool
    cost_of_used: float


def lr_check_stack(
    plan: Plan, stack_id: str, levels: Sequence[str], tokens: int, factors: Sequence[float] = (0.5, 1.0, 2.0)
) -> Plan:
    """`plan` with one stack "lr-<id>": each of `levels` at each multiple of the stack's rate, to one D, first seed."""
    if len(factors) < 3:
        raise ValueError(f"{len(factors)} learning rates cannot show an optimum; give at least 3 factors")
    stack = plan.stack(stack_id)
    seed = stack.runs[0].seed
    runs = tuple(Run(level, seed) for level in levels for _ in factors)
    lr = tuple(stack.lr_K[0] * factor for _ in levels for factor in sorted(factors))
    check = Stack(f"lr-{stack_id}", stack.shape, runs, (tokens,), stack.batch_tokens, lr, stack.warmup_tokens)
    return replace(plan, stacks=(check,))


def lr_optima(observations: Iterable[dict[str, Any]], used: float, eval_set: str = "heldout") -> list[Optimum]:
    """The optimum of each level, from the observation rows of an "lr-..." stack (the rate stands in `trunk`)."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for row in observations:
        if row["eval_set"] == eval_set and "/lr=" in row["trunk"]:
            found[row["level"]][float(row["trunk"].rsplit("/lr=", 1)[1])] = row["loss"]
    if not found:
        raise ValueError(f"no rows of an LR check on evaluation set {eval_set!r}; train the stack of lr_check_stack first")
    return [_optimum(level, dict(sorted(losses.items())), used) for level, losses in sorted(found.items())]


def _optimum(level: str, losses: dict[float, float], used: float) -> Optimum:
    lr, loss = np.array(list(losses)), np.array(list(losses.values()))
    if len(lr) < 3:
        raise ValueError(f"level {level!r} has losses at {len(lr)} learning rates; an optimum needs 3")
    best = int(loss.argmin())
    near = slice(max(0, min(best - 1, len(lr) - 3)), max(0, min(best - 1, len(lr) - 3)) + 3)
    a, b, c = np.polyfit(np.log(lr[near]), loss[near], 2)
    vertex = -b / (2 * a) if a > 0 else np.inf
    inside = bool(np.log(lr[0]) <= vertex <= np.log(lr[-1]))
    at = float(np.exp(vertex)) if inside else float(lr[best])
    floor = float(np.polyval((a, b, c), vertex)) if inside else float(loss[best])
    cost = float(np.interp(np.log(used), np.log(lr), loss)) - floor
    return Optimum(level, tuple(map(float, lr)), tuple(map(float, loss)), at, inside, cost)
