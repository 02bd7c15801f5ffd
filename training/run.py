"""Train one stack of a plan, on one device or over the ranks of a process group, in halves where it does not fit.

    out/<stack_id>/
        certificate.json       what was held equal (training/certificate.py)
        metrics.jsonl          a line per interval: phase, step, tokens, loss, lr, grad norm, clipped share, speed
        trunk.safetensors      the trunk's latest checkpoint
        branches/<tokens>.parquet   per-document losses of a finished branch; <tokens>.safetensors while it runs
            (<tokens>-from-<tokens>, where not all runs to it leave their trunks together)
        trunk/<tokens>.parquet      and of the undecayed trunk (plan.trunk_evaluations); trunk.parquet: all of them
        weights/<tokens>.safetensors    weights [K, P] at a branch end (plan.keep_weights)
        losses.parquet         all branches
        choices.parquet        what each choice of a task was given, all branches (where the plan's evaluation has tasks)
        observations.parquet   written last: the stack is finished if and only if it is there

`run_stack` may be killed at any point and called again: it continues from the last checkpoint, and on a CPU with the
same number of threads (on a GPU with plan.deterministic) the result is the same to the last bit.
"""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from training.certificate import certify
from training.metrics import Metrics, Report
from training.observations import write_table
from training.plan import Plan, Stack
from training.stack_run import StackRun, write_certificate
from training.step import keep_freed_memory, resolve_precision


def run_stack(plan: Plan, stack_id: str, out: Path, report: Report | None = None, device: torch.device | None = None) -> Path:
    """Train the stack `stack_id` of `plan` (from `training.plan.load_plan`) into `out`/<stack_id>; returns that folder.

    A finished stack is left alone, an unfinished one resumed. `report` receives every line of metrics.jsonl as a dict
    with "event": "train" | "branch" | "trunk" | "checkpoint" | "resume" | "halved" | "done". `device` is a GPU where there
    is one, unless it is given. On a GPU that runs out of memory the stack is trained in halves, which is said in
    metrics.jsonl. Raises NonFiniteError, DatasetError, CheckpointError, PlanError.

    Where `torch.distributed` is initialised (torchrun, or a Ray Train worker after `torch.cuda.set_device`), every rank
    calls this with the same arguments and a shared `out`: the batch is split over the ranks, and rank 0 alone writes and
    reports.
    """
    torch.set_num_threads(plan.threads)
    keep_freed_memory()
    stack = plan.stack(stack_id)
    folder = Path(out) / stack_id
    if (folder / "observations.parquet").exists():
        return folder
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    _set_deterministic(plan.deterministic)
    halves = folder / "halves"
    if not halves.exists():
        try:
            return StackRun(plan, stack, folder, device, report).finish()
        except torch.OutOfMemoryError as error:
            if torch.distributed.is_initialized():
                raise
            if len(stack.runs) == 1:
                raise ValueError(
                    f"one run of shape {stack.shape!r} does not fit on {device} with {stack.batch_tokens} tokens per "
                    f"batch; set micro_batch in the plan, or train it data-parallel ({error})"
                ) from error
            message = f"out of memory with {len(stack.runs)} runs; training them in halves"
        gc.collect()
        torch.cuda.empty_cache()
        halves.mkdir(parents=True)
        for path in (folder / "trunk.safetensors", *(folder / "branches").glob("*.safetensors")):
            path.unlink(missing_ok=True)
        write_certificate(folder, certify(plan, stack, device, resolve_precision(plan.precision, device)))
        Metrics(folder, report).log({"event": "halved", "reason": message})
    return _run_halves(plan, stack, folder, report, device)


def _set_deterministic(wanted: bool) -> None:
    """Kernels that sum in a fixed order, where a GPU's usual ones do not (embedding gradients, flash attention)."""
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)


def _run_halves(plan: Plan, stack: Stack, folder: Path, report: Report | None, device: torch.device) -> Path:
    middle = len(stack.runs) // 2
    for name, part in (("a", slice(None, middle)), ("b", slice(middle, None))):
        lr = stack.lr[part] if isinstance(stack.lr, tuple) else stack.lr
        half = replace(stack, id=name, runs=stack.runs[part], lr=lr)
        others = tuple(other for other in plan.stacks if other.id != stack.id)
        run_stack(replace(plan, stacks=(*others, half)), name, folder / "halves", report, device)
    for name in ("trunk.parquet", "losses.parquet", "choices.parquet", "observations.parquet"):
        if not (folder / "halves" / "a" / name).exists():
            continue  # trunk.parquet, choices.parquet: where the plan wants none
        parts = [pq.read_table(folder / "halves" / half / name) for half in ("a", "b")]
        write_table(pa.concat_tables(parts), folder / name)
    return folder
