"""Runs: the ladder on every level. A run (level, shape, seed) is a step of its own, so a changed level retrains only itself;
runs that are missing train together, in stacks of one shape (`stacking` says which)."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipelines.engine.capacity import Resources
from pipelines.engine.output import Output
from pipelines.engine.run import Context, Job, Pass, run_together
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject
from pipelines.runs.courses import check_reading, course_of
from pipelines.runs.ladder import Rung, optimizer, rungs
from pipelines.runs.stack_training import is_first_rank, trained_stack
from pipelines.runs.stacking import Sizing, sizings
from pipelines.runs.training_plan import TrainingData, training_plan
from pipelines.runs.watching import watching
from pipelines.study.study import Study, StudyError
from training import choices
from training.certificate import code_digest
from training.course import Course
from training.course import code_digest as course_digest
from training.memory import evenly, token_bytes
from training.plan import Run, Stack

TABLES = ("observations.parquet", "losses.parquet", "choices.parquet", "trunk.parquet")  # that a run may leave


@dataclass(frozen=True)
class Cell:
    """One run of the ladder and its step; `level` may name a course."""

    level: str
    rung: Rung
    seed: int
    step: Step
    course: Course


def cells(study: Study, data: TrainingData) -> list[Cell]:
    """Every run of the study, level by level and course by course within each shape and seed."""
    ladder = rungs(study)
    read = {name: course_of(study, name) for name in (*study.trained, *study.courses)}
    all_cells = []
    for rung in ladder:
        config = {
            "shape": asdict(rung.shape), "batch_tokens": rung.batch_tokens, "lr": rung.lr,
            "warmup_tokens": rung.warmup_tokens, "optimizer": optimizer(study, rung), "schedule": study.schedule.kind,
            "cooldown": study.schedule.cooldown, "context": study.ladder.context, "precision": study.ladder.precision,
            "device": "cuda" if study.ladder.gpus else "cpu", "code": code_digest(study.schedule.optimizer),
            "torch": torch.__version__.split("+")[0],
            **({"trunk": True} if study.evaluation.trunk else {}),
            **({"choices": choices.code_digest()} if study.evaluation.tasks else {}),
            "others": sorted(f"{other.name}:{asdict(other.shape)}:{other.lr}" for other in ladder),
        }  # fmt: skip
        for seed in range(study.ladder.all_seeds):
            mine = rung.of_seed(study, seed)
            for name, course in read.items():
                if seed not in (study.seeds_of(name) if name in study.levels else range(study.ladder.seeds)):
                    continue
                own = {"seed": seed, "tokens": list(mine.tokens)}
                if name in study.courses:
                    own |= {"course": [asdict(phase) for phase in course], "course_code": course_digest()}
                step = Step(f"runs/{name}-{rung.name}-s{seed}", config | own, data.inputs(name, course))
                all_cells.append(Cell(name, mine, seed, step, course))
    return all_cells


def train(context: Context, study: Study, data: TrainingData) -> dict[str, Manifest]:
    """Train whatever is missing of the ladder. Returns run name -> manifest, in the order of `cells`."""
    check_tokens(study, data)
    by_name = {cell.step.name: cell for cell in cells(study, data)}

    def plan(missing: Sequence[tuple[Step, int]]) -> Pass:
        wanted = [by_name[step.name] for step, _ in missing]
        n_runs = Counter(cell.rung.name for cell in wanted)
        held = token_bytes(study.tokenizer.vocab_size, max(study.ladder.tokens), max(n_runs.values(), default=0))
        sized = sizings(context.executor, study, n_runs, held)
        stacks = stacks_of(wanted, sized, merged=study.ladder.gpus > 0)
        # longest first, so that no worker is left with it at the end
        stacks.sort(key=lambda stack: -trained_tokens(study, stack) * stack[0].rung.flops_per_token(study))
        jobs = [_job(study, data, stack, sized[stack[0].rung.name]) for stack in stacks]
        workdir = context.workdir
        folders = [Path(workdir.full(f"scratch/{stack_id(stack)}")) for stack in stacks if workdir.is_local]
        watch = partial(watching, folders)
        return Pass(
            "train", train_stack, jobs, "tokens", watch=watch, leaves=True,
            cost=lambda step: trained_tokens(study, [by_name[step.name]]) * by_name[step.name].rung.flops_per_token(study),
        )  # fmt: skip

    return run_together(context, [cell.step for cell in by_name.values()], 1, plan)


def check_tokens(study: Study, data: TrainingData) -> None:
    """Refuse, before any training, a level or a phase with fewer unique tokens than its longest run."""
    longest = max(study.ladder.tokens)
    for name in study.trained:
        unique = data.unique_tokens[name]
        if unique < longest and not study.ladder.repeat:
            raise StudyError(
                f"levels.{name}: {unique:,} unique tokens, but the longest run needs {longest:,}; loosen the level, shorten "
                "ladder.tokens, add text, or set ladder.repeat (such runs are left out of the fit)"
            )
    check_reading(study, data.unique_tokens)


def stacks_of(missing: Sequence[Cell], sized: Mapping[str, Sizing], *, merged: bool) -> list[list[Cell]]:
    """The runs of each shape and longest D in parts of the shape's size; unless `merged`, no stack spans two seeds."""
    groups: dict[tuple[str, int, int], list[Cell]] = defaultdict(list)
    for cell in missing:
        groups[cell.rung.name, cell.rung.tokens[-1], 0 if merged else cell.seed].append(cell)
    stacks = []
    for (name, *_), group in groups.items():
        size = evenly(len(group), sized[name].runs)
        stacks += [group[i : i + size] for i in range(0, len(group), size)]
    return stacks


def trained_tokens(study: Study, cells: Sequence[Cell]) -> int:
    """What runs of one shape cost together: a trunk that several of them share is trained once."""
    by_seed: dict[tuple[Rung, int], list[Course]] = defaultdict(list)
    for cell in cells:
        by_seed[cell.rung, cell.seed].append(cell.course)
    return sum(rung.trained_tokens(study, courses) for (rung, _), courses in by_seed.items())


def _job(study: Study, data: TrainingData, stack: Sequence[Cell], size: Sizing) -> Job:
    resources = Resources(cpus=study.ladder.threads, gpus=study.ladder.gpus)
    if size.ranks > 1:
        resources = replace(resources, gpus=min(1, resources.gpus), ranks=size.ranks)
    plan = training_plan(study, [as_stack(stack)], data) | {"micro_batch": size.micro_batch}
    runs = [Run(cell.level, cell.seed) for cell in stack]
    tokens = trained_tokens(study, stack)
    return Job([(cell.step, 0) for cell in stack], (plan, runs, study.ladder.gpus > 0), tokens, resources)


def as_stack(stack: Sequence[Cell]) -> Stack:
    """Runs of one shape as a stack of a training plan."""
    return stack[0].rung.stack(stack_id(stack), [Run(cell.level, cell.seed) for cell in stack])


def stack_id(stack: Sequence[Cell]) -> str:
    """A name that says what is trained and changes with any of its runs."""
    first = stack[0]
    return f"{first.rung.name}-s{first.seed}-" + Step("stack", {"runs": [cell.step.id for cell in stack]}).id


def train_stack(outputs: Sequence[Output], plan: JsonObject, runs: Sequence[Run], on_gpu: bool) -> list[JsonObject]:
    """Train one stack and commit each of its runs. Runs on a worker, or on every rank of a group, whose first commits."""
    with trained_stack(outputs[0].workdir, plan, on_gpu=on_gpu) as folder:
        return write_runs(outputs, folder, runs) if is_first_rank() else []


def write_runs(outputs: Sequence[Output], folder: Path, runs: Sequence[Run]) -> list[JsonObject]:
    """The `runs` of a finished stack's `folder`, each committed as a part of its own. Returns their records."""
    tables = {path.name: pq.read_table(path) for path in folder.glob("*.parquet")}
    certificate = json.loads((folder / "certificate.json").read_text("utf-8"))
    records = []
    for out, run in zip(outputs, runs, strict=True):
        own = (pc.field("level") == run.level) & (pc.field("seed") == run.seed)
        for name in (name for name in TABLES if name in tables):
            out.write_table(name, tables[name].filter(own))
        out.write_json("certificate.json", {key: certificate[key] for key in ("certificate", "held_equal")})
        # speeds differ from run to run, so metrics lie beside the step's files, not in its digest
        out.workdir.write_bytes(f"{out.path}/metrics.jsonl", (folder / "metrics.jsonl").read_bytes())
        records.append(out.commit({"certificate": certificate["certificate"]}))
    return records
