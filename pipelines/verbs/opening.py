"""What every verb over a study shares: its arguments, and the study opened in its work directory."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipelines.engine.executor import open_executor
from pipelines.engine.progress import Progress
from pipelines.engine.run_step import Context
from pipelines.engine.workdir import Workdir
from pipelines.study.study import Study, StudyError, load

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
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ExecutorOption = Annotated[str, typer.Option("--executor", help="`ray`, or `in-process` for debugging.")]


@contextmanager
def told() -> Iterator[None]:
    """A mistake of the user's becomes one clear line and exit code 2; Ctrl-C, and a scheduler's SIGTERM, say how to go on
    and exit with 130."""
    console = Console(stderr=True, highlight=False)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("[yellow]stopped[/]: finished parts are kept; run the same command again to go on")
        raise typer.Exit(130) from None
    except ValueError as error:
        if os.environ.get("ASSAY_TRACEBACK"):
            raise
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def opened(
    study_file: Path, overrides: list[str], workdir: str, address: str, workers: int | None, executor: str
) -> Iterator[tuple[Context, Study, Path]]:
    """The study and its context, under `told`."""
    with told():
        study = load(study_file, overrides)
        if executor not in ("ray", "in-process"):
            raise StudyError(f"--executor {executor!r}: use `ray` or `in-process`")
        place = Workdir(workdir or f"work/{study.name}")
        if place.is_local:
            place = Workdir(str(Path(place.full("")).resolve()))
        progress = Progress(place, Console(stderr=True, highlight=False))
        with open_executor(executor, address or None, workers) as runner:
            yield Context(place, runner, progress), study, study_file.resolve().parent
