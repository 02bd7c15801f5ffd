"""Which documents are in no level: references, what duplicates them, the held-out clusters, and classifier examples.

One file per pool shard: `reason` (null where the document belongs to the pool of all levels), `free` (no reason), and `usable`
(free, or an example: what tokenisers and classifiers may be trained on).
"""

from typing import Any

import polars as pl

from curation.levels import heldout
from curation.levels.heldout import Heldout
from pipelines.engine.run_step import Context, run_step
from pipelines.engine.workdir import Manifest, Output, Step
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
    step = Step(
        "withheld",
        {"seed": rule.seed, "heldout": rule.fraction, "references": list(rule.references), "examples": list(rule.examples)},
        {"pool": pool.digest, "duplicates": duplicates.digest},
    )
    if (manifest := context.workdir.manifest(step)) is not None:
        context.progress.cached(step.name)
        return manifest
    seen = shards(context.workdir, pool, {"duplicates": duplicates})
    found = [c for _, c in context.executor.map(clusters, [(s, rule) for s in seen])] if rule.references else []
    units = [(shard, rule, heldout.union(found)) for shard in seen]
    return run_step(context, step, decide, units)


def clusters(shard: Shard, rule: Heldout) -> pl.Series:
    """The clusters that a shard's reference documents belong to."""
    return heldout.reference_clusters(shard.frame(["source", "duplicates.cluster"]), rule)


def decide(out: Output, shard: Shard, rule: Heldout, references: pl.Series) -> dict[str, Any]:
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
