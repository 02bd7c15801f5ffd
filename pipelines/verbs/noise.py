"""`assay noise`: how far two runs fall apart that differ in nothing but their seed."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.verbs.opening import opened
from pipelines.verbs.options import Address, AsJson, ExecutorOption, Set, StudyFile, WorkdirOption, Workers
from pipelines.verbs.terminal import print_json
from scaling_fit.wording import count

if TYPE_CHECKING:
    from pipelines.study.study import Study
    from pipelines.study.training import NoiseCheck
    from scaling_fit.instrument.repeats import Repeats
    from scaling_fit.instrument.spread import Spread

Cell = Annotated[
    list[str],
    typer.Option("--cell", metavar="SHAPE:TOKENS", help="A cell to measure at; may be repeated. Default: the study's."),
]


def noise(
    study_file: StudyFile, cell: Cell = [],
    seeds: Annotated[int | None, typer.Option(help="Seeds per cell (default: the study's, else 4).", min=2)] = None,
    overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Train chosen cells on several seeds and report the spread.

    It is what an interval must contain, and what a design can see.

    Without `checks.noise` in the study and without --cell: the smallest shape at the ladder's shortest and middle D. The
    repeated runs lie in noise.parquet of the work directory, for `assay power --noise` and `assay fit-table --noise`; the
    study's own fit uses them when it declares `checks.noise`.

    Example: `assay noise study.yaml --cell nano:65536 --cell micro:327680 --seeds 4`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        from pipelines import run_study
        from pipelines.runs import checks
        from pipelines.runs.training_plan import TrainingData
        from scaling_fit.instrument.repeats import measure

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        manifest = checks.measure_noise(context, study, declared(study, cell, seeds), TrainingData.of(curated))
        spreads = checks.spreads(context.workdir, manifest)
        judged = [spread for spread in spreads if spread.eval_set == study.scored_set] or spreads
        repeats = measure(checks.table(context.workdir, manifest), judged[0].eval_set)
        path = context.workdir.full(checks.NOISE_FILE) if context.workdir.is_local else checks.NOISE_FILE
    if as_json:
        print_json({"cells": [asdict(spread) for spread in spreads], "repeats": asdict(repeats)})
        return
    show(judged, repeats, path)


def declared(study: "Study", cells: list[str], seeds: int | None) -> "NoiseCheck":
    """The cells from the command line, else from the study, else the smallest shape's first and middle D."""
    from pipelines.runs.ladder import rungs
    from pipelines.study.study import StudyError
    from pipelines.study.training import NoiseCheck

    in_study = study.checks.noise
    by_shape: dict[str, list[int]] = {}
    for text in cells:
        shape, colon, tokens = text.partition(":")
        if not colon or not tokens.replace("_", "").isdigit():
            raise StudyError(f"--cell {text!r}: write SHAPE:TOKENS, e.g. {rungs(study)[0].name}:{rungs(study)[0].tokens[0]}")
        by_shape.setdefault(shape, []).append(int(tokens))
    if not by_shape and in_study is None:
        first = rungs(study)[0]
        by_shape = {first.name: sorted({first.tokens[0], first.tokens[len(first.tokens) // 2]})}
    return NoiseCheck(
        cells=by_shape or (in_study.cells if in_study else {}), seeds=seeds or (in_study.seeds if in_study else 4)
    )  # fmt: skip


def show(rows: "list[Spread]", repeats: "Repeats", path: str) -> None:
    """A row per cell, and the two variances that a fit takes."""
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
    trunk = f"{repeats.trunk:.4f} per trunk ({repeats.trunk_df:.0f} degrees of freedom)"
    console.print(f"noise of log loss: {trunk}, {repeats.row:.4f} per branch", soft_wrap=True)
    console.print(f"repeated runs: {path} (for `assay power --noise` and `assay fit-table --noise`)", soft_wrap=True)
