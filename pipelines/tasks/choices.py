"""Items that are scored: those that stand in no document of the pool, fit into the models' context, and are drawn.

tasks/overlap  per pool shard  the candidates that stand in a document that levels may be made from
tasks/choices  one unit        choices.parquet (a row per choice, tokenised), items.parquet, left_out.parquet, task_items.csv

An item that a model may have read is left out for all levels alike. Documents are not: a task changes no level.
"""

from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from curation.document import Batch
from curation.tasks import encode, overlap
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.evaluation import CHOICES
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.study.study import Study, StudyError
from pipelines.tasks import items

COUNTS = "task_items.csv"
USABLE, IN_POOL, TOO_LONG, NOT_DRAWN = "usable", "in the pool", "longer than the context", "more than wanted"


def choices(context: Context, study: Study, pool: AnnotatedPool, base: Path) -> Manifest | None:
    """What every run is asked; None without tasks. The summary counts items by task and by why they were left out."""
    if not study.evaluation.tasks or not study.trains:
        return None
    candidates = items.candidates(context, study, pool, base)
    path = candidates.files(items.FILE)[0]
    step = Step(
        "tasks/overlap", {}, {"pool": pool.documents, "withheld": pool.signals["withheld"], "items": candidates}, compute=seek,
        units=lambda: [(shard, path) for shard in shards(context.workdir, pool.documents, pool.signals)],
    )  # fmt: skip
    standing = run_step(context, step)
    wanted = {name: task.n_items for name, task in study.evaluation.tasks.items()}
    config = {"context": study.ladder.context, "items": wanted}
    tokenizer = pool.tokenizer.files("tokenizer.json")[0]
    step = Step(
        "tasks/choices", config, {"items": candidates, "overlap": standing, "tokenizer": pool.tokenizer}, compute=choose,
        units=lambda: [(context.workdir, path, standing.files(".parquet"), tokenizer, config, candidates.summary)],
        summarize=lambda parts: parts[0]["tasks"], unit="tables",
        publish=lambda workdir, made: workdir.update(COUNTS, workdir.read_bytes(made.files(COUNTS)[0])),
    )  # fmt: skip
    return run_step(context, step)


@lru_cache(maxsize=1)
def _sought(workdir: Workdir, path: str) -> overlap.Sought:
    return overlap.sought([items.item_of(row).text for row in workdir.read_table(path).to_pylist()])


def seek(out: Output, shard: Shard, path: str) -> JsonObject:
    """Rows of items.parquet that stand in one of the shard's free documents. Runs on a worker."""
    free = shard.frame(["withheld.free"])["withheld.free"]
    found = overlap.found(Batch(shard.text(free)).words, _sought(shard.workdir, path))
    out.write_table(shard_file(shard.index), pa.table({"row": pa.array(np.flatnonzero(found), pa.uint32())}))
    return {"items": int(found.sum())}


def choose(
    out: Output, workdir: Workdir, path: str, standing: list[str], tokenizer: str, config: JsonObject, read: JsonObject
) -> JsonObject:
    """The items that are left of every task, and their choices. Runs on a worker."""
    frame = pl.DataFrame(workdir.read_table(path)).with_row_index("row")
    candidates = [items.item_of(row) for row in frame.to_dicts()]
    encoded = encode.choices(candidates, workdir.read_bytes(tokenizer).decode())
    in_pool = np.isin(frame["row"], np.concatenate([workdir.read_table(file)["row"].to_numpy() for file in standing]))
    reason = np.where(in_pool, IN_POOL, np.where(encode.fitting(encoded, config["context"]), USABLE, TOO_LONG))
    counts, kept, left_out = {}, [], []
    for part in frame.with_columns(reason=pl.Series(reason)).partition_by("task", maintain_order=True):
        name = part["task"][0]
        place = (part["reason"] == USABLE).cum_sum()  # among the usable, in the order of the candidates
        beyond = (part["reason"] == USABLE) & (place > (config["items"][name] or len(part)))
        part = part.with_columns(reason=pl.when(beyond).then(pl.lit(NOT_DRAWN)).otherwise("reason"))
        n = Counter(part["reason"].to_list())
        if not n[USABLE]:
            reasons = ", ".join(f"{count} {why}" for why, count in sorted(n.items()))
            raise StudyError(f"evaluation.tasks.{name}: no usable item; of {len(part)} there are {reasons}")
        kept.append(part.filter(pl.col("reason") == USABLE))
        left_out.append(part.filter(pl.col("reason") != USABLE))
        chance = float(np.mean([candidates[row].chance for row in kept[-1]["row"]]))
        counts[name] = {
            "kind": part["kind"][0], "items": n[USABLE], "chance": round(chance, 6), **read[name], "in_pool": n[IN_POOL],
            "too_long": n[TOO_LONG], "not_drawn": n[NOT_DRAWN],
        }  # fmt: skip
    asked = pl.concat(kept)
    chosen = encoded.filter(pa.array(np.isin(encoded["item"].to_numpy(), asked["row"].to_numpy())))
    at = np.searchsorted(asked["row"].to_numpy(), chosen["item"].to_numpy())
    names = {"task": pa.array(asked["task"].to_list(), pa.string()).take(at), "item": asked["item"].to_arrow().take(at)}
    out.write_table(CHOICES, pa.table(names | {name: chosen[name] for name in encode.COLUMNS[1:]}))
    out.write_table("items.parquet", asked.drop("row", "reason").to_arrow())
    out.write_table("left_out.parquet", pl.concat(left_out).drop("row").to_arrow())
    with out.writing(COUNTS) as file:
        file.write(pl.DataFrame([{"task": name, **row} for name, row in counts.items()]).write_csv().encode())
    return {"tasks": counts}
