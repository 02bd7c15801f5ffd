"""`assay run`, `curate`, `train`, `report`: a study, whole or step by step."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from pipelines import overview, run_study
from pipelines.run_step import Context
from pipelines.steps import portable
from pipelines.steps.report import report as write_report
from pipelines.study import Study
from pipelines.verbs.opening import (
    Address,
    DryRun,
    ExecutorOption,
    NoSamples,
    Set,
    StudyFile,
    WorkdirOption,
    Workers,
    opened,
)  # fmt: skip
from pipelines.workdir import Manifest


def run(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray", dry_run: DryRun = False, no_samples: NoSamples = False,
) -> None:  # fmt: skip
    """Curate, train, fit and report: the whole study.

    Example: `assay run configs/quickstart.yaml --set ladder.seeds=3`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        if dry_run:
            overview.plan(context, study, base)
            return
        curated = run_study.curate(context, study, base)
        overview.funnel(context, curated)
        trained = run_study.train_levels(context, study, curated)
        fitted = run_study.fit_observations(context, study, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples)


def curate(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray",
) -> None:  # fmt: skip
    """Make the levels: pool, signals, duplicates, token shards, evaluation documents.

    Example: `assay curate study.yaml --workdir s3://bucket/study --address auto`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        overview.funnel(context, run_study.curate(context, study, base))


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
) -> None:  # fmt: skip
    """Train the ladder on every level that `assay curate` made, here or elsewhere.

    Example: `assay train study.yaml --export-plan plan`
    """
    if export_plan and import_runs:
        raise typer.BadParameter("give --export-plan or --import-runs, not both")
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        if export_plan:
            _export(context, study, curated, export_plan)
        elif import_runs:
            _import(context, study, curated, import_runs)
        else:
            run_study.train_levels(context, study, curated)


def _export(context: Context, study: Study, curated: run_study.Curated, folder: Path) -> None:
    plan = portable.export_plan(context, study, curated.levels, curated.evaluation, curated.pool.tokenizer, folder)
    runs, size = sum(len(stack["runs"]) for stack in plan["stacks"]), sum(file["bytes"] for file in plan["files"].values())
    typer.echo(f"{folder / 'plan.json'}: {runs} runs, {size / 1e6:,.1f} MB with their data")
    typer.echo(f"there:      python -m training {folder.name}/plan.json --out runs", err=True)
    typer.echo("back here:  assay train STUDY --import-runs runs", err=True)


def _import(context: Context, study: Study, curated: run_study.Curated, runs: Path) -> None:
    tokenizer = curated.pool.tokenizer.summary["tokenizer"]
    taken = portable.import_runs(context, study, curated.levels, curated.evaluation, tokenizer, runs)
    typer.echo(f"{len(taken.runs)} runs taken from {runs}")
    for names, what in ((taken.unfinished, "stacks not finished there"), (taken.missing, "runs still missing")):
        if names:
            typer.echo(f"{len(names)} {what}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}", err=True)
    if not taken.missing:
        run_study.train_levels(context, study, curated)


def report(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", no_samples: NoSamples = False
) -> None:  # fmt: skip
    """Write the report of a study that is curated, trained and fitted.

    Example: `assay report study.yaml --no-samples`
    """
    with opened(study_file, overrides, workdir, "", None, "in-process") as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        trained = run_study.train_levels(context.only_reading("assay train"), study, curated)
        fitted = run_study.fit_observations(context.only_reading("assay fit"), study, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples)


def _report(
    context: Context, study: Study, curated: run_study.Curated, trained: run_study.Trained, fitted: Manifest, study_file: Path,
    no_samples: bool,
) -> None:  # fmt: skip
    samples = study.report.samples and not no_samples
    path = write_report(context, study, curated, trained, fitted, f"assay run {study_file}", samples)
    _print_summary(context, fitted)
    typer.echo(f"report: {path}")


def _print_summary(context: Context, fitted: Manifest) -> None:
    """The verdict in words, on standard output; parameters and remarks stand in the file it names."""
    path = fitted.files("summary.txt")[0]
    verdict = context.workdir.read_bytes(path).decode().split("\n\n")[:2]
    Console(highlight=False).print(Markdown("\n\n".join(verdict)))
    typer.echo(f"\nfit:    {context.workdir.full(path) if context.workdir.is_local else path}")


def fit_study(study_file: Path, overrides: list[str], workdir: str) -> None:
    """The fit of a study that is curated and trained: what `assay fit STUDY.yaml` does."""
    with opened(study_file, overrides, workdir, "", None, "in-process") as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        trained = run_study.train_levels(context.only_reading("assay train"), study, curated)
        fitted = run_study.fit_observations(context, study, trained)
        _print_summary(context, fitted)
