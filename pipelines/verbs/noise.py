"""`assay noise`: how far two runs fall apart that differ in nothing but their seed."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines import run_study
from pipelines.report.wording import count
from pipelines.runs import checks
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study, StudyError
from pipelines.study.training import NoiseCheck
from pipelines.verbs.opening import Address, ExecutorOption, Set, StudyFile, WorkdirOption, Workers, opened
from scaling_fit.instrument.repeats import Repeats, measure
from training.noise import Spread

Cell = Annotated[
    list[str],
    typer.Option("--cell", metavar="SHAPE:TOKENS", help="A cell to measure at; may be repeated. Default: the study's."),
]


def noise(
    study_file: StudyFile, cell: Cell = [],
    seeds: Annotated[int | None, typer.Option(help="Seeds per cell (default: the study's, else 4).", min=2)] = None,
    overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray",
    as_json: Annotated[bool, typer.Option("--json", help="Print the spreads as JSON.")] = False,
) -> None:  # fmt: skip
    """Train chosen cells on several seeds and report the spread: what an interval must contain, and what a design can see.

    Without `checks.noise` in the study and without --cell: the smallest shape at the ladder's shortest and middle D. The
    repeated runs lie in noise.parquet of the work directory, for `assay power --noise` and `assay fit --noise`; the study's
    own fit uses them when it declares `checks.noise`.

    Example: `assay noise study.yaml --cell nano:65536 --cell micro:327680 --seeds 4`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        manifest = checks.measure_noise(context, study, _declared(study, cell, seeds), run_study.check_inputs(curated))
        found = checks.spreads(context, manifest)
        shared = [row for row in found if row.eval_set == study.fit.eval_set] or found
        total = measure(checks.table(context, manifest), shared[0].eval_set)
        if as_json:
            typer.echo(json.dumps({"cells": [asdict(row) for row in found], "repeats": asdict(total)}, indent=1))
            return
        _show(shared, total, context.workdir.full(checks.NOISE_FILE) if context.workdir.is_local else checks.NOISE_FILE)


def _declared(study: Study, cells: list[str], seeds: int | None) -> NoiseCheck:
    """The cells from the command line, else from the study, else the smallest shape's first and middle D."""
    declared = study.checks.noise
    by_shape: dict[str, list[int]] = {}
    for text in cells:
        shape, colon, tokens = text.partition(":")
        if not colon or not tokens.replace("_", "").isdigit():
            raise StudyError(f"--cell {text!r}: write SHAPE:TOKENS, e.g. {rungs(study)[0].name}:{rungs(study)[0].tokens[0]}")
        by_shape.setdefault(shape, []).append(int(tokens))
    if not by_shape and declared is None:
        first = rungs(study)[0]
        by_shape = {first.name: sorted({first.tokens[0], first.tokens[len(first.tokens) // 2]})}
    return NoiseCheck(
        cells=by_shape or (declared.cells if declared else {}), seeds=seeds or (declared.seeds if declared else 4)
    )  # fmt: skip


def _show(rows: list[Spread], total: Repeats, path: str) -> None:
    table = Table(box=None, header_style="bold")
    for column in ("shape", "D", "loss", "seed to seed", "df", "between levels", "df", "sampling"):
        table.add_column(column, justify="left" if column == "shape" else "right")
    for row in rows:
        paired = "" if row.paired is None else f"{100 * row.paired / row.loss:.2f} %"
        table.add_row(
            row.shape, count(row.tokens), f"{row.loss:.3f}", f"{100 * row.unpaired / row.loss:.2f} %", str(row.unpaired_df),
            paired, str(row.paired_df or ""), f"{100 * row.sampling / row.loss:.2f} %",
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"on {rows[0].eval_set}, in percent of the loss. `between levels`: of runs that share a seed, so common luck cancels; "
        "`sampling`: of the evaluation documents, shared by all runs.",
        soft_wrap=True,
    )
    console.print(
        f"noise of log loss: {total.trunk:.4f} per trunk ({total.trunk_df:.0f} degrees of freedom), {total.row:.4f} per branch",
        soft_wrap=True,
    )
    console.print(f"repeated runs: {path} (for `assay power --noise` and `assay fit --noise`)", soft_wrap=True)
