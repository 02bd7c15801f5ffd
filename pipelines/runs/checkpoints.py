"""Checkpoints of a stack whose work directory is an object store: put there as they are written, fetched by whoever goes on.

On a shared or local disk a stack trains inside the work directory and none of this is needed.
"""

from pathlib import Path

from pipelines.engine.workdir import JsonObject, Workdir
from training.metrics import Report

LEAVES_FILES = ("checkpoint", "branch", "trunk", "halved")  # events after which there is something new to keep


def fetch(workdir: Workdir, name: str, scratch: Path) -> None:
    """Bring what is kept of the stack `name` into `scratch`."""
    if workdir.store is not None:
        for path in workdir.sizes(f"scratch/{name}"):
            workdir.bring(f"scratch/{name}/{path}", scratch / name / path)


def keeper(workdir: Workdir, name: str, scratch: Path) -> Report | None:
    """A report for `run_stack` that puts every new file of the stack into the work directory, in the order they are written: a
    branch is kept before the trunk that goes on from it."""
    if (store := workdir.store) is None:
        return None
    known: dict[Path, tuple[int, int]] = {}

    def report(line: JsonObject) -> None:
        if line["event"] not in LEAVES_FILES:
            return
        for path in sorted((scratch / name).rglob("*.*")):
            stamp = path.stat().st_mtime_ns, path.stat().st_size
            if path.is_file() and path.suffix != ".partial" and known.get(path) != stamp:
                store.take(workdir.full(f"scratch/{path.relative_to(scratch).as_posix()}"), path)
                known[path] = stamp

    return report


def drop(workdir: Workdir, name: str) -> None:
    """Forget what was kept of a finished stack."""
    if not workdir.is_local:
        workdir.clear(f"scratch/{name}")
