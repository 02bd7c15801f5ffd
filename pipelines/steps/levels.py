"""Levels: from signals to decisions, from decisions to the training stream. Three steps a level, none of which reads text.

    selections/<level>   per pool shard   keep or drop, and why (thresholds over the whole pool are searched first)
    ledgers/<level>      per pool shard   the mixture's last word, the funnel, and the kept pieces by token shard
    levels/<level>       per token shard  pieces in training order; dataset.json

Levels are independent of each other but for three: a pinned mixture reads the shares of the level it is pinned to, and the
controls read what another level kept.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from curation.levels import layout, ledger, mixture, search, select
from curation.levels.heldout import WITHHELD
from curation.levels.level import Declaration, Level, Random, Top, build_level
from curation.signals.registry import RULES
from curation.tokens import shards as token_shards
from pipelines.run_step import Context, run_step
from pipelines.steps.shards import Shard, known_columns, shard_file, shards
from pipelines.steps.tokens import token_lists
from pipelines.study import Study, StudyError
from pipelines.workdir import Manifest, Output, Step, Workdir

TOKENS_PER_SHARD = 2**25
FRAME = ["doc_id", "uid", "source", "domain", "n_tokens", "n_bytes", "withheld.reason"]


@dataclass(frozen=True)
class Pool:
    """What levels are made from: the pool, every signal by name, and the tokeniser's facts for dataset.json."""

    manifest: Manifest
    signals: Mapping[str, Manifest]
    vocab_size: int
    eot: int


def build(study: Study, name: str, known: Mapping[str, pl.DataType], kept: Mapping[str, Mapping[str, int]]) -> Level:
    """The level `name` as rules; `kept` has the tokens by domain of the levels above it, which controls refer to."""
    declarations = []
    for other, declared in study.levels.items():
        control = None
        if declared.random is not None:
            control = Random(kept.get(declared.random, {}), study.seed + 1, declared.random)
        top = Top(declared.top.fraction, declared.top.by, declared.top.within) if declared.top else None
        declarations.append(Declaration(other, declared.extends, tuple(declared.drop), tuple(declared.keep), top, control))
    try:
        level = build_level(name, declarations, known, RULES)
        for rule in level.rules:
            if rule.condition is not None:
                rule.condition.check(known)
            if rule.by is not None:
                rule.by.check(known, truth=False)
    except ValueError as error:
        raise StudyError(f"levels.{name}: {error}") from None
    return level


def levels(context: Context, study: Study, pool: Pool) -> tuple[dict[str, Manifest], dict[str, Manifest], dict[str, Manifest]]:
    """Every level's selections, ledgers and token shards, in the order of the study."""
    known = known_columns(context.workdir, pool.manifest, pool.signals)
    seen = shards(context.workdir, pool.manifest, pool.signals)
    selections: dict[str, Manifest] = {}
    kept: dict[str, dict[str, int]] = {}
    for name in study.levels:
        level = build(study, name, known, kept)
        selections[name] = _select(context, study, pool, level, seen)
        kept[name] = selections[name].summary["tokens"]
    laid = {name: _lay_out(context, study, pool, name, selections[name], kept, seen) for name in study.levels}
    return selections, {name: ledgers for name, (ledgers, _) in laid.items()}, {name: made for name, (_, made) in laid.items()}


def _inputs(pool: Pool, columns: Sequence[str]) -> dict[str, str]:
    """Digests of the signals that `columns` name."""
    names = {column.partition(".")[0] for column in columns if "." in column} | {"tokens", "withheld"}
    return {"pool": pool.manifest.digest} | {name: pool.signals[name].digest for name in sorted(names)}


def _select(context: Context, study: Study, pool: Pool, level: Level, seen: list[Shard]) -> Manifest:
    """The selection of one level: thresholds first, then every document's fate."""
    columns = [*FRAME, *sorted(level.columns - {"domain", "source"})]
    rules = [rule.reason for rule in level.rules]
    control = study.levels[level.name].random
    config: dict[str, Any] = {"rules": rules, "seed": study.seed}
    if control is not None:
        config["tokens"] = {rule.random.like: dict(rule.random.tokens) for rule in level.rules if rule.random}
    step = Step(f"selections/{level.name}", config, _inputs(pool, columns))
    if (manifest := context.workdir.manifest(step)) is not None:
        context.progress.cached(step.name)
        return manifest
    found = select.Thresholds()
    while not found.settled(level):
        jobs = [(shard, columns, level, found) for shard in seen]
        parts = [part for _, part in context.executor.map(measure_level, jobs)]
        found = select.settle(level, found, search.merge(parts))
    units = [(shard, columns, level, found) for shard in seen]
    reasons = list(dict.fromkeys([*WITHHELD, *rules]))
    return run_step(context, step, select_level, units, lambda parts: _kept(level.name, parts) | {"reasons": reasons})


def _frame(shard: Shard, columns: list[str]) -> tuple[pl.DataFrame, pl.Series]:
    frame = shard.frame(columns)
    return frame, frame["withheld.reason"].cast(pl.Enum(WITHHELD))


def measure_level(shard: Shard, columns: list[str], level: Level, found: select.Thresholds) -> pl.DataFrame:
    """One shard's part of the next threshold. Runs on a worker."""
    frame, withheld = _frame(shard, columns)
    return select.measure(level, frame, found, withheld)


def select_level(out: Output, shard: Shard, columns: list[str], level: Level, found: select.Thresholds) -> dict[str, Any]:
    """One shard's decisions. Runs on a worker."""
    frame, withheld = _frame(shard, columns)
    decided = select.select(level, frame, found, withheld)
    out.write_table(shard_file(shard.index), decided.to_arrow())
    kept = frame.filter(decided["keep"]).group_by("domain").agg(pl.col("n_tokens").sum()).sort("domain")
    return {"documents": int(decided["keep"].sum()), "tokens": dict(kept.iter_rows())}


def _kept(name: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    tokens: dict[str, int] = {}
    for part in parts:
        for domain, n in part["tokens"].items():
            tokens[domain] = tokens.get(domain, 0) + n
    documents = sum(part["documents"] for part in parts)
    if not documents:
        raise StudyError(
            f"levels.{name}: keeps no document; loosen its rules (the selection's `failed` column says which bite)"
        )
    return {"documents": documents, "tokens": dict(sorted(tokens.items()))}


def _lay_out(
    context: Context,
    study: Study,
    pool: Pool,
    name: str,
    selection: Manifest,
    kept: dict[str, dict[str, int]],
    seen: list[Shard],
) -> tuple[Manifest, Manifest]:
    """The level's stream: its budget by domain, its pieces' places, its token shards. Returns the ledgers and the level."""
    declared = study.levels[name].mixture or study.mixture
    reference = kept[declared.to or next(iter(study.levels))]
    wanted = 0 if study.ladder.repeat else max(study.ladder.tokens)
    blend = mixture.Mixture(declared.kind, declared.shares or {}, declared.temperature, pool_below=declared.min_share)
    try:
        budget = mixture.budget(name, blend, kept[name], reference, wanted)
    except ValueError as error:
        raise StudyError(f"levels.{name}: {error}") from None
    cut = layout.Cut(study.seed, declared.piece_tokens)
    partitions = -(-budget.total // TOKENS_PER_SHARD)
    config = {
        "budget": dict(sorted(budget.tokens.items())), "group": dict(sorted(budget.group.items())),
        "order_seed": cut.order_seed, "piece_tokens": cut.piece_tokens, "partitions": partitions,
    }  # fmt: skip
    inputs = {"selection": selection.digest, "pool": pool.manifest.digest, "tokens": pool.signals["tokens"].digest}
    ledgers_step = Step(f"ledgers/{name}", config, inputs)
    facts = {
        "level": name, "vocab_size": pool.vocab_size, "eot": pool.eot, "order_seed": cut.order_seed,
        "tokenizer": pool.signals["tokens"].step.inputs["tokenizer"],
    }  # fmt: skip
    step = Step(f"levels/{name}", config | facts, inputs)
    ledgers, made = context.workdir.manifest(ledgers_step), context.workdir.manifest(step)
    if ledgers is not None and made is not None:
        context.progress.cached(step.name)
        _card(context.workdir, made)
        return ledgers, made
    files, reasons = selection.files(".parquet"), selection.summary["reasons"]
    state = layout.boundary_search(budget, partitions)
    while not state.done:
        jobs = [(shard, files[shard.index], reasons, state, budget, cut) for shard in seen]
        state = search.narrow(state, search.merge([part for _, part in context.executor.map(measure_pieces, jobs)]))
    bounds = layout.Boundaries.of(state, budget, partitions)
    units = [(shard, files[shard.index], reasons, budget, bounds, cut) for shard in seen]
    ledgers = run_step(context, ledgers_step, lay, units, lambda parts: _funnel(name, pool.manifest, parts))
    by_partition = [[path for path in ledgers.files() if f"/exchange/{p:05d}/" in path] for p in range(partitions)]
    arranging = [(context.workdir, paths, p, budget, bounds) for p, paths in enumerate(by_partition)]
    made = run_step(
        context, step, arrange, arranging,
        lambda parts: token_shards.dataset(
            name, [part["facts"] for part in parts], ledgers.summary["funnel"][-1], vocab_size=pool.vocab_size, eot=pool.eot,
            tokenizer=facts["tokenizer"], order_seed=cut.order_seed,
        ),
        unit="token shards",
    )  # fmt: skip
    _card(context.workdir, made)
    return ledgers, made


def _card(workdir: Workdir, level: Manifest) -> None:
    """The level's dataset.json, which makes its folder readable without the manifest."""
    path = f"{level.step.path}/dataset.json"
    if not workdir.exists(path):
        workdir.write_bytes(path, (json.dumps(level.summary, indent=1) + "\n").encode())


def _kept_rows(shard: Shard, selection: str, reasons: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The shard's frame and its selection (reasons as an Enum again: Parquet knows only dictionaries)."""
    decided = pl.DataFrame(shard.workdir.read_table(selection))
    return shard.frame(FRAME), decided.with_columns(pl.col("reason").cast(pl.String).cast(pl.Enum(reasons)))


def measure_pieces(
    shard: Shard, selection: str, reasons: list[str], state: search.Search, budget: mixture.Budget, cut: layout.Cut
) -> pl.DataFrame:
    """One shard's part of the next round for the partitions' boundaries. Runs on a worker."""
    frame, decided = _kept_rows(shard, selection, reasons)
    return layout.measure(state, frame.filter(decided["keep"]), budget, cut)


def lay(
    out: Output,
    shard: Shard,
    selection: str,
    reasons: list[str],
    budget: mixture.Budget,
    bounds: layout.Boundaries,
    cut: layout.Cut,
) -> dict[str, Any]:
    """One shard's final ledger, its funnel, and its pieces for each token shard. Runs on a worker."""
    frame, decided = _kept_rows(shard, selection, reasons)
    kept = frame.filter(decided["keep"])
    tokens = token_lists(shard.workdir, shard.signals["tokens"]).filter(decided["keep"].to_arrow())
    laid = layout.lay(kept, tokens, budget, bounds, cut)
    final = ledger.settle_mixture(decided, kept, laid, budget)
    out.write_table(shard_file(shard.index), final.to_arrow())
    for partition, rows in sorted(laid.partitions.items()):
        out.write_table(f"exchange/{partition:05d}/{shard_file(shard.index)}", rows)
    return {"funnel": ledger.funnel(final, frame, budget).to_dicts()}


def _funnel(name: str, pool: Manifest, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The level's funnel over all shards; raises where a document was lost."""
    total = ledger.merge(pl.DataFrame(part["funnel"]) for part in parts)
    ledger.check_conservation(name, total, {"documents": pool.total("documents"), "bytes": pool.total("text_bytes")})
    return {"funnel": total.drop("order").to_dicts()}


def arrange(
    out: Output, workdir: Workdir, paths: list[str], partition: int, budget: mixture.Budget, bounds: layout.Boundaries
) -> dict[str, Any]:
    """One token shard: the partition's pieces of all shards, in training order. Runs on a worker."""
    rows = layout.arrange(pa.concat_tables([workdir.read_table(path) for path in paths]), partition, budget, bounds)
    with out.writing(token_shards.name(partition), rows=rows.num_rows) as file:
        return {"facts": token_shards.write(file, rows)}
