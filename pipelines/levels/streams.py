"""Streams: from what a level keeps to its token shards. Nothing here reads text; `rewrites` does, for levels that change it.

ledgers/<level>   per pool shard   the mixture's last word on every document, the funnel, and pieces by token shard
levels/<level>    per token shard  pieces in training order; dataset.json
"""

import json
from collections.abc import Mapping
from functools import reduce
from typing import IO, Any, cast

import polars as pl
import pyarrow as pa

from curation.levels import layout, ledger, mixture, search
from curation.tokens import shards as token_shards
from pipelines.engine.run_step import Context, run_step
from pipelines.engine.workdir import Manifest, Output, Step, Workdir
from pipelines.levels import rewrites
from pipelines.levels.level_parts import Part, parts
from pipelines.levels.selections import FRAME, Pool
from pipelines.signals.shards import shard_file
from pipelines.study.study import Study, StudyError

TOKENS_PER_SHARD = 2**25
EOT = 0


def lay_out_levels(
    context: Context, study: Study, pool: Pool, selections: Mapping[str, Manifest]
) -> tuple[dict[str, Manifest], dict[str, Manifest]]:
    """Every level's ledgers and token shards, in the order of the study."""
    edited = {name: rewrites.edited_documents(context, study, pool, name, selections[name]) for name in study.levels}
    copied = {name: rewrites.near_copies(context, study, pool, name, selections[name], edited[name]) for name in study.levels}
    laid = {name: _lay_out(context, study, pool, name, selections, edited[name], copied[name]) for name in study.levels}
    return {name: ledgers for name, (ledgers, _) in laid.items()}, {name: made for name, (_, made) in laid.items()}


def _lay_out(
    context: Context,
    study: Study,
    pool: Pool,
    name: str,
    selections: Mapping[str, Manifest],
    edited: Manifest | None,
    copied: Manifest | None,
) -> tuple[Manifest, Manifest]:
    """The level's stream: its budget by domain, its pieces' places, its token shards. Returns the ledgers and the level."""
    declared, selection = study.levels[name], selections[name]
    blend = declared.mixture or study.mixture
    seen = parts(
        context.workdir, pool, selection, edited=edited, copied=copied, duplicate=declared.duplicate or 0.0, seed=study.seed
    )
    available = selection.summary["tokens"]
    if edited is not None or declared.duplicate:
        made_from = {"selection": selection, "tokens": pool.signals["tokens"], "edited": edited, "copies": copied}
        available = _count(context, name, seen, made_from)
    wanted = 0 if study.ladder.repeat else max(study.ladder.tokens)
    shares = mixture.Mixture(
        blend.kind, blend.shares or {}, blend.temperature, max_epochs=blend.max_epochs, min_share=blend.min_share
    )  # fmt: skip
    try:
        pinned = selections[blend.to or next(iter(study.levels))].summary["tokens"]
        budget = mixture.budget(name, shares, available, pinned, wanted)
    except ValueError as error:
        raise StudyError(f"levels.{name}: {error}") from None
    cut = layout.Cut.of(study.seed, study.ladder.context)
    partitions = -(-budget.total // TOKENS_PER_SHARD)
    config = {
        "length": str(budget.length), "shares": {group: str(share) for group, share in sorted(budget.shares.items())},
        "group": dict(sorted(budget.group.items())), "order_seed": cut.order_seed, "piece_tokens": cut.piece_tokens,
        "partitions": partitions, "duplicate": declared.duplicate,
    }  # fmt: skip
    inputs = {"selection": selection.digest, "pool": pool.manifest.digest, "tokens": pool.signals["tokens"].digest}
    inputs |= {"edited": edited.digest} if edited is not None else {}
    inputs |= {"copies": copied.digest} if copied is not None else {}
    facts = {
        "vocab_size": study.tokenizer.vocab_size, "eot": EOT, "order_seed": cut.order_seed, "piece_tokens": cut.piece_tokens,
        "tokenizer": pool.tokenizer.summary["tokenizer"],
    }  # fmt: skip
    ledgers_step, step = Step(f"ledgers/{name}", config, inputs), Step(f"levels/{name}", config | facts, inputs)
    ledgers, made = context.workdir.manifest(ledgers_step), context.workdir.manifest(step)
    if ledgers is not None and made is not None:
        context.progress.cached(step.name)
        _card(context.workdir, made)
        return ledgers, made
    state = layout.boundary_search(budget, partitions)
    while not state.done:
        jobs = [(part, state, budget, cut) for part in seen]
        state = search.narrow(state, search.merge([found for _, found in context.executor.map(measure, jobs)]))
    bounds = layout.Boundaries.of(state, budget, partitions)
    units = [(part, budget, bounds, cut) for part in seen]
    ledgers = run_step(context, ledgers_step, lay, units, lambda records: _funnel(name, pool.manifest, records))
    exchanged = ledgers.files()
    by_partition = [[path for path in exchanged if f"/exchange/{p:05d}/" in path] for p in range(partitions)]
    kept = ledgers.summary["funnel"][-1]
    made = run_step(
        context, step, arrange,
        [(context.workdir, paths, p, budget, bounds) for p, paths in enumerate(by_partition)],
        lambda records: token_shards.dataset(name, [record["facts"] for record in records], kept, **facts),
        unit="token shards",
    )  # fmt: skip
    _card(context.workdir, made)
    return ledgers, made


def _card(workdir: Workdir, level: Manifest) -> None:
    """The level's dataset.json, which makes its folder readable without the manifest."""
    path = f"{level.step.path}/dataset.json"
    if not workdir.exists(path):
        workdir.write_bytes(path, (json.dumps(level.summary, indent=1) + "\n").encode())


def _count(context: Context, name: str, parts: list[Part], inputs: Mapping[str, Manifest | None]) -> dict[str, int]:
    """Tokens by domain that the level has to lay out, where edits or copies make them other than its selection's."""
    step = Step(
        f"counts/{name}", {"duplicate": parts[0].duplicate, "seed": parts[0].seed},
        {key: manifest.digest for key, manifest in inputs.items() if manifest is not None},
    )  # fmt: skip
    made = run_step(
        context, step, count, [(part,) for part in parts],
        lambda records: {"tokens": reduce(rewrites.add, (record["tokens"] for record in records), {})},
    )  # fmt: skip
    return made.summary["tokens"]


def count(out: Output, part: Part) -> dict[str, Any]:
    """Tokens by domain that one shard has to lay out. Runs on a worker."""
    kept = part.kept(part.shard.frame(FRAME), part.decided()["keep"])
    rows = pl.concat([kept, part.added(kept).select(kept.columns)])
    return {"tokens": dict(rows.group_by("domain").agg(pl.col("n_tokens").cast(pl.Int64).sum()).sort("domain").iter_rows())}


def measure(part: Part, state: search.Search, budget: mixture.Budget, cut: layout.Cut) -> pl.DataFrame:
    """One shard's part of the next round for the token shards' boundaries. Runs on a worker."""
    kept = part.kept(part.shard.frame(FRAME), part.decided()["keep"])
    return search.merge([layout.measure(state, rows, budget, cut) for rows in (kept, part.added(kept))])


def lay(out: Output, part: Part, budget: mixture.Budget, bounds: layout.Boundaries, cut: layout.Cut) -> dict[str, Any]:
    """One shard's final ledger, its funnel, and its pieces for each token shard. Runs on a worker."""
    frame, decided = part.shard.frame(FRAME), part.decided()
    kept, tokens = part.kept(frame, decided["keep"]), part.tokens(decided["keep"])
    laid = layout.lay(kept, tokens, budget, bounds, cut)
    final = ledger.settle_mixture(decided, kept, laid, budget)
    funnels, pieces = [ledger.funnel(final, frame, budget)], [laid]
    if len(added := part.added(kept)):
        copied = layout.lay(added, part.added_tokens(added, tokens), budget, bounds, cut)
        funnels.append(ledger.funnel_copies(added, copied, final, budget))
        pieces.append(copied)
    out.write_table(shard_file(out.index), final.to_arrow())
    for partition in sorted({p for rows in pieces for p in rows.partitions}):
        table = pa.concat_tables([rows.partitions[partition] for rows in pieces if partition in rows.partitions])
        out.write_table(f"exchange/{partition:05d}/{shard_file(out.index)}", table)
    return {"funnel": ledger.merge(funnels).to_dicts()}


def _funnel(name: str, pool: Manifest, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The level's funnel over all shards; raises where a document was lost."""
    total = ledger.merge(pl.DataFrame(part["funnel"]) for part in parts)
    ledger.check_conservation(name, total, {"documents": pool.total("documents"), "bytes": pool.total("text_bytes")})
    return {"funnel": total.drop("order").to_dicts()}


def arrange(
    out: Output, workdir: Workdir, paths: list[str], partition: int, budget: mixture.Budget, bounds: layout.Boundaries
) -> dict[str, Any]:
    """One token shard: the partition's pieces of all shards, in training order. Runs on a worker."""
    pieces = pa.concat_tables([workdir.read_table(path) for path in paths])
    order = layout.order(pieces, partition, budget, bounds)
    with out.writing(token_shards.name(partition), rows=pieces.num_rows) as file:
        return {"facts": token_shards.write(cast("IO[bytes]", file), pieces, order)}
