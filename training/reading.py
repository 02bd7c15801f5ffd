"""The windows that runs read, by level and seed, and the streams that their courses make of them.

Shapes: W windows of a level in a run's order, N slots, U = context + 1, R rows (pieces of documents).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from training.course import Phase, Reading, reading, trunk_of
from training.order import Order, Rows, run_key
from training.plan import Plan, Run, Stack
from training.tokens import Batches, DatasetError, load_rows


@dataclass(frozen=True)
class Level:
    """A level in the order of one seed: its first windows [w, U] (w as many as any run reads), how many it has in all, and what
    every one of the first is by each order's signal: float64[w]."""

    windows_WU: np.ndarray
    all_windows: int
    value_W: dict[str, np.ndarray]


class Library:
    """What the runs of a stack read, cut once: streams of windows for any part of any run."""

    def __init__(self, plan: Plan, stack: Stack, scratch: Path | None = None) -> None:
        self.plan, self.stack, self.batch = plan, stack, stack.batch_tokens // plan.context
        most = stack.steps(stack.tokens[-1]) * self.batch
        phases = [(phase, run.seed) for run in stack.runs for phase in plan.course(run.level)]
        self.levels: dict[tuple[str, int], Level] = {}
        for level in dict.fromkeys(phase.level for phase, _ in phases):
            rows = level_rows(plan, level, scratch)
            signals = {phase.by for phase, _ in phases if phase.level == level and phase.by is not None}
            value_R = {name: _row_values(plan, name, rows) for name in sorted(signals)}
            for seed in dict.fromkeys(seed for phase, seed in phases if phase.level == level):
                order = order_of(plan, stack, seed, rows)
                value_W = {name: window_values(order, values)[:most] for name, values in value_R.items()}
                self.levels[level, seed] = Level(order.windows(most), len(order.complete_P), value_W)

    def whole(self, run: Run) -> np.ndarray:
        """The level that a run reads alone, as it lies: runs of one level and seed share one array."""
        return self.levels[run.level, run.seed].windows_WU

    def reading(self, run: Run, steps: int, *, trunk: bool = False) -> Reading:
        """What every slot of the run to `steps` reads, or of its trunk."""
        course = self.plan.course(run.level)
        return reading(
            trunk_of(course) if trunk else course, steps, self.batch, lambda phase: self._windows(phase, run.seed),
            lambda phase: self.levels[phase.level, run.seed].value_W[str(phase.by)],
        )  # fmt: skip

    def stream(self, run: Run, steps: int, first: int, until: int, *, trunk: bool = False) -> np.ndarray:
        """The windows of the steps `first` to `until` of the run to `steps`, or of its trunk: [N, U]."""
        read = self.reading(run, steps, trunk=trunk)
        level_N, window_N = (column[first * self.batch : until * self.batch] for column in (read.level_N, read.window_N))
        sources = [self.levels[level, run.seed].windows_WU for level in read.levels]
        stream_NU = np.empty((len(level_N), self.plan.context + 1), sources[0].dtype)
        for number, windows_WU in enumerate(sources):
            here = np.flatnonzero(level_N == number)
            stream_NU[here] = windows_WU[window_N[here]]
        return stream_NU

    def documents(self, run: Run, steps: int, step: int, scratch: Path, *, trunk: bool = False) -> list[int]:
        """doc_id of every document in the batch of `step` (0-based); levels are laid out again, in `scratch`."""
        read, slots = self.reading(run, steps, trunk=trunk), slice(step * self.batch, (step + 1) * self.batch)
        found: list[int] = []
        for number, level in enumerate(read.levels):
            windows = read.window_N[slots][read.level_N[slots] == number]
            if len(windows):
                rows = level_rows(self.plan, level, scratch)
                found += order_of(self.plan, self.stack, run.seed, rows).documents(windows)
        return list(dict.fromkeys(found))

    def _windows(self, phase: Phase, seed: int) -> int:
        found = self.levels[phase.level, seed].all_windows
        return found if phase.unique_tokens is None else max(1, min(found, phase.unique_tokens // self.plan.context))


class BatchesFrom(Batches):
    """Batches whose windows begin with those of step `first`."""

    def __init__(self, windows: list[np.ndarray], batch: int, device: torch.device, first: int) -> None:
        super().__init__(windows, batch, device)
        self.first = first

    def __call__(self, step: Tensor | int) -> Tensor:
        return super().__call__(step - self.first)


def order_of(plan: Plan, stack: Stack, seed: int, rows: Rows) -> Order:
    """The order in which a run of `seed` reads a level, whose rows are given."""
    return Order.of(rows, run_key(plan.order_key, stack.shape, seed), plan.context)


def level_rows(plan: Plan, level: str, scratch: Path | None) -> Rows:
    """The level laid out in `scratch`. Raises DatasetError."""
    return load_rows(plan.datasets[level].path, plan.context, plan.vocab_size, plan.eot, scratch)


def _row_values(plan: Plan, name: str, rows: Rows) -> np.ndarray:
    """The signal of every row's document; the level's median where a document has none."""
    path = plan.orders[name].path
    try:
        table = pq.read_table(path, columns=["doc_id", "value"])
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"cannot read the order {name!r} in {path}: {error}; copy the plan's folder whole") from error
    known, value = table["doc_id"].to_numpy(), table["value"].to_numpy().astype(np.float64)
    by_id = np.argsort(known)
    known, value = known[by_id], value[by_id]
    at = np.minimum(np.searchsorted(known, rows.doc_id_R), len(known) - 1)
    value_R = np.where(known[at] == rows.doc_id_R, value[at], np.nan)
    if np.isnan(value_R).all():
        raise DatasetError(f"the order {name!r} in {path} has no value for any document of the level; order by another signal")
    return np.where(np.isnan(value_R), np.nanmedian(value_R), value_R)


def window_values(order: Order, value_R: np.ndarray) -> np.ndarray:
    """What every window of an order is: the mean of `value_R` over its tokens, each row's being that of its document."""
    packed_P = order.size_P < order.context
    value_P = value_R[order.row_P]
    whole_W = order.size_P[order.complete_P] == order.context
    value_W = value_P[order.complete_P]
    if not whole_W.all():
        size, value = order.size_P[packed_P], value_P[packed_P]
        after, summed = np.cumsum(size), np.cumsum(size * value)
        edges = np.arange((~whole_W).sum() + 1) * order.context
        at_edges = np.interp(edges, np.concatenate(([0], after)), np.concatenate(([0.0], summed)))
        value_W = value_W.copy()
        value_W[~whole_W] = np.diff(at_edges) / order.context
    return value_W
