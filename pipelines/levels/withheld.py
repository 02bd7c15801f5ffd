"""Which documents are in no level: references, what duplicates them, the held-out clusters, and classifier examples.

One file per pool shard: `reason` (null where the document belongs to the pool of all levels), `free` (no reason), and `usable`
(free, or an example: what tokenisers and classifiers may be trained on).
"""

import polars as pl

from curation.levels import heldout
from curation.levels.heldout import Heldout
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step, Unit
from pipelines.engine.workdir import JsonObject
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.study.study import Study


def declared(study: Study) -> Heldout:
    """The study's held-out rule as curation knows it."""
    evaluation = study.evaluation
    references, examples = (
        tuple(source.name for source in study.sources if source.role == role) for role in ("reference", "examples")
    )
    return Heldout(study.seed, evaluation.heldout, evaluation.tokens_per_set, references=references, examples=examples)


def withheld(context: Context, study: Study, pool: Manifest, duplicates: Manifest) -> Manifest:
    """Decide for every pool document, by its duplicate cluster."""
    rule = declared(study)

    def decisions() -> list[Unit]:
        pool_shards = shards(context.workdir, pool, {"duplicates": duplicates})
        jobs = [(shard, rule) for shard in pool_shards] if rule.references else []
        references = heldout.union([found for _, found in context.executor.map(clusters, jobs)])
        return [(shard, rule, references) for shard in pool_shards]

    config = {"seed": rule.seed, "heldout": rule.fraction, "references": list(rule.references), "examples": list(rule.examples)}
    step = Step("withheld", config, {"pool": pool, "duplicates": duplicates}, compute=decide, units=decisions)
    return run_step(context, step)


def clusters(shard: Shard, rule: Heldout) -> pl.Series:
    """The clusters that a shard's reference documents belong to."""
    return heldout.reference_clusters(shard.frame(["source", "duplicates.cluster"]), rule)


def decide(out: Output, shard: Shard, rule: Heldout, references: pl.Series) -> JsonObject:
    """One shard's reasons. Runs on a worker."""
    frame = shard.frame(["doc_id", "source", "duplicates.cluster"])
    table = frame.with_columns(reason=heldout.withheld(frame, rule, references).cast(pl.String)).select(
        "doc_id",
        "reason",
        free=pl.col("reason").is_null(),
        usable=pl.col("reason").is_null() | (pl.col("reason") == heldout.EXAMPLES),
    )
    out.write_table(shard_file(shard.index), table.to_arrow())
    return {}
