"""Signals: every declared measurement of every pool document, one Parquet file per pool shard and signal, row for row.

A shard's text is read once for all signals that are still missing on it, so the word scan is shared; each signal nevertheless
has its own identity and its own folder, so adding one computes one.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.document import Batch
from curation.signals.registry import SIGNALS, contents
from pipelines.engine.run_step import Context
from pipelines.engine.workdir import Manifest, Output, Step, Workdir
from pipelines.signals.shards import shard_file
from pipelines.study.study import StudyError

Compute = Callable[..., pa.Table]


@dataclass(frozen=True)
class Signal:
    """One signal to compute: its step, its function (Batch, **params) -> table, and the parameters of the call."""

    step: Step
    compute: Compute
    params: dict[str, Any] = field(default_factory=dict)


def check(signals: dict[str, dict[str, Any]]) -> None:
    """Refuse signals and parameters that do not exist. Needs no data, so a study is checked before its sources are read."""
    for name, params in signals.items():
        if name not in SIGNALS:
            raise StudyError(f"signals: {name!r} is not a known signal (known: {', '.join(sorted(SIGNALS))})")
        if unknown := set(params) - set(SIGNALS[name].params):
            has = ", ".join(SIGNALS[name].params) or "none"
            raise StudyError(f"signals.{name}: {sorted(unknown)[0]!r} is no parameter of it (it has: {has})")


def declared(pool: Manifest, signals: dict[str, dict[str, Any]], base: Path) -> list[Signal]:
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
        wanted.append(Signal(Step(f"signals/{name}", config, {"pool": pool.digest}), signal.compute, values))
    return wanted


def _located(value: Any, base: Path) -> Any:
    """A path or a list of them, made absolute; URLs and names of bundled models stay."""
    if isinstance(value, list):
        return [_located(item, base) for item in value]
    return str(base / value) if isinstance(value, str) and "://" not in value and (base / value).exists() else value


def annotate(context: Context, pool: Manifest, signals: list[Signal], label: str = "signals") -> dict[str, Manifest]:
    """Compute what is missing of `signals` over the pool's shards. Returns step name -> manifest."""
    workdir, shards = context.workdir, pool.files(".parquet")
    done = {s.step.name: manifest for s in signals if (manifest := workdir.manifest(s.step)) is not None}
    todo = [s for s in signals if s.step.name not in done]
    for name in done:
        context.progress.cached(name)
    if not todo:
        return done
    records: dict[str, dict[int, dict[str, Any]]] = {s.step.name: {} for s in todo}
    for signal in todo:
        for name in workdir.listing(f"{signal.step.path}/parts"):
            record = workdir.read_json(f"{signal.step.path}/parts/{name}")
            records[signal.step.name][record["part"]] = record
    jobs = []
    for index, shard in enumerate(shards):
        if missing := [s for s in todo if index not in records[s.step.name]]:
            jobs.append((workdir, shard, index, missing))
    started, bytes_of = time.monotonic(), [file["text_bytes"] / 1e6 for file in pool.records(".parquet")]
    documents_of, documents = [file["documents"] for file in pool.records(".parquet")], 0
    with context.progress.bar(label, total=sum(bytes_of), unit="MB") as bar:
        bar.advance(sum(bytes_of) - sum(bytes_of[job[2]] for job in jobs), resumed=True)
        for position, made in context.executor.map(annotate_shard, jobs):
            for name, record in made.items():
                records[name][record["part"]] = record
            documents += documents_of[jobs[position][2]]
            bar.note = f"{documents / (time.monotonic() - started):,.0f} documents/s"
            bar.advance(bytes_of[jobs[position][2]])
    seconds = time.monotonic() - started
    for signal in todo:
        parts = [records[signal.step.name][i] for i in range(len(shards))]
        done[signal.step.name] = workdir.commit(signal.step, parts, {})
        # the signals of one pass share its time: it is said once, and counted in equal parts
        context.progress.finished(signal.step, done[signal.step.name], seconds / len(todo))
    context.progress.timed(label, seconds)
    return done


def annotate_shard(workdir: Workdir, shard: str, index: int, signals: list[Signal]) -> dict[str, dict[str, Any]]:
    """All `signals` of one pool shard, row group by row group. Runs on a worker."""
    outputs = [Output(workdir, signal.step, index) for signal in signals]
    writers: list[pq.ParquetWriter] = []
    with ExitStack() as stack:
        for documents in workdir.batches(shard):
            batch = Batch(documents)
            for i, signal in enumerate(signals):
                table = signal.compute(batch, **signal.params).add_column(0, "doc_id", documents["doc_id"])
                if len(writers) == i:
                    writers.append(stack.enter_context(outputs[i].parquet(shard_file(index), table.schema)))
                writers[i].write_table(table)
    return {out.step.name: out.commit({}) for out in outputs}
