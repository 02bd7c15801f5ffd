"""`assay fit STUDY.yaml`: the fit of a study that is curated and trained, by its own `fit` section."""

import json
from pathlib import Path
from typing import Any

import typer

import scaling_fit
from pipelines import run_study
from pipelines.outcomes import outcome
from pipelines.study.study import StudyError
from pipelines.study.training import Fit
from pipelines.verbs.opening import opened


def overrides_of(given: dict[str, Any]) -> list[str]:
    """Options of `assay fit` that a study has keys for, as overrides of its `fit` section. Raises StudyError for the others."""
    for name in given:
        if name not in Fit.model_fields:
            raise StudyError(
                f"--{name.replace('_', '-')} is for tables of runs; a study is fitted by its own `fit` section ("
                f"{', '.join(Fit.model_fields)}). Its table alone: `assay fit WORKDIR/observations.parquet`"
            )
    return [f"fit.{name}={json.dumps(value)}" for name, value in given.items()]


def fit_study(study_file: Path, overrides: list[str], workdir: str, check: bool, out: Path | None, as_json: bool) -> None:
    """Fit, or list the faults of the study's table; print the verdict, or the whole fit as JSON."""
    with opened(study_file, overrides, workdir, "", None, "in-process") as (context, study, base):
        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        trained = run_study.train_levels(context.only_reading("assay train"), study, curated)
        if check:
            table = context.workdir.read_table(trained.observations.files(".parquet")[0])
            list_faults(scaling_fit.observations(table), as_json)
        fitted = run_study.fit_observations(context, study, trained)
        files = {name: context.workdir.read_bytes(fitted.files(name)[0]) for name in ("fit.json", "summary.txt")}
        if as_json:
            typer.echo(files["fit.json"].decode())
        else:
            outcome.show_fit(context, study, fitted)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
        typer.secho(f"wrote {out}/fit.json and summary.txt", fg="green", err=True)


def list_faults(data: scaling_fit.Observations, as_json: bool) -> None:
    """What is wrong with the design of a table of runs. Exit code 1 when no law can be fitted to it, else 0."""
    faults = scaling_fit.check(data)
    if as_json:
        rows = [{"severity": fault.severity, "name": fault.name, "message": fault.message} for fault in faults]
        typer.echo(json.dumps(rows, indent=1))
    else:
        for fault in faults:
            typer.echo(f"{fault.severity}: {fault.name}: {fault.message}")
        typer.echo(f"{len(faults)} fault(s) in {len(data)} rows")
    raise typer.Exit(1 if any(fault.severity == "error" for fault in faults) else 0)
