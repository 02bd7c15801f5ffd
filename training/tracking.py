"""Copies of metrics.jsonl in a tracker, live. The file stays the truth; a tracker only shows it.

run_stack(plan, "s0", out, report=tracker("trackio", project="my-study", folder=out))
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from training.plan import JsonObject

TRACKERS = ("tensorboard", "trackio", "wandb")
SHOWN = ("loss", "lr", "grad_norm", "clipped", "tokens_per_second", "mfu")


def tracker(name: str, project: str, folder: Path) -> Callable[[JsonObject], None]:
    """A `report` for `training.run.run_stack` that logs to `name`: one of TRACKERS, imported only here.

    Each stack is a run of its own, each run of the stack a series `loss/0`, `loss/1`, ... by tokens; branches are told
    apart by their phase. Raises ValueError for an unknown tracker, or one that is not installed.
    """
    if name not in TRACKERS:
        raise ValueError(f"unknown tracker {name!r}; use one of {', '.join(TRACKERS)}")
    module_name = "torch.utils.tensorboard" if name == "tensorboard" else name
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(f"the tracker {name!r} is not installed: pip install 'assay[tracking]'") from error
    started: JsonObject = {}

    def report(line: JsonObject) -> None:
        if line["event"] != "train":
            return
        stack, values = line["stack"], _series(line)
        if name == "tensorboard":
            if stack not in started:
                started[stack] = module.SummaryWriter(str(folder / stack / "tensorboard"))
            for key, value in values.items():
                started[stack].add_scalar(key, value, line["tokens"])
            return
        if stack not in started:
            if started:
                module.finish()
            started[stack] = module.init(project=project, name=stack)
        module.log(values | {"tokens": line["tokens"]})

    return report


def _series(line: JsonObject) -> dict[str, float]:
    """{"trunk/loss/0": 3.1, ...}: one number per series."""
    series: dict[str, float] = {}
    for key in SHOWN:
        value = line.get(key)
        if isinstance(value, list):
            series |= {f"{line['phase']}/{key}/{run}": float(v) for run, v in enumerate(value)}
        elif value is not None:
            series[f"{line['phase']}/{key}"] = float(value)
    return series
