"""Observations: one tidy row per run, D and evaluation set, gathered from all runs; the fitter needs nothing else.

Two kinds of set are made here from losses that the runs have already: each level's own text, and the held-out text with the
domains weighed as in the pool, since in all held-out text every domain counts for about the same.
"""

from collections.abc import Mapping
from math import log

import polars as pl
import pyarrow as pa

from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.study.study import Study

FILE = "observations.parquet"
POOL_WEIGHED = "heldout-pool"


def gather(
    context: Context, study: Study, runs: Mapping[str, Manifest], own: Mapping[str, Manifest], judge: Manifest
) -> Manifest:
    """Every run's rows, the held-out text weighed as the pool (`judge` has the shares), and for each level its own evaluation
    set (scored by every run; no verdict is drawn from it). Runs on the draws of a control are runs of the control; a column
    says which. A copy of the current study's table lies at the top of the work directory, where people look for it."""
    places = [manifest.step.path for manifest in runs.values()]
    members = {level: manifest.files(".parquet") for level, manifest in own.items()}
    inputs = {**runs, **{f"own/{level}": manifest for level, manifest in own.items()}, "judge": judge}
    step = Step(
        "observations", {"draws": study.draws} if study.draws else {}, inputs, compute=collect,
        units=lambda: [(context.workdir, places, members, pool_shares(judge.summary["sets"]), study.control_of)], unit="tables",
        publish=lambda workdir, made: workdir.update(FILE, workdir.read_bytes(made.files(FILE)[0])),
    )  # fmt: skip
    return run_step(context, step)


def pool_shares(sets: list[JsonObject]) -> dict[str, float]:
    """By evaluation set of a domain: its share of the pool, of those that are evaluated; empty where there are not two."""
    shares = {row["set"]: row["pool_share"] for row in sets if row["set"].startswith("domain:") and row["pool_share"]}
    whole = sum(shares.values())
    return {name: share / whole for name, share in shares.items()} if len(shares) > 1 else {}


def collect(
    out: Output,
    workdir: Workdir,
    runs: list[str],
    own: dict[str, list[str]],
    shares: dict[str, float],
    control_of: dict[str, str],
) -> JsonObject:
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
        pooled = [pool_rows(rows, shares)] if shares else []
        tables.append(pl.concat([rows, *pooled, *extra]))
    table = of_controls(pl.concat(tables), control_of)
    out.write_table(FILE, table.to_arrow().cast(plain(table)))
    return {"rows": len(table)}


def of_controls(table: pl.DataFrame, control_of: Mapping[str, str]) -> pl.DataFrame:
    """Rows on further draws of a control under its name, and `draw`, the level that was read ("" where it has no draws)."""
    if not control_of:
        return table
    drawn = pl.col("level").is_in([*control_of, *control_of.values()])
    return table.with_columns(
        level=pl.col("level").replace(dict(control_of)), draw=pl.when(drawn).then(pl.col("level")).otherwise(pl.lit(""))
    )


def pool_rows(rows: pl.DataFrame, shares: Mapping[str, float]) -> pl.DataFrame:
    """The run's rows on the held-out text with each domain's loss weighed by `shares`, which add up to one. Bits per byte weigh
    the domains' bytes alike; the domains' sampling errors are independent."""
    domains = rows.filter(pl.col("eval_set").is_in(list(shares)))
    weight = pl.col("eval_set").replace_strict(dict(shares), return_dtype=pl.Float64)
    loss, bits, size = pl.col("loss"), pl.col("bits_per_byte"), pl.col("eval_tokens").sum()
    sums = domains.group_by("tokens", maintain_order=True).agg(
        loss=(weight * loss).sum(),
        bits_per_byte=(weight * loss).sum() / (weight * loss / bits).sum(),  # nats a token over bytes a token
        eval_tokens=size,
        loss_se=((weight * pl.col("loss_se")) ** 2).sum().sqrt(),
    )
    return _like_the_first(rows, POOL_WEIGHED, sums)


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
    return _like_the_first(rows, name, sums)


def _like_the_first(rows: pl.DataFrame, name: str, sums: pl.DataFrame) -> pl.DataFrame:
    """The rows of the run's first evaluation set with another name, and the losses of `sums` by D."""
    template = rows.filter(pl.col("eval_set") == rows["eval_set"][0]).drop("loss", "bits_per_byte", "eval_tokens", "loss_se")
    return (
        template.with_columns(eval_set=pl.lit(name))
        .join(sums, on="tokens", maintain_order="left")
        .select(rows.columns)
        .cast(rows.schema)
    )


def plain(table: pl.DataFrame) -> pa.Schema:
    """Strings as Arrow's plain string, which every reader knows."""
    schema = table.to_arrow().schema
    return pa.schema(
        [
            pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) or pa.types.is_string_view(f.type) else f.type)
            for f in schema
        ]
    )
