"""lm-evaluation-harness: a results file (JSON) as a row per run and task, of the tasks that measure a loss.

A law L = E + A/N^alpha + B/D^beta is of a loss. Accuracy, F1 and exact match end at 1 and are flat near chance, and what chance
scores is not in the file, so they are left out (`scaling_fit.table.scores` reads them from a table that says it).
"""

import math
import re

from scaling_fit.table.numerals import is_missing, number
from scaling_fit.table.read import Table

LOSSES = {
    "bits_per_byte": ("bits per byte", lambda x: x),
    "byte_perplexity": ("bits per byte", math.log2),
    "word_perplexity": ("nats per word", math.log),
    "perplexity": ("nats per target", math.log),
    "ppl": ("nats per target", math.log),
}
"""Metric -> unit and the way to it; of several that a task has, the first is read. A loss per byte depends on no tokenizer."""
REVISION = re.compile(r"step[-_]?(\d+)")


def evaluations(table: Table) -> Table:
    """Columns `results.TASK.METRIC` as rows (run, task, loss, params, and the step where the revision is one). Others as is.

    Of a task that a run was tried on twice the later stands. Errors: ValueError where no task measures a loss."""
    told = [(name, *_task(name)) for name in table.columns if name.startswith("results.")]
    if not told:
        return table
    metrics: dict[str, dict[str, str]] = {}
    for name, task, metric in told:
        metrics.setdefault(task, {})[metric] = name
    chosen = {task: metric for task, of in metrics.items() if (metric := next((m for m in LOSSES if m in of), ""))}
    left = dict.fromkeys(metric for _, task, metric in told if metric not in LOSSES and _measures(metric))
    if not chosen:
        raise ValueError(f"no task measures a loss: a law describes {', '.join(LOSSES)}, and these have {', '.join(left)}")
    rows: dict[tuple[str, object, str], dict[str, object]] = {}
    for at in sorted(range(len(table.rows)), key=lambda at: number(_cell(table, at, "date") or 0)):
        run, step, params = _model(table, at)
        for task, metric in chosen.items():
            cell = table.columns[metrics[task][metric]][at]
            if not is_missing(cell):
                rows[run, step, task] = {
                    "run": run, "task": task, "loss": LOSSES[metric][1](number(cell)), "params": params, "step": step,
                    "row": table.rows[at],
                }  # fmt: skip
    columns = {name: [row[name] for row in rows.values()] for name in ("run", "task", "loss", "params", "step")}
    columns = {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}
    units = "; ".join(f"{task} by {metric}, in {LOSSES[metric][0]}" for task, metric in chosen.items())
    notes = [f"lm-eval: {units}"]
    if left:
        verb = "is" if len(left) == 1 else "are"
        notes.append(
            f"lm-eval: {', '.join(left)} {verb} left out: a share of right answers ends at 1, and no law here is of it"
        )
    return Table(columns, [int(str(row["row"])) for row in rows.values()], notes=(*table.notes, *notes))


def _task(name: str) -> tuple[str, str]:
    """`results.wikitext.word_perplexity,none` -> wikitext, word_perplexity."""
    task, _, metric = name.removeprefix("results.").rpartition(".")
    return task, metric.partition(",")[0]


def _measures(metric: str) -> bool:
    return not metric.endswith("_stderr") and metric not in ("alias", "name", "sample_len", "sample_count")


def _cell(table: Table, at: int, *names: str) -> object:
    found = [table.columns[name][at] for name in names if name in table.columns]
    return next((cell for cell in found if not is_missing(cell)), None)


def _model(table: Table, at: int) -> tuple[str, int | None, object]:
    """The run (the model's name without its folder), the step of its revision, its parameters."""
    arguments = _cell(table, at, "config.model_args")
    told = dict(part.split("=", 1) for part in str(arguments).split(",") if "=" in part)
    name = _cell(table, at, "config.model_args.pretrained") or told.get("pretrained") or _cell(table, at, "model_name", "file")
    revision = REVISION.search(
        str(_cell(table, at, "config.model_args.revision", "config.model_revision") or told.get("revision", ""))
    )
    params = _cell(table, at, "config.model_num_parameters")
    known = params is not None and number(params) > 0
    return str(name or "run").rstrip("/").rpartition("/")[2], int(revision[1]) if revision else None, params if known else None
