"""`assay run`, `curate`, `report`: a study, whole or step by step."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.verbs.opening import opened
from pipelines.verbs.options import (
    Address,
    AsJson,
    DryRun,
    ExecutorOption,
    NoSamples,
    Set,
    StudyFile,
    WorkdirOption,
    Workers,
)
from pipelines.verbs.terminal import print_json

if TYPE_CHECKING:
    from pipelines.engine.run import Context
    from pipelines.engine.step import Manifest
    from pipelines.levels.curated import Curated
    from pipelines.runs.trained import Trained
    from pipelines.study.study import Study


def run(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray", dry_run: DryRun = False, no_samples: NoSamples = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Curate, train, fit and report: the whole study.

    Example: `assay run configs/quickstart.yaml --set ladder.seeds=3`
    """
    with opened(study_file, overrides, workdir, address, workers, executor, writes=not dry_run) as (context, study, base):
        from pipelines import run_study
        from pipelines.engine.capacity import Resources
        from pipelines.outcomes import outcome, overview
        from pipelines.runs.checks import require_runnable

        if dry_run:
            _plan(context, study, base, as_json)
            return
        require_runnable(study)  # said before curation
        if context.executor.joined:
            context.executor.require(Resources(study.ladder.threads, study.ladder.gpus))
        curated = run_study.curate(context, study, base)
        overview.funnel(context, study, curated, str(study_file))
        trained = run_study.train_levels(context, study, curated)
        outcome.show_losses(context.progress.console, study, outcome.losses(context, study, trained))
        fitted = run_study.fit_observations(context, study, curated, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples, as_json)


def curate(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray", dry_run: DryRun = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make the levels: signals, duplicates, token shards.

    Everything before training: the pool, its signals and duplicates, the levels, their token shards, the evaluation documents.

    Example: `assay curate study.yaml --workdir s3://bucket/study --address auto`
    """
    with opened(study_file, overrides, workdir, address, workers, executor, writes=not dry_run) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import overview

        if dry_run:
            _plan(context, study, base, as_json)
            return
        curated = run_study.curate(context, study, base)
        overview.funnel(context, study, curated, str(study_file))
        if as_json:
            funnels = {name: ledgers.summary["funnel"] for name, ledgers in curated.ledgers.items()}
            levels = {name: manifest.summary for name, manifest in curated.levels.items()}
            places = {name: context.workdir.full(ledgers.step.path) for name, ledgers in curated.ledgers.items()}
            sources = curated.pool.documents.summary["sources"]
            print_json({"sources": sources, "levels": levels, "funnels": funnels, "ledgers": places})


def _plan(context: "Context", study: "Study", base: Path, as_json: bool) -> None:
    from rich.console import Console

    from pipelines.verbs import dry_run

    planned = dry_run.dry_run(context, study, base)
    print_json(planned) if as_json else dry_run.show(Console(highlight=False), planned)


def report(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", no_samples: NoSamples = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write the report of a study that is trained and fitted.

    Example: `assay report study.yaml --no-samples`
    """
    with opened(study_file, overrides, workdir) as (context, study, base):
        from pipelines import run_study

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        trained = run_study.train_levels(context.only_reading("assay train"), study, curated)
        fitted = run_study.fit_observations(context.only_reading("assay fit"), study, curated, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples, as_json)


def _report(
    context: "Context", study: "Study", curated: "Curated", trained: "Trained", fitted: "Manifest", study_file: Path,
    no_samples: bool, as_json: bool,
) -> None:  # fmt: skip
    from pipelines.outcomes import outcome
    from pipelines.outcomes.report import report as write_report

    samples = study.report.samples and not no_samples
    path = write_report(context, study, curated, trained, fitted, f"assay run {study_file}", samples)
    if as_json:
        print_json(
            outcome.answer(outcome.verdict(context, fitted))
            | {"courses": outcome.courses(context, fitted), "fit": fitted.step.path, "report": path}
        )
    else:
        outcome.show_fit(context, fitted)
        typer.echo(f"report: {path}")
