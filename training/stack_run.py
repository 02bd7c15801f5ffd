"""One stack in training: its trunk, a cooldown branch to each D, an evaluation at each branch end.

Everything it does is in the files of its folder (training/run.py lists them), so that it may be cut off anywhere.
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
from training.certificate import certify
from training.choices import ChoiceScorer, load_choices
from training.evaluate import Evaluator, load_documents
from training.metrics import Metrics, Report, peak_flops
from training.model import Architecture
from training.observations import OBSERVATIONS, losses_table, observation_rows, scores_table, write_table
from training.order import Order, Rows, run_key
from training.plan import JsonObject, Plan, Run, Stack
from training.step import RECORD_STEPS, Snapshot, Trainer, resolve_precision
from training.tokens import Batches, load_rows


class NonFiniteError(ValueError):
    """A loss or gradient stopped being a number. Nothing is skipped: the stack stops where it happened."""


class StackRun:
    """One stack in training on one device (or one rank's part of it); see `training.run.run_stack`."""

    def __init__(self, plan: Plan, stack: Stack, folder: Path, device: torch.device, report: Report | None) -> None:
        self.plan, self.stack, self.folder = plan, stack, folder
        self.writes = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
        (folder / "branches").mkdir(parents=True, exist_ok=True)
        self.metrics = Metrics(folder, report)
        shape = plan.shapes[stack.shape]
        architecture = Architecture(shape, plan.vocab_size)
        dtype = resolve_precision(plan.precision, device)
        self.certificate = certify(plan, stack, device, dtype)
        self.identity = f"{self.certificate['certificate']} {_stack_identity(plan, stack)}"
        seeds = [run.seed for run in stack.runs]
        self.batch = stack.batch_tokens // plan.context
        batches = Batches(windows(plan, stack, folder), self.batch, device)
        initial_KP = torch.stack([architecture.initial(seed) for seed in seeds])
        eot = plan.eot if plan.document_mask else None
        self.trainer = Trainer(architecture, batches, initial_KP, stack.lr_K, plan.optimizer, dtype, eot, plan.micro_batch)
        self.documents = load_documents(plan.evaluation.path, plan.vocab_size)
        self.evaluator = Evaluator(self.documents, plan.context, plan.eot, len(seeds), device)
        self.choices = load_choices(plan.evaluation.path, plan.vocab_size, plan.context)
        self.scorer = ChoiceScorer(self.choices, plan.context, plan.eot, len(seeds), device) if self.choices else None
        self.flops_per_token = shape.flops_per_token(plan.vocab_size, plan.context)
        self.peak_flops = peak_flops(device)
        self.ends = [stack.steps(tokens) for tokens in stack.tokens]
        self.points = self._trunk_points() if plan.trunk_evaluations else []
        self.interval = min(RECORD_STEPS, max(1, self.ends[-1] // 100))
        self.saved = time.monotonic()
        self.resumed = -1  # the step of the checkpoint that this process began with

    def finish(self) -> Path:
        """Train whatever is missing, then write losses.parquet and observations.parquet."""
        if self.writes:
            write_certificate(self.folder, self.certificate)
        missing = [end for end in self.ends if not self._branch_file(end).exists()]
        self._resume()
        for end in missing:
            start = self._start(end)
            if self.trainer.step > start:
                raise checkpoint.CheckpointError(
                    f"{self.folder}: the trunk's checkpoint is at step {self.trainer.step}, but the branch to {end} steps, "
                    f"which leaves it at {start}, is not there; remove trunk.safetensors to train the trunk again"
                )
            for point in (*(point for point in self.points if self.trainer.step < point < start), start):
                self._train("trunk", schedule.trunk(self.ends[-1], self._warmup), point)
                if point in self.points and not self._trunk_file(point).exists():
                    self._evaluate_trunk()
            fork = self.trainer.snapshot()
            if fork.step != self.resumed:
                self._save(self.folder / "trunk.safetensors", fork, self.identity)
            self._branch(end, start)
            self.trainer.restore(fork)
        if self.writes:
            self._write()
        self._barrier()
        return self.folder

    @property
    def _warmup(self) -> int:
        return round(self.stack.warmup_tokens / self.stack.batch_tokens)

    def _start(self, end: int) -> int:
        """The trunk step at which the branch to `end` begins; a cosine run is all branch."""
        return 0 if self.plan.schedule.kind == "cosine" else schedule.branch_start(end, self.plan.schedule.cooldown)

    def _trunk_points(self) -> list[int]:
        """Steps at which the trunk is evaluated too: the powers of two, and where each branch leaves."""
        leaves = {self._start(end) for end in self.ends}
        return sorted({2**i for i in range(max(leaves).bit_length()) if 2**i <= max(leaves)} | leaves - {0})

    def _branch_file(self, end: int) -> Path:
        return self.folder / "branches" / f"{end * self.stack.batch_tokens}.parquet"

    def _choices_file(self, end: int) -> Path:
        return self._branch_file(end).with_suffix(".choices.parquet")

    def _trunk_file(self, point: int) -> Path:
        return self.folder / "trunk" / f"{point * self.stack.batch_tokens}.parquet"

    def _branch(self, end: int, start: int) -> None:
        if self.plan.schedule.kind == "cosine":
            multiplier = schedule.cosine(end, self._warmup)
        else:
            multiplier = schedule.branch(end, self._warmup, self.plan.schedule.cooldown)
        unfinished, tokens = self._branch_file(end).with_suffix(".safetensors"), end * self.stack.batch_tokens
        if unfinished.exists():
            at = checkpoint.load(unfinished, f"{self.identity} {end}", tuple(self.trainer.weights_KP.shape))
            self.trainer.restore(at)
        if self.writes:
            self.metrics.truncate(str(tokens), max(start, self.trainer.step))
        self._train(str(tokens), multiplier, end, unfinished)
        nats_KQ = self._scores(tokens)
        if self.writes:
            self._keep(tokens, end, nats_KQ)
            unfinished.unlink(missing_ok=True)
        self._barrier()

    def _scores(self, tokens: int) -> np.ndarray:
        """Every document's nats under every run, [K, Q], all finite."""
        nats_KQ = self.evaluator.document_losses(self.trainer)
        if not np.isfinite(nats_KQ).all():
            raise NonFiniteError(f"stack {self.stack.id!r}: an evaluation loss at {tokens} tokens is not finite")
        return nats_KQ

    def _keep(self, tokens: int, end: int, nats_KQ: np.ndarray) -> None:
        """Write what a branch end leaves."""
        if self.plan.keep_weights == "all" or (self.plan.keep_weights == "last" and end == self.ends[-1]):
            self._save_weights(tokens)
        if self.choices and self.scorer:
            scores = self.scorer.scores(self.trainer)
            write_table(scores_table(self.stack, tokens, self.choices, scores), self._choices_file(end))
        write_table(losses_table(self.stack, tokens, self.documents, nats_KQ), self._branch_file(end))
        heldout = self.documents.sets.get("heldout", np.arange(len(self.documents.doc_id_Q)))
        loss_K = nats_KQ[:, heldout].sum(1) / self.documents.n_tokens_Q[heldout].sum()
        self._log({"event": "branch", "tokens": tokens, "loss": [round(float(x), 6) for x in loss_K]})

    def _train(self, phase: str, multiplier: np.ndarray, until: int, unfinished: Path | None = None) -> None:
        """Advance to step `until` under `multiplier`, reporting and checking every interval."""
        trainer, tokens_per_step = self.trainer, self.stack.batch_tokens
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
            self._check_finite(loss_SK, norm_SK, first, path)
            speed = steps * tokens_per_step * len(self.stack.runs) / seconds
            clip = self.plan.optimizer.clip
            self._log(
                {
                    "event": "train",
                    "phase": phase,
                    "step": trainer.step,
                    "tokens": trainer.step * tokens_per_step,
                    "loss": [round(float(x), 5) for x in loss_SK.mean(0)],
                    "lr": [float(f"{lr * multiplier[trainer.step - 1]:.6g}") for lr in self.stack.lr_K],
                    "grad_norm": [round(float(x), 5) for x in norm_SK.mean(0)],
                    "clipped": [round(float(x), 3) for x in (norm_SK > clip).mean(0)] if clip > 0 else None,
                    "tokens_per_second": round(speed),
                    "mfu": round(speed * self.flops_per_token / self.peak_flops, 4) if self.peak_flops else None,
                }
            )
            if time.monotonic() - self.saved > self.plan.checkpoint_seconds:
                self._save(path, trainer.snapshot(), identity)
                self.saved = time.monotonic()

    def _check_finite(self, loss_SK: np.ndarray, norm_SK: np.ndarray, first: int, path: Path) -> None:
        bad_SK = ~(np.isfinite(loss_SK) & np.isfinite(norm_SK))
        if not bad_SK.any():
            return
        s, k = (int(i) for i in np.argwhere(bad_SK)[0])
        run = self.stack.runs[k]
        order = order_of(self.plan, self.stack, run, _rows(self.plan, run.level, self.folder))
        documents = order.documents((first + s) * self.batch + np.arange(self.batch))
        good = f"the last good checkpoint is {path}" if path.exists() else "no checkpoint was written yet"
        shown = f"{documents[:20]}" + (f" and {len(documents) - 20} more" if len(documents) > 20 else "")
        message = (
            f"stack {self.stack.id!r}: level {run.level!r} seed {run.seed} has loss {loss_SK[s, k]} and gradient norm "
            f"{norm_SK[s, k]} at step {first + s}; its batch holds documents {shown}; {good}"
        )
        self._log({"event": "non-finite", "step": first + s, "level": run.level, "seed": run.seed, "doc_ids": documents})
        raise NonFiniteError(message)

    def _evaluate_trunk(self) -> None:
        """The undecayed trunk on every document: how the loss fell, and how much the cooldown buys."""
        tokens = self.trainer.step * self.stack.batch_tokens
        nats_KQ = self._scores(tokens)
        if self.writes:
            (self.folder / "trunk").mkdir(exist_ok=True)
            write_table(losses_table(self.stack, tokens, self.documents, nats_KQ), self._trunk_file(self.trainer.step))
        counts_Q = self.documents.n_tokens_Q
        sets = {
            name: [round(float(x), 6) for x in nats_KQ[:, q].sum(1) / counts_Q[q].sum()]
            for name, q in self.documents.sets.items()
        }
        self._log({"event": "trunk", "step": self.trainer.step, "tokens": tokens, "loss": sets})

    def _save_weights(self, tokens: int) -> None:
        (self.folder / "weights").mkdir(exist_ok=True)
        metadata = {
            "stack": self.stack.id,
            "tokens": str(tokens),
            "runs": json.dumps([[run.level, run.seed] for run in self.stack.runs]),
            "certificate": self.certificate["certificate"],
        }
        path = self.folder / "weights" / f"{tokens}.safetensors"
        checkpoint.save_tensors(path, {"weights": self.trainer.weights_KP}, metadata)

    def _resume(self) -> None:
        path = self.folder / "trunk.safetensors"
        if path.exists():
            snapshot: Snapshot = checkpoint.load(path, self.identity, tuple(self.trainer.weights_KP.shape))
            self.trainer.restore(snapshot)
            self.resumed = snapshot.step
        self._barrier()
        if self.writes:
            self.metrics.truncate("trunk", self.trainer.step)
        if path.exists():
            self._log({"event": "resume", "step": self.trainer.step})

    def _write(self) -> None:
        certificate = self.certificate["certificate"]
        tables, rows = [], []
        for end in self.ends:
            table = pq.read_table(self._branch_file(end))
            tables.append(table)
            nats_KQ = table["nats"].to_numpy().reshape(len(self.stack.runs), -1)
            tokens = end * self.stack.batch_tokens
            rows += observation_rows(self.plan, self.stack, tokens, self.documents, nats_KQ, certificate)
        write_table(pa.concat_tables(tables), self.folder / "losses.parquet")
        if self.choices:
            scored = [pq.read_table(self._choices_file(end)) for end in self.ends]
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


def windows(plan: Plan, stack: Stack, scratch: Path | None = None) -> list[np.ndarray]:
    """The windows [W, U] that each run reads, in its order, up to the longest D; runs of one level and seed share one array.
    A level is laid out in `scratch` while its windows are cut."""
    most = stack.steps(stack.tokens[-1]) * stack.batch_tokens // plan.context
    cut: dict[Run, np.ndarray] = {}
    for level in dict.fromkeys(run.level for run in stack.runs):
        rows = _rows(plan, level, scratch)
        cut |= {run: order_of(plan, stack, run, rows).windows(most) for run in {*stack.runs} if run.level == level}
    return [cut[run] for run in stack.runs]


def order_of(plan: Plan, stack: Stack, run: Run, rows: Rows) -> Order:
    """The order in which `run` reads its level, whose rows are given."""
    return Order.of(rows, run_key(plan.order_key, stack.shape, run.seed), plan.context)


def _rows(plan: Plan, level: str, scratch: Path | None) -> Rows:
    return load_rows(plan.datasets[level].path, plan.context, plan.vocab_size, plan.eot, scratch)


def write_certificate(folder: Path, certificate: JsonObject) -> None:
    """certificate.json beside the stack's tables."""
    text = json.dumps(certificate, indent=1) + "\n"
    with checkpoint.writing(folder / "certificate.json", len(text)) as aside:
        aside.write_text(text, "utf-8")


def _stack_identity(plan: Plan, stack: Stack) -> str:
    """What a checkpoint must agree on beyond the certificate."""
    runs = ",".join(f"{run.level}:{run.seed}:{plan.datasets[run.level].digest}" for run in stack.runs)
    return f"{stack.shape} {stack.lr} {stack.batch_tokens} {stack.tokens} {runs} cooldown {plan.schedule.cooldown:g}"
