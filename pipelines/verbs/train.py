"""`assay train`: the ladder of a study, here or on other machines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.verbs.opening import opened
from pipelines.verbs.options import Address, AsJson, ExecutorOption, Set, StudyFile, WorkdirOption, Workers
from pipelines.verbs.terminal import print_json

if TYPE_CHECKING:
    from pipelines.engine.run import Context
    from pipelines.levels.curated import Curated
    from pipelines.study.study import Study


def train(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray",
    export_plan: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Train nothing here: write what is missing as a folder for `python -m training`."),
    ] = None,
    import_runs: Annotated[
        Path | None, typer.Option(metavar="RUNS", help="Train nothing here: take back what `python -m training` finished.")
    ] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Train the ladder on every level, here or elsewhere.

    The levels are those that `assay curate` made.

    Example: `assay train study.yaml --export-plan plan`
    """
    if export_plan and import_runs:
        raise typer.BadParameter("give --export-plan or --import-runs, not both")
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import outcome

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        if export_plan:
            _export(context, study, curated, export_plan)
            return
        if import_runs and not _import(context, study, curated, import_runs):
            return
        rows = outcome.losses(context, study, run_study.train_levels(context, study, curated))
        outcome.show_losses(context.progress.console, study, rows)
        if as_json:
            print_json(rows)


def _export(context: "Context", study: "Study", curated: "Curated", folder: Path) -> None:
    from pipelines.runs import portable
    from pipelines.runs.training_plan import TrainingData

    plan = portable.export_plan(context, study, TrainingData.of(curated), folder)
    runs, size = sum(len(stack["runs"]) for stack in plan["stacks"]), sum(file["bytes"] for file in plan["files"].values())
    typer.echo(f"{folder / 'plan.json'}: {runs} runs, {size / 1e6:,.1f} MB with their data")
    typer.echo(f"there:      python -m training {folder.name}/plan.json --out runs", err=True)
    typer.echo("back here:  assay train STUDY --import-runs runs", err=True)


def _import(context: "Context", study: "Study", curated: "Curated", runs: Path) -> bool:
    """Take runs back; whether the ladder is whole now."""
    from pipelines.runs import portable
    from pipelines.runs.training_plan import TrainingData

    taken = portable.import_runs(context, study, TrainingData.of(curated), runs)
    typer.echo(f"{len(taken.imported)} runs taken from {runs}")
    for names, what in ((taken.unfinished, "stacks not finished there"), (taken.missing, "runs still missing")):
        if names:
            typer.echo(f"{len(names)} {what}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}", err=True)
    return not taken.missing
