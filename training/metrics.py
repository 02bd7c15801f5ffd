"""metrics.jsonl: a line per interval and event, the truth about how a stack trained."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from training.checkpoint import CheckpointError, refused
from training.plan import JsonObject

Report = Callable[[JsonObject], None]

# Dense bfloat16 peak, FLOP/s, from the vendors' data sheets; by substring of the device name.
PEAK_FLOPS = {
    "B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "A100": 312e12,
    "L40S": 362e12, "L40": 181e12, "L4": 121e12, "4090": 165e12,
}  # fmt: skip


class Metrics:
    """Appends lines to `folder`/metrics.jsonl and hands each to `report`."""

    def __init__(self, folder: Path, report: Report | None) -> None:
        self.path = folder / "metrics.jsonl"
        self.stack = folder.name
        self.report = report

    def log(self, line: JsonObject) -> None:
        line = {"time": round(time.time(), 3), "stack": self.stack, **line}
        text = json.dumps(line) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise CheckpointError(refused(self.path, len(text), error)) from error
        if self.report is not None:
            self.report(line)

    def truncate(self, phase: str, step: int) -> None:
        """Drop what a kill threw away: lines of `phase` past the checkpoint at `step`, a half-written last line."""
        if not self.path.exists():
            return
        kept = []
        for text in self.path.read_text("utf-8").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if line.get("phase") != phase or line["step"] <= step:
                kept.append(text)
        aside = self.path.with_suffix(".partial")  # renamed, so that whoever follows the file sees that it is another
        aside.write_text("".join(f"{text}\n" for text in kept), "utf-8")
        aside.replace(self.path)


def peak_flops(device: torch.device) -> float | None:
    """Dense bfloat16 peak of a known GPU, else None (no MFU is reported)."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for key, peak in PEAK_FLOPS.items() if key in name), None)
