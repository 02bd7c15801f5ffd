"""`assay export`: the levels as a Hugging Face dataset folder."""

from typing import Annotated

import typer

from pipelines import run_study
from pipelines.outcomes.dataset import dataset
from pipelines.verbs.opening import Address, ExecutorOption, Set, StudyFile, WorkdirOption, Workers, opened


def export(
    study_file: StudyFile,
    overrides: Set = [],
    workdir: WorkdirOption = "",
    address: Address = "",
    workers: Workers = None,
    executor: ExecutorOption = "ray",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the folder.")] = False,
) -> None:
    """Write the levels of a curated study, text and all, as a dataset folder: a config per level, and a card.

    Example: `assay export configs/quickstart.yaml`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        folder = dataset(context, study, curated, f"assay run {study_file}")
    typer.echo(folder)
    if not quiet:
        typer.echo(f"datasets.load_dataset({folder!r}, {list(study.levels)[-1]!r}) reads it", err=True)
