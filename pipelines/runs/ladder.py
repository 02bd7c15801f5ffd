"""The ladder as a list of runs: which shapes, tokens and seeds, by which recipe, at what cost. Needs no data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.engine.workdir import JsonObject
from pipelines.study.study import Study, StudyError
from pipelines.study.training import ShapeSection
from training.course import Course, alone, trained_steps
from training.plan import Run, Stack
from training.recipe import recipe
from training.shapes import SHAPES, Shape

NO_LADDER = (
    "the study has no `ladder`, so it trains nothing: `assay curate` and `assay export` make its data set; add a ladder "
    "(shapes, tokens) to train on its levels"
)


@dataclass(frozen=True)
class Rung:
    """One shape of the ladder and how it is trained, on every level and seed alike."""

    name: str
    shape: Shape
    tokens: tuple[int, ...]
    batch_tokens: int
    lr: float
    warmup_tokens: int
    beta2: float

    def stack(self, stack_id: str, runs: Sequence[Run]) -> Stack:
        """The runs of this shape as one stack of a training plan."""
        return Stack(stack_id, self.name, tuple(runs), self.tokens, self.batch_tokens, self.lr, self.warmup_tokens)

    def of_seed(self, study: Study, seed: int) -> "Rung":
        """With the D that this seed is trained to."""
        return replace(self, tokens=study.ladder.tokens_of(seed))

    def ladder_tokens(self, study: Study, courses: Sequence[Course]) -> int:
        """Tokens that all seeds go through: the ladder's on `courses`, short runs on levels alone."""
        tokens = study.ladder.seeds * self.trained_tokens(study, courses)
        if study.ladder.short is None:
            return tokens
        short = self.of_seed(study, study.ladder.seeds)
        return tokens + study.ladder.short.seeds * short.trained_tokens(study, courses[: len(study.compared)])

    def reached(self, tokens: int) -> int:
        """The D that is trained where `tokens` is asked for: whole batches, as `training.plan` rounds them."""
        return round(tokens / self.batch_tokens) * self.batch_tokens

    def trained_tokens(self, study: Study, courses: Sequence[Course] = (alone("any"),)) -> int:
        """Tokens that the trunks and branches of these courses (default: one level) go through at one seed, in place of the sum
        of their D; a trunk that several share is trained once."""
        ends = [round(tokens / self.batch_tokens) for tokens in self.tokens]
        if study.schedule.kind == "cosine":
            return sum(ends) * len(courses) * self.batch_tokens
        return trained_steps(courses, ends, study.schedule.cooldown) * self.batch_tokens

    def flops_per_token(self, study: Study) -> int:
        return self.shape.flops_per_token(study.tokenizer.vocab_size, study.ladder.context)


def rungs(study: Study) -> list[Rung]:
    """The study's ladder, smallest shape first as declared. Raises StudyError for shapes or settings that cannot run."""
    ladder = study.ladder
    if not study.trains:
        raise StudyError(NO_LADDER)
    if isinstance(ladder.shapes, list):
        if unknown := [name for name in ladder.shapes if name not in SHAPES]:
            raise StudyError(f"ladder.shapes: {unknown[0]!r} is not in the ladder table ({', '.join(SHAPES)})")
        shapes = {name: SHAPES[name] for name in ladder.shapes}
    else:
        shapes = {name: _shape(name, declared) for name, declared in ladder.shapes.items()}
    tokens = tuple(sorted(set(ladder.tokens)))
    made = []
    for name, shape in shapes.items():
        rule = recipe(shape, study.tokenizer.vocab_size, ladder.context, list(tokens), study.schedule.kind)
        batch = ladder.batch_tokens or rule.batch_tokens
        warmup = rule.warmup_tokens if ladder.warmup_tokens is None else ladder.warmup_tokens
        if batch % ladder.context:
            raise StudyError(f"ladder.batch_tokens: {batch} is not a multiple of ladder.context {ladder.context}")
        if tokens[0] < 5 * batch:
            raise StudyError(
                f"ladder.tokens: {tokens[0]} is under 5 batches of {batch} tokens; raise it or set a smaller batch"
            )
        made.append(Rung(name, shape, tokens, batch, ladder.lr or rule.lr, warmup, rule.beta2))
    return made


def _shape(name: str, declared: ShapeSection) -> Shape:
    ff = declared.ff or -(-declared.width * 8 // 3 // 32) * 32
    try:
        return Shape(declared.width, declared.depth, declared.heads, ff)
    except ValueError as error:
        raise StudyError(f"ladder.shapes.{name}: {error}") from None


def optimizer(study: Study, rung: Rung) -> JsonObject:
    settings = {"beta2": rung.beta2, "weight_decay": study.schedule.weight_decay, "clip": study.schedule.clip}
    return settings | ({"matrices": "muon"} if study.schedule.optimizer == "muon" else {})
