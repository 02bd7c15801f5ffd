"""Signals: every declared measurement of every pool document, one Parquet file per pool shard and signal, row for row.

A shard's text is read once for all signals that are still missing on it, so the word scan is shared; each signal nevertheless
has its own identity and its own folder, so adding one computes one.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.document import SCHEMA, Batch
from curation.signals.registry import SIGNALS, contents
from pipelines.engine.output import Output
from pipelines.engine.run import Context, Job, Pass, run_together
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject
from pipelines.signals.shards import shard_file
from pipelines.study.study import StudyError

Compute = Callable[..., pa.Table]
READ = [name for name in SCHEMA.names if name != "meta"]  # of documents: what a signal may read


@dataclass(frozen=True)
class Signal:
    """One signal to compute: its step, its function (Batch, **params) -> table, and the parameters of the call."""

    step: Step
    compute: Compute
    params: JsonObject = field(default_factory=dict)


def check(signals: dict[str, JsonObject]) -> None:
    """Refuse signals and parameters that do not exist. Needs no data, so a study is checked before its sources are read."""
    for name, params in signals.items():
        if name not in SIGNALS:
            raise StudyError(f"signals: {name!r} is not a known signal (known: {', '.join(sorted(SIGNALS))})")
        if unknown := set(params) - set(SIGNALS[name].params):
            has = ", ".join(SIGNALS[name].params) or "none"
            raise StudyError(f"signals.{name}: {sorted(unknown)[0]!r} is no parameter of it (it has: {has})")


def declared(pool: Manifest, signals: dict[str, JsonObject], base: Path) -> list[Signal]:
    """The study's signals as steps over `pool`; files that parameters name are relative to `base` and identified by content.

    A file that is not there is a StudyError.
    """
    check(signals)
    wanted = []
    for name, params in signals.items():
        signal = SIGNALS[name]
        located = {key: _located(value, base) if key in signal.files else value for key, value in params.items()}
        values = dict(signal.params) | located
        try:
            digests = sorted(contents(signal, values).values())
        except FileNotFoundError as error:
            raise StudyError(f"signals.{name}: {error}") from None
        config = dict(signal.params) | params | ({"contents": digests} if digests else {})
        wanted.append(Signal(Step(f"signals/{name}", config, {"pool": pool}, signal.version), signal.compute, values))
    return wanted


def _located(value: object, base: Path) -> object:
    """A path or a list of them, made absolute; URLs and names of bundled models stay."""
    if isinstance(value, list):
        return [_located(item, base) for item in value]
    return str(base / value) if isinstance(value, str) and "://" not in value and (base / value).exists() else value


def annotate(context: Context, pool: Manifest, signals: list[Signal], label: str = "signals") -> dict[str, Manifest]:
    """Compute what is missing of `signals` over the pool's shards. Returns the signal's name -> manifest."""
    files = pool.files(".parquet")
    megabytes = [file["text_bytes"] / 1e6 for file in pool.records(".parquet")]
    calls = {signal.step.name: (signal.compute, signal.params) for signal in signals}

    def plan(missing: Sequence[tuple[Step, int]]) -> Pass:
        by_shard: dict[int, list[Step]] = defaultdict(list)
        for step, index in missing:
            by_shard[index].append(step)
        jobs = [
            Job([(step, index) for step in steps], (files[index], [calls[step.name] for step in steps]), megabytes[index])
            for index, steps in by_shard.items()
        ]
        return Pass(label, annotate_shard, jobs, "MB", sum(megabytes) - sum(job.weight for job in jobs))

    manifests = run_together(context, [signal.step for signal in signals], len(files), plan)
    return {name.removeprefix("signals/"): manifest for name, manifest in manifests.items()}


def annotate_shard(outputs: list[Output], shard: str, calls: list[tuple[Compute, JsonObject]]) -> list[JsonObject]:
    """One pool shard's file of every signal, (function, parameters) each, row group by row group. Runs on a worker."""
    writers: list[pq.ParquetWriter] = []
    with ExitStack() as stack:
        for documents in outputs[0].workdir.batches(shard, READ):
            batch = Batch(documents)
            for i, (out, (compute, params)) in enumerate(zip(outputs, calls, strict=True)):
                table = compute(batch, **params).add_column(0, "doc_id", documents["doc_id"])
                if len(writers) == i:
                    writers.append(stack.enter_context(out.parquet(shard_file(out.index), table.schema)))
                writers[i].write_table(table)
    return [out.commit({}) for out in outputs]
