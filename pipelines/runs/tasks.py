"""The table of tasks: a row per run, D, task and metric, from what every run gave each choice.

The same columns as the observations have for the run, and

    eval_set, metric       the task; accuracy | accuracy_bytes | margin | bits_per_byte (training/task_metrics.py)
    value, se, chance      what was measured, its sampling error over items, and what one gets who knows nothing (null: no such)
    n_items, loss          items of the task; the run's loss on the evaluation set of the verdict
"""

from collections.abc import Mapping

import polars as pl

from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.evaluation import CHOICES
from pipelines.runs.observations import FILE as OBSERVATIONS
from pipelines.runs.observations import plain
from pipelines.study.study import Study
from training.task_metrics import Answers, metrics

FILE = "tasks.parquet"
RUN = ["level", "seed", "tokens"]
METRICS = {
    "eval_set": pl.String, "metric": pl.String, "value": pl.Float64, "se": pl.Float64, "chance": pl.Float64,
    "n_items": pl.Int64,
}  # fmt: skip


def gather(context: Context, study: Study, runs: Mapping[str, Manifest], observed: Manifest, asked: Manifest) -> Manifest:
    """Every run's metrics of every task. A copy of the current study's table lies at the top of the work directory."""
    places = [manifest.step.path for manifest in runs.values()]
    unit = (context.workdir, places, observed.files(OBSERVATIONS)[0], asked.files(CHOICES)[0], study.fit.eval_set)
    step = Step(
        "tasks", {"eval_set": study.fit.eval_set}, {**runs, "observations": observed, "choices": asked}, compute=collect,
        units=lambda: [unit], unit="tables",
        publish=lambda workdir, made: workdir.update(FILE, workdir.read_bytes(made.files(FILE)[0])),
    )  # fmt: skip
    return run_step(context, step)


def collect(out: Output, workdir: Workdir, runs: list[str], observed: str, asked: str, primary: str) -> JsonObject:
    """One table of all runs. Runs on a worker."""
    table = pl.DataFrame(workdir.read_table(observed)).filter(pl.col("eval_set") == primary)
    answers = pl.DataFrame(workdir.read_table(asked, ["task", "item", "choice", "right", "n_bytes"]))
    rows = []
    for path in runs:
        run = table.join(pl.DataFrame(workdir.read_table(f"{path}/observations.parquet", ["trunk"])).unique(), on="trunk")
        rows.append(task_rows(run, pl.DataFrame(workdir.read_table(f"{path}/{CHOICES}")), answers))
    made = pl.concat(rows)
    out.write_table(FILE, made.to_arrow().cast(plain(made)))
    return {"rows": len(made)}


def task_rows(run: pl.DataFrame, scores: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """The rows of one run: `run` its observations on the primary set, `scores` its choices.parquet, `answers` the study's
    choices, in the same order."""
    rows = []
    for (tokens, task), given in scores.group_by("tokens", "task", maintain_order=True):
        of_task = answers.filter(pl.col("task") == task)
        asked = Answers(*(of_task[name].to_numpy() for name in ("item", "right", "n_bytes")))
        found = metrics(asked, given["nats"].to_numpy(), given["greedy"].to_numpy())
        rows += [(tokens, task, one.metric, one.value, one.se, one.chance, one.n_items) for one in found]
    measured = pl.DataFrame(rows, schema={"tokens": pl.Int64} | METRICS, orient="row")
    shared = run.drop("eval_set", "bits_per_byte", "eval_tokens", "loss_se")
    return shared.join(measured, on="tokens", maintain_order="left_right")
