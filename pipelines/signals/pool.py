"""Pool: every source read once, in a fixed order, into uniform shards of documents; what cannot be read is quarantined."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from curation import ingest
from curation.document import SCHEMA
from curation.sources import fields, plan, readers
from curation.sources.source import Fields, Place, Slice, Source
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject
from pipelines.study.curation import FileSource
from pipelines.study.study import Study, StudyError

SMALL, LARGE, MANY = 16, 256, 10_000  # MB of text in the shards of a small and of a huge pool; shards of which it gets larger


def source_of(declared: Any, study: Study, base: Path, piece: float = SMALL) -> Source:
    """A study's source as curation knows it, in slices of `piece` MB; relative paths are relative to the study file."""
    record = study.pool.record_megabytes
    if not isinstance(declared, FileSource):
        return Source(
            declared.name, declared.kind, slice_megabytes=piece, max_record_megabytes=record,
            max_megabytes=declared.max_megabytes,
        )  # fmt: skip
    paths = [declared.path] if isinstance(declared.path, str) else declared.path
    located = tuple(path if "://" in path else str((base / path).absolute()) for path in paths)
    return Source(
        declared.name, declared.kind, located, Fields(**declared.fields, meta=declared.meta), declared.domain,
        slice_megabytes=piece, max_record_megabytes=record, extract=declared.extract,
    )  # fmt: skip


def pool(context: Context, study: Study, base: Path) -> Manifest:
    """Read all sources. Raises StudyError for a source without a readable document and for too many malformed records."""
    piece = study.pool.shard_megabytes or SMALL
    surveyed = _survey(study, base, piece)
    slices = [each for planned, _ in surveyed.values() for each in planned]
    if study.pool.shard_megabytes is None and (larger := shard_megabytes(sum(each.stored_bytes for each in slices))) > SMALL:
        piece, surveyed = larger, _survey(study, base, larger)
        slices = [each for planned, _ in surveyed.values() for each in planned]
    fingerprints = {name: plan.fingerprint(planned) for name, (planned, _) in surveyed.items()}
    unread = {name: left for name, (_, left) in surveyed.items()}
    shard_bytes = round(piece * 1e6)
    config = {"fingerprints": fingerprints, "shard_bytes": shard_bytes, "max_malformed": study.pool.max_malformed}
    # what the progress bar counts; a store that does not tell sizes counts as a byte a slice
    weights = [max(1, sum((part.stop or part.size) - part.start for part in piece.parts)) / 1e6 for piece in slices]
    names = [source.name for source in study.sources]
    step = Step(
        "pool", config, version=3, compute=read_slice,
        units=lambda: [(piece, index, shard_bytes) for index, piece in enumerate(slices)],
        summarize=lambda parts: summarize(parts, names, study.pool.max_malformed) | lacking(parts, study)
        | {"unread": unread, "renamed": sum(part["renamed"] for part in parts)},
        weight=weights.__getitem__, unit="MB stored",
    )  # fmt: skip
    return run_step(context, step)


def _survey(study: Study, base: Path, piece: float) -> dict[str, tuple[list[Slice], dict[str, int]]]:
    """By source, its slices of `piece` MB, and how many files are not read."""
    return {declared.name: plan.survey(source_of(declared, study, base, piece)) for declared in study.sources}


def shard_megabytes(stored_bytes: float) -> int:
    """MB of text in a shard of a pool of `stored_bytes` where the study does not say: so that there are about `MANY`."""
    return min(LARGE, max(SMALL, round(stored_bytes / 1e6 / MANY)))


def read_slice(out: Output, piece: Slice, index: int, shard_bytes: int) -> JsonObject:
    """One slice into its shards; a try that was interrupted goes on behind the last shard that it made. Runs on a worker."""
    first, made = index * ingest.SHARDS_PER_SLICE, out.saved()
    records = readers.read(piece, Place(*made[-1]["then"]) if made else None)
    for number, shard in enumerate(ingest.shards(records, piece.source, first, shard_bytes, len(made)), first + len(made)):
        made.append(write_shard(out, shard, number))
        if shard.then is not None:
            out.save(made[-1])
    quarantined = [row for shard in made for row in shard["quarantine"]]
    if quarantined:
        with out.writing(f"quarantine-{index:05d}.jsonl", rows=len(quarantined)) as file:
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in quarantined).encode())
    reasons = Counter(f"{row['reason']}" for row in quarantined)
    domains: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for shard in made:
        domains.update(shard["domains"])
        without.update(shard["lacking"])
    return {
        "source": piece.source.name, "documents": sum(shard["documents"] for shard in made),
        "text_bytes": sum(shard["text_bytes"] for shard in made), "malformed": len(quarantined),
        "lost_bytes": sum(row["lost"] for row in quarantined),
        "stored_bytes": piece.stored_bytes,
        "reasons": dict(reasons.most_common(20)), "domains": dict(sorted(domains.items())),
        "lacking": dict(without), "others": made[0]["others"], "renamed": sum(shard["renamed"] for shard in made),
    }  # fmt: skip


def write_shard(out: Output, shard: ingest.Shard, number: int) -> JsonObject:
    """One shard's file (none without documents) and what the slice's record and a later try must know of it."""
    sizes = pl.DataFrame(shard.documents.select(["domain", "text"])).select("domain", n=pl.col("text").str.len_bytes())
    facts = {"documents": len(sizes), "text_bytes": int(sizes["n"].sum())}
    if len(sizes):
        with out.parquet(f"shard-{number:08d}.parquet", SCHEMA, **facts) as writer:
            for group in ingest.row_groups(shard.documents):
                writer.write_table(group)
    domains = dict(sizes.group_by("domain").agg(pl.col("n").sum()).iter_rows())
    meta = shard.documents["meta"][0].as_py() if len(sizes) else None
    others = fields.names(json.loads(meta)) if meta else []
    quarantine = shard.quarantine.to_pylist()
    return facts | {
        "domains": domains, "lacking": shard.lacking, "others": others, "quarantine": quarantine, "then": shard.then,
        "renamed": shard.renamed,
    }  # fmt: skip


def lacking(parts: list[JsonObject], study: Study) -> JsonObject:
    """By source and key of its `fields`, the share of documents without what it names; refuses a field that none has."""
    shares: dict[str, dict[str, float]] = {}
    for source in (source for source in study.sources if isinstance(source, FileSource)):
        mine = [part for part in parts if part["source"] == source.name]
        documents = sum(part["documents"] for part in mine)
        named = {key: path for key, path in source.fields.items() if key != "text" and not (key == "domain" and source.domain)}
        for key, path in named.items():
            share = sum(part["lacking"][key] for part in mine) / max(1, documents)
            if documents and share == 1:
                others = next((part["others"] for part in mine if part["others"]), [])
                raise StudyError(
                    f"source {source.name!r}: no record has the field {path!r} that `fields.{key}` names; "
                    + (f"beside their text they have {', '.join(others)}; " if others else "")
                    + "name another, or leave the key out"
                )
            if share:
                shares.setdefault(source.name, {})[key] = round(share, 6)
    return {"lacking": shares}


def hint(reasons: str) -> str:
    """What mends the commonest mistakes in a source: its text has another name, its file is one JSON list."""
    if "no field '" in reasons:
        return "; name the field of the text in `fields: {text: ...}`"
    if "a JSON list, not an object" in reasons:
        return "; kind jsonl reads an object a line, as `jq -c '.[]'` makes of a list"
    return ""


def summarize(parts: list[JsonObject], names: list[str], max_malformed: float) -> JsonObject:
    """Totals by source and domain; refuses a source that gave nothing and a share of malformed records over the limit."""
    sources = {name: {"documents": 0, "malformed": 0} for name in names}
    domains: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    lost, stored = Counter[str](), Counter[str]()
    for part in parts:
        lost[part["source"]] += part["lost_bytes"]
        stored[part["source"]] += part["stored_bytes"]
        for key in ("documents", "malformed"):
            sources[part["source"]][key] += part[key]
        domains.update(part["domains"])
        reasons.update(part["reasons"])
    for name, counts in sources.items():
        n_records = sum(counts.values())
        shares = {
            f"{counts['malformed']} of {n_records} records are malformed": counts["malformed"] / max(1, n_records),
            f"{lost[name]} of {stored[name]} stored bytes are lost with broken files": lost[name] / max(1, stored[name]),
        }
        common = "; ".join(f"{reason} ({n})" for reason, n in reasons.most_common(3))
        if not counts["documents"]:
            why = f"{counts['malformed']} malformed: {common or 'it is empty'}"
            raise StudyError(f"source {name!r}: no readable document ({why}){hint(common)}")
        for loss, share in shares.items():
            if share > max_malformed:
                raise StudyError(
                    f"source {name!r}: {loss} ({share:.1%}), over pool.max_malformed = {max_malformed:.1%}: {common}. See the "
                    "quarantine files in the pool folder; mend the input or raise the limit"
                )
    return {"sources": sources, "domain_bytes": dict(sorted(domains.items())), "reasons": dict(reasons.most_common(50))}
