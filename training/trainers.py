"""The trainers of a stack: one of its trunks, and one of the runs of each branch, with what they read.

Where every run is of a level alone, runs and trunks are the same, and one trainer does all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.branches import Branch, part_of, trunks_of
from training.model import Architecture
from training.muon import Muon
from training.plan import Plan, Stack
from training.reading import BatchesFrom, Library
from training.step import Snapshot, Trainer, resolve_precision
from training.tokens import Batches


class Trainers:
    """`trunks`: the runs whose trunks are trained, by number in the stack; `trunk` trains them, from the initial weights (None
    where no run has one: sorted courses, cosines). `alone`: no run is of a course."""

    def __init__(self, plan: Plan, stack: Stack, library: Library, branches: Sequence[Branch], device: torch.device) -> None:
        self.plan, self.stack, self.library, self.device = plan, stack, library, device
        self.architecture = Architecture(plan.shapes[stack.shape], plan.vocab_size)
        self.dtype = resolve_precision(plan.precision, device)
        self.trunk_K = trunks_of(plan, stack)
        self.trunks = tuple(sorted({self.trunk_K[k] for branch in branches if branch.start for k in branch.runs}))
        named = any(run.level in plan.courses for run in stack.runs)
        self.alone = not named and self.trunks == tuple(range(len(stack.runs)))
        self.trunk = self._of_trunks(max(branch.start for branch in branches), stack.steps(stack.tokens[-1]))

    @property
    def on_trunks(self) -> tuple[int, ...]:
        """The runs that leave some trunk."""
        return tuple(k for k, trunk in enumerate(self.trunk_K) if trunk in self.trunks)

    def trunk_rows(self, runs: Sequence[int]) -> list[int]:
        """The rows of `trunk` that these runs leave."""
        return [self.trunks.index(self.trunk_K[k]) for k in runs]

    def of_branch(self, branch: Branch, fork: Snapshot | None) -> Trainer:
        """The runs of a branch where it begins: at the trunks' `fork`, or, without one, at the initial weights."""
        if self.alone and self.trunk:
            return self.trunk
        trainer = self._of_runs(branch.runs, self._batches(branch.runs, branch.start, branch.end, branch.end, trunk=False))
        if fork is not None:
            rows = self.trunk_rows(branch.runs)
            trainer.restore(Snapshot(fork.step, fork.weights_KP[rows], fork.mean_KP[rows], fork.square_KP[rows]))
        return trainer

    def _of_trunks(self, last: int, steps: int) -> Trainer | None:
        """`last`: the step at which the last branch leaves; `steps`: those of the longest run."""
        if not self.trunks:
            return None
        if self.alone:
            windows = [self.library.whole(run) for run in self.stack.runs]
            return self._of_runs(self.trunks, Batches(windows, self.library.batch, self.device))
        return self._of_runs(self.trunks, self._batches(self.trunks, 0, last, steps, trunk=True))

    def _batches(self, runs: tuple[int, ...], first: int, until: int, steps: int, *, trunk: bool) -> Batches:
        """The batches of the steps `first` to `until` of these runs to `steps`, or of their trunks."""
        streams = [self.library.stream(self.stack.runs[k], steps, first, until, trunk=trunk) for k in runs]
        return BatchesFrom(streams, self.library.batch, self.device, first)

    def _of_runs(self, runs: tuple[int, ...], batches: Batches) -> Trainer:
        part, plan = part_of(self.stack, runs), self.plan
        initial_KP = torch.stack([self.architecture.initial(run.seed) for run in part.runs])
        eot = plan.eot if plan.document_mask else None
        kind = Muon if plan.optimizer.matrices == "muon" else Trainer
        return kind(self.architecture, batches, initial_KP, part.lr_K, plan.optimizer, self.dtype, eot, plan.micro_batch)
