"""The training plan: one JSON file that says everything a machine with torch and pyarrow needs to train.

`load_plan` reads it into frozen dataclasses and refuses what cannot run, naming the place, the value and the fix.
Paths are relative to the plan file. The format is documented in docs/training.md.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import MISSING, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from training.course import Course, Phase, alone, borders, too_long
from training.shapes import Shape

JsonObject = dict[str, Any]


class PlanError(ValueError):
    """A training plan that cannot be run as written."""


@dataclass(frozen=True)
class Dataset:
    """A level's token shards: `path` holds dataset.json and the Parquet shards."""

    path: Path
    digest: str
    unique_tokens: int


@dataclass(frozen=True)
class Evaluation:
    """`path` holds documents.parquet."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Signal:
    """What a phase may be sorted by: a number for each document, in the Parquet file `path` (doc_id, value)."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Optimizer:
    """AdamW; `weight_decay` is decoupled and spares the embedding; `clip` bounds each run's own gradient norm. `matrices`: how
    those of the body move, "adamw" or "muon" (`training.muon`)."""

    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0
    matrices: str = "adamw"


@dataclass(frozen=True)
class Schedule:
    """`trunk`: warm-up, constant, and a 1-sqrt cooldown over the last `cooldown` share to each D.
    `cosine`: one D per stack, decayed to a tenth of the peak."""

    kind: str = "trunk"
    cooldown: float = 0.2


@dataclass(frozen=True)
class Run:
    """`level` names a level, which is read from start to end, or a course."""

    level: str
    seed: int


@dataclass(frozen=True)
class Stack:
    """Runs of one shape that train together. `tokens` are the D of the branches, ascending; `lr` is the peak, one
    number for every run, or one per run (an LR check). A stack without runs trains nothing: it states the recipe of a
    shape that belongs to the same study, since the certificate covers them all."""

    id: str
    shape: str
    runs: tuple[Run, ...]
    tokens: tuple[int, ...]
    batch_tokens: int
    lr: float | tuple[float, ...]
    warmup_tokens: int

    @property
    def lr_K(self) -> tuple[float, ...]:  # noqa: N802
        return self.lr if isinstance(self.lr, tuple) else (self.lr,) * len(self.runs)

    def steps(self, tokens: int) -> int:
        """Optimizer steps to `tokens`; a branch is recorded at steps * batch_tokens, the tokens truly seen."""
        return round(tokens / self.batch_tokens)


@dataclass(frozen=True)
class Plan:
    context: int
    vocab_size: int
    eot: int
    tokenizer: str
    order_key: int  # of the study; each (shape, seed) derives the order in which it reads its levels (training/order.py)
    datasets: dict[str, Dataset]
    evaluation: Evaluation
    shapes: dict[str, Shape]
    optimizer: Optimizer
    schedule: Schedule
    stacks: tuple[Stack, ...]
    courses: dict[str, Course] = field(default_factory=dict)  # by name: phases, each of a level (training/course.py)
    orders: dict[str, Signal] = field(default_factory=dict)  # signals that phases are sorted by
    precision: str = "auto"
    threads: int = 1
    document_mask: bool = False  # attention stays inside a document; off: worth 0.0002 bpb (nanochat LOG), costs memory
    trunk_evaluations: bool = False  # also evaluate the trunk, undecayed: at steps 1, 2, 4, 8, ... and where a branch leaves
    keep_weights: str = "last"  # which branch ends keep their weights for export: last | all | none
    checkpoint_seconds: float = 300.0
    micro_batch: int = 0  # sequences per forward and backward and run; 0 = the whole batch
    files: dict[str, JsonObject] = field(default_factory=dict)  # path beside plan.json -> bytes, blake2b; see check_files
    deterministic: bool = False  # on a GPU: slower kernels, with which resuming after a kill is bit-identical (a CPU always is)

    def course(self, name: str) -> Course:
        """What a run of this name reads."""
        return self.courses.get(name) or alone(name)

    def stack(self, stack_id: str) -> Stack:
        for stack in self.stacks:
            if stack.id == stack_id:
                return stack
        raise PlanError(f"no stack {stack_id!r} in the plan; it has {', '.join(s.id for s in self.stacks)}")


def load_plan(path: Path | str) -> Plan:
    """Read and check plan.json. Raises PlanError."""
    path = Path(path)
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PlanError(f"cannot read the plan {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise PlanError(f"{path} is not JSON: {error}") from error
    return parse_plan(raw, path.parent)


def check_files(plan: Plan, base: Path) -> None:
    """Compare every file that the plan lists with its size and BLAKE2b digest. Raises PlanError at the first that differs."""
    for name, told in plan.files.items():
        path = base / name
        if not path.is_file():
            raise PlanError(f"{path} is missing; copy the plan's folder whole")
        if (size := path.stat().st_size) != told["bytes"]:
            raise PlanError(f"{path} has {size} bytes, the plan says {told['bytes']}: it was not copied whole; copy it again")
        if (found := file_digest(path)) != told["blake2b"]:
            raise PlanError(f"{path} has digest {found}, the plan says {told['blake2b']}: it is damaged; copy it again")


def file_digest(path: Path) -> str:
    """BLAKE2b of a file, 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def parse_plan(raw: JsonObject, base: Path) -> Plan:
    """The plan in `raw` (the parsed JSON), its paths resolved against `base`. Raises PlanError."""
    if raw.get("version") != 1:
        raise PlanError(f"plan version is {raw.get('version')!r}; this code reads version 1")
    raw = {key: value for key, value in raw.items() if key != "version"}
    datasets = {
        level: _build(Dataset, f"datasets.{level}", value, path=lambda p: base / p)
        for level, value in _mapping(raw, "datasets").items()
    }
    shapes = {name: _build(Shape, f"shapes.{name}", value) for name, value in _mapping(raw, "shapes").items()}
    stacks = tuple(
        _build(
            Stack,
            f"stacks[{i}]",
            value,
            runs=lambda runs, i=i: tuple(_build(Run, f"stacks[{i}].runs[{j}]", r) for j, r in enumerate(runs)),
            tokens=tuple,
            lr=lambda lr: tuple(lr) if isinstance(lr, list) else lr,
        )
        for i, value in enumerate(raw.get("stacks", []))
    )
    courses = {
        name: tuple(_build(Phase, f"courses.{name}[{i}]", phase) for i, phase in enumerate(phases))
        for name, phases in raw.get("courses", {}).items()
    }
    orders = {
        name: _build(Signal, f"orders.{name}", value, path=lambda p: base / p) for name, value in raw.get("orders", {}).items()
    }
    plan = _build(
        Plan,
        "plan",
        raw,
        courses=lambda _: courses,
        orders=lambda _: orders,
        datasets=lambda _: datasets,
        shapes=lambda _: shapes,
        stacks=lambda _: stacks,
        evaluation=lambda value: _build(Evaluation, "evaluation", value, path=lambda p: base / p),
        optimizer=lambda value: _build(Optimizer, "optimizer", value),
        schedule=lambda value: _build(Schedule, "schedule", value),
    )
    _check(plan)
    return plan


def _mapping(raw: JsonObject, key: str) -> JsonObject:
    value = raw.get(key)
    if not isinstance(value, dict) or not value:
        raise PlanError(f"plan: {key} must be a non-empty object, not {value!r}")
    return value


def _build(cls: Any, place: str, value: Any, **convert: Any) -> Any:
    if not isinstance(value, dict):
        raise PlanError(f"{place} must be an object, not {value!r}")
    known = {f.name for f in fields(cls)}
    if unknown := sorted(set(value) - known):
        raise PlanError(f"{place}: unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in required if name not in value]:
        raise PlanError(f"{place}: field {missing[0]!r} is missing; needed: {', '.join(required)}")
    try:
        return cls(**{name: convert[name](v) if name in convert else v for name, v in value.items()})
    except PlanError:
        raise
    except (TypeError, ValueError) as error:
        raise PlanError(f"{place}: {error}") from error


def _check(plan: Plan) -> None:
    if plan.precision not in ("auto", "float32", "bfloat16"):
        raise PlanError(f"precision is {plan.precision!r}; use auto, float32 or bfloat16")
    if plan.optimizer.matrices not in ("adamw", "muon"):
        raise PlanError(f"optimizer.matrices is {plan.optimizer.matrices!r}; use adamw or muon")
    if plan.keep_weights not in ("last", "all", "none"):
        raise PlanError(f"keep_weights is {plan.keep_weights!r}; use last, all or none")
    if plan.schedule.kind not in ("trunk", "cosine"):
        raise PlanError(f"schedule.kind is {plan.schedule.kind!r}; use trunk or cosine")
    if not 0 < plan.schedule.cooldown < 1:
        raise PlanError(f"schedule.cooldown is {plan.schedule.cooldown}; it is a share strictly between 0 and 1")
    if not 0 <= plan.eot < plan.vocab_size:
        raise PlanError(f"eot is token {plan.eot}, outside the vocabulary of {plan.vocab_size}")
    if plan.context < 2:
        raise PlanError(f"context is {plan.context}; it must be at least 2")
    if len({stack.id for stack in plan.stacks}) < len(plan.stacks):
        raise PlanError("two stacks share an id; ids name output folders and must differ")
    if not any(stack.runs for stack in plan.stacks):
        raise PlanError("no stack has a run; there is nothing to train")
    for name, course in plan.courses.items():
        _check_course(plan, name, course)
    for stack in plan.stacks:
        _check_stack(plan, stack)


def _check_course(plan: Plan, name: str, course: Course) -> None:
    place = f"courses.{name}"
    if name in plan.datasets:
        raise PlanError(f"{place}: a level has this name too; rename the course")
    if not course:
        raise PlanError(f"{place}: has no phase; give one at least")
    if abs((total := sum(phase.share for phase in course)) - 1) > 1e-6:
        raise PlanError(f"{place}: the phases' shares sum to {total:g}; they must sum to 1")
    for i, phase in enumerate(course):
        if phase.level not in plan.datasets:
            raise PlanError(f"{place}[{i}]: level {phase.level!r} has no dataset; the plan has {', '.join(plan.datasets)}")
        if phase.by is not None and phase.by not in plan.orders:
            known = f"it has {', '.join(plan.orders)}" if plan.orders else "it has none"
            raise PlanError(f"{place}[{i}]: by {phase.by!r} is no order of the plan; {known}")
        if not (0 < phase.share <= 1 and 0 <= phase.smooth <= 1 and phase.epochs >= 1):
            raise PlanError(f"{place}[{i}]: share is above 0, smooth from 0 to 1, epochs 1 or more; found {phase}")
        if not 0 <= phase.replay < 1 or (phase.replay and not i):
            raise PlanError(f"{place}[{i}]: replay {phase.replay} is a share below 1 of a phase that is not the first")


def _check_stack(plan: Plan, stack: Stack) -> None:
    place = f"stack {stack.id!r}"
    if stack.shape not in plan.shapes:
        raise PlanError(f"{place}: shape {stack.shape!r} is not in the plan; it has {', '.join(plan.shapes)}")
    if not stack.tokens:
        raise PlanError(f"{place}: needs at least one D in tokens")
    for run in stack.runs:
        if run.level not in plan.datasets and run.level not in plan.courses:
            raise PlanError(f"{place}: level {run.level!r} has no dataset; the plan has {', '.join(plan.datasets)}")
        if run.seed < 0:
            raise PlanError(f"{place}: seed {run.seed} is negative")
    if stack.batch_tokens < plan.context or stack.batch_tokens % plan.context:
        raise PlanError(f"{place}: batch_tokens {stack.batch_tokens} is not a multiple of the context {plan.context}")
    if len(stack.lr_K) != len(stack.runs):
        raise PlanError(f"{place}: {len(stack.lr_K)} learning rates for {len(stack.runs)} runs; give one, or one each")
    if not all(math.isfinite(lr) and lr > 0 for lr in stack.lr_K):
        raise PlanError(f"{place}: lr {stack.lr} must be positive and finite")
    ladder = list(stack.tokens)
    if ladder != sorted(set(ladder)):
        raise PlanError(f"{place}: tokens {ladder} must ascend")
    if plan.schedule.kind == "cosine" and len(ladder) > 1:
        raise PlanError(f"{place}: a cosine schedule decays to one D; make one stack per D instead of {ladder}")
    steps = [stack.steps(tokens) for tokens in ladder]
    if steps[0] < 5:
        raise PlanError(
            f"{place}: D {ladder[0]} is {steps[0]} steps of {stack.batch_tokens} tokens; "
            "at least 5 are needed: raise D or lower batch_tokens"
        )
    if len(set(steps)) < len(steps):
        raise PlanError(f"{place}: two D in {ladder} round to the same step; lower batch_tokens")
    if stack.warmup_tokens > (1 - plan.schedule.cooldown) * ladder[0]:
        raise PlanError(
            f"{place}: warm-up of {stack.warmup_tokens} tokens outlasts the trunk of the first D, {ladder[0]} tokens; "
            "lower warmup_tokens"
        )
    for name in dict.fromkeys(run.level for run in stack.runs if run.level in plan.courses):
        _check_reading(plan, stack, name)


def _check_reading(plan: Plan, stack: Stack, name: str) -> None:
    """Every phase has a step of its own, and tokens enough."""
    place, course = f"stack {stack.id!r}: course {name!r}", plan.courses[name]
    if plan.schedule.kind == "cosine" and (len(course) > 1 or any(phase.by is not None for phase in course)):
        raise PlanError(f"{place}: phases end in the cooldown of a trunk; set schedule.kind to trunk")
    at = borders(course, stack.steps(stack.tokens[0]))
    if any(end <= start for start, end in pairwise(at)):
        raise PlanError(f"{place}: at D {stack.tokens[0]} its phases begin at steps {at[:-1]}; each needs a step: raise D")
    unique = {level: dataset.unique_tokens for level, dataset in plan.datasets.items()}
    if wrong := too_long(course, stack.steps(stack.tokens[-1]) * stack.batch_tokens, unique):
        raise PlanError(f"{place}: {wrong}")
