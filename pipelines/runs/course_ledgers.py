"""Which documents runs of courses read and how often, as ledgers of levels say what is kept: worked out when asked, from the
levels' token shards and the courses' windows. Nothing is written."""

from collections.abc import Sequence

import polars as pl

from pipelines.engine.run import Context
from pipelines.runs.ladder import rungs
from pipelines.runs.stack_training import local_inputs
from pipelines.runs.training_plan import TrainingData, training_plan
from pipelines.study.study import Study, StudyError
from training.ledger import documents_read
from training.plan import Run, parse_plan


def course_ledger(
    context: Context, study: Study, data: TrainingData, names: Sequence[str], *, shape: str = "", seed: int = 0, tokens: int = 0
) -> pl.DataFrame:
    """A row per course or level of `names`, phase, level and document that the run to `tokens` (default: the longest) at a
    shape (default: the first) and seed reads; columns as `training.ledger.SCHEMA`. Raises StudyError for a run that the
    ladder has not."""
    here, ladder = {rung.name: rung for rung in rungs(study)}, study.ladder
    shape, tokens = shape or next(iter(here)), tokens or max(ladder.tokens)
    for what, asked, known in (
        ("shape", shape, list(here)), ("seed", seed, list(range(ladder.seeds))), ("tokens", tokens, ladder.tokens),
        *(("course", name, [*study.courses, *study.trained]) for name in names),
    ):  # fmt: skip
        if asked not in known:
            raise StudyError(f"no run has {what} {asked!r}; the ladder has {', '.join(map(str, known))}")
    stack = here[shape].stack("ledger", [Run(name, seed) for name in names])
    plan = training_plan(study, [stack], data, whole_ladder=False)
    with local_inputs(context.workdir, plan) as (base, _):
        return pl.DataFrame(documents_read(parse_plan(plan, base), stack, tokens))


def by_phase(ledger: pl.DataFrame) -> pl.DataFrame:
    """Of each course, phase and level: how many documents and tokens are read, and how often a document is, on average over
    the tokens that the level holds of those that are read, and at most."""
    held = pl.col("tokens") / pl.col("times")
    return ledger.group_by("course", "phase", "level", maintain_order=True).agg(
        documents=pl.len(), tokens=pl.col("tokens").sum(), times=pl.col("tokens").sum() / held.sum(), most=pl.col("times").max()
    )
