"""One stack in training: its trunks, a cooldown branch to each D, an evaluation at each branch end.

Runs that read the same to where they leave it share a trunk. A stack of levels alone has a trunk for each run, and all leave
together; courses (training/course.py) may leave earlier, or share the trunk of another run. Everything it does is in the files
of its folder (training/run.py lists them), so that it may be cut off anywhere.

K runs, J trunks, Q evaluation documents, P parameters, S steps.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from training import checkpoint, schedule
from training.branches import Branch, branches_of, part_of
from training.certificate import certify, course_facts
from training.choices import ChoiceScorer, load_choices
from training.evaluate import Evaluator, load_documents
from training.metrics import Metrics, Report, peak_flops
from training.observations import OBSERVATIONS, losses_table, observation_rows, scores_table, write_table
from training.plan import JsonObject, Plan, Run, Stack
from training.reading import Library
from training.step import RECORD_STEPS, Snapshot, Trainer, resolve_precision
from training.trainers import Trainers


class NonFiniteError(ValueError):
    """A loss or gradient stopped being a number. Nothing is skipped: the stack stops where it happened."""


class StackRun:
    """One stack in training on one device (or one rank's part of it); see `training.run.run_stack`."""

    def __init__(self, plan: Plan, stack: Stack, folder: Path, device: torch.device, report: Report | None) -> None:
        self.plan, self.stack, self.folder, self.device = plan, stack, folder, device
        self.writes = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
        (folder / "branches").mkdir(parents=True, exist_ok=True)
        self.metrics = Metrics(folder, report)
        shape = plan.shapes[stack.shape]
        self.certificate = certify(plan, stack, device, resolve_precision(plan.precision, device))
        self.identity = f"{self.certificate['certificate']} {_stack_identity(plan, stack)}"
        self.library = Library(plan, stack, folder)
        self.documents = load_documents(plan.evaluation.path, plan.vocab_size)
        self.choices, runs = load_choices(plan.evaluation.path, plan.vocab_size, plan.context), len(stack.runs)
        self.scorer = ChoiceScorer(self.choices, plan.context, plan.eot, runs, device) if self.choices else None
        self.flops_per_token = shape.flops_per_token(plan.vocab_size, plan.context)
        self.peak_flops = peak_flops(device)
        self.ends = [stack.steps(tokens) for tokens in stack.tokens]
        self.branches = branches_of(plan, stack)
        self.trainers = Trainers(plan, stack, self.library, self.branches, device)
        self.trunk = self.trainers.trunk
        self.evaluator = Evaluator(self.documents, plan.context, plan.eot, len(stack.runs), device)
        self.points = self._trunk_points() if plan.trunk_evaluations and self.trunk else []
        self.interval = min(RECORD_STEPS, max(1, self.ends[-1] // 100))
        self.saved = time.monotonic()
        self.resumed = -1  # the step of the checkpoint that this process began with

    def finish(self) -> Path:
        """Train whatever is missing, then write losses.parquet and observations.parquet."""
        if self.writes:
            write_certificate(self.folder, self.certificate)
        missing = [branch for branch in self.branches if not self._branch_file(branch).exists()]
        self._resume()
        for branch in missing:
            fork = self._fork(branch) if self.trunk and branch.start else None
            self._branch(branch, fork)
            if self.trunk and fork:
                self.trunk.restore(fork)
        if self.writes:
            self._write()
        self._barrier()
        return self.folder

    def _fork(self, branch: Branch) -> Snapshot:
        """The trunks where `branch` leaves them, trained up to there."""
        trunk = self.trunk
        assert trunk is not None
        if trunk.step > branch.start:
            raise checkpoint.CheckpointError(
                f"{self.folder}: the trunk's checkpoint is at step {trunk.step}, but the branch to {branch.end} steps, "
                f"which leaves it at {branch.start}, is not there; remove trunk.safetensors to train the trunk again"
            )
        for point in (*(point for point in self.points if trunk.step < point < branch.start), branch.start):
            self._train(trunk, self.trainers.trunks, "trunk", schedule.trunk(self.ends[-1], self._warmup), point)
            if point in self.points and not self._trunk_file(point).exists():
                self._evaluate_trunk()
        fork = trunk.snapshot()
        if fork.step != self.resumed:
            self._save(self.folder / "trunk.safetensors", fork, self.identity)
        return fork

    @property
    def _warmup(self) -> int:
        return round(self.stack.warmup_tokens / self.stack.batch_tokens)

    def _trunk_points(self) -> list[int]:
        """Steps at which the trunk is evaluated too: the powers of two, and where each branch leaves."""
        left = {branch.start for branch in self.branches} - {0}
        return sorted({2**i for i in range(max(left).bit_length()) if 2**i <= max(left)} | left)

    def _name(self, branch: Branch) -> str:
        """D, and the tokens at which it begins where not all runs to D begin there."""
        tokens = f"{branch.end * self.stack.batch_tokens}"
        alone = len(branch.runs) == len(self.stack.runs)
        return tokens if alone else f"{tokens}-from-{branch.start * self.stack.batch_tokens}"

    def _branch_file(self, branch: Branch) -> Path:
        return self.folder / "branches" / f"{self._name(branch)}.parquet"

    def _choices_file(self, branch: Branch) -> Path:
        return self._branch_file(branch).with_suffix(".choices.parquet")

    def _trunk_file(self, point: int) -> Path:
        return self.folder / "trunk" / f"{point * self.stack.batch_tokens}.parquet"

    def _branch(self, branch: Branch, fork: Snapshot | None) -> None:
        end = branch.end
        if self.plan.schedule.kind == "cosine":
            multiplier = schedule.cosine(end, self._warmup)
        else:
            multiplier = schedule.branch(end, self._warmup, self.plan.schedule.cooldown)
        trainer = self.trainers.of_branch(branch, fork)
        unfinished = self._branch_file(branch).with_suffix(".safetensors")
        if unfinished.exists():
            at = checkpoint.load(unfinished, f"{self.identity} {end}", tuple(trainer.weights_KP.shape))
            trainer.restore(at)
        name = self._name(branch)
        if self.writes:
            self.metrics.truncate(name, max(branch.start, trainer.step))
        self._train(trainer, branch.runs, name, multiplier, end, unfinished)
        nats_KQ = self._scores(trainer)
        if self.writes:
            self._keep(branch, trainer, nats_KQ)
            unfinished.unlink(missing_ok=True)
        self._barrier()

    def _scores(self, trainer: Trainer) -> np.ndarray:
        """Every document's nats under every run, [K, Q], all finite."""
        nats_KQ = self.evaluator.document_losses(trainer)
        if not np.isfinite(nats_KQ).all():
            tokens = trainer.step * self.stack.batch_tokens
            raise NonFiniteError(f"stack {self.stack.id!r}: an evaluation loss at {tokens} tokens is not finite")
        return nats_KQ

    def _keep(self, branch: Branch, trainer: Trainer, nats_KQ: np.ndarray) -> None:
        """Write what a branch end leaves."""
        tokens, part = branch.end * self.stack.batch_tokens, part_of(self.stack, branch.runs)
        if self.plan.keep_weights == "all" or (self.plan.keep_weights == "last" and branch.end == self.ends[-1]):
            self._save_weights(branch, trainer)
        if self.choices and self.scorer:
            scores = self.scorer.scores(trainer)
            write_table(scores_table(part, tokens, self.choices, scores), self._choices_file(branch))
        write_table(losses_table(part, tokens, self.documents, nats_KQ), self._branch_file(branch))
        heldout = self.documents.sets.get("heldout", np.arange(len(self.documents.doc_id_Q)))
        loss_K = nats_KQ[:, heldout].sum(1) / self.documents.n_tokens_Q[heldout].sum()
        self._log({"event": "branch", "tokens": tokens, "loss": [round(float(x), 6) for x in loss_K]})

    def _train(
        self, trainer: Trainer, runs: tuple[int, ...], phase: str, multiplier: np.ndarray, until: int,
        unfinished: Path | None = None,
    ) -> None:  # fmt: skip
        """Advance to step `until` under `multiplier`, reporting and checking every interval."""
        tokens_per_step, stack = self.stack.batch_tokens, part_of(self.stack, runs)
        trainer.set_schedule(np.pad(multiplier, (0, self.ends[-1] - len(multiplier)), mode="edge"))
        path = unfinished or self.folder / "trunk.safetensors"
        identity = f"{self.identity} {until}" if unfinished else self.identity
        while trainer.step < until:
            began, first = time.perf_counter(), trainer.step
            for _ in range(min(until, (first // self.interval + 1) * self.interval) - first):
                trainer.advance()
            steps = trainer.step - first
            loss_SK, norm_SK = trainer.record(steps)
            seconds = time.perf_counter() - began
            self._check_finite(loss_SK, norm_SK, stack.runs, trainer, until, path)
            speed = steps * tokens_per_step * len(runs) / seconds
            clip = self.plan.optimizer.clip
            self._log(
                {
                    "event": "train",
                    "phase": phase,
                    "step": trainer.step,
                    "tokens": trainer.step * tokens_per_step,
                    "trained": steps * tokens_per_step * len(runs),
                    "loss": [round(float(x), 5) for x in loss_SK.mean(0)],
                    "lr": [float(f"{lr * multiplier[trainer.step - 1]:.6g}") for lr in stack.lr_K],
                    "grad_norm": [round(float(x), 5) for x in norm_SK.mean(0)],
                    "clipped": [round(float(x), 3) for x in (norm_SK > clip).mean(0)] if clip > 0 else None,
                    "tokens_per_second": round(speed),
                    "mfu": round(speed * self.flops_per_token / self.peak_flops, 4) if self.peak_flops else None,
                }
            )
            if time.monotonic() - self.saved > self.plan.checkpoint_seconds:
                self._save(path, trainer.snapshot(), identity)
                self.saved = time.monotonic()

    def _check_finite(
        self, loss_SK: np.ndarray, norm_SK: np.ndarray, runs: tuple[Run, ...], trainer: Trainer, until: int, path: Path
    ) -> None:
        """`trainer` has just done the steps S of its `runs`, on their way to step `until`."""
        bad_SK = ~(np.isfinite(loss_SK) & np.isfinite(norm_SK))
        if not bad_SK.any():
            return
        s, k = (int(i) for i in np.argwhere(bad_SK)[0])
        run, step = runs[k], trainer.step - len(loss_SK) + s
        documents = self.library.documents(
            run, until, step, self.folder, trunk=trainer is self.trunk and not self.trainers.alone
        )
        good = f"the last good checkpoint is {path}" if path.exists() else "no checkpoint was written yet"
        shown = f"{documents[:20]}" + (f" and {len(documents) - 20} more" if len(documents) > 20 else "")
        message = (
            f"stack {self.stack.id!r}: level {run.level!r} seed {run.seed} has loss {loss_SK[s, k]} and gradient norm "
            f"{norm_SK[s, k]} at step {step}; its batch holds documents {shown}; {good}"
        )
        self._log({"event": "non-finite", "step": step, "level": run.level, "seed": run.seed, "doc_ids": documents})
        raise NonFiniteError(message)

    def _evaluate_trunk(self) -> None:
        """The undecayed trunk on every document: how the loss fell, and how much the cooldown buys."""
        assert self.trunk is not None
        tokens = self.trunk.step * self.stack.batch_tokens
        nats_JQ = self._scores(self.trunk)
        runs = self.trainers.on_trunks
        nats_KQ = nats_JQ[self.trainers.trunk_rows(runs)]
        if self.writes:
            (self.folder / "trunk").mkdir(exist_ok=True)
            write_table(
                losses_table(part_of(self.stack, runs), tokens, self.documents, nats_KQ), self._trunk_file(self.trunk.step)
            )
        counts_Q = self.documents.n_tokens_Q
        sets = {
            name: [round(float(x), 6) for x in nats_KQ[:, q].sum(1) / counts_Q[q].sum()]
            for name, q in self.documents.sets.items()
        }
        self._log({"event": "trunk", "step": self.trunk.step, "tokens": tokens, "loss": sets})

    def _save_weights(self, branch: Branch, trainer: Trainer) -> None:
        (self.folder / "weights").mkdir(exist_ok=True)
        metadata = {
            "stack": self.stack.id,
            "tokens": str(branch.end * self.stack.batch_tokens),
            "runs": json.dumps([[run.level, run.seed] for run in part_of(self.stack, branch.runs).runs]),
            "certificate": self.certificate["certificate"],
        }
        path = self.folder / "weights" / f"{self._name(branch)}.safetensors"
        checkpoint.save_tensors(path, {"weights": trainer.weights_KP}, metadata)

    def _resume(self) -> None:
        path = self.folder / "trunk.safetensors"
        if self.trunk and path.exists():
            snapshot: Snapshot = checkpoint.load(path, self.identity, tuple(self.trunk.weights_KP.shape))
            self.trunk.restore(snapshot)
            self.resumed = snapshot.step
        self._barrier()
        if self.writes:
            self.metrics.truncate("trunk", max(self.resumed, 0))
        if self.resumed >= 0:
            self._log({"event": "resume", "step": self.resumed})

    def _write(self) -> None:
        certificate = self.certificate["certificate"]
        tables, rows = [], []
        for end in self.ends:
            nats_KQ = np.empty((len(self.stack.runs), len(self.documents.doc_id_Q)))
            for branch in (branch for branch in self.branches if branch.end == end):
                table = pq.read_table(self._branch_file(branch))
                nats_KQ[list(branch.runs)] = table["nats"].to_numpy().reshape(len(branch.runs), -1)
            tokens = end * self.stack.batch_tokens
            tables.append(losses_table(self.stack, tokens, self.documents, nats_KQ))
            rows += observation_rows(self.plan, self.stack, tokens, self.documents, nats_KQ, certificate)
        write_table(pa.concat_tables(tables), self.folder / "losses.parquet")
        if self.choices:
            scored = [pq.read_table(self._choices_file(branch)) for branch in self.branches]
            write_table(pa.concat_tables(scored), self.folder / "choices.parquet")
        if self.points:
            trunk = [pq.read_table(self._trunk_file(point)) for point in self.points]
            write_table(pa.concat_tables(trunk), self.folder / "trunk.parquet")
        for path in (self.folder / "trunk.safetensors", *(self.folder / "branches").glob("*.safetensors")):
            path.unlink(missing_ok=True)
        self._log({"event": "done"})
        write_table(pa.Table.from_pylist(rows, schema=OBSERVATIONS), self.folder / "observations.parquet")

    def _save(self, path: Path, snapshot: Snapshot, identity: str) -> None:
        if self.writes:
            checkpoint.save(path, snapshot, identity)
            self._log({"event": "checkpoint", "step": snapshot.step, "file": path.name})

    def _barrier(self) -> None:
        """Data-parallel ranks agree on what is on disk before any of them looks at it."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()

    def _log(self, line: JsonObject) -> None:
        if self.writes:
            self.metrics.log(line)


def write_certificate(folder: Path, certificate: JsonObject) -> None:
    """certificate.json beside the stack's tables."""
    text = json.dumps(certificate, indent=1) + "\n"
    with checkpoint.writing(folder / "certificate.json", len(text)) as aside:
        aside.write_text(text, "utf-8")


def _stack_identity(plan: Plan, stack: Stack) -> str:
    """What a checkpoint must agree on beyond the certificate."""
    names = ",".join(f"{run.level}:{run.seed}:{_data_digest(plan, run.level)}" for run in stack.runs)
    return f"{stack.shape} {stack.lr} {stack.batch_tokens} {stack.tokens} {names} cooldown {plan.schedule.cooldown:g}"


def _data_digest(plan: Plan, name: str) -> str:
    """Of what a run of this level or course reads."""
    if name not in plan.courses:
        return plan.datasets[name].digest
    levels = {phase.level: plan.datasets[phase.level].digest for phase in plan.courses[name]}
    return json.dumps([levels, course_facts(plan, {name: plan.courses[name]})], sort_keys=True)
