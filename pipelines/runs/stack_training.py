"""One stack trained on a worker: its inputs brought near, its checkpoints picked up, and nothing left behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipelines.engine.leftovers import copies
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.runs import checkpoints
from pipelines.runs.stacking import gpu
from training.plan import parse_plan
from training.run import run_stack

ROOM = 2  # times the copies: as much again for checkpoints and for what a second stack begins with


@contextmanager
def trained_stack(workdir: Workdir, plan: JsonObject, *, on_gpu: bool) -> Iterator[Path]:
    """Train the plan's first stack, on every rank of a group or alone; the block has its folder, which is gone afterwards.

    After a retry it goes on from its own checkpoints.
    """
    name, device = plan["stacks"][0]["id"], gpu() if on_gpu else torch.device("cpu")
    with local_inputs(workdir, plan) as (base, scratch):
        checkpoints.fetch(workdir, name, scratch)
        folder = run_stack(parse_plan(plan, base), name, scratch, checkpoints.keeper(workdir, name, scratch), device)
        yield folder
        if is_first_rank():
            shutil.rmtree(folder)
            checkpoints.drop(workdir, name)


def is_first_rank() -> bool:
    """Whether this process is the one of its group that writes results."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


@contextmanager
def local_inputs(workdir: Workdir, plan: JsonObject) -> Iterator[tuple[Path, Path]]:
    """Where training reads and writes: the work directory itself, or a copy of its inputs when that is an object store."""
    if workdir.is_local:
        yield Path(workdir.full("")), Path(workdir.full("scratch"))
        return
    paths = [plan["evaluation"]["path"], *(dataset["path"] for dataset in plan["datasets"].values())]
    paths += [order["path"] for order in plan.get("orders", {}).values()]
    with copies(ROOM * sum(size for path in paths for size in workdir.sizes(path).values())) as folder:
        for path in paths:
            workdir.bring(path, folder / path)
        yield folder, folder / "scratch"
