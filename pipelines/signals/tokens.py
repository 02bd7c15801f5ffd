"""Tokens: one tokeniser trained on a neutral sample of the pool, then every pool document tokenised once."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import Batch
from curation.levels.search import Search, narrow
from curation.tokens import sample, tokenizer
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step, Unit
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.signals.search_rounds import Rounds, Searched
from pipelines.signals.shards import Shard, shard_file, shards
from pipelines.signals.signals import Signal
from pipelines.study.study import Study, StudyError

FILE = "tokenizer.json"
SAMPLE = "tokenizer/sample"


def sizes(pool: Manifest) -> Signal:
    """The bytes of every pool document, as a signal still to be computed: what the tokeniser's sample is measured in."""
    return Signal(Step("signals/sizes", {}, {"pool": pool}), size)


def size(batch: Batch) -> pa.Table:
    """The signal: `n_bytes` of UTF-8 text, uint32."""
    return pa.table({"n_bytes": pc.binary_length(batch.text).cast(pa.uint32())})  # pyright: ignore[reportAttributeAccessIssue]


def sample_of_text(context: Context, study: Study, pool: Manifest, signals: Mapping[str, Manifest]) -> Searched[Search]:
    """The tokenizer's sample: `sample_megabytes` of text by hash, whatever its quality, each domain in proportion; nothing
    withheld."""
    max_bytes, here = study.tokenizer.sample_megabytes * 1e6, shards(context.workdir, pool, signals)

    def step(ends: Callable[[], Search]) -> Step:
        def units() -> list[Unit]:
            settled = sample.settle_ends(ends(), study.seed)
            return [(shard, study.seed, settled) for shard in here]

        return Step(
            SAMPLE, {"bytes": max_bytes, "seed": study.seed}, {"pool": pool, "withheld": signals["withheld"]},
            compute=draw, units=units,
        )  # fmt: skip

    units = [(shard, study.seed) for shard in here]
    return Searched(SAMPLE, lambda: Rounds(measure, units, Search(total=max_bytes), narrow), step)


def train_tokenizer(context: Context, study: Study, drawn: Manifest) -> Manifest:
    """Train on the sample."""
    vocab_size = study.tokenizer.vocab_size
    step = Step(
        "tokenizer", {"vocab_size": vocab_size}, {"sample": drawn}, compute=train,
        units=lambda: [(context.workdir, drawn.files(), vocab_size)],
        summarize=lambda parts: {"tokenizer": parts[0]["tokenizer"]}, unit="tokenizers",
    )  # fmt: skip
    return run_step(context, step)


def documents(shard: Shard) -> pl.DataFrame:
    """What `curation.tokens.sample` reads of a shard's documents, and whether each is free."""
    names = {"uid": "uid", "domain": "domain", "sizes.n_bytes": "n_bytes", "withheld.free": "free"}
    return shard.frame(list(names)).rename(names)


def measure(shard: Shard, seed: int, state: Search) -> pl.DataFrame:
    """The shard's part of the next round of the search. Runs on a worker."""
    return sample.measure(state, documents(shard).filter("free"), seed)


def draw(out: Output, shard: Shard, seed: int, state: Search) -> JsonObject:
    """The shard's part of the sample. Runs on a worker."""
    frame = documents(shard)
    rows = frame["free"] & pl.Series(sample.drawn(state, frame, seed))
    out.write_table(shard_file(shard.index), shard.text(rows))
    return {"documents": int(rows.sum()), "bytes": int(frame.filter(rows)["n_bytes"].cast(pl.Int64).sum())}


def train(out: Output, workdir: Workdir, files: list[str], vocab_size: int) -> JsonObject:
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
    step = Step("signals/tokens", {}, {"pool": pool, "tokenizer": trained})
    return Signal(step, encode, {"workdir": workdir, "path": trained.files(FILE)[0]})


def encode(batch: Batch, workdir: Workdir, path: str) -> pa.Table:
    """The signal: `tokens`, `n_tokens`, `n_bytes`."""
    return tokenizer.compute(batch, _read(workdir, path))


@lru_cache(maxsize=4)
def _read(workdir: Workdir, path: str) -> str:
    return workdir.read_bytes(path).decode()


def token_lists(workdir: Workdir, path: str) -> pa.ListArray:
    """The `tokens` column of one signal file as a single array."""
    return workdir.read_table(path, ["tokens"])["tokens"].combine_chunks()
