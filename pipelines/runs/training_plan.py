"""Training plans of a study: what `training.plan` reads, from the ladder and the manifests of what it trains on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from curation.hashing import stream
from pipelines.engine.step import Manifest
from pipelines.engine.workdir import JsonObject
from pipelines.levels.curated import Curated
from pipelines.runs.courses import course_of
from pipelines.runs.ladder import NO_LADDER, optimizer, rungs
from pipelines.study.study import Study, StudyError
from training.course import Course
from training.plan import Stack


@dataclass(frozen=True)
class TrainingData:
    """What runs are trained and evaluated on."""

    levels: Mapping[str, Manifest]
    evaluation: Manifest
    tokenizer: Manifest
    orders: Mapping[str, Manifest] = field(default_factory=dict)  # what courses sort by

    @classmethod
    def of(cls, curated: Curated) -> "TrainingData":
        if curated.evaluation is None:
            raise StudyError(NO_LADDER)
        return cls(curated.levels, curated.evaluation, curated.pool.tokenizer, curated.orders)

    @property
    def tokenizer_digest(self) -> str:
        return self.tokenizer.summary["tokenizer"]

    @property
    def unique_tokens(self) -> dict[str, int]:
        return {name: made.summary["unique_tokens"] for name, made in self.levels.items()}

    def inputs(self, name: str, course: Course) -> dict[str, Manifest]:
        """What the runs of a level or a course are made from."""
        made = {"evaluation": self.evaluation, "tokenizer": self.tokenizer}
        if name in self.levels:
            return {"level": self.levels[name]} | made
        read = {f"level/{phase.level}": self.levels[phase.level] for phase in course}
        return read | {f"order/{phase.by}": self.orders[phase.by] for phase in course if phase.by} | made


@dataclass(frozen=True)
class Folders:
    """Where a plan's files lie, relative to the plan's folder: folders of levels, files of orders by what they sort by."""

    levels: Mapping[str, str]
    evaluation: str
    orders: Mapping[str, str] = field(default_factory=dict)


def training_plan(
    study: Study, stacks: Sequence[Stack], data: TrainingData, folders: Folders | None = None, *, whole_ladder: bool = True
) -> JsonObject:
    """A plan (docs/training.md) as JSON, for files in the work directory or in `folders`.

    With `whole_ladder` the shapes that are not in `stacks` stand in it with their recipe, since the certificate covers the
    ladder.
    """
    folders = folders or Folders(
        {name: made.step.path for name, made in data.levels.items()}, data.evaluation.step.path,
        {name: made.files(".parquet")[0] for name, made in data.orders.items()},
    )  # fmt: skip
    present = {stack.shape for stack in stacks}
    others = [rung.stack(f"other-{rung.name}", []) for rung in rungs(study) if whole_ladder and rung.name not in present]
    read = {name: course_of(study, name) for stack in stacks for name in dict.fromkeys(run.level for run in stack.runs)}
    phases = [phase for course in read.values() for phase in course]
    datasets = {
        level: {
            "path": folders.levels[level], "digest": data.levels[level].digest, "unique_tokens": data.unique_tokens[level]
        }
        for level in dict.fromkeys(phase.level for phase in phases)
    }  # fmt: skip
    evaluation = {"path": folders.evaluation, "digest": data.evaluation.digest}
    plan = plan_body(study, [*stacks, *others], datasets, evaluation, data.tokenizer_digest)
    if courses := {name: [asdict(phase) for phase in course] for name, course in read.items() if name in study.courses}:
        plan["courses"] = courses
    if orders := {phase.by: None for phase in phases if phase.by is not None}:
        plan["orders"] = {by: {"path": folders.orders[by], "digest": data.orders[by].digest} for by in orders}
    return plan


def plan_body(
    study: Study, stacks: Sequence[Stack], datasets: JsonObject, evaluation: JsonObject, tokenizer: str
) -> JsonObject:
    """The plan of `stacks` by the study's settings; `datasets` by level and `evaluation` say what each file is and where."""
    ladder, made = study.ladder, rungs(study)
    return {
        "version": 1,
        "context": ladder.context,
        "vocab_size": study.tokenizer.vocab_size,
        "eot": 0,
        "tokenizer": tokenizer,
        "order_key": stream(study.seed, "order of windows"),
        "datasets": datasets,
        "evaluation": evaluation,
        "shapes": {rung.name: asdict(rung.shape) for rung in made},
        "optimizer": optimizer(study, made[0]),
        "schedule": {"kind": study.schedule.kind, "cooldown": study.schedule.cooldown},
        "precision": ladder.precision,
        "threads": ladder.threads,
        "keep_weights": "none",
        "trunk_evaluations": study.evaluation.trunk,
        "stacks": [asdict(stack) for stack in stacks],
    }
