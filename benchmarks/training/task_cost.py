"""What the tasks of a study add to its training: processor seconds of scoring their choices over those of all else.

    assay train STUDY --export-plan PLAN
    python benchmarks/training/task_cost.py PLAN/plan.json

One stack of each shape is trained for 32 steps, its seconds split into steps, losses of documents and choices of tasks.
Those of steps are in proportion to the tokens trained, the others to branch ends: so a row is for the ladder as planned.
Processor time, which a busy machine changes little.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.branches import branches_of
from training.choices import ChoiceScorer
from training.evaluate import Evaluator
from training.plan import Plan, Stack, load_plan
from training.run import run_stack
from training.stack_run import StackRun

STEPS = 32
PARTS = {"steps": (StackRun, "_train"), "documents": (Evaluator, "document_losses"), "tasks": (ChoiceScorer, "scores")}


def timed(seconds: dict[str, float], name: str, function: Callable) -> Callable:
    def run(*arguments: object) -> object:
        began = time.process_time()
        result = function(*arguments)
        seconds[name] += time.process_time() - began
        return result

    return run


def steps_of(plan: Plan, stack: Stack) -> int:
    """Steps of the trunk and of every branch from where it leaves."""
    branches = branches_of(plan, stack)
    return max(branch.start for branch in branches) + sum(branch.end - branch.start for branch in branches)


def main() -> None:
    plan = load_plan(Path(sys.argv[1]))
    seconds: dict[str, float] = defaultdict(float)
    for name, (owner, method) in PARTS.items():
        setattr(owner, method, timed(seconds, name, getattr(owner, method)))
    for stack in {stack.shape: stack for stack in plan.stacks}.values():
        seconds.clear()
        short = replace(stack, tokens=(STEPS * stack.batch_tokens,), warmup_tokens=stack.batch_tokens)
        with tempfile.TemporaryDirectory() as out:
            run_stack(replace(plan, stacks=(short,), keep_weights="none"), short.id, Path(out))
        steps = seconds["steps"] * steps_of(plan, stack) / steps_of(plan, short)
        documents, tasks = (seconds[name] * len(stack.tokens) for name in ("documents", "tasks"))
        print(
            f"{stack.shape}: steps {steps:.1f} s, documents {documents:.1f} s, tasks {tasks:.1f} s: "
            f"tasks add {100 * tasks / (steps + documents):.1f} %"
        )


if __name__ == "__main__":
    main()
