"""Run a step's units of work, skipping what is already committed, and commit the step."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pipelines.engine.executor import Executor, Resources
from pipelines.engine.progress import Bar, Progress
from pipelines.engine.workdir import Manifest, Output, Step, Workdir


@dataclass(frozen=True)
class Context:
    """What every step is given: where results lie, who computes, and whom to tell."""

    workdir: Workdir
    executor: Executor
    progress: Progress

    def only_reading(self, command: str) -> "Context":
        """The same work directory, but a step that is not there is an error that says which `command` makes it."""
        return replace(self, executor=NotMade(command), progress=Progress(None, self.progress.console))


@dataclass(frozen=True)
class NotMade:
    """An executor that computes nothing."""

    command: str

    def map(
        self,
        function: Callable[..., Any],
        arguments: Sequence[tuple[Any, ...]],
        resources: Resources | Sequence[Resources] = Resources(),
    ) -> Any:
        step = next(filter(None, map(_step_of, arguments[0] if arguments else ())), None)
        raise self.missing(step.name if step else getattr(function, "__name__", "a step"))

    def missing(self, name: str) -> "StepMissingError":
        """The error that says which step is not there."""
        return StepMissingError(f"{name} is not in the work directory; run `{self.command}` first", name)

    def gpus(self) -> float:
        return 0

    def close(self) -> None:
        """Nothing is held."""


def _step_of(argument: Any) -> Step | None:
    """The step that an argument of a unit is, or that the first of its parts belongs to (a run, a signal)."""
    first = argument[0] if isinstance(argument, list | tuple) and argument else None
    found = argument if isinstance(argument, Step) else getattr(first, "step", None)
    return found if isinstance(found, Step) else None


class StepMissingError(ValueError):
    """A step whose results are asked for has not been made."""

    def __init__(self, message: str, step: str):
        super().__init__(message)
        self.step = step


def run_part(
    function: Callable[..., dict[str, Any]], workdir: Workdir, step: Step, index: int, *arguments: Any
) -> dict[str, Any]:
    """One unit of work: compute, write, and commit the part's record last. Runs on a worker."""
    out = Output(workdir, step, index)
    try:
        return out.commit(function(out, *arguments))
    finally:
        pa.default_memory_pool().release_unused()  # a worker that waits holds no more than it needs


def run_step(
    context: Context,
    step: Step,
    function: Callable[..., dict[str, Any]],
    units: Sequence[tuple[Any, ...]],
    summarise: Callable[[list[dict[str, Any]]], dict[str, Any]] = lambda parts: {},
    *,
    resources: Resources = Resources(),
    weight: Callable[[int], float] = lambda index: 1,
    unit: str = "shards",
    watch: Callable[[Bar], AbstractContextManager[None]] | None = None,
) -> Manifest:
    """Run `function(output, *unit) -> facts` for every unit not yet committed, then commit the step.

    `facts` is a small JSON-able dict that goes into the part's record; `summarise` reduces the records, in unit order, to
    the manifest's summary and may raise to refuse the step (nothing is committed then, the parts stay for a rerun).
    `weight(index)` is a unit's size for the progress bar, counted in `unit`; `watch(bar)` advances the bar meanwhile, where
    units are long and tell how far they are.
    """
    if (manifest := context.workdir.manifest(step)) is not None:
        context.progress.cached(step.name)
        return manifest
    started = time.monotonic()
    records: dict[int, dict[str, Any]] = {}
    for name in context.workdir.listing(f"{step.path}/parts"):
        record = context.workdir.read_json(f"{step.path}/parts/{name}")
        records[record["part"]] = record
    missing = [i for i in range(len(units)) if i not in records]
    with context.progress.bar(step.name, total=sum(map(weight, range(len(units)))), unit=unit) as bar:
        bar.advance(sum(map(weight, records)), resumed=True)
        jobs = [(function, context.workdir, step, i, *units[i]) for i in missing]
        with watch(bar) if watch else nullcontext():
            for position, record in context.executor.map(run_part, jobs, resources):
                records[missing[position]] = record
                if watch is None:
                    bar.advance(weight(missing[position]))
    parts = [records[i] for i in range(len(units))]
    manifest = context.workdir.commit(step, parts, summarise(parts))
    seconds = time.monotonic() - started
    context.progress.finished(step, manifest, seconds)
    context.progress.timed(step.name, seconds)
    return manifest
