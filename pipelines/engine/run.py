"""Run steps: compute the parts that are not committed yet, commit each step with its last part, or only read."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from socket import gethostname

import pyarrow as pa

from pipelines.engine.capacity import Resources
from pipelines.engine.executor import Executor
from pipelines.engine.leftovers import sweep_copies, sweep_step
from pipelines.engine.output import Output
from pipelines.engine.progress import Bar, Progress
from pipelines.engine.records import Pending, part_path, read_records
from pipelines.engine.step import Manifest, Step, Unit, commit_step, read_manifest
from pipelines.engine.store import patiently
from pipelines.engine.trust import confirm, require_intact, require_shared
from pipelines.engine.workdir import JsonObject, Workdir, reading_once


@dataclass(frozen=True)
class Context:
    """What every step is given: where results lie, who computes, and whom to tell.

    With `reading` nothing is computed or written: a step that is missing is an error that says which command makes it.
    `trusted`: paths of the steps whose files this run wrote or read against their digests, and whether nodes share the disk.
    `listed`: what the folders above the steps hold, so that of a step that is not there nothing is asked.
    """

    workdir: Workdir
    executor: Executor
    progress: Progress
    reading: str = ""
    trusted: set[str] = field(default_factory=set, compare=False)
    listed: dict[str, set[str]] = field(default_factory=dict, compare=False)

    def begun(self, path: str) -> bool:
        """Whether there may be something of the step at `path`, by what its folders were seen to hold."""
        folder, _, name = path.rpartition("/")
        if folder and not self.begun(folder):
            return False
        if folder not in self.listed:
            self.listed[folder] = set(self.workdir.listing(folder))
        return name in self.listed[folder]

    def begin(self, path: str) -> None:
        """From now on there is something of the step at `path`: it begins, or was committed by other means than a run."""
        if self.begun(path):
            return
        folder, _, name = path.rpartition("/")
        if folder and not self.begun(folder):
            self.begin(folder)
            self.listed[folder] = set()
        self.listed[folder].add(name)

    def only_reading(self, command: str) -> "Context":
        return replace(self, reading=command, progress=Progress(None, self.progress.console))


class StepMissingError(ValueError):
    """A step whose results are asked for is not in the work directory."""

    def __init__(self, step: Step, command: str):
        super().__init__(f"{step.name} is not in the work directory; run `{command}` first")
        self.step = step


@dataclass(frozen=True)
class Job:
    """One call on a worker, for one or more `parts` (step, index): what they share is read once."""

    parts: Sequence[tuple[Step, int]]
    arguments: Unit
    weight: float = 1
    resources: Resources = Resources()

    def name(self, label: str, n_parts: int) -> str:
        """What people call it: the pass and the shard; where steps have one part, the first of its steps."""
        (step, index), *more = self.parts
        if n_parts > 1:
            return f"{label} {index:05d}"
        return f"{step.name} and {len(more)} more" if more else step.name


@dataclass(frozen=True)
class Pass:
    """Jobs that compute the missing parts of some steps, and how their progress is told.

    `compute(outputs, *arguments)` gets an Output per part of a job, commits each, and returns their records. `resumed` is the
    weight of what was there before. The time of the pass is counted to its steps in proportion to `cost`.
    `leaves`: workers leave the records, of jobs too long for the seconds of them that die with a driver.
    """

    label: str
    compute: Callable[..., list[JsonObject]]
    jobs: Sequence[Job]
    unit: str
    resumed: float = 0
    watch: Callable[[Bar], AbstractContextManager[None]] | None = None
    cost: Callable[[Step], float] = field(default=lambda step: 1.0)
    leaves: bool = False


SHARED = "the work directory is one for all nodes"  # among what is trusted

Plan = Callable[[Sequence[tuple[Step, int]]], Pass]
"""From the parts that are missing to the pass that computes them."""


def run_step(context: Context, step: Step) -> Manifest:
    """The step's manifest, from the work directory or computed."""
    if (manifest := _completed(context, step)) is not None:
        return manifest
    assert step.compute is not None, f"{step.name} is computed together with others"
    units, compute = step.units(), partial(_compute_part, step.compute)

    def plan(missing: Sequence[tuple[Step, int]]) -> Pass:
        jobs = [Job([(step, i)], units[i], step.weight(i), step.resources) for _, i in missing]
        resumed = sum(map(step.weight, range(len(units)))) - sum(job.weight for job in jobs)
        return Pass(step.name, compute, jobs, step.unit, resumed, step.watch, leaves=step.watch is not None)

    return _compute(context, [step], len(units), plan)[0]


def run_together(context: Context, steps: Sequence[Step], n_parts: int, plan: Plan) -> dict[str, Manifest]:
    """Manifests by name of steps of `n_parts` parts each; those that are missing are computed in one pass."""
    manifests = {step.name: _completed(context, step) for step in steps}
    missing = [step for step in steps if manifests[step.name] is None]
    manifests |= {made.step.name: made for made in _compute(context, missing, n_parts, plan)} if missing else {}
    return {name: manifest for name, manifest in manifests.items() if manifest is not None}


def run_side_by_side(
    context: Context, label: str, steps: Sequence[Step], prepare: Callable[[Sequence[Step]], None] = lambda missing: None
) -> dict[str, Manifest]:
    """Manifests by name of steps whose units line up, one per shard: one task does all that is missing of a shard, and reads
    what they share once. `prepare(missing)` comes before their units are asked for: what must be known of all shards first.
    """
    units: dict[str, Sequence[Unit]] = {}

    def plan(missing: Sequence[tuple[Step, int]]) -> Pass:
        by_shard: dict[int, list[Step]] = defaultdict(list)
        for step, index in missing:
            by_shard[index].append(step)
        jobs = [
            Job([(step, i) for step in of], ([(step.compute, units[step.name][i]) for step in of],), len(of))
            for i, of in by_shard.items()
        ]
        return Pass(label, _compute_side_by_side, jobs, "shards", sum(map(len, units.values())) - len(missing))

    manifests = {step.name: made for step in steps if (made := _completed(context, step)) is not None}
    missing = [step for step in steps if step.name not in manifests]
    if missing:
        prepare(missing)
        units |= {step.name: step.units() for step in missing}
        manifests |= {made.step.name: made for made in _compute(context, missing, len(units[missing[0].name]), plan)}
    return manifests


def _compute_side_by_side(
    outputs: Sequence[Output], calls: Sequence[tuple[Callable[..., JsonObject], Unit]]
) -> list[JsonObject]:
    """A shard's part of several steps."""
    facts = [compute(out, *unit) for out, (compute, unit) in zip(outputs, calls, strict=True)]
    return [out.commit(made) for out, made in zip(outputs, facts, strict=True)]


def _completed(context: Context, step: Step) -> Manifest | None:
    """The manifest of a step that is there; an error for one that is not where nothing may be computed."""
    manifest = read_manifest(context.workdir, step) if context.begun(step.path) else None
    if manifest is not None:
        context.progress.cached(step.name)
        if step.publish and not context.reading:
            step.publish(context.workdir, manifest)
    elif context.reading:
        raise StepMissingError(step, context.reading)
    return manifest


def _compute(context: Context, steps: Sequence[Step], n_parts: int, plan: Plan) -> list[Manifest]:
    """Compute the parts that no earlier run committed, and commit every step as soon as it has all of its parts."""
    workdir, started = context.workdir, time.monotonic()
    _trust_inputs(context, steps)
    records = {step.name: read_records(workdir, step.path) if context.begun(step.path) else {} for step in steps}
    context.trusted.update(step.path for step in steps if not records[step.name])
    for step in steps:
        if context.begun(step.path):
            sweep_step(workdir, step.path)
        context.begin(step.path)
    manifests: dict[str, Manifest] = {}
    hosts: dict[str, dict[int, str]] = {step.name: {} for step in steps}
    pending = Pending(workdir)

    def commit(complete: Iterable[Step]) -> None:
        for step in complete:
            if len(records[step.name]) == n_parts and step.name not in manifests:
                parts = [records[step.name][i] for i in range(n_parts)]
                lying = confirm(workdir, step, parts, hosts[step.name])
                manifests[step.name] = commit_step(workdir, step, parts, lying)
                pending.forget(step.path)
                if step.publish:
                    step.publish(workdir, manifests[step.name])

    commit(steps)
    work = plan([(step, i) for i in range(n_parts) for step in steps if i not in records[step.name]])
    with context.progress.bar(work.label, total=work.resumed + sum(job.weight for job in work.jobs), unit=work.unit) as bar:
        bar.advance(work.resumed, resumed=True)
        paths = [[(step.path, i) for step, i in job.parts] for job in work.jobs]
        calls = [(work.compute, workdir, of, job.arguments, work.leaves) for of, job in zip(paths, work.jobs, strict=True)]
        with work.watch(bar) if work.watch else nullcontext():
            names = [job.name(work.label, n_parts) for job in work.jobs]
            needed = [job.resources for job in work.jobs]
            try:
                for number, returned in context.executor.map(run_job, calls, needed, names, lambda: bar.done):
                    job, (host, made) = work.jobs[number], returned or ("", [])  # ranks of a group return nothing
                    for place, (step, i) in enumerate(job.parts):
                        record = made[place] if made else workdir.read_json(part_path(step.path, i))
                        records[step.name][i], hosts[step.name][i] = record, host
                        if not work.leaves:
                            pending.add(step.path, record)
                    bar.nodes[host] += 1
                    commit(step for step, _ in job.parts)
                    if work.watch is None:
                        bar.advance(job.weight)
            finally:
                pending.write()
        bar.advance(bar.total - bar.done)
    seconds, total = time.monotonic() - started, sum(map(work.cost, steps))
    for step in steps:
        made, share = manifests[step.name], seconds * work.cost(step) / total
        size = sum(record["bytes"] for record in made.records())
        facts = {"id": step.id, "digest": made.digest, "bytes": size, "seconds": round(share, 3), "nodes": dict(bar.nodes)}
        context.progress.event("finished", step=step.name, **facts)
    context.progress.timed(work.label, seconds, bar.told_nodes)
    return [manifests[step.name] for step in steps]


def _trust_inputs(context: Context, steps: Sequence[Step]) -> None:
    """Before anything is computed: nodes share the work directory, and files of earlier runs are what these wrote."""
    if context.executor.joined and SHARED not in context.trusted:
        require_shared(context.workdir, context.executor)
        context.executor.on_every_node(sweep_copies, ())
        context.trusted.add(SHARED)
    begun_from = {made.step.path: made for step in steps for made in step.inputs.values()}
    unread = [made for path, made in begun_from.items() if path not in context.trusted]
    for workdir, mine in groupby(unread, key=lambda made: made.elsewhere or context.workdir):
        require_intact(workdir, context.executor, mine)
    context.trusted.update(begun_from)


def run_job(
    compute: Callable[..., list[JsonObject]], workdir: Workdir, parts: Sequence[tuple[str, int]], arguments: Unit,
    leaves: bool = True,
) -> tuple[str, list[JsonObject]]:  # fmt: skip
    """Compute and commit the parts (step path, index) of one job; the name of this host, and the records. Runs on a worker.
    No column is read twice.

    A source that does not answer (`curation.sources.storage`: an OSError without a number) is waited for: the job begins anew.
    """

    def work() -> list[JsonObject]:
        with reading_once():
            return compute([Output(workdir, path, index, leaves=leaves) for path, index in parts], *arguments)

    try:
        return gethostname(), patiently(work, lambda error: isinstance(error, OSError) and error.errno is None)
    finally:
        pa.default_memory_pool().release_unused()  # a worker that waits holds no more than it needs


def _compute_part(compute: Callable[..., JsonObject], outputs: Sequence[Output], *unit: object) -> list[JsonObject]:
    """One unit of work of one step: compute, write, and commit the part's record last."""
    return [outputs[0].commit(compute(outputs[0], *unit))]
