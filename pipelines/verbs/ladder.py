"""`assay ladder`: the whole training plan of a study with its cost on this device, from a short measured calibration."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipelines.report.wording import count, duration
from pipelines.runs.ladder import plan_body, rungs
from pipelines.study.study import Study, load
from pipelines.verbs.opening import Set, StudyFile, told
from training.calibrate import calibrate, estimate
from training.plan import Run, parse_plan


def ladder(
    study_file: StudyFile,
    overrides: Set = [],
    seconds: Annotated[float, typer.Option(help="How long to measure each shape.", min=0.1)] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Every run of the study with parameters, recipe, tokens, FLOPs, memory and expected time on this device.

    Example: `assay ladder configs/quickstart.yaml`
    """
    with told():
        study = load(study_file, overrides)
        rows = costs(study, seconds)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(box=None, header_style="bold")
    for column in ("shape", "body", "head", "lr", "batch", "runs", "trained", "FLOPs", "tokens/s", "time"):
        table.add_column(column, justify="left" if column == "shape" else "right", no_wrap=True)
    for row in rows:
        sizes = [count(row[key]) for key in ("params_body", "params_head")]
        recipe = [f"{row['lr']:.2g}", count(row["batch_tokens"]), str(row["runs"])]
        cost = [count(row["trained_tokens"]), f"{row['flops']:.0e}", count(row["tokens_per_second"])]
        table.add_row(row["shape"], *sizes, *recipe, *cost, duration(row["seconds"]))
    console, tokens = Console(highlight=False), rows[0]["tokens"]
    console.print(table)
    console.print(f"each run to D = {', '.join(count(n) for n in tokens)} tokens")
    largest = max(row["stack_bytes"] for row in rows)
    console.print(f"warm-up {count(rows[0]['warmup_tokens'])} tokens; the largest stack takes {largest / 1e6:,.0f} MB")
    total = sum(row["seconds"] for row in rows)
    slots = max(1, (os.cpu_count() or 1) // study.ladder.threads)
    flops = sum(row["flops"] for row in rows)
    console.print(
        f"in all {flops:.2e} FLOPs: about {duration(total / slots)} on {slots} slots of {study.ladder.threads} thread(s)"
    )


def costs(study: Study, seconds: float) -> list[dict[str, Any]]:
    """One row per shape: its recipe and what all its runs cost, at the speed measured now for a stack of all levels."""
    levels, seeds = list(study.levels), study.ladder.seeds
    rows = []
    for rung in rungs(study):
        runs = [Run(level, 0) for level in levels]
        body = plan_body(
            study, [rung.stack("s", runs)], {level: {"path": ".", "digest": "", "unique_tokens": 0} for level in levels},
            {"path": ".", "digest": "", "tokenizer": ""},
        )  # fmt: skip
        plan = parse_plan(body, Path())
        rate = calibrate(
            rung.shape, plan.vocab_size, plan.context, rung.batch_tokens, len(runs), plan.precision, plan.threads, seconds
        )  # fmt: skip
        domains = 5  # evaluation sets are not known before curation; their share of the time is small
        cost = estimate(plan, plan.stacks[0], rate, domains * study.evaluation.tokens_per_set)
        rows.append(
            {
                "shape": rung.name, "params_body": rung.shape.params_body,
                "params_head": rung.shape.params_head(plan.vocab_size),
                "params_embedding": rung.shape.params_embedding(plan.vocab_size), "lr": rung.lr,
                "batch_tokens": rung.batch_tokens, "warmup_tokens": rung.warmup_tokens, "tokens": list(rung.tokens),
                "runs": len(runs) * seeds, "trained_tokens": cost.tokens * seeds, "flops": cost.flops * seeds,
                "tokens_per_second": rate.tokens_per_second, "stack_bytes": rate.peak_bytes, "seconds": cost.seconds * seeds,
            }
        )  # fmt: skip
    return rows
