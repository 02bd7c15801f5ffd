"""Evaluation documents: drawn once from what is held out, in passages, with their sets; and each level's own set among them.

documents.parquet does not depend on any level, so changing a level retrains no other one. Which of the documents are
`own:<level>` is a step of its own, and joins the losses only when observations are gathered.
"""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from curation.hashing import piece_uid
from curation.levels import heldout, search
from curation.levels.heldout import WITHHELD, Heldout
from curation.tokens import tokenizer
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step, Unit
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.selections import AnnotatedPool
from pipelines.levels.withheld import declared
from pipelines.signals.search_rounds import Rounds, Searched, run_searched
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.signals.tokens import token_lists
from pipelines.study.study import Study, StudyError

PASSAGES, CHOICES = "evaluation/passages", "choices.parquet"
FRAME = [
    "doc_id",
    "uid",
    "source",
    "domain",
    "n_tokens",
    "n_bytes",
    "duplicates.cluster",
    "duplicates.survivor",
    "withheld.reason",
]


def evaluation(context: Context, study: Study, pool: AnnotatedPool, tasks: Manifest | None = None) -> Manifest:
    """Draw the evaluation documents: `documents.parquet` with doc_id, domain, tokens, n_bytes, sets. The choices of
    `tasks`, where there are some, lie beside them in choices.parquet, so that runs read one folder."""
    chosen = run_searched(context, "evaluation", [passages(context, study, pool)])[PASSAGES]
    asked = tasks.files(CHOICES)[0] if tasks else None
    step = Step(
        "evaluation", {}, {"passages": chosen} | ({"tasks": tasks} if tasks else {}), compute=gather,
        units=lambda: [(context.workdir, chosen.files(), asked)],
        summarize=lambda parts: parts[0]["sets"], unit="sets",
    )  # fmt: skip
    return run_step(context, step)


def passages(context: Context, study: Study, pool: AnnotatedPool) -> Searched[search.Search]:
    """The passages of every shard that evaluation documents are gathered from. They read what selections read, and are made
    beside them (`run_study.curate`)."""
    rule, passage = declared(study), study.evaluation.passage_tokens
    inputs = {"pool": pool.documents} | {name: pool.signals[name] for name in ("duplicates", "tokens", "withheld")}
    config = {"seed": rule.seed, "tokens_per_set": rule.tokens_per_set, "min_tokens": rule.min_tokens, "passage": passage}

    def narrow(state: search.Search, bins: pl.DataFrame) -> search.Search:
        if bins.is_empty():
            raise StudyError(
                f"evaluation: no held-out document of {rule.min_tokens} tokens or more; raise evaluation.heldout "
                f"({study.evaluation.heldout}) or add a reference source"
            )
        return search.narrow(state, bins)

    units = [(shard, rule, passage) for shard in shards(context.workdir, pool.documents, pool.signals)]

    def step(found: Callable[[], search.Search]) -> Step:
        def choices() -> list[Unit]:
            lengths = tokenizer.byte_lengths(context.workdir.read_bytes(pool.tokenizer.files("tokenizer.json")[0]).decode())
            return [(*unit, found(), lengths) for unit in units]

        return Step(PASSAGES, config, inputs, compute=choose, units=choices)

    return Searched(PASSAGES, lambda: Rounds(measure, units, heldout.evaluation_search(rule), narrow), step)


def cut_passages(frame: pl.DataFrame, length: int) -> pl.DataFrame:
    """Documents cut into passages of at most `length` tokens, each with a `uid` and a number of its own."""
    count = -(-frame["n_tokens"].to_numpy().astype(np.int64) // length)
    row = np.repeat(np.arange(len(frame)), count)
    piece = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    n_tokens = np.minimum(frame["n_tokens"].to_numpy()[row].astype(np.int64) - piece * length, length)
    uid = piece_uid(frame["uid"].to_numpy()[row], piece)
    columns = {"row": pl.Series(row), "piece": pl.Series(piece), "uid": pl.Series(uid), "n_tokens": pl.Series(n_tokens)}
    return frame[row].with_columns(**columns)


def _candidates(shard: Shard, passage: int) -> pl.DataFrame:
    """Passages of the withheld documents, with the reason that curation.levels.heldout would find again."""
    frame = shard.frame(FRAME)
    return cut_passages(frame.with_row_index("at").filter(frame["withheld.reason"].is_not_null()), passage)


def _clusters(rows: pl.DataFrame, rule: Heldout) -> pl.Series:
    references = rows.filter(rows["withheld.reason"].is_in([heldout.REFERENCE, heldout.NEAR_REFERENCE]))
    return heldout.union([references["duplicates.cluster"]])


def measure(shard: Shard, rule: Heldout, passage: int, state: search.Search) -> pl.DataFrame:
    """One shard's part of the next round. Runs on a worker."""
    rows = _candidates(shard, passage)
    return heldout.measure(state, rows, rule, _clusters(rows, rule))


def choose(out: Output, shard: Shard, rule: Heldout, passage: int, state: search.Search, lengths: np.ndarray) -> JsonObject:
    """One shard's evaluation passages with their tokens and exact bytes. Runs on a worker."""
    rows = _candidates(shard, passage)
    found = heldout.evaluation(state, rows, rule, _clusters(rows, rule)).select("uid", "sets")
    found = found.join(rows, on="uid", how="left", maintain_order="left").sort("uid")
    lists = token_lists(shard.workdir, shard.signals["tokens"])
    values, offsets = lists.values.to_numpy(), lists.offsets.to_numpy()
    start = offsets[found["at"].to_numpy()] + found["piece"].to_numpy() * passage
    cut = [values[s : s + n] for s, n in zip(start.tolist(), found["n_tokens"].to_list(), strict=True)]
    table = pa.table(
        {
            "uid": found["uid"].to_arrow(), "doc_id": found["doc_id"].to_arrow(),
            "domain": found["domain"].cast(pl.String).to_arrow(),
            "tokens": pa.array(cut, pa.list_(lists.type.value_type)),
            "n_bytes": pa.array([int(lengths[tokens].sum()) for tokens in cut], pa.uint32()),
            "sets": found["sets"].to_arrow(),
        }
    )  # fmt: skip
    out.write_table(shard_file(shard.index), table)
    return {}


def gather(out: Output, workdir: Workdir, files: list[str], choices: str | None) -> JsonObject:
    """All passages in the order of uid, as one file (its size is bounded by tokens_per_set), and the choices of tasks."""
    table = pa.concat_tables(workdir.each(workdir.read_table, files)).sort_by("uid").drop_columns("uid")
    out.write_table("documents.parquet", table)
    if choices:
        out.write_table(CHOICES, workdir.read_table(choices))
    rows = pl.DataFrame(table).select("sets", n=pl.col("tokens").list.len(), b="n_bytes").explode("sets")
    sums = rows.group_by("sets").agg(documents=pl.len(), tokens=pl.col("n").sum(), bytes=pl.col("b").sum()).sort("sets")
    return {"sets": {row.pop("sets"): row for row in sums.to_dicts()}}


def own(context: Context, documents: Manifest, selections: Mapping[str, Manifest]) -> dict[str, Step]:
    """By level, which evaluation documents satisfy its rules: the doc_ids of `own:<level>`, a file per pool shard. Made beside
    the ledgers, which read the same selections."""
    path = documents.files("documents.parquet")[0]

    def step(level: str, selection: Manifest) -> Step:
        files = selection.files(".parquet")
        return Step(
            f"evaluation/own/{level}", {}, {"documents": documents, "selection": selection}, compute=passing,
            units=lambda: [(context.workdir, file, index, path) for index, file in enumerate(files)],
        )  # fmt: skip

    return {level: step(level, selection) for level, selection in selections.items()}


def passing(out: Output, workdir: Workdir, selection: str, index: int, documents: str) -> JsonObject:
    """The shard's evaluation documents that fail no rule but the one that holds them out. Runs on a worker."""
    ids = pl.DataFrame(workdir.read_table(documents, ["doc_id"]))["doc_id"].unique()
    decided = pl.DataFrame(workdir.read_table(selection, ["doc_id", "failed"])).filter(pl.col("doc_id").is_in(ids.implode()))
    rules = decided["failed"].cast(pl.List(pl.String)).list.set_difference(list(WITHHELD))
    out.write_table(shard_file(index), decided.filter(rules.list.len() == 0).select("doc_id").to_arrow())
    return {}
