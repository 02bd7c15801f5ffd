"""`assay ladder`: the whole training plan of a study with its cost on this device, from a short measured calibration."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.report.wording import duration
from pipelines.verbs.options import AsJson, Set, StudyFile
from pipelines.verbs.terminal import plain_errors, print_json
from scaling_fit.wording import count

if TYPE_CHECKING:
    from pipelines.study.study import Study

UNKNOWN = 1 << 60  # unique tokens of a level before it is made: enough
EVALUATION_SETS = 5  # assumed: they are not known before curation, and their share of the time is small


@dataclass(frozen=True)
class ShapeCost:
    """A shape's recipe, and what all its runs cost at the speed measured now for a stack of all levels."""

    shape: str
    params_body: int
    params_head: int
    params_embedding: int
    lr: float
    batch_tokens: int
    warmup_tokens: int
    tokens: list[int]
    runs: int
    trained_tokens: int
    flops: float
    tokens_per_second: float
    stack_bytes: int
    seconds: float


def ladder(
    study_file: StudyFile,
    overrides: Set = [],
    seconds: Annotated[float, typer.Option(help="How long to measure each shape.", min=0.1)] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show every run with recipe, FLOPs, memory and expected time.

    The time is from a short measurement of each shape on this device.

    Example: `assay ladder configs/quickstart.yaml`
    """
    with plain_errors():
        from pipelines.study.study import load

        study = load(study_file, overrides)
        rows = costs(study, seconds)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = Table(box=None, header_style="bold")
    for column in ("shape", "body", "head", "lr", "batch", "runs", "trained", "FLOPs", "tokens/s", "time"):
        table.add_column(column, justify="left" if column == "shape" else "right", no_wrap=True)
    for row in rows:
        recipe = [count(row.params_body), count(row.params_head), f"{row.lr:.2g}", count(row.batch_tokens), str(row.runs)]
        cost = [count(row.trained_tokens), f"{row.flops:.0e}", count(row.tokens_per_second), duration(row.seconds)]
        table.add_row(row.shape, *recipe, *cost)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"each run to D = {', '.join(count(n) for n in rows[0].tokens)} tokens")
    largest = max(row.stack_bytes for row in rows)
    console.print(f"warm-up {count(rows[0].warmup_tokens)} tokens; the largest stack takes {largest / 1e6:,.0f} MB")
    slots = max(1, (os.cpu_count() or 1) // study.ladder.threads)
    in_all, time = sum(row.flops for row in rows), duration(sum(row.seconds for row in rows) / slots)
    threads = f"{study.ladder.threads} thread{'s' * (study.ladder.threads > 1)}"
    console.print(f"in all {in_all:.2e} FLOPs: about {time} on {slots} slots of {threads}")


def costs(study: "Study", seconds: float) -> list[ShapeCost]:
    """One row per shape of the ladder; each is measured for `seconds`."""
    from pipelines.runs.courses import course_of
    from pipelines.runs.ladder import rungs
    from pipelines.runs.training_plan import plan_body
    from training.calibrate import Workload, calibrate, estimate
    from training.plan import Run, parse_plan

    levels, seeds, rows = [*study.compared, *study.courses], study.ladder.seeds, []
    data = {level: {"path": ".", "digest": "", "unique_tokens": UNKNOWN} for level in study.levels}
    read = {name: course_of(study, name) for name in study.courses}
    courses = {name: [asdict(phase) for phase in course] for name, course in read.items()}
    orders = {phase.by: {"path": ".", "digest": ""} for course in read.values() for phase in course if phase.by}
    for rung in rungs(study):
        stack = rung.stack("s", [Run(level, 0) for level in levels])
        body = plan_body(study, [stack], data, {"path": ".", "digest": ""}, "") | {"courses": courses, "orders": orders}
        plan = parse_plan(body, Path())
        work = Workload(rung.shape, plan.vocab_size, plan.context, rung.batch_tokens, plan.precision, plan.threads)
        rate = calibrate(work, len(levels), seconds)
        scored = EVALUATION_SETS * study.evaluation.tokens_per_set
        cost = estimate(plan, plan.stacks[0], rate, scored)
        parts = [(cost, seeds)]
        if study.ladder.short is not None:
            early = replace(stack, runs=stack.runs[: len(study.compared)], tokens=study.ladder.tokens_of(seeds))
            parts.append((estimate(plan, early, rate, scored), study.ladder.short.seeds))
        rows.append(
            ShapeCost(
                shape=rung.name,
                params_body=rung.shape.params_body,
                params_head=rung.shape.params_head(plan.vocab_size),
                params_embedding=rung.shape.params_embedding(plan.vocab_size),
                lr=rung.lr,
                batch_tokens=rung.batch_tokens,
                warmup_tokens=rung.warmup_tokens,
                tokens=list(rung.tokens),
                runs=len(levels) * seeds + study.short_runs,
                trained_tokens=sum(one.tokens * n for one, n in parts),
                flops=sum(one.flops * n for one, n in parts),
                tokens_per_second=rate.tokens_per_second,
                stack_bytes=rate.peak_bytes,
                seconds=sum(one.seconds * n for one, n in parts),
            )
        )
    return rows
