"""Streams: from what a level keeps to its token shards. Nothing here reads text; `rewrites` does, for levels that change it.

ledgers/<level>   per pool shard   every document's fate after the mixture, the funnel, and pieces by token shard
levels/<level>    per token shard  pieces in training order; dataset.json
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import IO, cast

import polars as pl
import pyarrow as pa

from curation.levels import layout, ledger, mixture, search
from curation.tokens import shards as token_shards
from pipelines.engine.exchange import receive, send_parts
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_side_by_side, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import PARQUET, JsonObject, Workdir
from pipelines.levels import rewrites
from pipelines.levels.level_shards import LevelShard, level_shards
from pipelines.levels.selections import FRAME, AnnotatedPool
from pipelines.signals.search_rounds import Rounds, settle_together
from pipelines.signals.shards import shard_file
from pipelines.study.study import Study, StudyError

TOKENS_PER_SHARD = 2**25
EOT = 0


@dataclass(frozen=True)
class Plan:
    """How one level is laid out: its shards, what its ledgers are made from, its budget, and how it is cut and parted."""

    name: str
    shards: list[LevelShard]
    inputs: Mapping[str, Manifest]
    budget: mixture.Budget
    cut: layout.Cut

    @property
    def partitions(self) -> int:
        return -(-self.budget.total // TOKENS_PER_SHARD)

    @property
    def rounds(self) -> Rounds[search.Search]:
        """The search for the token shards' boundaries."""
        units = [(shard, self.budget, self.cut) for shard in self.shards]
        return Rounds(measure, units, layout.boundary_search(self.budget, self.partitions), search.narrow)


def lay_out_levels(
    context: Context, study: Study, pool: AnnotatedPool, selections: Mapping[str, Manifest], beside: Sequence[Step] = ()
) -> tuple[dict[str, Manifest], dict[str, Manifest]]:
    """Every level's ledgers and token shards, in the order of the study. Their budgets by domain come first, then the places of
    their pieces. `beside` are other steps over the same shards and selections."""
    plans = _plans(context, study, pool, selections)
    found: dict[str, layout.Boundaries] = {}

    def boundaries(name: str) -> layout.Boundaries:
        if name not in found:
            find([name])
        return found[name]

    def find(names: Sequence[str]) -> None:
        settled = settle_together(context, {name: plans[name].rounds for name in names})
        found.update({n: layout.Boundaries.of(state, plans[n].budget, plans[n].partitions) for n, state in settled.items()})

    steps = [_ledgers(study, pool, plan, boundaries) for plan in plans.values()]

    def prepare(missing: Sequence[Step]) -> None:
        find([name for name in plans if f"ledgers/{name}" in {step.name for step in missing}])

    made = run_side_by_side(context, "ledgers", [*steps, *beside], prepare)
    ledgers = {name: made[f"ledgers/{name}"] for name in plans}
    return ledgers, {name: _arranged(context, study, pool, plans[name], made, boundaries) for name, made in ledgers.items()}


def _plans(context: Context, study: Study, pool: AnnotatedPool, selections: Mapping[str, Manifest]) -> dict[str, Plan]:
    """How every level is laid out. Where edits or copies make a level's tokens other than its selection's, they are counted."""
    cut = layout.Cut.of(study.seed, study.ladder.context)
    here: dict[str, list[LevelShard]] = {}
    inputs: dict[str, dict[str, Manifest]] = {}
    counted: list[Step] = []
    for name, declared in study.levels.items():
        duplicate, selection = declared.duplicate or 0.0, selections[name]
        edited = rewrites.edited_documents(context, study, pool, name, selection)
        copied = rewrites.near_copies(context, study, pool, name, selection, edited)
        here[name] = level_shards(
            context.workdir, pool, selection, edited=edited, copied=copied, duplicate=duplicate, seed=study.seed
        )  # fmt: skip
        changed = {"selection": selection, "edited": edited, "copies": copied}
        inputs[name] = {key: made for key, made in changed.items() if made is not None} | {"tokens": pool.signals["tokens"]}
        if edited is not None or duplicate:
            counted.append(count_step(name, here[name], inputs[name]))
    counts = run_side_by_side(context, "counts", counted)
    available = {name: counts.get(f"counts/{name}", selections[name]).summary["tokens"] for name in study.levels}
    budgets = {name: budget_of(study, name, selections, available[name]) for name in study.levels}
    return {name: Plan(name, here[name], inputs[name], budgets[name], cut) for name in study.levels}


def _ledgers(study: Study, pool: AnnotatedPool, plan: Plan, boundaries: Callable[[str], layout.Boundaries]) -> Step:
    """A level's ledgers, with its pieces by token shard."""
    budget, cut = plan.budget, plan.cut
    config = {
        "length": str(budget.length), "shares": {group: str(share) for group, share in sorted(budget.shares.items())},
        "group": dict(sorted(budget.group.items())), "order_seed": cut.order_seed, "piece_tokens": cut.piece_tokens,
        "partitions": plan.partitions, "duplicate": study.levels[plan.name].duplicate,
    }  # fmt: skip
    return Step(
        f"ledgers/{plan.name}", config, {"pool": pool.documents, **plan.inputs}, compute=lay,
        units=lambda: [(shard, budget, boundaries(plan.name), cut) for shard in plan.shards],
        summarize=lambda parts: _funnel(plan.name, pool.documents, parts),
    )  # fmt: skip


def _arranged(
    context: Context, study: Study, pool: AnnotatedPool, plan: Plan, ledgers: Manifest,
    boundaries: Callable[[str], layout.Boundaries],
) -> Manifest:  # fmt: skip
    """A level's token shards: the pieces of its ledgers in training order."""
    facts = {
        "vocab_size": study.tokenizer.vocab_size, "eot": EOT, "order_seed": plan.cut.order_seed,
        "piece_tokens": plan.cut.piece_tokens, "tokenizer": pool.tokenizer.summary["tokenizer"],
    }  # fmt: skip
    kept = ledgers.summary["funnel"][-1]
    step = Step(
        f"levels/{plan.name}", facts, {"ledgers": ledgers, "tokenizer": pool.tokenizer}, compute=arrange,
        units=lambda: [
            (context.workdir, _pieces_of(ledgers), p, plan.budget, boundaries(plan.name)) for p in range(plan.partitions)
        ],
        summarize=lambda parts: token_shards.dataset(plan.name, [part["facts"] for part in parts], kept, **facts),
        unit="token shards", publish=_write_dataset_card,
    )  # fmt: skip
    return run_step(context, step)


def budget_of(study: Study, name: str, selections: Mapping[str, Manifest], available: Mapping[str, int]) -> mixture.Budget:
    """What of the tokens `available` by domain the level lays out. Raises StudyError where its mixture cannot be had."""
    declared = study.levels[name].mixture or study.mixture
    wanted = 0 if study.ladder.repeat else study.wanted_tokens(name)
    shares = mixture.Mixture(
        declared.kind, declared.shares or {}, declared.temperature, max_epochs=declared.max_epochs, min_share=declared.min_share
    )  # fmt: skip
    pinned = selections[declared.to or next(iter(study.levels))].summary["tokens"]
    try:
        return mixture.budget(name, shares, available, pinned, wanted)
    except ValueError as error:
        raise StudyError(f"levels.{name}: {error}") from None


def _pieces_of(ledgers: Manifest) -> list[str]:
    """The files of pieces, whose row group p goes to token shard p."""
    return [path for path in ledgers.files() if "/exchange/" in path]


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
    if any(rows.partitions for rows in pieces):
        empty = next(table for rows in pieces for table in rows.partitions.values()).slice(0, 0)
        by_partition = [[rows.partitions.get(p, empty) for rows in pieces] for p in range(bounds.n_partitions)]
        send_parts(out, f"exchange/{shard_file(out.index)}", list(map(pa.concat_tables, by_partition)), PARQUET)
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
    pieces = receive(workdir, paths, partition)
    order = layout.order(pieces, partition, budget, bounds)
    with out.writing(token_shards.name(partition), rows=pieces.num_rows) as file:
        return {"facts": token_shards.write(cast("IO[bytes]", file), pieces, order)}
