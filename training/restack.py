"""Stacks for this machine: a plan's runs put together anew, as many to a stack as its GPU holds and trains fastest.

A plan comes with stacks that any machine can train. Where there is a GPU, runs that differ only in level and seed are merged
and cut by measured speed and memory; what was chosen is kept in `out`/stacks.json, so that a resumed plan keeps its stacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from training.calibrate import Rate
from training.checkpoint import writing
from training.memory import evenly
from training.plan import Plan, Run, Stack

FILE = "stacks.json"


def restacked(plan: Plan, out: Path, measure: Callable[[Plan, Stack], list[Rate]]) -> Plan:
    """`plan` with its stacks merged and cut. `measure(plan, stack)` gives the rates for the runs of a merged stack, the
    fastest first, none where not even one run fits (then each trains alone, in micro-batches if the plan says so)."""
    kept = out / FILE
    if kept.exists():
        stacks = [_stack(raw) for raw in json.loads(kept.read_text("utf-8"))]
        return replace(plan, stacks=(*stacks, *(stack for stack in plan.stacks if not stack.runs)))
    stacks = []
    for merged in _merged(plan.stacks):
        if not merged.runs:
            continue
        rates = measure(plan, merged)
        size = evenly(len(merged.runs), rates[0].runs) if rates else 1
        stacks += _cut(merged, size)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(stack) for stack in stacks], indent=1) + "\n"
    with writing(kept, len(text)) as aside:
        aside.write_text(text, "utf-8")
    return replace(plan, stacks=(*stacks, *(stack for stack in plan.stacks if not stack.runs)))


def _merged(stacks: Iterable[Stack]) -> list[Stack]:
    """Stacks that agree in all but their runs as one, under the first's id."""
    merged: list[Stack] = []
    for stack in stacks:
        for i, other in enumerate(merged):
            if stack.runs and replace(stack, id=other.id, runs=other.runs, lr=other.lr) == other and _one_rate(stack, other):
                merged[i] = replace(other, runs=other.runs + stack.runs)
                break
        else:
            merged.append(stack)
    return merged


def _one_rate(*stacks: Stack) -> bool:
    return len({stack.lr for stack in stacks}) == 1 and not isinstance(stacks[0].lr, tuple)


def _cut(stack: Stack, size: int) -> list[Stack]:
    """The stack in parts of at most `size` runs, each with an id of its own."""
    cuts = [slice(i, i + size) for i in range(0, len(stack.runs), size)]
    return [
        replace(
            stack,
            id=f"{stack.id}-{number}" if len(cuts) > 1 else stack.id,
            runs=stack.runs[cut],
            lr=stack.lr[cut] if isinstance(stack.lr, tuple) else stack.lr,
        )
        for number, cut in enumerate(cuts)
    ]


def _stack(raw: dict) -> Stack:
    lr = tuple(raw["lr"]) if isinstance(raw["lr"], list) else raw["lr"]
    return Stack(**{**raw, "runs": tuple(Run(**run) for run in raw["runs"]), "tokens": tuple(raw["tokens"]), "lr": lr})
