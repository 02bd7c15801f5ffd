"""Looking into a curated study: one document's life, samples at a rule's threshold, two levels compared."""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from re import fullmatch

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.levels import explain
from curation.levels.level import DUPLICATE_REASONS, DUPLICATES, Level
from pipelines.duplicates.evidence import evidence_files, pairs_with
from pipelines.engine.run import Context
from pipelines.engine.workdir import JsonObject
from pipelines.levels.curated import Curated
from pipelines.levels.selections import FRAME, build, columns_of, thresholds
from pipelines.signals.shards import Shard, known_columns, shards
from pipelines.study.study import Study, StudyError

EXCERPT = 400
REMOVED = pa.schema(
    {"id": pa.string(), "doc_id": pa.uint64(), "source": pa.string(), "domain": pa.string(), "url": pa.string()}
    | {"reason": pa.string(), "value": pa.string(), "failed": pa.list_(pa.string()), "meta": pa.large_string()}
    | {"text": pa.large_string()}
)  # fmt: skip
MOST_PAIRS = 20  # of a document's tested pairs, the most similar first


def level_of(context: Context, study: Study, curated: Curated, name: str) -> Level:
    """The level as rules. Raises StudyError for an unknown name."""
    if name not in study.levels:
        raise StudyError(f"{name!r} is not a level of this study (levels: {', '.join(study.levels)})")
    known = known_columns(context.workdir, curated.pool.documents, curated.pool.signals)
    return build(study, name, known, {other: s.summary["tokens"] for other, s in curated.selections.items()})


def ledger_files(curated: Curated, name: str) -> list[str]:
    """The level's ledgers, one file per pool shard."""
    return [path for path in curated.ledgers[name].files(".parquet") if "/exchange/" not in path]


def found(context: Context, curated: Curated, name: str) -> int:
    """The number of the document that goes by `name`: its `doc_id`, the `id` of the export (16 hex digits), its url, or any
    text that its record has as a field, such as its own id. Raises StudyError where none does, or several."""
    if name.isdecimal() and len(name) < 16:
        return int(name)
    numbers: list[int] = []
    for shard in shards(context.workdir, curated.pool.documents, {}):
        if fullmatch("[0-9a-f]{16}", name):
            uids = shard.frame(["doc_id", "uid"])
            numbers += uids.filter(pl.col("uid") == pl.lit(int(name, 16), pl.UInt64))["doc_id"].to_list()
        else:
            told = pl.DataFrame(context.workdir.read_table(shard.pool, ["doc_id", "url", "meta"]))
            field = pl.col("meta").str.contains(json.dumps(name, ensure_ascii=False), literal=True)
            numbers += told.filter((pl.col("url") == name) | field)["doc_id"].to_list()
    if len(numbers) == 1:
        return numbers[0]
    if not numbers and (set_aside := quarantined(context, curated, name)):
        raise StudyError(f"document {name!r}: it is malformed, and in no level: {set_aside}")
    what = "the number that ledgers and `assay inspect` show, the `id` of the export, a url, or an id of the source's own"
    some = f"{len(numbers):,} documents have it: {', '.join(map(str, numbers[:5]))}" if numbers else "no document has it"
    raise StudyError(f"document {name!r}: {some}; give {what}")


def quarantined(context: Context, curated: Curated, name: str) -> str:
    """Where a malformed record lies whose beginning has the text `name` as a field, and what is wrong; "" where none does."""
    wanted = json.dumps(name, ensure_ascii=False)
    for path in curated.pool.documents.files(".jsonl"):
        for row in map(json.loads, context.workdir.read_bytes(path).decode().splitlines()):
            if wanted in row["head"]:
                return f"{row['path']}, {row['place']}: {row['reason']}"
    return ""


def life(context: Context, study: Study, curated: Curated, doc_id: int) -> JsonObject:
    """One document through all levels: what it is, what duplicates it, and what every rule of every level saw in it."""
    number, row = doc_id >> 32, doc_id & 0xFFFFFFFF
    name = f"shard-{number:08d}.parquet"
    seen = [s for s in shards(context.workdir, curated.pool.documents, curated.pool.signals) if s.pool.endswith(name)]
    if not seen:
        raise StudyError(f"document {doc_id}: the pool has no shard {number}; take its number from a ledger or `assay inspect`")
    shard = seen[0]
    ids = shard.frame(["doc_id", "uid"])
    if row >= len(ids):
        raise StudyError(f"document {doc_id}: shard {number} has {len(ids):,} documents, and this would be number {row:,}")
    at = pl.Series(np.arange(len(ids)) == row)
    document = shard.text(at, ["text", "source", "domain", "url", "date"]).to_pylist()[0]
    cluster = shard.frame([f"duplicates.{name}" for name in ("cluster", "cluster_size", "survivor", "kept_uid")]).row(
        row, named=True
    )
    cluster = {name.partition(".")[2]: value for name, value in cluster.items()}
    cluster["cluster"] = f"{cluster['cluster']:016x}"  # as in the export
    uid = int(ids["uid"][row])
    tested = pairs_with(context.workdir, evidence_files(curated.pool.signals["duplicates"]), uid).slice(0, MOST_PAIRS)
    others = [pair["uid_a"] if pair["uid_b"] == uid else pair["uid_b"] for pair in tested.to_pylist()]
    where = places(context, curated, {cluster["kept_uid"], *others})
    pairs = [
        {"uid": f"{other:016x}", "doc_id": where.get(other)}
        | {key: pair[key] for key in ("shared", "jaccard", "containment", "test", "accepted")}
        for other, pair in zip(others, tested.to_pylist(), strict=True)
    ]
    kept = {"kept_doc_id": where.get(cluster.pop("kept_uid"))}
    levels = {}
    for level_name in study.levels:
        level = level_of(context, study, curated, level_name)
        frame = shard.frame(columns_of(level))[row]
        fate = pl.DataFrame(context.workdir.read_table(ledger_files(curated, level_name)[shard.index])).row(row, named=True)
        verdicts = [
            replace(verdict, value=cluster["cluster"]) if verdict.rule in DUPLICATE_REASONS else verdict
            for verdict in explain.explain(level, frame, thresholds(context, curated.pool, level))
        ]
        levels[level_name] = {
            "kept": fate["keep"], "reason": fate["reason"], "tokens": fate["tokens"], "rules": [vars(v) for v in verdicts],
        }  # fmt: skip
    courses = _courses(context, study, curated, doc_id, levels)
    told = {"doc_id": doc_id, "uid": f"{uid:016x}", **document, **cluster, **kept, "pairs": pairs, "levels": levels}
    return told | {"courses": courses}


def _courses(context: Context, study: Study, curated: Curated, doc_id: int, levels: JsonObject) -> JsonObject:
    """Each phase of each course: whether its level keeps the document, where that stands by what the phase is sorted by, and
    the tokens of it that the phase reads, and how often, in the longest run at the first shape and seed."""
    if not study.courses:
        return {}
    from pipelines.runs.course_ledgers import course_ledger  # with torch, which takes seconds
    from pipelines.runs.training_plan import TrainingData

    phases = {name: course.read(study.schedule.cooldown) for name, course in study.courses.items()}
    kept = [name for name in phases if any(levels[phase.level]["kept"] for phase in phases[name])]
    read: dict[tuple[str, int], tuple[int, float]] = {}
    if kept:
        ledger = course_ledger(context, study, TrainingData.of(curated), kept).filter(doc_id=doc_id)
        amounts = ledger.group_by("course", "phase").agg(pl.col("tokens").sum(), pl.col("times").sum())
        read = {(name, phase): (tokens, times) for name, phase, tokens, times in amounts.iter_rows()}
    told: JsonObject = {name: [] for name in phases}
    for name, own in phases.items():
        for number, phase in enumerate(own, 1):
            facts = {"level": phase.level, "share": phase.share, "replay": phase.replay, "kept": levels[phase.level]["kept"]}
            facts |= dict(zip(("tokens", "times"), read.get((name, number), (0, 0.0)), strict=True))
            if phase.order is not None:
                values = pl.DataFrame(context.workdir.read_table(curated.orders[phase.order.by].files(".parquet")[0]))
                value = values.filter(doc_id=doc_id)["value"]
                facts |= {"by": phase.order.by, "value": value[0] if len(value) else None}
            told[name].append(facts)
    return told


def places(context: Context, curated: Curated, uids: Collection[int]) -> dict[int, int]:
    """uid -> doc_id of those of the documents that are in the pool (others are in an earlier one)."""
    wanted = pl.Series(sorted(uids), dtype=pl.UInt64)
    at: dict[int, int] = {}
    for shard in shards(context.workdir, curated.pool.documents, {}):
        rows = shard.frame(["uid", "doc_id"]).filter(pl.col("uid").is_in(wanted.implode()))
        at |= dict(zip(rows["uid"].to_list(), rows["doc_id"].to_list(), strict=True))
    return at


def pairs_at_threshold(context: Context, study: Study, curated: Curated, samples: int) -> Iterator[JsonObject]:
    """Of the pairs that were tested, those nearest to the threshold of duplicates on both sides, with both texts."""
    measure = "containment" if study.duplicates.verify == "containment" else "jaccard"
    files = evidence_files(curated.pool.signals["duplicates"])
    tested = pl.concat([pl.DataFrame(context.workdir.read_table(file)) for file in files])
    tested = tested.filter(test="link").unique(["uid_a", "uid_b"]).sort(measure, "uid_a", "uid_b")
    apart, joined = tested.filter(~pl.col("accepted")).tail(samples), tested.filter("accepted").head(samples)
    where = places(context, curated, {*apart["uid_a"], *apart["uid_b"], *joined["uid_a"], *joined["uid_b"]})
    by_file = {s.pool.rpartition("-")[2]: s for s in shards(context.workdir, curated.pool.documents, {})}
    for pair in pl.concat([apart, joined]).iter_rows(named=True):
        ends = [where.get(pair[side]) for side in ("uid_a", "uid_b")]
        shown = [_excerpt(by_file[f"{doc >> 32:08d}.parquet"], doc & 0xFFFFFFFF) if doc is not None else {} for doc in ends]
        yield {
            "rule": f"near duplicate: {measure} >= {study.duplicates.threshold:g}", "passes": not pair["accepted"],
            "margin": pair[measure] - study.duplicates.threshold, measure: pair[measure], **shown[0], "other": shown[1],
        }  # fmt: skip


def at_threshold(context: Context, study: Study, curated: Curated, name: str, rule: str, samples: int) -> Iterator[JsonObject]:
    """For every rule of the level whose text holds `rule`, the documents nearest to its threshold, on both sides.

    A rule that compares no number with a limit (duplicates, say) gives documents that it dropped, by hash; near duplicates of
    which the evidence was kept give pairs.
    """
    level = level_of(context, study, curated, name)
    limits = thresholds(context, curated.pool, level)
    chosen = [(index, r.reason) for index, r in enumerate(level.rules) if rule in r.reason]
    if rule and not chosen:
        raise StudyError(
            f"levels.{name}: no rule has {rule!r} in it; its rules: {'; '.join(r.reason for r in level.rules) or 'none'}"
        )
    seen = shards(context.workdir, curated.pool.documents, curated.pool.signals)
    for index, reason in chosen:
        if reason == DUPLICATES["near"][0] and evidence_files(curated.pool.signals["duplicates"]):
            yield from pairs_at_threshold(context, study, curated, samples)
            continue
        near: list[tuple[float, Shard, int]] = []
        for shard in seen:
            frame = shard.frame(columns_of(level))
            margin = explain.margins(level, frame, limits, index)
            if margin is None:
                margin = _dropped(context, curated, name, shard, reason)
            near += [(margin[int(row)], shard, int(row)) for row in explain.nearest(margin, samples)]
        failed = sorted((item for item in near if item[0] < 0), key=lambda item: (-item[0], item[1].index, item[2]))[:samples]
        passed = sorted((item for item in near if item[0] >= 0), key=lambda item: (item[0], item[1].index, item[2]))[:samples]
        for margin, shard, row in [*reversed(failed), *passed]:
            yield {"rule": reason, "passes": margin >= 0, "margin": margin, **_excerpt(shard, row)}


def write_removed(context: Context, study: Study, curated: Curated, name: str, path: Path) -> int:
    """Write the documents that level `name` drops, a row each with its text, to a Parquet file; returns how many. `id` is that
    of the export, `doc_id` that of ledgers; `reason` and `value` are the first rule that fails and what it saw; `meta` has the
    other fields of the record, its own id among them."""
    level_of(context, study, curated, name)
    n_removed = 0
    with pq.ParquetWriter(path, REMOVED, compression="zstd") as writer:
        for shard in shards(context.workdir, curated.pool.documents, curated.pool.signals):
            ledger = pl.DataFrame(context.workdir.read_table(ledger_files(curated, name)[shard.index]))
            gone = ledger.filter(~pl.col("keep")).select("doc_id", pl.col("reason").cast(pl.String), "value", "failed")
            texts = shard.text(~ledger["keep"], ["uid", "source", "domain", "url", "meta", "text"])
            columns = {name: texts[name] for name in ("source", "domain", "url", "meta", "text")}
            ids = [f"{uid:016x}" for uid in texts["uid"].to_pylist()]
            columns |= {"id": ids, "failed": gone["failed"].cast(pl.List(pl.String)).to_arrow()}
            columns |= {name: gone[name].to_arrow() for name in ("doc_id", "reason", "value")}
            writer.write_table(pa.table({field: columns[field] for field in REMOVED.names}).cast(REMOVED))
            n_removed += len(ids)
    return n_removed


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
