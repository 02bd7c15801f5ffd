"""The branches of a stack and the trunks that they leave.

Runs that read the same to where they leave it share a trunk: that of a level serves every course that begins with the level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.course import Course, leaves, trunk_of
from training.plan import Plan, Stack


@dataclass(frozen=True, order=True)
class Branch:
    """The runs (by number in their stack) that leave their trunks at step `start` and end at step `end`."""

    start: int
    end: int
    runs: tuple[int, ...]


def branches_of(plan: Plan, stack: Stack) -> list[Branch]:
    """Every branch of a stack, in the order of training; a cosine run is all branch."""
    left: dict[tuple[int, int], list[int]] = {}
    for end in map(stack.steps, stack.tokens):
        for k, run in enumerate(stack.runs):
            cosine = plan.schedule.kind == "cosine"
            start = 0 if cosine else leaves(plan.course(run.level), end, plan.schedule.cooldown)
            left.setdefault((start, end), []).append(k)
    return sorted(Branch(start, end, tuple(runs)) for (start, end), runs in left.items())


def trunks_of(plan: Plan, stack: Stack) -> list[int]:
    """For every run the one whose trunk it leaves: the first of those that read the same."""
    first: dict[tuple[Course, int, float], int] = {}
    keys = [(trunk_of(plan.course(run.level)), run.seed, lr) for run, lr in zip(stack.runs, stack.lr_K, strict=True)]
    return [first.setdefault(key, k) for k, key in enumerate(keys)]


def part_of(stack: Stack, runs: tuple[int, ...]) -> Stack:
    """The stack with these of its runs."""
    lr = tuple(stack.lr[k] for k in runs) if isinstance(stack.lr, tuple) else stack.lr
    return replace(stack, runs=tuple(stack.runs[k] for k in runs), lr=lr)
