"""Arguments and options that several verbs take."""

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (YAML).")]
Set = Annotated[list[str], typer.Option("--set", metavar="A.B=C", help="Override one key of the study; may be repeated.")]
WorkdirOption = Annotated[str, typer.Option("--workdir", "-w", help="Folder or URL (s3://...) of results. Default: work/NAME.")]
Address = Annotated[
    str, typer.Option(help="A running Ray cluster (`auto`, `ray://host:10001`). Default: RAY_ADDRESS, else a local Ray.")
]
Workers = Annotated[int | None, typer.Option(help="CPU slots of the local Ray (default: all cores).", min=1)]
ExecutorOption = Annotated[str, typer.Option("--executor", help="`ray`, or `in-process`: one part after another, without Ray.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Try a sample of each source, print the plan (runs, FLOPs, what is cached) and stop.")
]
NoSamples = Annotated[bool, typer.Option("--no-samples", help="Leave all corpus text out of the report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Table = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE",
        help="Runs: CSV, JSON, Parquet or Excel, a row per run (and evaluation set), or what a tracker exports; "
        "a folder of them, or TensorBoard's.",
    ),
]
Columns = Annotated[
    list[str],
    typer.Option("--column", "-c", metavar="OURS=THEIRS", help="Name a column, e.g. N='Model Size'."),
]
Where = Annotated[
    list[str],
    typer.Option("--where", metavar="CONDITION", help="Rows to read, e.g. dataset=c4 or 'lr<=0.001'; may be repeated."),
]
Ignore = Annotated[list[str], typer.Option("--ignore", metavar="COLUMN", help="Leave a column unread; may be repeated.")]
TokensPerStep = Annotated[
    str,
    typer.Option(
        "--tokens-per-step",
        metavar="N",
        help="Tokens of one step (sequences x context), or the column that has them, where the table counts steps.",
    ),
]
Checkpoints = Annotated[
    int, typer.Option(help="Points to read along each run's log, if the table is a log; 1 is its end.", min=1, metavar="N")
]
Parameters = Annotated[str, typer.Option(help="What N counts where the table splits it: body, body+head or total.")]
EvalSet = Annotated[str, typer.Option(help="Evaluation set to fit (default: heldout, else the first).")]
Baseline = Annotated[str, typer.Option(help="Level the others are compared with (default: raw, else the first).")]
Confidence = Annotated[float, typer.Option(help="Of every interval.", min=0.5, max=0.999)]
QualityTable = Annotated[
    Path | None,
    typer.Option(
        "--quality", metavar="TABLE", help="Measured quality: a row per level, a column per axis, and overlap:SET columns."
    ),
]
TasksTable = Annotated[
    Path | None,
    typer.Option("--tasks", metavar="TABLE", help="Scores of tasks, if not in the table of runs (`tasks.parquet` of a study)."),
]
NoiseTable = Annotated[
    Path | None, typer.Option("--noise", metavar="TABLE", help="Repeated runs (`assay noise`) that say how far seeds scatter.")
]
