"""`assay run`, `curate`, `train`, `report`: a study, whole or step by step."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipelines import run_study
from pipelines.engine.run_step import Context
from pipelines.engine.workdir import Manifest
from pipelines.outcomes import outcome, overview
from pipelines.outcomes.report import report as write_report
from pipelines.runs import portable
from pipelines.study.study import Study
from pipelines.verbs.opening import (
    Address,
    AsJson,
    DryRun,
    ExecutorOption,
    NoSamples,
    Set,
    StudyFile,
    WorkdirOption,
    Workers,
    opened,
)  # fmt: skip


def run(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray", dry_run: DryRun = False, no_samples: NoSamples = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Curate, train, fit and report: the whole study.

    Example: `assay run configs/quickstart.yaml --set ladder.seeds=3`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        if dry_run:
            planned = overview.plan(context, study, base)
            _print(planned) if as_json else overview.show_plan(Console(highlight=False), planned)
            return
        curated = run_study.curate(context, study, base)
        overview.funnel(context, study, curated)
        trained = run_study.train_levels(context, study, curated)
        outcome.show_losses(context.progress.console, study, outcome.losses(context, study, trained))
        fitted = run_study.fit_observations(context, study, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples, as_json)


def curate(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the levels: pool, signals, duplicates, token shards, evaluation documents.

    Example: `assay curate study.yaml --workdir s3://bucket/study --address auto`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        curated = run_study.curate(context, study, base)
        overview.funnel(context, study, curated)
        if as_json:
            funnels = {name: ledgers.summary["funnel"] for name, ledgers in curated.ledgers.items()}
            levels = {name: manifest.summary for name, manifest in curated.levels.items()}
            _print({"sources": curated.pool.manifest.summary["sources"], "levels": levels, "funnels": funnels})


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
    """Train the ladder on every level that `assay curate` made, here or elsewhere.

    Example: `assay train study.yaml --export-plan plan`
    """
    if export_plan and import_runs:
        raise typer.BadParameter("give --export-plan or --import-runs, not both")
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        if export_plan:
            _export(context, study, curated, export_plan)
            return
        if import_runs and not _import(context, study, curated, import_runs):
            return
        rows = outcome.losses(context, study, run_study.train_levels(context, study, curated))
        outcome.show_losses(context.progress.console, study, rows)
        if as_json:
            _print(rows)


def _export(context: Context, study: Study, curated: run_study.Curated, folder: Path) -> None:
    plan = portable.export_plan(context, study, curated.levels, curated.evaluation, curated.pool.tokenizer, folder)
    runs, size = sum(len(stack["runs"]) for stack in plan["stacks"]), sum(file["bytes"] for file in plan["files"].values())
    typer.echo(f"{folder / 'plan.json'}: {runs} runs, {size / 1e6:,.1f} MB with their data")
    typer.echo(f"there:      python -m training {folder.name}/plan.json --out runs", err=True)
    typer.echo("back here:  assay train STUDY --import-runs runs", err=True)


def _import(context: Context, study: Study, curated: run_study.Curated, runs: Path) -> bool:
    """Take runs back; whether the ladder is whole now."""
    tokenizer = curated.pool.tokenizer.summary["tokenizer"]
    taken = portable.import_runs(context, study, curated.levels, curated.evaluation, tokenizer, runs)
    typer.echo(f"{len(taken.runs)} runs taken from {runs}")
    for names, what in ((taken.unfinished, "stacks not finished there"), (taken.missing, "runs still missing")):
        if names:
            typer.echo(f"{len(names)} {what}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}", err=True)
    return not taken.missing


def report(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", no_samples: NoSamples = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write the report of a study that is curated, trained and fitted.

    Example: `assay report study.yaml --no-samples`
    """
    with opened(study_file, overrides, workdir, "", None, "in-process") as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        trained = run_study.train_levels(context.only_reading("assay train"), study, curated)
        fitted = run_study.fit_observations(context.only_reading("assay fit"), study, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples, as_json)


def _report(
    context: Context, study: Study, curated: run_study.Curated, trained: run_study.Trained, fitted: Manifest, study_file: Path,
    no_samples: bool, as_json: bool,
) -> None:  # fmt: skip
    samples = study.report.samples and not no_samples
    path = write_report(context, study, curated, trained, fitted, f"assay run {study_file}", samples)
    if as_json:
        _print(outcome.verdict(context, study, fitted) | {"fit": fitted.step.path, "report": path})
    else:
        outcome.show_fit(context, study, fitted)
        typer.echo(f"report: {path}")


def _print(result: Any) -> None:
    typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
