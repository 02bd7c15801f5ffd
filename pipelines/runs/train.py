"""Runs: the ladder on every level. A run (level, shape, seed) is a step of its own, so a changed level retrains only itself;
runs that are missing train together, in stacks of one shape (pipelines/steps/stacking.py says which)."""

import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipelines.engine.executor import Resources
from pipelines.engine.run_step import Context, NotMade
from pipelines.engine.workdir import Manifest, Output, Step, Workdir
from pipelines.runs import checkpoints
from pipelines.runs.ladder import Rung, optimizer, plan_body, rungs
from pipelines.runs.stacking import Sizing, gpu, sizings
from pipelines.runs.watching import watching
from pipelines.study.study import Study, StudyError
from training.certificate import code_digest
from training.memory import evenly, token_bytes
from training.plan import Run, parse_plan
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
            **({"trunk": True} if study.evaluation.trunk else {}),
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
    if missing := [cell for cell in all_cells if cell.step.name not in done]:
        if isinstance(context.executor, NotMade):
            raise context.executor.missing(missing[0].step.name)
        wanted = Counter(cell.rung.name for cell in missing)
        held = token_bytes(study.tokenizer.vocab_size, max(study.ladder.tokens), max(wanted.values()))
        sized = sizings(context.executor, study, wanted, held)
        stacks = stacks_of(missing, sized, merged=study.ladder.gpus > 0)
        stacks.sort(key=lambda stack: -_cost(study, stack))  # longest first, so that no worker is left with it at the end
        sizes = [sized[stack[0].rung.name] for stack in stacks]
        jobs = [
            (workdir, _plan(study, stack, levels, evaluation, tokenizer) | {"micro_batch": size.micro_batch}, stack)
            for stack, size in zip(stacks, sizes, strict=True)
        ]
        alone = Resources(cpus=study.ladder.threads, gpus=study.ladder.gpus)
        needed = [replace(alone, gpus=min(1, alone.gpus), ranks=size.ranks) if size.ranks > 1 else alone for size in sizes]
        started, total = time.monotonic(), sum(len(stack) * stack[0].rung.trained_tokens(study) for stack in stacks)
        folders = [(Path(workdir.full(f"scratch/{stack_id(stack)}")), len(stack)) for stack in stacks if workdir.is_local]
        with context.progress.bar("train", total=total, unit="tokens") as bar, watching(folders, bar):
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


def stacks_of(missing: Sequence[Cell], sized: Mapping[str, Sizing], *, merged: bool) -> list[list[Cell]]:
    """The runs of each shape in parts of its size; unless `merged`, no stack spans two seeds."""
    groups: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in missing:
        groups[cell.rung.name, 0 if merged else cell.seed].append(cell)
    stacks = []
    for (name, _), group in groups.items():
        size = evenly(len(group), sized[name].runs)
        stacks += [group[i : i + size] for i in range(0, len(group), size)]
    return stacks


def _cost(study: Study, stack: Sequence[Cell]) -> float:
    rung = stack[0].rung
    return len(stack) * rung.trained_tokens(study) * rung.flops_per_token(study)


def stack_id(stack: Sequence[Cell]) -> str:
    """A name that says what is trained and changes with any of its runs."""
    first = stack[0]
    return f"{first.rung.name}-s{first.seed}-" + Step("stack", {"runs": [cell.step.id for cell in stack]}).id


def _plan(
    study: Study, stack: Sequence[Cell], levels: Mapping[str, Manifest], evaluation: Manifest, tokenizer: str
) -> dict[str, Any]:
    """The plan of one stack; its paths are the work directory's own."""
    return plan_of(study, [stack], levels, levels_at(levels), evaluation_at(evaluation, tokenizer))


def levels_at(levels: Mapping[str, Manifest]) -> dict[str, str]:
    """Where in the work directory each level lies."""
    return {name: manifest.step.path for name, manifest in levels.items()}


def evaluation_at(evaluation: Manifest, tokenizer: str) -> dict[str, str]:
    """The evaluation documents and the tokenizer, as a plan names them."""
    return {"path": evaluation.step.path, "digest": evaluation.digest, "tokenizer": tokenizer}


def plan_of(
    study: Study,
    stacks: Sequence[Sequence[Cell]],
    levels: Mapping[str, Manifest],
    paths: Mapping[str, str],
    evaluation: Mapping[str, str],
) -> dict[str, Any]:
    """The plan of some stacks. The other shapes stand in it with their recipe, since the certificate covers the ladder."""
    planned = [stack[0].rung.stack(stack_id(stack), [Run(cell.level, cell.seed) for cell in stack]) for stack in stacks]
    others = [r.stack(f"other-{r.name}", []) for r in rungs(study) if r.name not in {stack.shape for stack in planned}]
    datasets = {
        cell.level: {
            "path": paths[cell.level], "digest": levels[cell.level].digest,
            "unique_tokens": levels[cell.level].summary["unique_tokens"],
        }
        for stack in stacks for cell in stack
    }  # fmt: skip
    return plan_body(study, [*planned, *others], datasets, dict(evaluation))


def train_stack(workdir: Workdir, plan: dict[str, Any], stack: list[Cell]) -> list[str]:
    """Train one stack and commit each of its runs. Runs on a worker, or on every rank of a group, whose first commits;
    picks up its own checkpoints after a retry."""
    name = stack_id(stack)
    device = gpu() if stack[0].step.config["device"] == "cuda" else torch.device("cpu")
    with local_inputs(workdir, plan) as (base, scratch):
        checkpoints.fetch(workdir, name, scratch)
        folder = run_stack(parse_plan(plan, base), name, scratch, checkpoints.keeper(workdir, name, scratch), device)
        if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
            commit(workdir, folder, stack)
            shutil.rmtree(folder)
            checkpoints.drop(workdir, name)
    return [cell.step.name for cell in stack]


def commit(workdir: Workdir, folder: Path, cells: Sequence[Cell]) -> None:
    """The runs `cells` of a finished stack's `folder` as steps of the study."""
    tables = {path.name: pq.read_table(path) for path in folder.glob("*.parquet")}
    certificate = json.loads((folder / "certificate.json").read_text("utf-8"))
    for cell in cells:
        out = Output(workdir, cell.step, 0)
        own = (pc.field("level") == cell.level) & (pc.field("seed") == cell.seed)
        for name in (name for name in ("observations.parquet", "losses.parquet", "trunk.parquet") if name in tables):
            out.write_table(name, tables[name].filter(own))
        out.write_json("certificate.json", {key: certificate[key] for key in ("certificate", "held_equal")})
        record = out.commit({"certificate": certificate["certificate"]})
        # speeds differ from run to run, so metrics lie beside the step's files, not in its digest
        workdir.write_bytes(f"{cell.step.path}/metrics.jsonl", (folder / "metrics.jsonl").read_bytes())
        workdir.commit(cell.step, [record], {})


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
