"""`python -m training PLAN.json --out DIR`: run a plan on one machine, with torch and pyarrow alone.

Under `torchrun --nproc-per-node N -m training PLAN.json --out DIR` each stack trains data-parallel over N devices.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch
import torch.distributed

from training.calibrate import Rate, Workload, best_stack
from training.memory import USABLE, device_bytes, token_bytes
from training.plan import JsonObject, Plan, Stack, check_files, load_plan
from training.restack import restacked
from training.run import run_stack
from training.tracking import TRACKERS, tracker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("plan", type=Path, help="plan.json, beside its token shards")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; finished stacks in it are kept")
    parser.add_argument("--stack", action="append", help="only this stack id (repeat for more); default: all")
    parser.add_argument(
        "--keep-stacks", action="store_true", help="train the stacks as planned; on a GPU they are otherwise fitted to it"
    )
    parser.add_argument("--track", choices=TRACKERS, help="also send the metrics to a tracker (pip install 'assay[tracking]')")
    arguments = parser.parse_args()
    try:
        plan = load_plan(arguments.plan)
        check_files(plan, arguments.plan.parent)
        if "LOCAL_RANK" in os.environ:
            _join_ranks(int(os.environ["LOCAL_RANK"]))
        elif torch.cuda.is_available() and not arguments.stack and not arguments.keep_stacks:
            plan = restacked(plan, arguments.out, _measure)
        track = tracker(arguments.track, arguments.out.resolve().name, arguments.out) if arguments.track else None

        def show(line: JsonObject) -> None:
            _show(line)
            if track is not None:
                track(line)

        for stack_id in arguments.stack or [stack.id for stack in plan.stacks if stack.runs]:
            run_stack(plan, stack_id, arguments.out, show)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def _measure(plan: Plan, stack: Stack) -> list[Rate]:
    budget = USABLE * device_bytes(torch.device("cuda")) - token_bytes(plan.vocab_size, stack.tokens[-1], len(stack.runs))
    work = Workload(
        plan.shapes[stack.shape], plan.vocab_size, plan.context, stack.batch_tokens, plan.precision, plan.threads,
        plan.document_mask,
    )  # fmt: skip
    rates = best_stack(work, len(stack.runs), budget)
    for rate in rates:
        line = {"stack": stack.id, "event": "measured", "runs": rate.runs}
        _show(line | {"tokens_per_second": rate.tokens_per_second, "bytes": rate.peak_bytes})
    return rates


def _join_ranks(local_rank: int) -> None:
    """Join torchrun's process group, one GPU per rank where there are GPUs."""
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank)
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def _show(line: JsonObject) -> None:
    fields = {key: value for key, value in line.items() if key not in ("time", "stack", "event") and value is not None}
    text = "  ".join(f"{key} {_short(value)}" for key, value in fields.items())
    sys.stdout.write(f"{line['stack']}  {line['event']:7} {text}\n")
    sys.stdout.flush()


def _short(value: object) -> str:
    if isinstance(value, list):
        return "/".join(_short(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
