"""Streams: from what a level keeps to its token shards. Nothing here reads text; `rewrites` does, for levels that change it.

ledgers/<level>   per pool shard   every document's fate after the mixture, the funnel, and pieces by token shard
levels/<level>    per token shard  pieces in training order; dataset.json
"""

import json
from collections.abc import Mapping
from functools import cache, reduce
from typing import IO, cast

import polars as pl
import pyarrow as pa

from curation.levels import layout, ledger, mixture, search
from curation.tokens import shards as token_shards
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels import rewrites
from pipelines.levels.level_shards import LevelShard, level_shards
from pipelines.levels.selections import FRAME, AnnotatedPool
from pipelines.signals.search_rounds import settle
from pipelines.signals.shards import shard_file
from pipelines.study.study import Study, StudyError

TOKENS_PER_SHARD = 2**25
EOT = 0


def lay_out_levels(
    context: Context, study: Study, pool: AnnotatedPool, selections: Mapping[str, Manifest]
) -> tuple[dict[str, Manifest], dict[str, Manifest]]:
    """Every level's ledgers and token shards, in the order of the study."""
    edited = {name: rewrites.edited_documents(context, study, pool, name, selections[name]) for name in study.levels}
    copied = {name: rewrites.near_copies(context, study, pool, name, selections[name], edited[name]) for name in study.levels}
    ledgers = {
        name: lay_out(context, study, pool, name, selections, edited=edited[name], copied=copied[name]) for name in study.levels
    }
    return {name: made for name, (made, _) in ledgers.items()}, {name: level for name, (_, level) in ledgers.items()}


def lay_out(
    context: Context,
    study: Study,
    pool: AnnotatedPool,
    name: str,
    selections: Mapping[str, Manifest],
    *,
    edited: Manifest | None,
    copied: Manifest | None,
) -> tuple[Manifest, Manifest]:
    """The level's stream: its budget by domain, its pieces' places, its token shards. Returns the ledgers and the level."""
    duplicate, selection = study.levels[name].duplicate or 0.0, selections[name]
    cut = layout.Cut.of(study.seed, study.ladder.context)
    here = level_shards(
        context.workdir, pool, selection, edited=edited, copied=copied, duplicate=duplicate, seed=study.seed
    )  # fmt: skip
    changed = {"selection": selection, "edited": edited, "copies": copied}
    inputs = {key: manifest for key, manifest in changed.items() if manifest is not None} | {"tokens": pool.signals["tokens"]}
    available = selection.summary["tokens"]
    if edited is not None or duplicate:
        available = run_step(context, count_step(name, here, inputs)).summary["tokens"]
    budget = budget_of(study, name, selections, available)
    partitions = -(-budget.total // TOKENS_PER_SHARD)

    @cache
    def boundaries() -> layout.Boundaries:
        state = settle(
            context, measure, [(shard, budget, cut) for shard in here], layout.boundary_search(budget, partitions)
        )  # fmt: skip
        return layout.Boundaries.of(state, budget, partitions)

    config = {
        "length": str(budget.length), "shares": {group: str(share) for group, share in sorted(budget.shares.items())},
        "group": dict(sorted(budget.group.items())), "order_seed": cut.order_seed, "piece_tokens": cut.piece_tokens,
        "partitions": partitions, "duplicate": study.levels[name].duplicate,
    }  # fmt: skip
    step = Step(
        f"ledgers/{name}", config, {"pool": pool.documents, **inputs}, compute=lay,
        units=lambda: [(shard, budget, boundaries(), cut) for shard in here],
        summarize=lambda parts: _funnel(name, pool.documents, parts),
    )  # fmt: skip
    ledgers = run_step(context, step)
    facts = {
        "vocab_size": study.tokenizer.vocab_size, "eot": EOT, "order_seed": cut.order_seed, "piece_tokens": cut.piece_tokens,
        "tokenizer": pool.tokenizer.summary["tokenizer"],
    }  # fmt: skip
    kept = ledgers.summary["funnel"][-1]
    step = Step(
        f"levels/{name}", facts, {"ledgers": ledgers, "tokenizer": pool.tokenizer}, compute=arrange,
        units=lambda: [(context.workdir, _pieces_of(ledgers, p), p, budget, boundaries()) for p in range(partitions)],
        summarize=lambda parts: token_shards.dataset(name, [part["facts"] for part in parts], kept, **facts),
        unit="token shards", publish=_write_dataset_card,
    )  # fmt: skip
    return ledgers, run_step(context, step)


def budget_of(study: Study, name: str, selections: Mapping[str, Manifest], available: Mapping[str, int]) -> mixture.Budget:
    """What of the tokens `available` by domain the level lays out. Raises StudyError where its mixture cannot be had."""
    declared = study.levels[name].mixture or study.mixture
    wanted = 0 if study.ladder.repeat else max(study.ladder.tokens, default=0)
    shares = mixture.Mixture(
        declared.kind, declared.shares or {}, declared.temperature, max_epochs=declared.max_epochs, min_share=declared.min_share
    )  # fmt: skip
    pinned = selections[declared.to or next(iter(study.levels))].summary["tokens"]
    try:
        return mixture.budget(name, shares, available, pinned, wanted)
    except ValueError as error:
        raise StudyError(f"levels.{name}: {error}") from None


def _pieces_of(ledgers: Manifest, partition: int) -> list[str]:
    """The files of pieces that go to one token shard."""
    return [path for path in ledgers.files() if f"/exchange/{partition:05d}/" in path]


def _write_dataset_card(workdir: Workdir, level: Manifest) -> None:
    """The level's dataset.json, which makes its folder readable without the manifest."""
    workdir.update(f"{level.step.path}/dataset.json", (json.dumps(level.summary, indent=1) + "\n").encode())


def count_step(name: str, here: list[LevelShard], inputs: Mapping[str, Manifest]) -> Step:
    """Tokens by domain that the level has to lay out, where edits or copies make them other than its selection's."""
    return Step(
        f"counts/{name}", {"duplicate": here[0].duplicate, "seed": here[0].seed}, inputs, compute=count,
        units=lambda: [(shard,) for shard in here],
        summarize=lambda parts: {"tokens": reduce(rewrites.add, (part["tokens"] for part in parts), {})},
    )  # fmt: skip


def count(out: Output, level_shard: LevelShard) -> JsonObject:
    """Tokens by domain that one shard has to lay out. Runs on a worker."""
    kept = level_shard.kept(level_shard.shard.frame(FRAME), level_shard.decided()["keep"])
    rows = pl.concat([kept, level_shard.added(kept).select(kept.columns)])
    return {"tokens": dict(rows.group_by("domain").agg(pl.col("n_tokens").cast(pl.Int64).sum()).sort("domain").iter_rows())}


def measure(level_shard: LevelShard, budget: mixture.Budget, cut: layout.Cut, state: search.Search) -> pl.DataFrame:
    """One shard's part of the next round for the token shards' boundaries. Runs on a worker."""
    kept = level_shard.kept(level_shard.shard.frame(FRAME), level_shard.decided()["keep"])
    return search.merge([layout.measure(state, rows, budget, cut) for rows in (kept, level_shard.added(kept))])


def lay(out: Output, level_shard: LevelShard, budget: mixture.Budget, bounds: layout.Boundaries, cut: layout.Cut) -> JsonObject:
    """One shard's final ledger, its funnel, and its pieces for each token shard. Runs on a worker."""
    frame, decided = level_shard.shard.frame(FRAME), level_shard.decided()
    kept, tokens = level_shard.kept(frame, decided["keep"]), level_shard.tokens(decided["keep"])
    laid = layout.lay(kept, tokens, budget, bounds, cut)
    final = ledger.settle_mixture(decided, kept, laid, budget)
    funnels, pieces = [ledger.funnel(final, frame, budget)], [laid]
    if len(added := level_shard.added(kept)):
        copied = layout.lay(added, level_shard.added_tokens(added, tokens), budget, bounds, cut)
        funnels.append(ledger.funnel_copies(added, copied, final, budget))
        pieces.append(copied)
    out.write_table(shard_file(out.index), final.to_arrow())
    for partition in sorted({p for rows in pieces for p in rows.partitions}):
        table = pa.concat_tables([rows.partitions[partition] for rows in pieces if partition in rows.partitions])
        out.write_table(f"exchange/{partition:05d}/{shard_file(out.index)}", table)
    return {"funnel": ledger.merge(funnels).to_dicts()}


def _funnel(name: str, pool: Manifest, parts: list[JsonObject]) -> JsonObject:
    """The level's funnel over all shards; raises where a document was lost."""
    total = ledger.merge(pl.DataFrame(part["funnel"]) for part in parts)
    ledger.check_conservation(name, total, {"documents": pool.total("documents"), "bytes": pool.total("text_bytes")})
    return {"funnel": total.drop("order").to_dicts()}


def arrange(
    out: Output, workdir: Workdir, paths: list[str], partition: int, budget: mixture.Budget, bounds: layout.Boundaries
) -> JsonObject:
    """One token shard: the partition's pieces of all shards, in training order. Runs on a worker."""
    pieces = pa.concat_tables([workdir.read_table(path) for path in paths])
    order = layout.order(pieces, partition, budget, bounds)
    with out.writing(token_shards.name(partition), rows=pieces.num_rows) as file:
        return {"facts": token_shards.write(cast("IO[bytes]", file), pieces, order)}
