"""What is to be known of every level's token stream, read from the pieces that were laid out of each pool shard.

quality/pieces/<level>  per pool shard  counts, score histograms, duplicate clusters, and a sample of the text
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.hashing import mix64, piece_uid, stream
from curation.levels.ledger import ADDED
from curation.quality import composition
from curation.tokens.decode import decode
from pipelines.engine.output import Output
from pipelines.engine.run import Context, Job, Pass, run_together
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.study.study import Study

SAMPLE_BYTES = 4_000_000  # of each level's text: some ten groups of `curation.quality.text.GROUP_WORDS` words
CLUSTER_DOCUMENTS = 2_000_000  # documents of duplicate clusters that one task holds
PIECES = ["doc_id", "uid", "piece", "epoch", "tokens"]


@dataclass(frozen=True)
class Stream:
    """How one pool shard's part of a level's stream is looked at: its files of pieces, the share of the text that is sampled
    and of the duplicate clusters that are drawn, and whether added copies are near ones."""

    files: tuple[str, ...]
    sampled: float
    clusters: float
    near_copies: bool
    seed: int


def read_pieces(
    context: Context, study: Study, pool: AnnotatedPool, ledgers: Mapping[str, Manifest], levels: Mapping[str, Manifest]
) -> dict[str, Manifest]:
    """What is to be known of every level's pieces; a pool shard's signals are read once for all levels."""
    here = shards(context.workdir, pool.documents, pool.signals)
    path = pool.tokenizer.files("tokenizer.json")[0]
    inputs = {name: pool.signals[name] for name in ("duplicates", *study.classifiers)}
    scores = [f"{name}.score" for name in study.classifiers]
    steps, streams = [], {}
    for name, made in ledgers.items():
        near = study.levels[name].duplicate_noise is not None
        copies = sum(row["documents"] for row in made.summary["funnel"] if row["reason"] == ADDED)
        candidates = pool.signals["duplicates"].summary["candidates"] + 2 * copies
        sampled = min(1.0, SAMPLE_BYTES / max(levels[name].summary["bytes"], 1))
        clusters = min(1.0, CLUSTER_DOCUMENTS / max(candidates, 1))
        config = {"sampled": sampled, "clusters": clusters, "near_copies": near, "seed": study.seed}
        steps.append(Step(f"quality/pieces/{name}", config, {"ledgers": made, "tokenizer": pool.tokenizer, **inputs}))
        laid = made.files(".parquet")
        streams[steps[-1].name] = [
            Stream(
                tuple(file for file in laid if "/exchange/" in file and file.endswith(f"/{shard_file(shard.index)}")),
                sampled, clusters, near, study.seed,
            )
            for shard in here
        ]  # fmt: skip

    def plan(missing: Sequence[tuple[Step, int]]) -> Pass:
        by_shard: dict[int, list[Step]] = defaultdict(list)
        for step, index in missing:
            by_shard[index].append(step)
        jobs = [
            Job([(step, i) for step in of], (here[i], [streams[step.name][i] for step in of], scores, path), len(of))
            for i, of in by_shard.items()
        ]
        return Pass("pieces of levels", look, jobs, "shards", len(steps) * len(here) - len(missing))

    made = run_together(context, steps, len(here), plan)
    return {name: made[f"quality/pieces/{name}"] for name in ledgers}


def look(outputs: list[Output], shard: Shard, streams: list[Stream], scores: list[str], tokenizer: str) -> list[JsonObject]:
    """One pool shard's part of several levels. Runs on a worker."""
    frame = shard.frame(["uid", "duplicates.kept_uid", "duplicates.exact", "duplicates.cluster_size", *scores])
    spelled = read_tokenizer(shard.workdir, tokenizer)
    return [_look(out, frame, part, spelled) for out, part in zip(outputs, streams, strict=True)]


def _look(out: Output, frame: pl.DataFrame, part: Stream, tokenizer: str) -> JsonObject:
    read = [out.workdir.read_table(path, PIECES) for path in part.files]
    if not read:
        return out.commit({"counts": composition.add([])})
    pieces = pa.concat_tables(read)
    lengths = pc.list_value_length(pieces["tokens"])  # pyright: ignore[reportAttributeAccessIssue]
    n_tokens = pl.Series(lengths)
    documents = composition.documents(pl.DataFrame(pieces.select(["doc_id", "uid", "epoch"])).with_columns(n_tokens=n_tokens))
    of = frame[(documents["doc_id"] & 0xFFFFFFFF).cast(pl.UInt32)]
    original = of["uid"] == documents["uid"]
    tokens_D = documents["tokens"].to_numpy()
    scores = [name for name in frame.columns if name.endswith(".score")]
    if scores:
        bins = [composition.score_bins(name.removesuffix(".score"), of[name].to_numpy(), tokens_D) for name in scores]
        out.write_table(f"scores-{out.index:05d}.parquet", pl.concat(bins).to_arrow())
    drawn = composition.drawn_clusters(_alike(documents, of, original, part.near_copies), part.clusters, part.seed)
    out.write_table(f"clusters-{out.index:05d}.parquet", drawn.to_arrow())
    out.write_table(f"sample-{out.index:05d}.parquet", _sample(pieces, part, tokenizer))
    return out.commit({"counts": composition.counts(documents, original)})


def _alike(documents: pl.DataFrame, of: pl.DataFrame, original: pl.Series, near_copies: bool) -> pl.DataFrame:
    """The documents that others may duplicate: `cluster` (what goes for one document), `exact` (a near copy's is its own),
    `tokens` of one pass."""
    copied = documents.select(pl.len().over("doc_id") > 1).to_series()
    rows = pl.DataFrame(
        {
            "cluster": of["duplicates.kept_uid"],
            "exact": of["duplicates.exact"].zip_with(original | (not near_copies), documents["uid"]),
            "tokens": documents["first_tokens"],
        }
    )
    return rows.filter((of["duplicates.cluster_size"] > 1) | copied)


def _sample(pieces: pa.Table, part: Stream, tokenizer: str) -> pa.Table:
    """The sampled pieces as text, each with the hash that orders them; of a repeated pass none."""
    key_P = mix64(stream(part.seed, "quality sample"), piece_uid(pieces["uid"].to_numpy(), pieces["piece"].to_numpy()))
    limit = np.uint64(min(int(part.sampled * 2**64), 2**64 - 1))
    chosen_P = np.flatnonzero((key_P <= limit) & (pieces["epoch"].to_numpy() == 0))
    lists = pieces["tokens"].take(pa.array(chosen_P)).combine_chunks()
    return pa.table({"key": key_P[chosen_P], "text": decode(tokenizer, lists)})


@lru_cache(maxsize=4)
def read_tokenizer(workdir: Workdir, path: str) -> str:
    """A tokenizer's JSON, once per worker process."""
    return workdir.read_bytes(path).decode()
