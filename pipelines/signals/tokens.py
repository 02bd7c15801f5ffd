"""Tokens: one tokeniser trained on a neutral sample of the pool, then every pool document tokenised once."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.document import Batch
from curation.tokens import tokenizer
from pipelines.engine.run_step import Context, run_step
from pipelines.engine.workdir import Manifest, Output, Step, Workdir
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.signals.signals import Signal
from pipelines.study.study import Study, StudyError

FILE = "tokenizer.json"


def train_tokenizer(context: Context, study: Study, pool: Manifest, signals: Mapping[str, Manifest]) -> Manifest:
    """Train on about `sample_megabytes` of text drawn by hash, whatever its domain or quality, held-out documents excepted."""
    max_bytes = study.tokenizer.sample_megabytes * 1e6
    step = Step(
        "tokenizer/sample",
        {"bytes": max_bytes, "seed": study.seed},
        {"pool": pool.digest, "withheld": signals["withheld"].digest},
    )
    units = [(shard, max_bytes, pool.total("text_bytes"), study.seed) for shard in shards(context.workdir, pool, signals)]
    sample = run_step(context, step, draw, units)
    step = Step("tokenizer", {"vocab_size": study.tokenizer.vocab_size}, {"sample": sample.digest})
    unit = (context.workdir, sample.files(), study.tokenizer.vocab_size)
    return run_step(context, step, train, [unit], lambda parts: {"tokenizer": parts[0]["tokenizer"]}, unit="tokenisers")


def draw(out: Output, shard: Shard, max_bytes: float, pool_bytes: float, seed: int) -> dict[str, Any]:
    """The shard's part of the sample. Runs on a worker."""
    free = shard.frame(["withheld.free"]).to_series()
    start, texts = 0, []
    for batch in shard.workdir.batches(shard.pool, ["uid", "text"]):
        batch, start = batch.filter(free.slice(start, batch.num_rows).to_arrow()), start + batch.num_rows
        texts += tokenizer.sample([batch], max_bytes, pool_bytes, seed)
    out.write_table(shard_file(shard.index), pa.table({"text": pa.array(texts, pa.large_string())}))
    return {"documents": len(texts)}


def train(out: Output, workdir: Workdir, files: list[str], vocab_size: int) -> dict[str, Any]:
    """Train on the whole sample, streamed from its files."""

    def texts() -> Iterator[str]:
        for path in files:
            yield from workdir.read_table(path)["text"].to_pylist()

    try:
        made = tokenizer.train(texts(), vocab_size)
    except ValueError as error:
        raise StudyError(f"tokenizer: {error}") from None
    with out.writing(FILE) as file:
        file.write(made.encode())
    return {"tokenizer": tokenizer.digest(made)}


def tokens(workdir: Workdir, pool: Manifest, trained: Manifest) -> Signal:
    """The tokens of every pool document, as a signal still to be computed."""
    step = Step("signals/tokens", {}, {"pool": pool.digest, "tokenizer": trained.summary["tokenizer"]})
    return Signal(step, encode, {"workdir": workdir, "path": trained.files(FILE)[0]})


def encode(batch: Batch, workdir: Workdir, path: str) -> pa.Table:
    """The signal: `tokens`, `n_tokens`, `n_bytes`."""
    return tokenizer.compute(batch, _read(workdir, path))


@lru_cache(maxsize=4)
def _read(workdir: Workdir, path: str) -> str:
    return workdir.read_bytes(path).decode()


def token_lists(workdir: Workdir, path: str) -> pa.ListArray:
    """The `tokens` column of one signal file as a single array."""
    column = pq.read_table(workdir.full(path), columns=["tokens"], filesystem=workdir.fs, use_threads=False)["tokens"]
    return column.combine_chunks()
