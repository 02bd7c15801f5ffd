"""Looking into a curated study: one document's life, samples at a rule's threshold, two levels compared."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from curation.levels import explain
from curation.levels.level import Level
from pipelines.engine.run import Context
from pipelines.engine.workdir import JsonObject
from pipelines.levels.curated import Curated
from pipelines.levels.selections import FRAME, build, columns_of, thresholds
from pipelines.signals.shards import Shard, known_columns, shards
from pipelines.study.study import Study, StudyError

EXCERPT = 400


def level_of(context: Context, study: Study, curated: Curated, name: str) -> Level:
    """The level as rules. Raises StudyError for an unknown name."""
    if name not in study.levels:
        raise StudyError(f"{name!r} is not a level of this study (levels: {', '.join(study.levels)})")
    known = known_columns(context.workdir, curated.pool.documents, curated.pool.signals)
    return build(study, name, known, {other: s.summary["tokens"] for other, s in curated.selections.items()})


def ledger_files(curated: Curated, name: str) -> list[str]:
    """The level's ledgers, one file per pool shard."""
    return [path for path in curated.ledgers[name].files(".parquet") if "/exchange/" not in path]


def life(context: Context, study: Study, curated: Curated, doc_id: int) -> JsonObject:
    """One document through all levels: what it is, what duplicates it, and what every rule of every level saw in it."""
    number, row = doc_id >> 32, doc_id & 0xFFFFFFFF
    name = f"shard-{number:08d}.parquet"
    seen = [s for s in shards(context.workdir, curated.pool.documents, curated.pool.signals) if s.pool.endswith(name)]
    if not seen:
        raise StudyError(f"document {doc_id}: the pool has no shard {number}; take a doc_id from a ledger or `assay inspect`")
    shard = seen[0]
    ids = shard.frame(["doc_id", "uid"])
    if row >= len(ids):
        raise StudyError(f"document {doc_id}: shard {number} has {len(ids):,} documents, and this would be number {row:,}")
    at = pl.Series(np.arange(len(ids)) == row)
    document = shard.text(at, ["text", "source", "domain", "url", "date"]).to_pylist()[0]
    cluster = shard.frame([f"duplicates.{name}" for name in ("cluster", "cluster_size", "survivor")]).row(row, named=True)
    cluster = {name.partition(".")[2]: value for name, value in cluster.items()}
    levels = {}
    for level_name in study.levels:
        level = level_of(context, study, curated, level_name)
        frame = shard.frame(columns_of(level))[row]
        fate = pl.DataFrame(context.workdir.read_table(ledger_files(curated, level_name)[shard.index])).row(row, named=True)
        verdicts = explain.explain(level, frame, thresholds(context, curated.pool, level))
        levels[level_name] = {
            "kept": fate["keep"], "reason": fate["reason"], "tokens": fate["tokens"], "rules": [vars(v) for v in verdicts],
        }  # fmt: skip
    return {"doc_id": doc_id, "uid": f"{ids['uid'][row]:016x}", **document, **cluster, "levels": levels}


def at_threshold(context: Context, study: Study, curated: Curated, name: str, rule: str, samples: int) -> Iterator[JsonObject]:
    """For every rule of the level whose text holds `rule`, the documents nearest to its threshold, on both sides.

    A rule that compares no number with a limit (duplicates, say) gives documents that it dropped, by hash.
    """
    level = level_of(context, study, curated, name)
    found = thresholds(context, curated.pool, level)
    chosen = [(index, r.reason) for index, r in enumerate(level.rules) if rule in r.reason]
    if not chosen:
        raise StudyError(
            f"levels.{name}: no rule has {rule!r} in it; its rules: {'; '.join(r.reason for r in level.rules) or 'none'}"
        )
    seen = shards(context.workdir, curated.pool.documents, curated.pool.signals)
    for index, reason in chosen:
        near: list[tuple[float, Shard, int]] = []
        for shard in seen:
            frame = shard.frame(columns_of(level))
            margin = explain.margins(level, frame, found, index)
            if margin is None:
                margin = _dropped(context, curated, name, shard, reason)
            near += [(margin[int(row)], shard, int(row)) for row in explain.nearest(margin, samples)]
        failed = sorted((item for item in near if item[0] < 0), key=lambda item: (-item[0], item[1].index, item[2]))[:samples]
        passed = sorted((item for item in near if item[0] >= 0), key=lambda item: (item[0], item[1].index, item[2]))[:samples]
        for margin, shard, row in [*reversed(failed), *passed]:
            yield {"rule": reason, "passes": margin >= 0, "margin": margin, **_excerpt(shard, row)}


def _dropped(context: Context, curated: Curated, name: str, shard: Shard, reason: str) -> pl.Series:
    """-1 for the documents that the level dropped for `reason`, null for the others."""
    ledger = pl.DataFrame(context.workdir.read_table(ledger_files(curated, name)[shard.index], ["reason"]))
    hit = (ledger["reason"].cast(pl.String) == reason).fill_null(False)
    return pl.select(pl.when(hit).then(-1.0)).to_series()


def _excerpt(shard: Shard, row: int) -> JsonObject:
    ids = shard.frame(["doc_id"])["doc_id"]
    document = shard.text(pl.Series(np.arange(len(ids)) == row), ["text", "source", "domain"]).to_pylist()[0]
    return {
        "doc_id": int(ids[row]),
        "domain": document["domain"],
        "source": document["source"],
        "text": document["text"][:EXCERPT],
    }


def difference(context: Context, study: Study, curated: Curated, a: str, b: str) -> pl.DataFrame:
    """Where the documents of level `a` are in level `b`: `a`, `b` (kept, or the reason), documents, bytes, tokens."""
    for name in (a, b):
        level_of(context, study, curated, name)
    parts = []
    seen = shards(context.workdir, curated.pool.documents, curated.pool.signals)
    for shard in seen:
        ledgers = [
            pl.DataFrame(context.workdir.read_table(ledger_files(curated, name)[shard.index], ["reason", "bytes", "tokens"]))
            for name in (a, b)
        ]
        parts.append(explain.diff(ledgers[0], ledgers[1], shard.frame(FRAME)))
    return explain.merge_diffs(parts)
