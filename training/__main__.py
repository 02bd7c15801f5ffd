"""`python -m training PLAN.json --out DIR`: run a plan on one machine, with torch and pyarrow alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from training.plan import load_plan
from training.run import run_stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("plan", type=Path, help="plan.json, beside its token shards")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; finished stacks in it are kept")
    parser.add_argument("--stack", action="append", help="only this stack id (repeat for more); default: all")
    arguments = parser.parse_args()
    try:
        plan = load_plan(arguments.plan)
        for stack_id in arguments.stack or [stack.id for stack in plan.stacks]:
            run_stack(plan, stack_id, arguments.out, _show)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _show(line: dict[str, Any]) -> None:
    fields = {key: value for key, value in line.items() if key not in ("time", "stack", "event") and value is not None}
    text = "  ".join(f"{key} {_short(value)}" for key, value in fields.items())
    sys.stdout.write(f"{line['stack']}  {line['event']:7} {text}\n")
    sys.stdout.flush()


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(_short(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
