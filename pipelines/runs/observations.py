"""Observations: one tidy row per run, D and evaluation set, gathered from all runs; the fitter needs nothing else."""

from collections.abc import Mapping
from math import log

import polars as pl
import pyarrow as pa

from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir

FILE = "observations.parquet"


def gather(context: Context, runs: Mapping[str, Manifest], own: Mapping[str, Manifest]) -> Manifest:
    """Every run's rows, and for each level its own evaluation set (scored by every run; no verdict is drawn from it). A copy of
    the current study's table lies at the top of the work directory, where people look for it."""
    places = [manifest.step.path for manifest in runs.values()]
    members = {level: manifest.files(".parquet") for level, manifest in own.items()}
    step = Step(
        "observations", {}, {**runs, **{f"own/{level}": manifest for level, manifest in own.items()}}, compute=collect,
        units=lambda: [(context.workdir, places, members)], unit="tables",
        publish=lambda workdir, made: workdir.update(FILE, workdir.read_bytes(made.files(FILE)[0])),
    )  # fmt: skip
    return run_step(context, step)


def collect(out: Output, workdir: Workdir, runs: list[str], own: dict[str, list[str]]) -> JsonObject:
    """One table of all runs. Runs on a worker."""
    members = {
        f"own:{level}": pl.concat([pl.DataFrame(workdir.read_table(path)) for path in files])["doc_id"]
        for level, files in own.items()
    }
    tables = []
    for path in runs:
        rows = pl.DataFrame(workdir.read_table(f"{path}/observations.parquet"))
        losses = pl.DataFrame(workdir.read_table(f"{path}/losses.parquet"))
        extra = [own_rows(rows, losses, name, ids) for name, ids in members.items() if len(ids)]
        tables.append(pl.concat([rows, *extra]))
    table = pl.concat(tables)
    out.write_table(FILE, table.to_arrow().cast(_plain(table)))
    return {"rows": len(table)}


def own_rows(rows: pl.DataFrame, losses: pl.DataFrame, name: str, ids: pl.Series) -> pl.DataFrame:
    """The run's rows on the documents `ids`: like those of its first evaluation set, with the losses summed anew."""
    documents = losses.filter(pl.col("doc_id").is_in(ids.implode()))
    if documents.is_empty():
        return rows.clear()
    nats, tokens, size = pl.col("nats"), pl.col("n_tokens").cast(pl.Int64), pl.col("n_bytes").cast(pl.Int64)
    mean = nats.sum() / tokens.sum()
    residual = nats - mean * tokens  # the ratio estimator's error (Cochran 1977, section 2.11)
    # in the order of the file, so that floating-point sums are the same on every machine
    sums = documents.group_by("tokens", maintain_order=True).agg(
        loss=mean,
        bits_per_byte=nats.sum() / size.sum() / log(2),
        eval_tokens=tokens.sum(),
        loss_se=((residual**2).sum() * pl.len() / (pl.len() - 1)).sqrt() / tokens.sum(),
    )
    template = rows.filter(pl.col("eval_set") == rows["eval_set"][0]).drop("loss", "bits_per_byte", "eval_tokens", "loss_se")
    return (
        template.with_columns(eval_set=pl.lit(name))
        .join(sums, on="tokens", maintain_order="left")
        .select(rows.columns)
        .cast(rows.schema)
    )


def _plain(table: pl.DataFrame) -> pa.Schema:
    """Strings as Arrow's plain string, which every reader knows."""
    schema = table.to_arrow().schema
    return pa.schema(
        [
            pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) or pa.types.is_string_view(f.type) else f.type)
            for f in schema
        ]
    )
