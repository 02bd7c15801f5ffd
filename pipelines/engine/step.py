"""Steps and manifests: what a result is called, what it is made from, and what it holds once it is complete.

A step's identity is the hash of its name, version, configuration and the digests of its inputs, so a step that is there never
runs again and a changed threshold touches only what depends on it. A digest covers what a step *holds*, not how it came about:
a source file that was touched but reads the same changes no digest, and nothing downstream runs.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from pipelines.engine.capacity import Resources
from pipelines.engine.executor import Unit
from pipelines.engine.progress import Bar
from pipelines.engine.workdir import JsonObject, Workdir, canonical

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Step:
    """One step of a study. Name, configuration, inputs and version are its identity; the rest says how to compute it.

    `units()` lists the arguments of its units of work and is called only when the step is missing; each unit runs
    `compute(output, *unit) -> facts` on a worker, and the facts, a small JSON object, go into the part's record. A step that is
    computed together with others (`run_together`) has no `compute` of its own.
    `summarize(parts)` reduces the records, in unit order, to the manifest's summary, and may raise to refuse the step: nothing
    is committed then, and the parts stay. `weight(index)` is a unit's size for the progress bar, counted in `unit`;
    `watch(bar)` advances the bar meanwhile where units are long. `publish(workdir, manifest)` keeps a copy of the result where
    people look for it.
    """

    name: str
    config: JsonObject
    inputs: Mapping[str, "Manifest"] = field(default_factory=dict)
    version: int = 1
    compute: Callable[..., JsonObject] | None = field(default=None, compare=False, kw_only=True)
    units: Callable[[], Sequence[Unit]] = field(default=lambda: [()], compare=False, kw_only=True)
    summarize: Callable[[list[JsonObject]], JsonObject] = field(default=lambda parts: {}, compare=False, kw_only=True)
    weight: Callable[[int], float] = field(default=lambda index: 1, compare=False, kw_only=True)
    unit: str = field(default="shards", compare=False, kw_only=True)
    resources: Resources = field(default=Resources(), compare=False, kw_only=True)
    watch: Callable[[Bar], AbstractContextManager[None]] | None = field(default=None, compare=False, kw_only=True)
    publish: Callable[[Workdir, "Manifest"], None] | None = field(default=None, compare=False, kw_only=True)

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that change when, and only when, the step's result may change."""
        inputs = {name: manifest.digest for name, manifest in self.inputs.items()}
        body = {"name": self.name, "version": self.version, "config": self.config, "inputs": inputs}
        return sha256(canonical(body).encode()).hexdigest()[:12]

    @property
    def path(self) -> str:
        return f"{self.name}/{self.id}"


def content_digest(parts: list[JsonObject], summary: JsonObject) -> str:
    """Of what a step holds: 32 hex digits."""
    return sha256(canonical({"parts": parts, "summary": summary}).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Manifest:
    """What a complete step holds. `parts` has one record per unit of work, in order; `summary` its totals and results;
    `elsewhere` is the work directory that it lies in where that is not the study's own."""

    step: Step
    parts: list[JsonObject]
    summary: JsonObject
    elsewhere: Workdir | None = None

    @cached_property
    def digest(self) -> str:
        return content_digest(self.parts, self.summary)

    def records(self, suffix: str = "") -> list[JsonObject]:
        """Records (name, bytes, digest and facts) of all files, or of those ending in `suffix`, in part order."""
        return [file for part in self.parts for file in part["files"] if file["name"].endswith(suffix)]

    def files(self, suffix: str = "") -> list[str]:
        """Paths of those files, relative to the work directory."""
        return [f"{self.step.path}/{record['name']}" for record in self.records(suffix)]

    def total(self, key: str) -> int:
        return sum(part[key] for part in self.parts)

    def to_bytes(self) -> bytes:
        inputs = {name: {"step": made.step.path, "digest": made.digest} for name, made in self.step.inputs.items()}
        body = {
            "schema": SCHEMA_VERSION, "name": self.step.name, "id": self.step.id, "version": self.step.version,
            "config": self.step.config, "inputs": inputs, "digest": self.digest,
            "summary": self.summary, "parts": self.parts,
        }  # fmt: skip
        return (json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_manifest(workdir: Workdir, step: Step) -> Manifest | None:
    """The manifest of `step` when it is complete, else None. ValueError where the file there is another step's."""
    path = f"{step.path}/manifest.json"
    try:
        body = workdir.read_json(path)
    except FileNotFoundError:
        return None
    if (body["name"], body["id"]) != (step.name, step.id):
        raise ValueError(
            f"{workdir.full(path)} is the manifest of {body['name']}/{body['id']}; remove that folder, and run again"
        )
    return Manifest(step, body["parts"], body["summary"])


def load_manifest(workdir: Workdir, path: str) -> Manifest:
    """The manifest of the step at `path` (`name/id`), and those it was made from, as another study left them.

    Raises ValueError where one does not fit the others: something was changed or removed by hand.
    """
    made = f"{path}/manifest.json"
    try:
        body = workdir.read_json(made)
    except FileNotFoundError:
        raise ValueError(
            f"{workdir.full(made)} is not there, and what was made from it is needed; run that study again"
        ) from None
    inputs = {name: load_manifest(workdir, source["step"]) for name, source in body["inputs"].items()}
    manifest = Manifest(Step(body["name"], body["config"], inputs, body["version"]), body["parts"], body["summary"], workdir)
    if manifest.step.path != path:
        raise ValueError(
            f"{workdir.full(made)} does not fit what it was made from ({manifest.step.path}); run that study again"
        )
    return manifest


def commit_step(workdir: Workdir, step: Step, parts: list[JsonObject], lying: Iterable[str] | None = None) -> Manifest:
    """Declare the step complete. The part records move into the manifest, which is written last, and are removed. lying: what
    there is in the step's folder, where that was listed just now."""
    summary = json.loads(canonical(step.summarize(parts)))  # as a later run reads it, to the order of the keys
    manifest = Manifest(step, parts, summary)
    workdir.write_bytes(f"{step.path}/manifest.json", manifest.to_bytes())
    listed = workdir.sizes(step.path) if lying is None else lying
    workdir.remove(f"{step.path}/{path}" for path in listed if path.startswith(("parts/", "begun/")))
    return manifest


def upstream(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """These manifests and all that they were made from, each once, inputs before what is made from them."""
    visited: set[str] = set()

    def visit(manifest: Manifest) -> Iterator[Manifest]:
        if manifest.step.path not in visited:
            visited.add(manifest.step.path)
            for source in manifest.step.inputs.values():
                yield from visit(source)
            yield manifest

    for manifest in manifests:
        yield from visit(manifest)
