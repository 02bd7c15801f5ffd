"""The judge disclosed: what each evaluation set is made of, what it weighs in all held-out text, and what in the pool.

evaluation/domains  per pool shard  tokens by domain of what levels may be made from
evaluation/judge    one unit        evaluation_sets.csv; a copy lies at the top of the work directory
"""

from collections import Counter

import polars as pl

from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, shards

FILE = "evaluation_sets.csv"


def judge(context: Context, pool: AnnotatedPool, held_out: Manifest) -> Manifest:
    """A row per evaluation set, in the summary as `sets` too."""
    counted = run_step(context, domains(context, pool))
    path = held_out.files("documents.parquet")[0]
    step = Step(
        "evaluation/judge", {}, {"documents": held_out, "domains": counted}, compute=disclose,
        units=lambda: [(context.workdir, path, counted.summary)], unit="tables",
        summarize=lambda parts: {"sets": parts[0]["sets"]},
        publish=lambda workdir, made: workdir.update(FILE, workdir.read_bytes(made.files(FILE)[0])),
    )  # fmt: skip
    return run_step(context, step)


def domains(context: Context, pool: AnnotatedPool) -> Step:
    """Tokens by domain of what levels may be made from, in the summary."""
    inputs = {name: pool.signals[name] for name in ("tokens", "withheld")}
    return Step(
        "evaluation/domains", {}, {"pool": pool.documents, **inputs}, compute=count,
        units=lambda: [(shard,) for shard in shards(context.workdir, pool.documents, pool.signals)],
        summarize=lambda parts: dict(sorted(sum((Counter(part["tokens"]) for part in parts), Counter()).items())),
    )  # fmt: skip


def count(out: Output, shard: Shard) -> JsonObject:
    """Tokens by domain of one shard's documents that are not withheld. Runs on a worker."""
    free = shard.frame(["domain", "n_tokens", "withheld.free"]).filter(pl.col("withheld.free"))
    tokens = free.group_by("domain").agg(pl.col("n_tokens").cast(pl.Int64).sum()).sort("domain")
    return {"tokens": dict(tokens.iter_rows())}


def disclose(out: Output, workdir: Workdir, path: str, domains: dict[str, int]) -> JsonObject:
    """The table of sets. Runs on a worker."""
    table = pl.DataFrame(workdir.read_table(path, ["doc_id", "tokens", "n_bytes", "sets"]))
    made = rows(table.with_columns(n_tokens=pl.col("tokens").list.len()), domains)
    with out.writing(FILE) as file:
        file.write(made.write_csv().encode())
    return {"sets": made.to_dicts()}


def rows(passages: pl.DataFrame, domains: dict[str, int]) -> pl.DataFrame:
    """`set`, `documents`, `passages`, `tokens`, `bytes`, `weight` (a domain's share of the tokens of all held-out text, which
    is what it counts for there) and `pool_share` (its share of the tokens that levels may be made from); both null for
    references.

    `passages` has doc_id, n_tokens, n_bytes and sets; `domains` the pool's tokens by domain.
    """
    sums = (
        passages.explode("sets")
        .group_by(set="sets")
        .agg(
            documents=pl.col("doc_id").n_unique(),
            passages=pl.len(),
            tokens=pl.col("n_tokens").cast(pl.Int64).sum(),
            bytes=pl.col("n_bytes").cast(pl.Int64).sum(),
        )
        .sort(pl.col("set") != "heldout", "set")
    )
    whole, pool = sums.filter(pl.col("set") == "heldout")["tokens"].sum(), sum(domains.values())
    domain = pl.col("set").str.strip_prefix("domain:")
    held = (pl.col("set") == "heldout") | pl.col("set").str.starts_with("domain:")
    share = domain.replace_strict(domains | {"heldout": pool}, default=0, return_dtype=pl.Float64) / max(pool, 1)
    return sums.with_columns(weight=pl.when(held).then(pl.col("tokens") / max(whole, 1)), pool_share=pl.when(held).then(share))
