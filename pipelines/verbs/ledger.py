"""`assay ledger`: which documents the run of a course reads, and how often. It only reads."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.verbs.opening import opened
from pipelines.verbs.options import AsJson, Set, StudyFile, WorkdirOption
from pipelines.verbs.terminal import print_json

CourseName = Annotated[str, typer.Argument(metavar="COURSE", help="A course of the study, or a level that runs read alone.")]


def ledger(
    study_file: StudyFile,
    course: CourseName,
    shape: Annotated[str, typer.Option(help="Shape of the run (default: the first of the ladder).")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
    tokens: Annotated[int, typer.Option(help="D of the run, one of ladder.tokens (default: the longest).")] = 0,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write a row per document to this Parquet file.")
    ] = None,
    as_json: AsJson = False,
    overrides: Set = [],
    workdir: WorkdirOption = "",
) -> None:
    """Show which documents a run of a course reads, and how often.

    Phase by phase: documents, tokens, and times through what is read. Every shape and seed reads in an order of its own.

    Example: `assay ledger configs/courses.yaml repeat4 --to repeat4.parquet`
    """
    with opened(study_file, overrides, workdir, writes=False) as (context, study, base):
        from pipelines import run_study
        from pipelines.runs.course_ledgers import by_phase, course_ledger
        from pipelines.runs.training_plan import TrainingData

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        data = TrainingData.of(curated)
        read = course_ledger(context, study, data, [course], shape=shape, seed=seed, tokens=tokens)
        if to is not None:
            read.write_parquet(to)
    rows = by_phase(read).to_dicts()
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, header_style="bold")
    for column in ("phase", "level", "documents", "tokens", "times", "at most"):
        table.add_column(column, justify="left" if column == "level" else "right")
    for row in rows:
        counts = (f"{row['documents']:,}", f"{row['tokens']:,}", f"{row['times']:.2f}", f"{row['most']:.2f}")
        table.add_row(str(row["phase"]), row["level"], *counts)
    Console(highlight=False).print(table)
