"""Checks of the instrument before the ladder: seed-to-seed noise, the learning rate at the extreme levels, and the schedule.

Each is a step of its own: a few stacks at chosen cells, whose observations say how far the ladder's numbers can be trusted.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipelines.engine.capacity import Resources
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.runs.ladder import Rung, rungs
from pipelines.runs.stack_training import trained_stack
from pipelines.runs.training_plan import TrainingData, training_plan
from pipelines.runs.watching import watching
from pipelines.signals.shards import shard_file
from pipelines.study.study import Study, StudyError
from pipelines.study.training import NoiseCheck
from scaling_fit.instrument.learning_rate import Optimum
from scaling_fit.instrument.learning_rate import optima as lr_optima
from scaling_fit.instrument.schedule import Gap, gaps
from scaling_fit.instrument.spread import Spread
from scaling_fit.instrument.spread import spreads as seed_spreads
from scaling_fit.observations import observations
from training.certificate import code_digest
from training.checks import cosine_stack, lr_check_stack, noise_stack
from training.plan import Plan, PlanError, Run, parse_plan
from training.schedule import tokens_of_ladder

NOISE_FILE = "noise.parquet"


@dataclass(frozen=True)
class Checks:
    """The finished checks of a study; None where one is not declared."""

    noise: Manifest | None
    learning_rate: Manifest | None
    cosine: Manifest | None


def run_checks(context: Context, study: Study, data: TrainingData) -> Checks:
    """Every check that the study declares."""
    declared = study.checks
    return Checks(
        measure_noise(context, study, declared.noise, data) if declared.noise else None,
        _learning_rate(context, study, data) if declared.learning_rate else None,
        _cosine(context, study, data) if declared.cosine else None,
    )


def require_runnable(study: Study) -> None:
    """Needs no data. Raises StudyError for a ladder that cannot run and for a check outside of it."""
    longest, declared = max(rungs(study)[0].tokens), study.checks
    cells = [("noise.cells", shape, max(tokens)) for shape, tokens in (declared.noise.cells.items() if declared.noise else ())]
    cells += [("learning_rate", declared.learning_rate.shape, declared.learning_rate.tokens)] if declared.learning_rate else []
    cells += [("cosine", declared.cosine.shape, declared.cosine.tokens)] if declared.cosine else []
    for key, shape, tokens in cells:
        _rung(study, shape, f"checks.{key}")
        if tokens > longest:
            raise StudyError(
                f"checks.{key}: D {tokens:,} is beyond the ladder's longest, {longest:,}; check a cell of the ladder"
            )


def measure_noise(context: Context, study: Study, declared: NoiseCheck, data: TrainingData) -> Manifest:
    """Every checked level at every cell of `declared`, over its seeds: one stack per shape. A copy of the table lies at the
    top of the work directory, where the fitter (`--noise`) and `assay power` read it."""
    bodies = []
    for shape, tokens in declared.cells.items():
        rung = _rung(study, shape, "checks.noise.cells")
        body = _body(study, rung, data, seeds=1, tokens=max(tokens))
        bodies.append(_with("checks.noise", body, noise_stack, tokens, range(declared.seeds)))
    return _train(context, study, "noise", bodies, data, publish=_publish_noise)


def _publish_noise(workdir: Workdir, manifest: Manifest) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table(workdir, manifest), sink)
    workdir.update(NOISE_FILE, sink.getvalue().to_pybytes())


def _learning_rate(context: Context, study: Study, data: TrainingData) -> Manifest:
    declared = study.checks.learning_rate
    assert declared is not None
    rung = _rung(study, declared.shape, "checks.learning_rate.shape")
    body = _body(study, rung, data, seeds=1, tokens=declared.tokens)
    rates = _with("checks.learning_rate", body, lr_check_stack, study.checked_levels, declared.tokens, declared.factors)
    return _train(context, study, "learning_rate", [rates], data)


def _cosine(context: Context, study: Study, data: TrainingData) -> Manifest:
    declared = study.checks.cosine
    assert declared is not None
    rung = _rung(study, declared.shape, "checks.cosine.shape")
    body = _body(study, rung, data, seeds=declared.seeds, tokens=declared.tokens)
    branches = body | {"stacks": [body["stacks"][0] | {"tokens": (declared.tokens,)}]}
    cosines = _with("checks.cosine", body, cosine_stack, declared.tokens)
    return _train(context, study, "cosine", [branches, cosines], data)


def spreads(workdir: Workdir, manifest: Manifest) -> list[Spread]:
    """Per cell and evaluation set: the spread over seeds, alone and paired between levels."""
    return seed_spreads(observations(table(workdir, manifest)))


def optima(workdir: Workdir, study: Study, manifest: Manifest) -> list[Optimum]:
    """Per checked level: the best learning rate, and what the ladder's own rate costs."""
    declared = study.checks.learning_rate
    assert declared is not None
    rung = _rung(study, declared.shape, "checks.learning_rate.shape")
    return lr_optima(observations(table(workdir, manifest)), rung.lr, study.scored_set)


def schedule_gaps(workdir: Workdir, study: Study, manifest: Manifest) -> list[Gap]:
    """Per evaluation set and rate: the cosine's loss minus the branch's."""
    declared = study.checks.cosine
    assert declared is not None
    rung = _rung(study, declared.shape, "checks.cosine.shape")
    branches, cosines = (observations(workdir.read_table(path)) for path in sorted(manifest.files(".parquet")))
    return gaps(branches, cosines, rung.lr)


def table(workdir: Workdir, manifest: Manifest) -> pa.Table:
    """The observations of a check, of all its stacks."""
    return pa.concat_tables([workdir.read_table(path) for path in manifest.files(".parquet")])


def _rung(study: Study, shape: str, place: str) -> Rung:
    made = {rung.name: rung for rung in rungs(study)}
    if shape not in made:
        raise StudyError(f"{place}: {shape!r} is not a shape of the ladder ({', '.join(made)})")
    return made[shape]


def _body(study: Study, rung: Rung, data: TrainingData, *, seeds: int, tokens: int) -> JsonObject:
    """The checked levels at one shape as a training plan with the stack "s"; its paths are the work directory's own."""
    if tokens > max(rung.tokens):
        raise StudyError(
            f"checks: D {tokens:,} is beyond the ladder's longest, {max(rung.tokens):,}; check a cell of the ladder"
        )
    stack = rung.stack("s", [Run(level, seed) for seed in range(seeds) for level in study.checked_levels])
    return training_plan(study, [stack], data, whole_ladder=False)


def _with(place: str, body: JsonObject, make: Callable[..., Plan], *arguments: object) -> JsonObject:
    """`body` with the stack that `make(plan, "s", *arguments)` puts in place of its own."""
    try:
        made = make(parse_plan(body, Path()), "s", *arguments)
    except ValueError as error:
        raise StudyError(f"{place}: {error}") from None
    return body | {"schedule": asdict(made.schedule), "stacks": [asdict(stack) for stack in made.stacks]}


def _checked(place: str, body: JsonObject) -> JsonObject:
    """The plan, refused here rather than on a worker where it cannot be trained."""
    try:
        parse_plan(body, Path())
    except PlanError as error:
        raise StudyError(f"{place}: {error}") from None
    return body


def _train(
    context: Context,
    study: Study,
    name: str,
    bodies: list[JsonObject],
    data: TrainingData,
    publish: Callable[[Workdir, Manifest], None] | None = None,
) -> Manifest:
    """One step with a unit per plan, each with one stack to train."""
    ladder = study.ladder
    config = {
        "plans": [{key: value for key, value in body.items() if key not in ("datasets", "evaluation")} for body in bodies],
        "device": "cuda" if ladder.gpus else "cpu", "code": code_digest(study.schedule.optimizer),
        "torch": torch.__version__.split("+")[0],
    }  # fmt: skip
    inputs = {f"levels/{level}": data.levels[level] for level in study.checked_levels}
    inputs |= {"evaluation": data.evaluation, "tokenizer": data.tokenizer}
    plan_digest = Step(f"checks/{name}", config, inputs).id
    plans = [_checked(f"checks.{name}", _named(body, f"{name}-{place}-{plan_digest}")) for place, body in enumerate(bodies)]
    stacks = [plan["stacks"][0] for plan in plans]
    folders = [Path(context.workdir.full(f"scratch/{stack['id']}")) for stack in stacks]
    step = Step(
        f"checks/{name}", config, inputs, compute=train_check, units=lambda: [(plan, ladder.gpus > 0) for plan in plans],
        resources=Resources(cpus=ladder.threads, gpus=ladder.gpus), weight=lambda i: _tokens(bodies[i]), unit="tokens",
        watch=partial(watching, folders) if context.workdir.is_local else None, publish=publish,
    )  # fmt: skip
    return run_step(context, step)


def _named(body: JsonObject, stack_id: str) -> JsonObject:
    """The plan with its stack under a name of its own, so that an interrupted check finds its checkpoint."""
    return body | {"stacks": [body["stacks"][0] | {"id": stack_id}]}


def _tokens(body: JsonObject) -> int:
    """Tokens that a plan's stack trains on."""
    stack, schedule = body["stacks"][0], body["schedule"]
    ladder = list(stack["tokens"])
    each = ladder[-1] if schedule["kind"] == "cosine" else tokens_of_ladder(ladder, schedule["cooldown"])
    return round(each * len(stack["runs"]))


def train_check(out: Output, plan: JsonObject, on_gpu: bool) -> JsonObject:
    """Train one plan's stack and keep its observations. Runs on a worker."""
    with trained_stack(out.workdir, plan, on_gpu=on_gpu) as folder:
        out.write_table(shard_file(out.index), pq.read_table(folder / "observations.parquet"))
    return {"runs": len(plan["stacks"][0]["runs"])}
