"""What any ladder of a study would cost on this machine: shapes that could be run, at speeds measured here for a moment."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from pipelines.runs.ladder import Rung, rungs
from pipelines.study.study import Study
from pipelines.study.training import ShapeSection
from training.calibrate import EVALUATION_SHARE, Workload, calibrate
from training.recipe import MIN_STEPS
from training.shapes import SHAPES

SMALLEST_BATCH = 2  # windows to a step: with one, a batch is one document
OTHERS = 2  # shapes of the table beside the study's own
MEASURED_BATCHES = (SMALLEST_BATCH, 8)


@dataclass(frozen=True)
class Cost:
    """Of one level and one seed: seconds on the whole machine, training and evaluation FLOPs, tokens trained."""

    seconds: float
    flops: float
    tokens: float


@dataclass(frozen=True)
class Speed:
    """Seconds that one run adds to a step of its stack: `step` whatever the batch, and `token` for each of its tokens."""

    step: float
    token: float

    def tokens_per_second(self, batch_tokens: int) -> float:
        return batch_tokens / (self.step + self.token * batch_tokens)


def shapes(study: Study) -> dict[str, ShapeSection]:
    """The study's own shapes, and two of the table of shapes: the next smaller than its smallest, else the next larger."""
    declared, made = study.ladder.shapes, rungs(study)
    own = declared if isinstance(declared, dict) else {name: _section(name) for name in declared}
    smallest, taken = min(rung.shape.params_body for rung in made), {rung.shape for rung in made}
    others = [name for name, shape in SHAPES.items() if shape not in taken]
    smaller = [name for name in others if SHAPES[name].params_body < smallest][-OTHERS:]
    larger = [name for name in others if SHAPES[name].params_body >= smallest][: OTHERS - len(smaller)]
    named = {f"w{SHAPES[name].width}d{SHAPES[name].depth}": _section(name) for name in [*smaller, *larger]}
    return named | own


def _section(name: str) -> ShapeSection:
    shape = SHAPES[name]
    return ShapeSection(width=shape.width, depth=shape.depth, heads=shape.heads, ff=shape.ff)


def with_ladder(study: Study, chosen: Mapping[str, ShapeSection], tokens: Sequence[int]) -> Study:
    """The study with other shapes and token counts; all else of its ladder stays."""
    ladder = study.ladder.model_copy(update={"shapes": dict(chosen), "tokens": list(tokens)})
    return study.model_copy(update={"ladder": ladder})


def firsts(study: Study, most: float, least: float = 0.0) -> list[int]:
    """First token counts worth trying: `MIN_STEPS` steps of a batch of two windows, and doublings, from `least` (where the
    shoulder ends, if known) to a fifth of `most`. A batch that the study declares is kept."""
    ladder = study.ladder
    first = MIN_STEPS * (ladder.batch_tokens or SMALLEST_BATCH * ladder.context)
    found = []
    while first * 5 <= most and len(found) < 5:
        if first >= least:
            found.append(first)
        first *= 2
    return found


def speeds(study: Study, candidates: Mapping[str, ShapeSection], seconds: float) -> dict[str, Speed]:
    """Each shape measured at two batches for `seconds`, as many runs at once as there are levels."""
    ladder, context, runs = study.ladder, study.ladder.context, len(study.compared)
    found = {}
    for rung in rungs(with_ladder(study, candidates, ladder.tokens)):
        work = [
            Workload(rung.shape, study.tokenizer.vocab_size, context, windows * context, ladder.precision, ladder.threads)
            for windows in MEASURED_BATCHES
        ]
        small, large = (one.batch_tokens / calibrate(one, runs, seconds).tokens_per_second for one in work)
        token = max((large - small) / (work[1].batch_tokens - work[0].batch_tokens), 0.0)
        step = max(small - token * work[0].batch_tokens, 0.0)
        found[rung.name] = Speed(step, token) if token else Speed(0.0, large / work[1].batch_tokens)
    return found


def slots(study: Study) -> int:
    """Stacks that train at once on this machine."""
    if study.ladder.gpus:
        return max(1, int(torch.cuda.device_count() / study.ladder.gpus))
    return max(1, (os.cpu_count() or 1) // study.ladder.threads)


def cost(study: Study, rung: Rung, speed: Speed, evaluation_tokens: float) -> Cost:
    """One trunk of a shape with its branches, each scored on `evaluation_tokens`."""
    trained, scored = rung.trained_tokens(study), evaluation_tokens * len(rung.tokens)
    seconds = (trained + EVALUATION_SHARE * scored) / speed.tokens_per_second(rung.batch_tokens) / slots(study)
    return Cost(seconds, rung.flops_per_token(study) * (trained + scored / 3), float(trained))
