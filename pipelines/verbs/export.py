"""`assay export`: the levels as a Hugging Face dataset folder."""

from typing import Annotated

import typer

from pipelines.verbs.opening import opened
from pipelines.verbs.options import Address, AsJson, ExecutorOption, Set, StudyFile, WorkdirOption, Workers
from pipelines.verbs.terminal import print_json


def export(
    study_file: StudyFile,
    overrides: Set = [],
    workdir: WorkdirOption = "",
    address: Address = "",
    workers: Workers = None,
    executor: ExecutorOption = "ray",
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Write where it all comes from, as W3C PROV: provenance.json.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the folder.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the levels as a Hugging Face dataset folder with a card.

    The study is one that `assay curate` has done; each level, text and all, is a configuration of the dataset.

    Example: `assay export configs/quickstart.yaml`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes.dataset import dataset

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        folder = dataset(context, study, curated, f"assay run {study_file}", lineage)
    if as_json:
        print_json({"folder": folder, "configs": list(study.levels)})
        return
    typer.echo(folder)
    if not quiet:
        typer.echo(f"datasets.load_dataset({folder!r}, {list(study.levels)[-1]!r}) reads it", err=True)
