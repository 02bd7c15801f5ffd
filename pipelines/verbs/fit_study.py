"""`assay fit STUDY`: the fit of a study that is curated and trained, by its own `fit` section."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.study.training import FitSection
from pipelines.verbs.opening import opened
from pipelines.verbs.options import AsJson, Set, StudyFile, WorkdirOption
from pipelines.verbs.tables import list_faults


def _key(name: str, metavar: str) -> typer.models.OptionInfo:
    """An option that overrides a key of the section `fit`; its help is that key's description."""
    return typer.Option(help=FitSection.model_fields[name].description, metavar=metavar, show_default=False)


def fit(
    study_file: StudyFile,
    baseline: Annotated[str | None, _key("baseline", "LEVEL")] = None,
    eval_set: Annotated[str | None, _key("eval_set", "SET")] = None,
    replicates: Annotated[int | None, _key("replicates", "N")] = None,
    test_replicates: Annotated[int | None, _key("test_replicates", "N")] = None,
    confidence: Annotated[float | None, _key("confidence", "X")] = None,
    margin: Annotated[float | None, _key("margin", "X")] = None,
    multiplier_margin: Annotated[float | None, _key("multiplier_margin", "X")] = None,
    seed: Annotated[int | None, _key("seed", "N")] = None,
    overrides: Set = [],
    workdir: WorkdirOption = "",
    check: Annotated[bool, typer.Option("--check", help="List the faults of the study's table and stop.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to copy fit.json and summary.txt to.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit the scaling law of a trained study (or of a table of runs).

    The study's own `fit` section says how; an option overrides the key of its name. `assay fit runs.csv` (a first argument
    that does not end in .yaml or .yml) is short for `assay fit-table runs.csv`.

    Example: `assay fit configs/quickstart.yaml --confidence 0.9`
    """
    keys = {
        "baseline": baseline, "eval_set": eval_set, "replicates": replicates, "test_replicates": test_replicates,
        "confidence": confidence, "margin": margin, "multiplier_margin": multiplier_margin, "seed": seed,
    }  # fmt: skip
    overrides = overrides + [f"fit.{key}={json.dumps(value)}" for key, value in keys.items() if value is not None]
    with opened(study_file, overrides, workdir) as (context, study, base):
        from pipelines import run_study
        from pipelines.outcomes import outcome
        from scaling_fit import observations

        curated = run_study.curate(context.only_reading("assay curate"), study, base)
        trained = run_study.train_levels(context.only_reading("assay train"), study, curated)
        if check:
            list_faults(observations(context.workdir.read_table(trained.observations.files(".parquet")[0])), as_json)
        fitted = run_study.fit_observations(context, study, curated, trained)
        files = {name: context.workdir.read_bytes(fitted.files(name)[0]) for name in ("fit.json", "summary.txt")}
        if as_json:
            typer.echo(files["fit.json"].decode())
        else:
            outcome.show_fit(context, fitted)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
        typer.secho(f"wrote {out}/fit.json and summary.txt", fg="green", err=True)
