"""The levels as a folder that `datasets.load_dataset` reads and the Hub shows: a config per level, a card, Parquet files."""

import json
from collections.abc import Sequence
from importlib.metadata import version

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from curation.levels import card, edits
from curation.levels.card import CardFacts, LevelFacts
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step, Unit
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.curated import Curated
from pipelines.outcomes import quality_table
from pipelines.outcomes.lineage import provenance
from pipelines.outcomes.looking import ledger_files
from pipelines.signals import classifiers
from pipelines.signals.shards import Shard, shards
from pipelines.study.study import Study, StudyError

DOCUMENT = ["uid", "text", "source", "domain", "url", "date", "meta"]
DECLARATION = "study.yaml"  # what was declared, with every --set
LISTING = "files.json"  # the folder's data files: name, bytes, digest (xxh3, 128 bits)
COUNTS = ("documents", "bytes", "tokens", "stream_tokens")


def dataset(
    context: Context, study: Study, curated: Curated, command: str, lineage: bool = False, only: Sequence[str] = ()
) -> Manifest:
    """The folder of all levels, or of `only` some; with `lineage` a provenance.json in it.

    A level's file `i` holds what the level keeps of pool shard `i`; where it keeps nothing there is no file.
    """

    if unknown := [name for name in only if name not in study.levels]:
        raise StudyError(f"{unknown[0]!r} is not a level of this study (levels: {', '.join(study.levels)})")
    chosen = [name for name in study.levels if not only or name in only]

    def files() -> list[Unit]:
        pool_shards = shards(context.workdir, curated.pool.documents, curated.pool.signals)
        units = []
        for name in chosen:
            after = [edit for ancestor in study.lineage(name) for edit in study.levels[ancestor].edit]
            names = [card.file_name(name, i, len(pool_shards)) for i in range(len(pool_shards))]
            ledgers = ledger_files(curated, name)
            units += [(shard, ledger, after, file) for shard, ledger, file in zip(pool_shards, ledgers, names, strict=True)]
        return units

    def write_card(workdir: Workdir, folder: Manifest) -> None:
        sums = [{key: record[key] for key in ("name", "bytes", "digest")} for record in folder.records()]
        workdir.update(f"{folder.step.path}/{LISTING}", (json.dumps(sums, indent=1) + "\n").encode())
        declared = yaml.safe_dump(study.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)
        workdir.update(f"{folder.step.path}/{DECLARATION}", declared.encode())
        workdir.update(f"{folder.step.path}/README.md", card.card(_facts(study, curated, folder, command)).encode())
        if lineage:
            titles = {curated.ledgers[name].step.path: f"level {name}, document by document" for name in chosen}
            document = provenance([folder], titles | {folder.step.path: f"dataset {study.name}"}, version("assay"))
            workdir.update(f"{folder.step.path}/provenance.json", json.dumps(document, indent=1, ensure_ascii=False).encode())

    step = Step(
        "dataset", {"default": chosen[-1], "title": study.name},
        {f"ledgers/{name}": curated.ledgers[name] for name in chosen} | {"pool": curated.pool.documents}, version=3,
        compute=write_rows, units=files, unit="files", publish=write_card,
    )  # fmt: skip
    return run_step(context, step)


def write_rows(out: Output, shard: Shard, ledger: str, after: list[str], name: str) -> JsonObject:
    """What one level keeps of one shard. Runs on a worker."""
    decided = pl.DataFrame(shard.workdir.read_table(ledger, ["keep", "tokens", "edited_tokens"]))
    documents = shard.text(decided["keep"], DOCUMENT)
    if after:
        texts, _ = edits.edit(documents["text"], after)
        documents = documents.set_column(documents.column_names.index("text"), "text", pa.chunked_array([texts]))
    clusters = shard.frame(["duplicates.cluster"]).to_series().filter(decided["keep"])
    rows = card.rows(documents, decided.filter(pl.col("keep")), clusters)
    if rows.num_rows:  # `datasets` refuses a file without rows
        with out.writing(name, rows=rows.num_rows) as file:
            card.write(file, rows)
    sums = {what: pc.sum(rows[f"n_{what}"]).as_py() or 0 for what in ("bytes", "tokens")}  # pyright: ignore[reportAttributeAccessIssue]
    return {"documents": rows.num_rows, **sums, "stream_tokens": int(decided["tokens"].cast(pl.Int64).sum())}


def counts(study: Study, folder: Manifest) -> dict[str, dict[str, int]]:
    """Rows, bytes, tokens and tokens in the stream of every level's files, counted when they were written."""
    names = [name for name in study.levels if f"ledgers/{name}" in folder.step.inputs]
    n = len(folder.parts) // len(names)
    return {
        name: {what: sum(part[what] for part in folder.parts[i * n : (i + 1) * n]) for what in COUNTS}
        for i, name in enumerate(names)
    }


def _facts(study: Study, curated: Curated, folder: Manifest, command: str) -> CardFacts:
    evaluation, written = study.evaluation, counts(study, folder)
    scorers = {name: _classifier(study, curated, name) for name in study.classifiers}
    levels = [_level(study, curated, name, rows) for name, rows in written.items()]
    return CardFacts(
        title=study.name,
        levels=levels,
        default=levels[-1].name,
        sources={source.name: source.licence for source in study.sources if source.role == "pool"},
        command=command,
        tokenizer=curated.pool.tokenizer.summary["tokenizer"],
        heldout=(
            f"{evaluation.heldout:.3g} of the duplicate clusters, by hash (seed {study.seed}), are in no level, nor are the "
            if evaluation.heldout
            else "Nothing but the "
        )
        + "documents of references and what duplicates them.",
        classifiers=scorers,
        digests={"pool": curated.pool.documents.digest} | {f"level {name}": curated.levels[name].digest for name in written},
        trains=study.trains,
        unread=curated.pool.documents.summary["reasons"],
    )


def _classifier(study: Study, curated: Curated, name: str) -> JsonObject:
    """What a classifier was made of and how well it tells its held-out examples apart."""
    declared = study.classifiers[name]
    facts = declared.model_dump(include={"positives", "negatives", "model"}, exclude_none=True)
    if declared.model is not None:
        return facts | {"xxh3": curated.pool.signals[name].step.config["model"], "label": declared.label}
    found = classifiers.report(curated.pool.signals[name])
    bias = ", ".join(f"{kind} {value:+.2f}" for kind, value in found["length_bias"].items())
    means = ", ".join(f"{domain} {row['score']:.2f} ({row['n']})" for domain, row in sorted(found["domains"].items())[:20])
    return facts | {
        "examples": f"{found['n_good']:,} positives, {found['n_rest']:,} negatives, {found['n_held_out']:,} of them held out",
        "held-out AUC": f"{found['auc']:.3f} ({found['auc_low']:.3f} to {found['auc_high']:.3f})",
        "rank correlation of score and length": bias,
        "mean score by domain (held out)": means,
    }


def _level(study: Study, curated: Curated, name: str, rows: dict[str, int]) -> LevelFacts:
    declared = study.levels[name]
    blend = declared.mixture or study.mixture
    shares = curated.levels[name].summary["domains"]
    total = sum(shares.values())
    to = f" to {blend.to or next(iter(study.levels))}" if blend.kind == "pinned" else ""
    parts = ", ".join(f"{domain} {n / total:.1%}" for domain, n in sorted(shares.items(), key=lambda item: -item[1])[:20])
    return LevelFacts(
        name,
        declared.model_dump(exclude_defaults=True, mode="json"),
        rows,
        curated.ledgers[name].summary["funnel"],
        curated.selections[name].summary["thresholds"],
        f"{blend.kind}{to}: {parts}",
        "The copies that this control adds are counted above and are not among the rows." if declared.duplicate else "",
        list(quality_table.rows(curated.quality.levels[name].summary)),
    )
