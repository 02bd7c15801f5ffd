"""Selections: from signals to decisions. For each level and pool shard, what is kept, and why the rest is not.

Nothing here reads text: a level is a selection over narrow columns, so ten levels cost little more than one. Levels are
independent of each other but for the `random` control, which reads how many tokens another level kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from curation.hashing import stream
from curation.levels import explain, select
from curation.levels.heldout import WITHHELD
from curation.levels.level import Declaration, Level, Random, Top, build_level
from curation.levels.mixture import as_composed
from curation.signals.registry import RULES
from pipelines.engine.output import Output
from pipelines.engine.run import Context
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject
from pipelines.signals.search_rounds import Rounds, Searched, run_searched, settle
from pipelines.signals.shards import Shard, known_columns, shard_file, shards
from pipelines.study.study import Study, StudyError

FRAME = ["doc_id", "uid", "source", "domain", "n_tokens", "n_bytes", "withheld.reason"]


@dataclass(frozen=True)
class AnnotatedPool:
    """What levels are made from: the documents, every signal of them by name, and the tokenizer."""

    documents: Manifest
    signals: Mapping[str, Manifest]
    tokenizer: Manifest


def build(study: Study, name: str, known: Mapping[str, pl.DataType], kept: Mapping[str, Mapping[str, int]]) -> Level:
    """The level `name` as rules; `kept` has the tokens by domain of the levels above it, which controls refer to."""
    declarations = []
    for other, declared in study.levels.items():
        control = None
        if declared.random is not None:
            control = Random(_tokens_of_control(study, other, kept), draw_seed(study.seed, declared.draw), declared.random)
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


def draw_seed(seed: int, draw: int) -> int:
    """Of a control's draw: the first is that of the study's own seed."""
    return stream(seed, "random control") + draw if draw > 1 else seed


def _tokens_of_control(study: Study, name: str, kept: Mapping[str, Mapping[str, int]]) -> Mapping[str, float]:
    """Tokens by domain of a random control: those of the level it is like, composed like its parent where domains are pooled by
    a level above it."""
    declared, above = study.levels[name], list(study.levels)[: list(study.levels).index(name)]
    mixture = declared.mixture or study.mixture
    like, parent = kept.get(declared.random or "", {}), kept.get(declared.extends or "", {})
    to = mixture.to or above[0]
    pinned = kept.get(to, {}) if to in above else {}
    if mixture.kind != "pinned" or not parent or not pinned:
        return like
    return as_composed(like, parent, pinned, mixture.min_share)


def select_levels(context: Context, study: Study, pool: AnnotatedPool, beside: Sequence[Searched] = ()) -> dict[str, Manifest]:
    """Every level's selection, in the order of the study; a summary has the tokens kept by domain. Levels are selected
    together, but for the `random` controls, which come after what they are made like. `beside` are other steps over the same
    columns, made with the first."""
    known = known_columns(context.workdir, pool.documents, pool.signals)
    kept: dict[str, Mapping[str, int]] = {}
    selections: dict[str, Manifest] = {}
    left = list(study.levels)
    while left:
        ready = [name for name in left if _wants(study, name) <= kept.keys()]
        levels = [build(study, name, known, kept) for name in ready or left[:1]]  # of none ready, the first says what is wrong
        searched = [_selection(context, study, pool, level) for level in levels]
        made = run_searched(context, "selections", [*searched, *(beside if not kept else ())])
        for level in levels:
            selections[level.name] = made[f"selections/{level.name}"]
            kept[level.name] = selections[level.name].summary["tokens"]
            left.remove(level.name)
    return {name: selections[name] for name in study.levels}


def _wants(study: Study, name: str) -> set[str]:
    """The levels whose kept tokens decide what the level keeps."""
    wanted: set[str] = set()
    for above in study.lineage(name):
        declared = study.levels[above]
        if declared.random is not None:
            named = {declared.random, declared.extends, (declared.mixture or study.mixture).to, next(iter(study.levels))}
            wanted |= {level for level in named if level in study.levels}
    return wanted - {name}


def thresholds(context: Context, pool: AnnotatedPool, level: Level) -> select.Thresholds:
    """What the level's rules need to know of the whole pool."""
    return settle(context, rounds(context, pool, level))


def rounds(context: Context, pool: AnnotatedPool, level: Level) -> Rounds[select.Thresholds]:
    """The search for whatever the level's rules need to know of the whole pool (nothing, for most)."""
    columns = columns_of(level)
    units = [(shard, columns, level) for shard in shards(context.workdir, pool.documents, pool.signals)]
    return Rounds(measure_level, units, select.Thresholds.of(level), partial(select.settle, level))


def columns_of(level: Level) -> list[str]:
    """What a level's frame has: the columns of every level, and those its rules read."""
    return [*FRAME, *sorted(level.columns - set(FRAME))]


def _inputs(pool: AnnotatedPool, columns: Sequence[str]) -> dict[str, Manifest]:
    """The pool and the signals that `columns` name."""
    names = {column.partition(".")[0] for column in columns if "." in column} | {"tokens", "withheld"}
    return {"pool": pool.documents} | {name: pool.signals[name] for name in sorted(names)}


def _selection(context: Context, study: Study, pool: AnnotatedPool, level: Level) -> Searched[select.Thresholds]:
    """A level's selection: thresholds first, then every document's fate."""
    columns, rules, declared = columns_of(level), [rule.reason for rule in level.rules], study.levels[level.name]
    config: JsonObject = {"rules": rules, "seed": study.seed} | ({"draw": declared.draw} if declared.draw > 1 else {})
    if declared.random is not None:
        config["tokens"] = {rule.random.like: dict(rule.random.tokens) for rule in level.rules if rule.random}

    def step(found: Callable[[], select.Thresholds]) -> Step:
        def summarize(parts: list[JsonObject]) -> JsonObject:
            reasons = list(dict.fromkeys([*WITHHELD, *rules]))
            thresholds = explain.found(level, found()).to_dicts()
            return _kept(level.name, parts) | {"reasons": reasons, "thresholds": thresholds}

        return Step(
            f"selections/{level.name}", config, _inputs(pool, columns), compute=select_level, summarize=summarize,
            units=lambda: [(s, columns, level, found()) for s in shards(context.workdir, pool.documents, pool.signals)],
        )  # fmt: skip

    return Searched(f"selections/{level.name}", lambda: rounds(context, pool, level), step)


def _frame(shard: Shard, columns: list[str]) -> tuple[pl.DataFrame, pl.Series]:
    frame = shard.frame(columns)
    return frame, frame["withheld.reason"].cast(pl.Enum(WITHHELD))


def measure_level(shard: Shard, columns: list[str], level: Level, found: select.Thresholds) -> pl.DataFrame:
    """One shard's part of the next threshold. Runs on a worker."""
    frame, withheld = _frame(shard, columns)
    return select.measure(level, frame, found, withheld)


def select_level(out: Output, shard: Shard, columns: list[str], level: Level, found: select.Thresholds) -> JsonObject:
    """One shard's decisions. Runs on a worker."""
    frame, withheld = _frame(shard, columns)
    decided = select.select(level, frame, found, withheld)
    out.write_table(shard_file(shard.index), decided.to_arrow())
    kept = frame.filter(decided["keep"]).group_by("domain").agg(pl.col("n_tokens").sum()).sort("domain")
    return {"documents": int(decided["keep"].sum()), "tokens": dict(kept.iter_rows())}


def _kept(name: str, parts: list[JsonObject]) -> JsonObject:
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
