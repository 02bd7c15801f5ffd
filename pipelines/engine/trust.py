"""Whether files are what their manifests say: there when a step is committed, unchanged when a later run starts from them.

A step is not committed while a file of it lies where the driver cannot see it (a node without the shared mount, a forgotten
`--workdir`); and what an earlier run wrote is read against its digests once, before anything is made from it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from secrets import token_hex
from typing import NamedTuple

import xxhash

from pipelines.engine.executor import Executor
from pipelines.engine.step import Manifest, Step, content_digest
from pipelines.engine.workdir import JsonObject, Workdir

BATCH_BYTES = 64_000_000  # of files that one task reads against their digests
BLOCK = 1 << 24


class File(NamedTuple):
    """What a manifest says of one file; `path` is relative to the work directory."""

    path: str
    size: int
    digest: str


def files(step_path: str, parts: Iterable[JsonObject]) -> list[File]:
    """The files of a step's part records."""
    return [File(f"{step_path}/{one['name']}", one["bytes"], one["digest"]) for part in parts for one in part["files"]]


def confirm(workdir: Workdir, step: Step, parts: Sequence[JsonObject], hosts: Mapping[int, str]) -> dict[str, int]:
    """All files of `parts` are in the work directory, in full, as this process sees it. hosts: who computed which part. Returns
    the bytes of every file in the step's folder.

    Errors: ValueError with the first file that is not there and the host that wrote it."""
    sizes = workdir.sizes(step.path)
    for part in parts:
        for record in part["files"]:
            if sizes.get(record["name"]) != record["bytes"]:
                by = f" by {hosts[part['part']]}" if part["part"] in hosts else ""
                seen = f"has {sizes[record['name']]:,} bytes" if record["name"] in sizes else "is not there"
                raise ValueError(
                    f"{step.path}/{record['name']} was written{by} with {record['bytes']:,} bytes and {seen} in "
                    f"{workdir.root} as this machine sees it. The work directory must be one place for all nodes: mount "
                    f"it on each, or use an object store (--workdir s3://...). Nothing of {step.name} was committed; remove "
                    f"{workdir.full(step.path)}, and run again"
                )
    return sizes


def altered(workdir: Workdir, batch: Sequence[File]) -> list[str]:
    """What is wrong with each file that is not as its manifest says. Runs on a worker."""
    out = []
    for file in batch:
        digest, size = xxhash.xxh3_128(), 0
        try:
            for block in workdir.blocks(file.path, BLOCK):
                digest.update(block)
                size += len(block)
        except FileNotFoundError:
            out.append(f"{file.path} is gone")
            continue
        if size != file.size:
            out.append(f"{file.path} has {size:,} bytes, and {file.size:,} were written")
        elif digest.hexdigest() != file.digest:
            out.append(f"{file.path} has other content than was written (digest {digest.hexdigest()}, not {file.digest})")
    return out


def verify(workdir: Workdir, executor: Executor, of_steps: Iterable[File]) -> list[str]:
    """What is wrong with these files, in their order."""
    found = executor.map(altered, [(workdir, batch) for batch in _batches(of_steps)])
    return [problem for _, problems in sorted(found) for problem in problems]


def require_intact(workdir: Workdir, executor: Executor, manifests: Iterable[Manifest]) -> None:
    """Errors: ValueError for the first file of these steps that is not what was written."""
    for problem in verify(workdir, executor, [file for made in manifests for file in files(made.step.path, made.parts)]):
        raise ValueError(
            f"{problem}. Nothing is made from it: remove its folder under {workdir.root} and run again, which makes that step "
            "anew (`assay verify` reads every file)"
        )


class Recorded(NamedTuple):
    """A complete step as its manifest has it: where it lies, its files, the steps it was made from, and what is wrong with the
    manifest itself ("" where nothing is)."""

    path: str
    files: list[File]
    inputs: list[str]
    problem: str


def recorded(workdir: Workdir) -> list[Recorded]:
    """Every complete step in the work directory, by path."""
    out = []
    for found in sorted(path for path in workdir.sizes("") if path.endswith("/manifest.json")):
        folder, body = found.removesuffix("/manifest.json"), workdir.read_json(found)
        digest, problem = content_digest(body["parts"], body["summary"]), ""
        if (named := f"{body['name']}/{body['id']}") != folder:
            problem = f"{found} is the manifest of {named}"
        elif digest != body["digest"]:
            problem = f"{found} has other content than was written (digest {digest}, not {body['digest']})"
        inputs = [source["step"] for source in body["inputs"].values()]
        out.append(Recorded(folder, files(folder, body["parts"]), inputs, problem))
    return out


def downstream(steps: Iterable[Recorded], changed: Iterable[str]) -> list[str]:
    """Paths of the steps that were made from the steps `changed`, directly or not, in the order of `steps`."""
    sources, reached, grown = {step.path: step.inputs for step in steps}, set(changed), True
    begun_with = set(reached)
    while grown:
        more = {path for path, inputs in sources.items() if path not in reached and not reached.isdisjoint(inputs)}
        reached, grown = reached | more, bool(more)
    return [path for path in sources if path in reached - begun_with]


def _batches(listed: Iterable[File]) -> Iterator[list[File]]:
    """Files in batches of about `BATCH_BYTES`."""
    batch: list[File] = []
    size = 0
    for file in listed:
        batch.append(file)
        size += file.size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def nodes_seeing(workdir: Workdir, executor: Executor) -> dict[str, bool]:
    """For every node, whether it sees what this process writes into the work directory, and this process what it writes."""
    asked = f"seen-{token_hex(4)}"
    workdir.write_bytes(f"{asked}/asked", b"")
    try:
        answers = executor.on_every_node(_answer, (workdir, asked))
        return {node: bool(name) and workdir.exists(f"{asked}/{name}") for node, name in answers.items()}
    finally:
        workdir.clear(asked)


def require_shared(workdir: Workdir, executor: Executor) -> None:
    """Errors: ValueError naming the nodes that do not share the work directory with this process."""
    if blind := [node for node, sees in nodes_seeing(workdir, executor).items() if not sees]:
        raise ValueError(
            f"nodes {', '.join(blind)} do not see the work directory {workdir.root}; give --workdir a folder that is mounted "
            "on every node, or an object store (s3://...)"
        )


def _answer(workdir: Workdir, asked: str) -> str:
    """Write a file beside the one asked for, where that is seen, and return its name. Runs on every node."""
    if not workdir.exists(f"{asked}/asked"):
        return ""
    name = token_hex(8)
    workdir.write_bytes(f"{asked}/{name}", b"")
    return name
