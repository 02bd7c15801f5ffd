"""Training plans of a study: what `training.plan` reads, from the ladder and the manifests of what it trains on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from curation.hashing import stream
from pipelines.engine.step import Manifest
from pipelines.engine.workdir import JsonObject
from pipelines.levels.curated import Curated
from pipelines.runs.ladder import NO_LADDER, optimizer, rungs
from pipelines.study.study import Study, StudyError
from training.plan import Stack


@dataclass(frozen=True)
class TrainingData:
    """What runs are trained and evaluated on."""

    levels: Mapping[str, Manifest]
    evaluation: Manifest
    tokenizer: Manifest

    @classmethod
    def of(cls, curated: Curated) -> "TrainingData":
        if curated.evaluation is None:
            raise StudyError(NO_LADDER)
        return cls(curated.levels, curated.evaluation, curated.pool.tokenizer)

    @property
    def tokenizer_digest(self) -> str:
        return self.tokenizer.summary["tokenizer"]

    def inputs(self, level: str) -> dict[str, Manifest]:
        """What the runs of one level are made from."""
        return {"level": self.levels[level], "evaluation": self.evaluation, "tokenizer": self.tokenizer}


@dataclass(frozen=True)
class Folders:
    """Where a plan's files lie, relative to the plan's folder."""

    levels: Mapping[str, str]
    evaluation: str


def training_plan(
    study: Study, stacks: Sequence[Stack], data: TrainingData, folders: Folders | None = None, *, whole_ladder: bool = True
) -> JsonObject:
    """A plan (docs/training.md) as JSON, for files in the work directory or in `folders`.

    With `whole_ladder` the shapes that are not in `stacks` stand in it with their recipe, since the certificate covers the
    ladder.
    """
    folders = folders or Folders({name: made.step.path for name, made in data.levels.items()}, data.evaluation.step.path)
    present = {stack.shape for stack in stacks}
    others = [rung.stack(f"other-{rung.name}", []) for rung in rungs(study) if whole_ladder and rung.name not in present]
    datasets = {
        level: {
            "path": folders.levels[level], "digest": data.levels[level].digest,
            "unique_tokens": data.levels[level].summary["unique_tokens"],
        }
        for level in dict.fromkeys(run.level for stack in stacks for run in stack.runs)
    }  # fmt: skip
    evaluation = {"path": folders.evaluation, "digest": data.evaluation.digest}
    return plan_body(study, [*stacks, *others], datasets, evaluation, data.tokenizer_digest)


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
