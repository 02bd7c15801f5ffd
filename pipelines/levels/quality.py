"""Quality: each level's record of numbers (`quality.json`), and the table of all levels (`quality.csv`).

quality/reference        per pool shard   texts of reference sources, for the model of clean text
quality/pieces/<level>   per pool shard   what is to be known of the stream (`quality_pieces`)
quality/levels/<level>   one unit         quality.json; a copy lies beside the level's token shards
quality/table            one unit         quality.csv, a row per level; a copy lies at the top of the work directory
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial

import polars as pl
import pyarrow as pa

from curation.hashing import mix64, stream
from curation.levels.ledger import IN
from curation.quality import axes, composition, ngram, text
from curation.tokens.decode import decode
from pipelines.engine.output import Output
from pipelines.engine.run import Context, Job, Pass, run_step, run_together
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.quality_pieces import read_pieces, read_tokenizer
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.study.study import Study, StudyError

TABLE, RECORD = "quality.csv", "quality.json"
REFERENCE_BYTES = 1 << 21  # of clean text for the model


@dataclass(frozen=True)
class Quality:
    """Per level its record (the manifest's summary is what `quality.json` holds), and the table of all."""

    levels: Mapping[str, Manifest]
    table: Manifest


@dataclass(frozen=True)
class Sources:
    """What one level's record is made from, as paths and small numbers, so that it travels to a worker."""

    workdir: Workdir
    level: str
    pieces: tuple[str, ...]
    counts: composition.Counts
    clusters: float
    funnel: tuple[JsonObject, ...]
    signals: tuple[str, ...]
    passages: str | None
    tokenizer: str
    reference: tuple[str, ...]


def measure_levels(
    context: Context, study: Study, pool: AnnotatedPool, ledgers: Mapping[str, Manifest], levels: Mapping[str, Manifest],
    held_out: Manifest | None,
) -> Quality:  # fmt: skip
    """Measure every level; those that are missing are measured together. Without evaluation documents (`held_out`), as in a
    study that trains nothing, no overlap is measured."""
    pieces = read_pieces(context, study, pool, ledgers, levels)
    clean = reference(context, study, pool)
    signals = tuple(sorted({*study.signal_params, *study.classifiers}))
    maybe = {"evaluation": held_out, "reference": clean}
    shared = {"tokenizer": pool.tokenizer} | {name: made for name, made in maybe.items() if made is not None}
    steps, sources = [], {}
    for name, level in levels.items():
        inputs = {"pieces": pieces[name], "ledgers": ledgers[name], **shared}
        step = Step(
            f"quality/levels/{name}", {"signals": list(signals)}, inputs,
            summarize=lambda parts: parts[0]["record"], publish=partial(_put_beside, level.step.path),
        )  # fmt: skip
        steps.append(step)
        sources[step.name] = Sources(
            context.workdir, name, tuple(pieces[name].files(".parquet")),
            composition.add(part["counts"] for part in pieces[name].parts), pieces[name].step.config["clusters"],
            tuple(ledgers[name].summary["funnel"]), signals, held_out.files("documents.parquet")[0] if held_out else None,
            pool.tokenizer.files("tokenizer.json")[0], tuple(clean.files(".parquet")) if clean else (),
        )  # fmt: skip

    def plan(missing: Sequence[tuple[Step, int]]) -> Pass:
        return Pass("quality", measure, [Job([part], (sources[part[0].name],)) for part in missing], "levels")

    made = run_together(context, steps, 1, plan)
    records = {name: made[f"quality/levels/{name}"] for name in levels}
    table = Step(
        "quality/table", {}, {f"levels/{name}": record for name, record in records.items()}, compute=tabulate,
        units=lambda: [([record.summary for record in records.values()],)], unit="tables",
        summarize=lambda parts: {"axes": parts[0]["axes"]},
        publish=lambda workdir, made: workdir.update(TABLE, workdir.read_bytes(made.files(TABLE)[0])),
    )  # fmt: skip
    quality = Quality(records, run_step(context, table))
    if (chosen := study.report.quality.axis) not in quality.table.summary["axes"]:
        raise StudyError(
            f"report.quality.axis: {chosen!r} could not be measured on any level (text axes of a fixed size need "
            f"{text.GROUP_WORDS:,} words, `{axes.REMOVED}...` a rule of that family); choose one of "
            f"{', '.join(axes.for_law(quality.table.summary['axes'], 'kept'))}"
        )
    return quality


def _put_beside(level: str, workdir: Workdir, made: Manifest) -> None:
    """A copy of the record in the folder of the level's token shards."""
    workdir.update(f"{level}/{RECORD}", workdir.read_bytes(made.files(RECORD)[0]))


def reference(context: Context, study: Study, pool: AnnotatedPool) -> Manifest | None:
    """Texts of the study's reference sources; None where it has no such source."""
    names = [source.name for source in study.sources if source.role == "reference"]
    if not names:
        return None
    step = Step(
        "quality/reference", {"sources": names, "bytes": REFERENCE_BYTES, "seed": study.seed}, {"pool": pool.documents},
        compute=draw_reference,
        units=lambda: [(shard, names, study.seed) for shard in shards(context.workdir, pool.documents, pool.signals)],
    )  # fmt: skip
    return run_step(context, step)


def draw_reference(out: Output, shard: Shard, sources: list[str], seed: int) -> JsonObject:
    """One shard's reference texts, by hash of uid. Runs on a worker."""
    mine = shard.frame(["source"])["source"].is_in(sources)
    if mine.any():
        documents = pl.DataFrame(shard.text(mine, ["uid", "text"]))
        documents = documents.with_columns(key=pl.Series(mix64(stream(seed, "reference model"), documents["uid"].to_numpy())))
        out.write_table(shard_file(shard.index), _first_bytes(documents.select("key", "text")).to_arrow())
    return {"documents": int(mine.sum())}


def _first_bytes(texts: pl.DataFrame) -> pl.DataFrame:
    """The texts in the order of their keys, up to the one with which they have `REFERENCE_BYTES`."""
    n_bytes = pl.col("text").str.len_bytes().cast(pl.Int64)
    return texts.sort("key").filter(n_bytes.cum_sum() - n_bytes < REFERENCE_BYTES)


def measure(outputs: list[Output], sources: Sources) -> list[JsonObject]:
    """One level's record. Runs on a worker."""
    (out,) = outputs
    counts = sources.counts
    entered = next(row["tokens"] for row in sources.funnel if row["reason"] == IN)
    found = composition.sizes(counts, entered)
    found |= composition.duplicates(_tables(sources, "clusters-"), sources.clusters, counts["first_tokens"])
    if (bins := _tables(sources, "scores-")).width:
        found |= composition.scores(composition.merge_bins([bins]))
    found |= composition.removed(sources.funnel, sources.signals)
    sample = text.Sample.of(_tables(sources, "sample-").sort("key")["text"].to_arrow().cast(pa.large_string()))
    main = ""
    if len(sample.words.hash_W):
        main, found["language"] = text.languages(sample)
        found |= text.compressed(sample) | text.variety(sample)
        if sources.reference:
            found[axes.REFERENCE] = text.bits_per_byte(sample, _model(sources.workdir, sources.reference))
        if sources.passages is not None:
            passages = _passages(sources.workdir, sources.passages, sources.tokenizer)
            found |= {f"{axes.OVERLAP}{name}": value for name, value in text.coverage(sample, passages).items()}
    record = {
        "level": sources.level,
        "documents": counts["documents"],
        "tokens": counts["tokens"],
        "unique_tokens": counts["first_tokens"],
        "language": main,
        "sample": {"bytes": len(sample.words.utf8_N), "words": len(sample.words.hash_W), "groups": sample.n_groups},
        "axes": {name: asdict(value) for name, value in found.items()},
    }
    with out.writing(RECORD) as file:
        file.write((json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    return [out.commit({"record": record})]


def _tables(sources: Sources, kind: str) -> pl.DataFrame:
    """The tables of one kind of all shards, one after another; without a column where there is none."""
    paths = [path for path in sources.pieces if path.rpartition("/")[2].startswith(kind)]
    return pl.concat(map(pl.DataFrame, sources.workdir.each(sources.workdir.read_table, paths))) if paths else pl.DataFrame()


@lru_cache(maxsize=2)
def _model(workdir: Workdir, paths: tuple[str, ...]) -> ngram.Model:
    """The model of clean text, once per worker process."""
    texts = _first_bytes(pl.concat([pl.DataFrame(workdir.read_table(path)) for path in paths]))
    return text.reference_model(texts["text"].to_arrow().cast(pa.large_string()))


@lru_cache(maxsize=2)
def _passages(workdir: Workdir, path: str, tokenizer: str) -> text.Passages:
    """The evaluation passages, once per worker process."""
    table = workdir.read_table(path, ["tokens", "sets"])
    return text.Passages.of(
        decode(read_tokenizer(workdir, tokenizer), table["tokens"].combine_chunks()), table["sets"].to_pylist()
    )


def tabulate(out: Output, records: list[JsonObject]) -> JsonObject:
    """A row per level, a column per axis in the order of the manual, six digits; a family that no rule of a level belongs to
    removed nothing there. Runs on a worker."""
    names = axes.in_order(name for record in records for name in record["axes"])
    columns = {name: [_cell(record["axes"], name) for record in records] for name in names}
    table = pl.DataFrame({"level": [record["level"] for record in records], **columns})
    with out.writing(TABLE) as file:
        file.write(table.write_csv().encode())
    return {"axes": names}


def _cell(measured: JsonObject, name: str) -> float | None:
    if name in measured:
        return float(f"{measured[name]['value']:.6g}")
    return 0.0 if name.startswith(axes.REMOVED) else None
