"""Texts that a level changes, tokenised again: what its edits leave, and the near copies that a control adds.

edited/<level>  per pool shard  the kept documents after the level's edits, its parents' first
copies/<level>  per pool shard  near copies of what the level lays out, in the order of `controls.copies`
"""

from collections import Counter
from collections.abc import Mapping
from functools import reduce

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.levels import controls, edits
from curation.tokens import tokenizer
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step, Unit
from pipelines.engine.workdir import JsonObject
from pipelines.levels.level_shards import LevelShard, level_shards
from pipelines.levels.selections import FRAME, AnnotatedPool
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.study.study import Study, StudyError


def edited_documents(context: Context, study: Study, pool: AnnotatedPool, name: str, selection: Manifest) -> Manifest | None:
    """The level's kept documents after its edits, or None where it has none."""
    names = _edits(study, name)
    if not names:
        return None
    if unknown := [edit for edit in names if edit not in edits.EDITS]:
        raise StudyError(f"levels.{name}.edit: {unknown[0]!r} is not one of {', '.join(edits.EDITS)}")
    path, files = pool.tokenizer.files("tokenizer.json")[0], selection.files(".parquet")
    step = Step(
        f"edited/{name}", {"edits": names}, {"selection": selection, "tokenizer": pool.tokenizer}, compute=edit,
        units=lambda: [
            (shard, files[shard.index], names, path) for shard in shards(context.workdir, pool.documents, pool.signals)
        ],
        summarize=lambda parts: {"counts": reduce(add, (part["counts"] for part in parts), {})},
    )  # fmt: skip
    return run_step(context, step)


def edit(out: Output, shard: Shard, selection: str, names: list[str], trained: str) -> JsonObject:
    """Edit and tokenise one shard's kept documents, row group by row group. Runs on a worker."""
    keep = pl.DataFrame(shard.workdir.read_table(selection, ["keep"]))["keep"]
    spelled = shard.workdir.read_bytes(trained).decode()
    start, tables, counts = 0, [], {}
    for batch in shard.workdir.batches(shard.pool, ["text"]):
        texts = batch.filter(keep.slice(start, batch.num_rows).to_arrow())["text"]
        start += batch.num_rows
        after, done = edits.edit(texts, names)
        counts = add(counts, done)
        tables.append(_tokenised(spelled, after))
    out.write_table(shard_file(shard.index), pa.concat_tables(tables))
    return {"counts": counts}


def near_copies(
    context: Context, study: Study, pool: AnnotatedPool, name: str, selection: Manifest, edited: Manifest | None
) -> Manifest | None:
    """The copies that the level adds with noise in their words, or None where it adds none or exact ones."""
    declared = study.levels[name]
    if not declared.duplicate or declared.duplicate_noise is None:
        return None
    seed, names = study.seed, _edits(study, name)
    config = {"duplicate": declared.duplicate, "noise": declared.duplicate_noise, "seed": seed, "edits": names}
    inputs = {"selection": selection, "tokenizer": pool.tokenizer} | ({"edited": edited} if edited is not None else {})
    path = pool.tokenizer.files("tokenizer.json")[0]

    def originals() -> list[Unit]:
        here = level_shards(
            context.workdir, pool, selection, edited=edited, copied=None, duplicate=declared.duplicate or 0.0, seed=seed
        )
        return [(shard, names, declared.duplicate_noise, path) for shard in here]

    return run_step(context, Step(f"copies/{name}", config, inputs, compute=copy, units=originals))


def copy(out: Output, level_shard: LevelShard, names: list[str], noise: float, trained: str) -> JsonObject:
    """Near copies of one shard's documents, tokenised, row group by row group. Runs on a worker."""
    shard = level_shard.shard
    added = level_shard.added(level_shard.kept(shard.frame(FRAME), level_shard.decided()["keep"]))
    uid_A = added["uid"].to_list()
    row_A = (added["doc_id"].to_numpy() & np.uint64(0xFFFFFFFF)).astype(np.int64)  # ascending
    spelled = shard.workdir.read_bytes(trained).decode()
    start, done, tables = 0, 0, []
    for batch in shard.workdir.batches(shard.pool, ["text"]):
        end = int(np.searchsorted(row_A, start + batch.num_rows))
        texts, _ = edits.edit(batch["text"].take(pa.array(row_A[done:end] - start)), names)
        seed, uids = level_shard.seed, uid_A[done:end]
        copies = [controls.noisy(t, uid, noise, seed) for t, uid in zip(texts.to_pylist(), uids, strict=True)]
        tables.append(_tokenised(spelled, pa.array(copies, pa.large_string())))
        start, done = start + batch.num_rows, end
    out.write_table(shard_file(shard.index), pa.concat_tables(tables))
    return {"copies": len(added)}


def _edits(study: Study, name: str) -> list[str]:
    return [edit for ancestor in study.lineage(name) for edit in study.levels[ancestor].edit]


def _tokenised(spelled: str, texts: pa.LargeStringArray) -> pa.Table:
    tokens = tokenizer.encode(spelled, texts)
    n_bytes = pc.binary_length(texts)  # pyright: ignore[reportAttributeAccessIssue]
    sizes = {"n_tokens": tokens.value_lengths().cast(pa.uint32()), "n_bytes": n_bytes.cast(pa.uint32())}
    return pa.table({"tokens": tokens, **sizes})


def add(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    """Counts added up, by name in order."""
    return dict(sorted((Counter(a) + Counter(b)).items()))
