"""`assay fit-table TABLE`: the fitter on any table of runs, no study needed."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.verbs.options import (
    AsJson,
    Baseline,
    Checkpoints,
    Columns,
    Confidence,
    EvalSet,
    Ignore,
    NoiseTable,
    Parameters,
    QualityTable,
    Table,
    TasksTable,
    TokensPerStep,
    Where,
)
from pipelines.verbs.tables import TableOptions, assignments, list_faults, read_quality, read_scores, read_table
from pipelines.verbs.terminal import plain_errors
from scaling_fit.law.laws import LAWS

if TYPE_CHECKING:
    from scaling_fit import Fit, Observations, Result


def fit_table(
    table: Table,
    law: Annotated[str, typer.Option(help="auto, " + ", ".join(LAWS))] = "auto",
    objective: Annotated[
        str, typer.Option(help="huber[:delta], least-squares, lad, linear or likelihood (several levels: the first two).")
    ] = "huber",
    intervals: Annotated[str, typer.Option(help="auto, row, trunk, wild, profile or none (one level).")] = "auto",
    baseline: Baseline = "",
    eval_set: EvalSet = "",
    columns: Columns = [],
    parameters: Parameters = "auto",
    where: Where = [],
    ignore: Ignore = [],
    tokens_per_step: TokensPerStep = "",
    checkpoints: Checkpoints = 1,
    fix: Annotated[
        list[str],
        typer.Option("--fix", metavar="NAME=VALUE", help="Hold a parameter, and test it (one level); may be repeated."),
    ] = [],
    replicates: Annotated[int, typer.Option(help="Replicates behind the intervals.", min=0)] = 1000,
    confidence: Confidence = 0.95,
    margin: Annotated[float, typer.Option(help="Exponents closer than this count as equal.")] = 0.02,
    seed: Annotated[int, typer.Option(help="Of the resamples and the simulated tables.")] = 0,
    check: Annotated[bool, typer.Option("--check", help="List the table's design faults and stop.")] = False,
    noise: NoiseTable = None,
    quality: QualityTable = None,
    tasks: TasksTable = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the report: a page, fit.json, Markdown and figures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a scaling law to any table of runs; compare its levels.

    One level: the law's parameters with intervals, the exponent under every objective, and what the data cannot identify.
    Several: per level the verdict (exponent, multiplier, floor, none, or not identifiable with this design). With their
    quality, from `--quality` or from columns `quality` and `quality:AXIS`: whether better data changes the exponent. Exports of
    W&B, MLflow, TensorBoard and lm-eval are read as they come. `--out` writes the page of a study, less what no table says.
    Rows that score a task (columns `metric`, `value`, `chance`): what the task tells of the levels, and what a larger run
    would score.

    `assay fit runs.csv` (a first argument that does not end in .yaml or .yml) is short for `assay fit-table runs.csv`.

    Example: `assay fit-table runs.csv --baseline raw --out result`
    """
    with plain_errors():
        import scaling_fit

        if out is not None:
            _folder(out)
        fixed = assignments(fix, "--fix", "NAME=VALUE")
        options = TableOptions(columns, parameters, eval_set, where, ignore, tokens_per_step, checkpoints)
        data = read_table(table, options)
        if check:
            list_faults(data, as_json, baseline)
        scores = read_scores(tasks, table, data, options)
        if len(data.levels) > 1 and fixed:
            raise ValueError(f"--fix holds a parameter of one law; choose one of {len(data.levels)} levels with --where")
        if len(data.levels) == 1 and quality:
            raise ValueError(f"--quality {quality}: all runs are of level {data.levels[0]!r}; it takes several to compare")
        if len(data.levels) > 1 or scores is not None:
            settings = scaling_fit.Settings(
                baseline, eval_set, law=law, objective=objective, replicates=max(replicates, 2), confidence=confidence,
                margin=margin, seed=seed,
            )  # fmt: skip
            axes = read_quality(quality, table, options)
            _told(f"fitting {len(data.levels)} levels in {len(data)} rows, with {settings.replicates:,} replicates")
            result = scaling_fit.analyse(data, settings, noise=noise, quality=axes, say=_told)
            result = scaling_fit.with_tasks(result, scores)
            text = scaling_fit.summary(result)
        else:
            chosen = law if law != "auto" else _law_for(data)
            single = scaling_fit.FitSettings(
                chosen, objective, fixed=fixed, intervals=intervals if replicates else "none", replicates=replicates,
                confidence=confidence, seed=seed,
            )  # fmt: skip
            result = scaling_fit.fit(data, single)
            text = result.summary()
        typer.echo(result.to_json() if as_json else text)
        if out is not None:
            page = _write(table, data, result, out)
            typer.secho(f"wrote {page}, with fit.json, report.json, report.md and figures/ beside it", fg="green", err=True)


def _folder(out: Path) -> None:
    """Make it before anything takes time. Raises ValueError where it cannot be one."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"--out {out}: a file is in the way; name a folder for the page and what lies beside it") from None


def _told(text: str) -> None:
    typer.echo(text, err=True)


def _write(table: Path, data: "Observations", result: "Fit | Result", out: Path) -> Path:
    """The page of levels compared, or of one law, with fit.json beside it; its path."""
    from pipelines.outcomes.table_facts import facts_of, law_facts_of
    from pipelines.report import law_page, page
    from scaling_fit import Fit

    command = shlex.join(["assay", *sys.argv[1:]])
    (out / "fit.json").write_text(result.to_json(), "utf-8")
    if isinstance(result, Fit):
        return law_page.write(law_facts_of(table, data, result, command), out)
    return page.write(facts_of(table, data, result, command), out)


def _law_for(data: "Observations") -> str:
    from scaling_fit.law.adequacy import along_ray

    sizes, tokens = len(set(data.N.tolist())), len(set(data.D.tolist()))
    return "data" if sizes == 1 or along_ray(data) else "size" if tokens == 1 else "additive"
