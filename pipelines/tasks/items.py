"""Candidates: items read from the study's files, or made from held-out documents, before any is left out.

tasks/material  per pool shard  excerpts of the held-out documents that come first by hash
tasks/items     one unit        items.parquet of all tasks; quarantine.jsonl: what is no item, with its line and the reason
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from curation.hashing import mix64, stream
from curation.levels.heldout import HELD_OUT
from curation.sources import storage
from curation.sources.source import Malformed
from curation.tasks import files
from curation.tasks.items import Item
from curation.tasks.made import FROM_TEXT, make
from curation.tasks.passages import Document, excerpt, passage_words
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.study.study import Study, StudyError
from pipelines.study.tasks import TaskSection

FILE, QUARANTINE = "items.parquet", "quarantine.jsonl"
SPARE = 3  # candidates of a made task for every item wanted, as some stand in the pool or are too long
ITEMS = pa.schema(
    [
        ("task", pa.string()), ("item", pa.uint32()), ("kind", pa.string()), ("context", pa.large_string()),
        ("choices", pa.list_(pa.large_string())), ("answer", pa.uint16()), ("between", pa.string()), ("place", pa.string()),
    ]
)  # fmt: skip


def candidates(context: Context, study: Study, pool: AnnotatedPool, base: Path) -> Manifest:
    """All items that the study's tasks could have. The summary counts, by task, items `read` and records `malformed`."""
    tasks, key, n_words = study.evaluation.tasks, stream(study.seed, "task items"), passage_words(study.ladder.context)
    located = {name: _located(name, task, base) for name, task in tasks.items()}
    contents = {name: [_digest(location) for _, location in found] for name, found in located.items() if found}
    from_text = [task for task in tasks.values() if task.made in FROM_TEXT]
    text = material(context, study, pool, SPARE * max(task.n_items or 0 for task in from_text)) if from_text else None
    config = {
        "tasks": {name: task.model_dump(exclude_defaults=True) for name, task in tasks.items()},
        "contents": contents, "seed": study.seed, "n_words": n_words,
    }  # fmt: skip
    step = Step(
        "tasks/items", config, {"material": text} if text else {}, version=2, compute=collect,
        units=lambda: [(tasks, located, (context.workdir, text.files() if text else []), key, n_words)],
        summarize=lambda parts: parts[0]["tasks"], unit="tables",
    )  # fmt: skip
    return run_step(context, step)


def _located(name: str, task: TaskSection, base: Path) -> list[tuple[str, str]]:
    """The task's files: what each is called, from the study file on, and as it is opened."""
    try:
        patterns = [path if "://" in path else str((base / path).absolute()) for path in task.paths]
        found = [location for pattern in patterns for location in files.locations(pattern)]
        return [(one if "://" in one else os.path.relpath(one, base), one) for one in found]
    except FileNotFoundError as error:
        raise StudyError(f"evaluation.tasks.{name}.path: {error}") from None


def _digest(path: str) -> str:
    """xxh3_128 of a file's bytes."""
    digest, file = xxhash.xxh3_128(), storage.Stored(path)
    while block := file.read(1 << 20):
        digest.update(block)
    file.close()
    return digest.hexdigest()


def material(context: Context, study: Study, pool: AnnotatedPool, documents: int) -> Manifest:
    """Excerpts of at most `documents` held-out documents per shard, a survivor of each cluster: key, domain, text."""
    inputs = {"pool": pool.documents} | {name: pool.signals[name] for name in ("duplicates", "withheld")}
    step = Step(
        "tasks/material", {"seed": study.seed, "documents": documents}, inputs, compute=draw,
        units=lambda: [(shard, study.seed, documents) for shard in shards(context.workdir, pool.documents, pool.signals)],
    )  # fmt: skip
    return run_step(context, step)


def draw(out: Output, shard: Shard, seed: int, documents: int) -> JsonObject:
    """One shard's excerpts, in the order of their keys. Runs on a worker."""
    frame = shard.frame(["uid", "withheld.reason", "duplicates.survivor"])
    free = frame.with_row_index().filter((pl.col("withheld.reason") == HELD_OUT) & pl.col("duplicates.survivor"))
    key = pl.Series("key", mix64(stream(seed, "task items"), free["uid"].to_numpy()))
    chosen = free.with_columns(key).sort("key").head(documents).sort("index")
    mask = pl.Series(np.isin(np.arange(len(frame)), chosen["index"].to_numpy()))
    rows = shard.text(mask, ["domain", "text"]).to_pylist()
    cut = [excerpt(row["text"], one) for row, one in zip(rows, chosen["key"].to_list(), strict=True)]
    table = chosen.select("key", domain=pl.Series([row["domain"] for row in rows], dtype=pl.String)).with_columns(
        text=pl.Series(cut, dtype=pl.String)
    )
    out.write_table(shard_file(shard.index), table.sort("key").to_arrow())
    return {"documents": len(table)}


Files = Mapping[str, list[tuple[str, str]]]  # of each task: what a file is called, and as it is opened


def collect(
    out: Output, tasks: Mapping[str, TaskSection], located: Files, text: tuple[Workdir, list[str]], key: int,
    n_words: int,
) -> JsonObject:  # fmt: skip
    """The items of all tasks, those of each in the order in which they are taken: a file's in its own, or by hash where not all
    are wanted. Runs on a worker."""
    rows: list[JsonObject] = []
    bad: list[JsonObject] = []
    counts: JsonObject = {}
    documents = list(_documents(*text))
    for name, task in tasks.items():
        read, malformed = len(rows), len(bad)
        of_task = int(mix64(key, np.array([xxhash.xxh3_64_intdigest(name.encode())], np.uint64))[0])
        if task.made is None:
            for path, location in located[name]:
                for found in files.read(location, {**task.fields}, task.between):
                    if isinstance(found, Malformed):
                        told = {"task": name, "path": path, "place": found.place, "reason": found.reason}
                        bad.append(told | {"head": found.head.decode(errors="replace")})
                    else:
                        rows.append(_row(name, len(rows) - read, found.item, f"{path}, {found.place}"))
            if task.n_items:
                order = np.argsort(mix64(of_task, np.arange(len(rows) - read)))
                rows[read:] = [rows[read + i] for i in order.tolist()]
        else:
            wanted = SPARE * (task.n_items or 0)
            made = make(task.made, documents[:wanted], n_words, of_task, wanted)
            rows += [_row(name, number, item, f"{task.made} {number}") for number, item in enumerate(made)]
        counts[name] = {"read": len(rows) - read, "malformed": len(bad) - malformed}
        if len(rows) == read:
            raise StudyError(f"evaluation.tasks.{name}: no usable item; {_why(bad[malformed:], task)}")
    table = pa.Table.from_pylist(rows, schema=ITEMS)
    out.write_table(FILE, table)
    with out.writing(QUARANTINE, rows=len(bad)) as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in bad).encode())
    return {"tasks": counts}


def _documents(workdir: Workdir, paths: Iterable[str]) -> Iterator[Document]:
    tables = [pl.DataFrame(workdir.read_table(path)) for path in paths]
    for row in pl.concat(tables).sort("key").iter_rows() if tables else []:
        yield Document(*row)


def _row(task: str, number: int, item: Item, place: str) -> JsonObject:
    return {
        "task": task, "item": number, "kind": item.kind, "context": item.context, "choices": list(item.choices),
        "answer": item.answer, "between": item.between, "place": place,
    }  # fmt: skip


def _why(bad: list[JsonObject], task: TaskSection) -> str:
    if bad:
        return f"{len(bad)} records are none, the first at {bad[0]['path']}, {bad[0]['place']}: {bad[0]['reason']}"
    if task.made:
        return "held-out text gives it none; raise evaluation.heldout, or leave the task away"
    return "its files are empty"


def item_of(row: JsonObject) -> Item:
    """The item in a row of items.parquet."""
    return Item(row["kind"], row["context"], tuple(row["choices"]), row["answer"], row["between"])
