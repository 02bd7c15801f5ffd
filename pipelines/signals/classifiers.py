"""Quality classifiers: draw examples by hash, train fastText on them, and offer its score as a signal."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import Batch
from curation.levels import search
from curation.levels.expression import parse
from curation.signals import quality
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.signals.sampling import Sample, drawn, find_sample
from pipelines.signals.search_rounds import Searched
from pipelines.signals.shards import Shard, known_columns, shard_file, shards
from pipelines.signals.signals import Signal
from pipelines.study.curation import ClassifierSection
from pipelines.study.study import StudyError

EXAMPLE_CHARACTERS = 10_000  # of a document's start are enough to judge it by, and bound the memory of the training


def classifier(
    context: Context, name: str, declared: ClassifierSection, pool: Manifest, examples: Manifest | None, base: Path
) -> Signal:
    """The score of classifier `name` as a signal still to be computed; trains the model on `examples` unless the user brings
    one."""
    if examples is None:
        return _users(name, declared, pool, base)
    model = train(context, name, declared, examples)
    step = Step(f"signals/{name}", {}, {"pool": pool, "model": model})
    return Signal(step, score, {"workdir": context.workdir, "model": model.files("model.bin")[0]})


def examples(
    context: Context, name: str, declared: ClassifierSection, pool: Manifest, signals: Mapping[str, Manifest]
) -> Searched[search.Search]:
    """Both classes, among usable survivors of duplicate clusters, so that no cluster is on both sides."""
    sample = Sample(
        groups={"good": declared.positives, "rest": declared.negatives},
        targets={"good": declared.examples, "rest": declared.examples},
        among="withheld.usable and duplicates.survivor",
        weight=None,
        seed=declared.seed,
    )
    known = known_columns(context.workdir, pool, signals)
    for key, text in (("positives", declared.positives), ("negatives", declared.negatives)):
        try:
            if text is not None:
                parse(text, known).check(known)
        except ValueError as error:
            raise StudyError(f"classifiers.{name}.{key}: {error}") from None
    read = {column.partition(".")[0] for column in sample.columns if "." in column}
    here = shards(context.workdir, pool, signals)

    def step(ends: Callable[[], search.Search]) -> Step:
        return Step(
            examples_of(name), {"groups": dict(sample.groups), "examples": declared.examples, "seed": declared.seed},
            {"pool": pool} | {signal: signals[signal] for signal in sorted(read)},
            compute=draw, units=lambda: [(shard, sample, ends()) for shard in here],
            summarize=lambda parts: count(name, parts),
        )  # fmt: skip

    return Searched(examples_of(name), lambda: find_sample(sample, here), step)


def examples_of(name: str) -> str:
    """What the step of a classifier's examples is called."""
    return f"classifiers/{name}/examples"


def train(context: Context, name: str, declared: ClassifierSection, examples: Manifest) -> Manifest:
    settings = quality.Settings(
        dim=declared.dim, bucket=declared.bucket, word_ngrams=declared.word_ngrams, epochs=declared.epochs,
        lr=declared.lr, seed=declared.seed,
    )  # fmt: skip
    step = Step(
        f"classifiers/{name}", asdict(settings), {"examples": examples}, compute=fit,
        units=lambda: [(context.workdir, examples.files(".parquet"), settings)],
        summarize=lambda parts: parts[0]["report"], unit="models",
    )  # fmt: skip
    return run_step(context, step)


def draw(out: Output, shard: Shard, sample: Sample, state: search.Search) -> JsonObject:
    """The shard's examples: text, domain and class. Runs on a worker."""
    group = drawn(sample, shard, state)
    table = shard.text(group.is_not_null(), ["text", "domain"])
    cut = pl.DataFrame(table).with_columns(pl.col("text").str.slice(0, EXAMPLE_CHARACTERS), group=group.drop_nulls())
    out.write_table(shard_file(shard.index), cut.to_arrow().cast(EXAMPLES))
    return {"good": int((group == "good").sum()), "rest": int((group == "rest").sum())}


EXAMPLES = pa.schema([("text", pa.large_string()), ("domain", pa.string()), ("group", pa.string())])


def count(name: str, parts: list[JsonObject]) -> dict[str, int]:
    """Examples drawn of each class; refuses a class without any."""
    counts = {group: sum(part[group] for part in parts) for group in ("good", "rest")}
    for group, key in (("good", "positives"), ("rest", "negatives")):
        if not counts[group]:
            raise StudyError(f"classifiers.{name}.{key}: no usable document of the pool matches; widen the expression")
    return counts


def fit(out: Output, workdir: Workdir, files: list[str], settings: quality.Settings) -> JsonObject:
    """Train on all drawn examples: `model.bin` and its report."""
    table = pa.concat_tables(workdir.each(workdir.read_table, files))
    good, rest = (table.filter(pc.field("group") == group) for group in ("good", "rest"))
    trained = quality.train(good, rest, settings)
    with out.writing("model.bin") as file:
        file.write(trained.model)
    return {"report": asdict(trained.report)}


def report(signal: Manifest) -> JsonObject:
    """What `curation.signals.quality.Report` says of the model that gave the scores `signal`."""
    return signal.step.inputs["model"].summary


def _users(name: str, declared: ClassifierSection, pool: Manifest, base: Path) -> Signal:
    path = declared.model or ""
    located = path if "://" in path else str((base / path).absolute())
    if "://" not in path and not Path(located).is_file():
        raise StudyError(f"classifiers.{name}.model: no file at {located}; give the path of a fastText .bin")
    import fsspec
    import xxhash

    with fsspec.open(located, "rb") as file:
        digest = xxhash.xxh3_128_hexdigest(file.read())  # pyright: ignore[reportAttributeAccessIssue]
    given = {"label": declared.label, "words": declared.words}
    step = Step(f"signals/{name}", {**given, "model": digest}, {"pool": pool})
    return Signal(step, quality.compute, {"model": located, **given})


def score(batch: Batch, workdir: Workdir, model: str) -> pa.Table:
    """The signal `score` by a model in the work directory."""
    return pa.table({"score": quality.score(_loaded(workdir, model), batch.text)})


@lru_cache(maxsize=4)
def _loaded(workdir: Workdir, path: str) -> Any:
    """A model, once per worker process; fastText reads from local files only."""
    if workdir.is_local:
        return quality.load(workdir.full(path))
    with TemporaryDirectory() as folder:
        local = Path(folder, "model.bin")
        local.write_bytes(workdir.read_bytes(path))
        return quality.load(str(local))
