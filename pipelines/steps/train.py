"""Runs: the ladder on every level. A run (level, shape, seed) is a step of its own, so a changed level retrains only itself;
runs that are missing train together, stacked by shape and seed over the levels."""

import json
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipelines.executor import Resources
from pipelines.progress import Bar
from pipelines.run_step import Context
from pipelines.steps.ladder import Rung, optimizer, plan_body, rungs
from pipelines.study import Study, StudyError
from pipelines.workdir import Manifest, Output, Step, Workdir
from training.certificate import code_digest
from training.plan import Run, Stack, parse_plan
from training.run import run_stack


@dataclass(frozen=True)
class Cell:
    """One run of the ladder and its step."""

    level: str
    rung: Rung
    seed: int
    step: Step


def cells(study: Study, levels: Mapping[str, Manifest], evaluation: Manifest, tokenizer: str) -> list[Cell]:
    """Every run of the study, level by level within each shape and seed."""
    made = []
    for rung in rungs(study):
        config = {
            "shape": asdict(rung.shape), "tokens": list(rung.tokens), "batch_tokens": rung.batch_tokens, "lr": rung.lr,
            "warmup_tokens": rung.warmup_tokens, "optimizer": optimizer(study, rung), "schedule": study.schedule.kind,
            "cooldown": study.schedule.cooldown, "context": study.ladder.context, "precision": study.ladder.precision,
            "device": "cuda" if study.ladder.gpus else "cpu", "code": code_digest(), "torch": torch.__version__.split("+")[0],
            "others": sorted(f"{other.name}:{asdict(other.shape)}:{other.lr}" for other in rungs(study)),
        }  # fmt: skip
        for seed in range(study.ladder.seeds):
            for level, manifest in levels.items():
                inputs = {"level": manifest.digest, "evaluation": evaluation.digest, "tokenizer": tokenizer}
                step = Step(f"runs/{level}-{rung.name}-s{seed}", config | {"seed": seed}, inputs)
                made.append(Cell(level, rung, seed, step))
    return made


def train(
    context: Context, study: Study, levels: Mapping[str, Manifest], evaluation: Manifest, tokenizer: str
) -> dict[str, Manifest]:
    """Train whatever is missing of the ladder. Returns run name -> manifest, in the order of `cells`."""
    workdir, all_cells = context.workdir, cells(study, levels, evaluation, tokenizer)
    check_tokens(study, levels)
    done = {cell.step.name: manifest for cell in all_cells if (manifest := workdir.manifest(cell.step)) is not None}
    for name in done:
        context.progress.cached(name)
    stacks = _stacks([cell for cell in all_cells if cell.step.name not in done])
    if stacks:
        stacks.sort(key=lambda stack: -_cost(study, stack))  # longest first, so that no worker is left with it at the end
        jobs = [(workdir, _plan(study, stack, levels, evaluation, tokenizer, workdir), stack) for stack in stacks]
        needed = Resources(cpus=study.ladder.threads, gpus=study.ladder.gpus)
        started, total = time.monotonic(), sum(len(stack) * stack[0].rung.trained_tokens(study) for stack in stacks)
        with context.progress.bar("train", total=total, unit="tokens") as bar, _watching(workdir, jobs, bar):
            for _ in context.executor.map(train_stack, jobs, needed):
                pass
            bar.advance(total - bar.done)
        seconds = time.monotonic() - started
        for cell in (cell for stack in stacks for cell in stack):
            done[cell.step.name] = _made(workdir, cell)
            share = cell.rung.trained_tokens(study) * cell.rung.flops_per_token(study) / sum(_cost(study, s) for s in stacks)
            context.progress.finished(cell.step, done[cell.step.name], seconds * share)
        context.progress.timed("train", seconds)
    return {cell.step.name: done[cell.step.name] for cell in all_cells}


def _made(workdir: Workdir, cell: Cell) -> Manifest:
    manifest = workdir.manifest(cell.step)
    assert manifest is not None, cell.step.path
    return manifest


def check_tokens(study: Study, levels: Mapping[str, Manifest]) -> None:
    """Refuse, before any training, a level with fewer unique tokens than its longest run."""
    longest = max(study.ladder.tokens)
    for name, manifest in levels.items():
        unique = manifest.summary["unique_tokens"]
        if unique < longest and not study.ladder.repeat:
            raise StudyError(
                f"levels.{name}: {unique:,} unique tokens, but the longest run needs {longest:,}; loosen the level, shorten "
                "ladder.tokens, add text, or set ladder.repeat (such runs are left out of the fit)"
            )


def _stacks(missing: Sequence[Cell]) -> list[list[Cell]]:
    groups: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in missing:
        groups[cell.rung.name, cell.seed].append(cell)
    return list(groups.values())


def _cost(study: Study, stack: Sequence[Cell]) -> float:
    rung = stack[0].rung
    return len(stack) * rung.trained_tokens(study) * rung.flops_per_token(study)


def stack_id(stack: Sequence[Cell]) -> str:
    """A name that says what is trained and changes with any of its runs."""
    first = stack[0]
    return f"{first.rung.name}-s{first.seed}-" + Step("stack", {"runs": [cell.step.id for cell in stack]}).id


def _plan(
    study: Study, stack: Sequence[Cell], levels: Mapping[str, Manifest], evaluation: Manifest, tokenizer: str, workdir: Workdir
) -> dict[str, Any]:
    """The plan of one stack. The other shapes stand in it with their recipe, since the certificate covers the whole ladder."""
    here = Stack(**{**asdict(stack[0].rung.stack(stack_id(stack), [])), "runs": tuple(Run(c.level, c.seed) for c in stack)})
    others = [r.stack(f"other-{r.name}", [Run(stack[0].level, 0)]) for r in rungs(study) if r.name != stack[0].rung.name]
    datasets = {
        cell.level: {
            "path": levels[cell.level].step.path, "digest": levels[cell.level].digest,
            "unique_tokens": levels[cell.level].summary["unique_tokens"],
        }
        for cell in stack
    }  # fmt: skip
    return plan_body(
        study, [here, *others], datasets,
        {"path": evaluation.step.path, "digest": evaluation.digest, "tokenizer": tokenizer},
    )  # fmt: skip


def train_stack(workdir: Workdir, plan: dict[str, Any], stack: list[Cell]) -> list[str]:
    """Train one stack and commit each of its runs. Runs on a worker; picks up its own checkpoints after a retry."""
    name = stack_id(stack)
    with local_inputs(workdir, plan) as (base, scratch):
        parsed = parse_plan(plan, base)
        folder = run_stack(parsed, name, scratch)
        observations, losses = (pq.read_table(folder / f"{table}.parquet") for table in ("observations", "losses"))
        certificate = json.loads((folder / "certificate.json").read_text())
        for cell in stack:
            out = Output(workdir, cell.step, 0)
            for file, table in (("observations", observations), ("losses", losses)):
                out.write_table(f"{file}.parquet", table.filter(pc.field("level") == cell.level))
            out.write_json("certificate.json", {key: certificate[key] for key in ("certificate", "held_equal")})
            record = out.commit({"certificate": certificate["certificate"]})
            # speeds differ from run to run, so metrics lie beside the step's files, not in its digest
            workdir.write_bytes(f"{cell.step.path}/metrics.jsonl", (folder / "metrics.jsonl").read_bytes())
            workdir.commit(cell.step, [record], {})
        shutil.rmtree(folder)
    return [cell.step.name for cell in stack]


@contextmanager
def local_inputs(workdir: Workdir, plan: dict[str, Any]) -> Iterator[tuple[Path, Path]]:
    """Where training reads and writes: the work directory itself, or a copy of its inputs when that is an object store."""
    if workdir.is_local:
        yield Path(workdir.full("")), Path(workdir.full("scratch"))
        return
    with TemporaryDirectory() as folder:
        for path in [plan["evaluation"]["path"], *(dataset["path"] for dataset in plan["datasets"].values())]:
            workdir.fs.get(workdir.full(path), f"{folder}/{path}", recursive=True)
        yield Path(folder), Path(folder, "scratch")


@contextmanager
def _watching(workdir: Workdir, jobs: Sequence[tuple[Workdir, dict[str, Any], list[Cell]]], bar: Bar) -> Iterator[None]:
    """Advance the bar from the stacks' metrics while they train (on a shared or local disk; else at the end)."""
    stop = threading.Event()
    followed = [_Followed(Path(workdir.full(f"scratch/{stack_id(job[2])}/metrics.jsonl")), len(job[2])) for job in jobs]

    def watch() -> None:
        while not stop.wait(1.0):
            fresh = sum(stack.fresh_tokens() for stack in followed)
            if fresh:
                bar.note = f"{sum(stack.speed for stack in followed):,.0f} tokens/s"
                bar.advance(min(fresh, bar.total - bar.done))

    thread = threading.Thread(target=watch, daemon=True)
    if workdir.is_local:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if thread.is_alive():
            thread.join()


@dataclass
class _Followed:
    """A stack's metrics file, read as it grows."""

    path: Path
    runs: int
    offset: int = 0
    trunk: int = 0
    branch: tuple[str, int] = ("trunk", 0)
    speed: float = 0.0

    def fresh_tokens(self) -> int:
        """Tokens trained since the last call; a branch starts back at its trunk."""
        if not self.path.exists():
            self.speed = 0.0
            return 0
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self.offset += len(text)
        fresh = 0
        for line in map(json.loads, text.splitlines()):
            if line["event"] != "train":
                continue
            phase, tokens = line["phase"], line["tokens"]
            before = self.branch[1] if phase == self.branch[0] and phase != "trunk" else self.trunk
            fresh += max(tokens - before, 0) * self.runs
            self.branch, self.speed = (phase, tokens), line["tokens_per_second"]
            if phase == "trunk":
                self.trunk = tokens
        return fresh
