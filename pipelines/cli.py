"""The command line. Every verb takes the same study file; results lie in the work directory, so verbs can be run one by one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines import overview, run_study
from pipelines.executor import open_executor
from pipelines.progress import Progress
from pipelines.run_step import Context
from pipelines.steps.report import report as write_report
from pipelines.study import Study, StudyError, load
from pipelines.workdir import Manifest, Workdir

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown",
    help="Measure what data curation does to scaling laws: curate, train matched models, fit, decide.",
)  # fmt: skip

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (YAML).")]
Set = Annotated[list[str], typer.Option("--set", metavar="A.B=C", help="Override one key of the study; may be repeated.")]
WorkdirOption = Annotated[str, typer.Option("--workdir", "-w", help="Folder or URL (s3://...) of results. Default: work/NAME.")]
Address = Annotated[
    str, typer.Option(help="A running Ray cluster (`auto`, `ray://host:10001`). Default: RAY_ADDRESS, else a local Ray.")
]
Workers = Annotated[int | None, typer.Option(help="CPU slots of the local Ray (default: all cores).", min=1)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan (levels, runs, tokens, FLOPs, what is cached) and stop.")
]
NoSamples = Annotated[bool, typer.Option("--no-samples", help="Leave all corpus text out of the report.")]
ExecutorOption = Annotated[str, typer.Option("--executor", help="`ray`, or `in-process` for debugging.")]


@contextmanager
def opened(
    study_file: Path, overrides: list[str], workdir: str, address: str, workers: int | None, executor: str
) -> Iterator[tuple[Context, Study, Path]]:
    """The study and its context; errors of the study become one clear line and exit code 2."""
    console = Console(stderr=True, highlight=False)
    try:
        study = load(study_file, overrides)
        if executor not in ("ray", "in-process"):
            raise StudyError(f"--executor {executor!r}: use `ray` or `in-process`")
        place = Workdir(workdir or f"work/{study.name}")
        if place.is_local:
            place = Workdir(str(Path(place.full("")).resolve()))
        progress = Progress(place, console)
        with open_executor(executor, address or None, workers) as runner:
            yield Context(place, runner, progress), study, study_file.resolve().parent
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]: finished parts are kept; run the same command again to go on")
        raise typer.Exit(130) from None
    except ValueError as error:
        if os.environ.get("ASSAY_TRACEBACK"):
            raise
        console.print(f"[red]error[/]: {error}", markup=True, soft_wrap=True)
        raise typer.Exit(2) from None


@app.command()
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


@app.command()
def curate(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray",
) -> None:  # fmt: skip
    """Make the levels: pool, signals, duplicates, token shards, evaluation documents.

    Example: `assay curate study.yaml --workdir s3://bucket/study --address auto`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        overview.funnel(context, run_study.curate(context, study, base))


@app.command()
def train(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", address: Address = "", workers: Workers = None,
    executor: ExecutorOption = "ray",
) -> None:  # fmt: skip
    """Train the ladder on every level that `assay curate` made.

    Example: `assay train study.yaml`
    """
    with opened(study_file, overrides, workdir, address, workers, executor) as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        run_study.train_levels(context, study, curated)


@app.command()
def report(
    study_file: StudyFile, overrides: Set = [], workdir: WorkdirOption = "", no_samples: NoSamples = False
) -> None:  # fmt: skip
    """Write the report of a study that is curated, trained and fitted.

    Example: `assay report study.yaml --no-samples`
    """
    with opened(study_file, overrides, workdir, "", None, "in-process") as (context, study, base):
        reading = context.only_reading("assay run")
        curated = run_study.curate(reading, study, base)
        trained = run_study.train_levels(reading, study, curated)
        fitted = run_study.fit_observations(reading, study, trained)
        _report(context, study, curated, trained, fitted, study_file, no_samples)


def _report(
    context: Context, study: Study, curated: run_study.Curated, trained: run_study.Trained, fitted: Manifest, study_file: Path,
    no_samples: bool,
) -> None:  # fmt: skip
    samples = study.report.samples and not no_samples
    path = write_report(context, study, curated, trained, fitted, f"assay run {study_file}", samples)
    out = Console(highlight=False, soft_wrap=True)
    out.print(context.workdir.read_bytes(fitted.files("summary.txt")[0]).decode().strip())
    out.print(f"\nreport: {path}")


def main() -> None:
    """Entry point of `python -m pipelines.cli`."""
    app(prog_name=Path(sys.argv[0]).name)
