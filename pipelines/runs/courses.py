"""Courses of a study as training reads them: their phases, and the signals that sorted ones go by.

orders/<name>   values.parquet: doc_id and value of every document that some sorted phase may read
"""

import hashlib
from collections.abc import Mapping

import polars as pl

from curation.levels.expression import Expression, parse_value
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import JsonObject
from pipelines.levels.selections import AnnotatedPool
from pipelines.signals.shards import Shard, known_columns, shards
from pipelines.study.courses import PhaseSection
from pipelines.study.study import Study, StudyError
from training.course import Course, Phase, alone, read_tokens, times_read, too_long

VALUES = "values.parquet"


def course_of(study: Study, name: str) -> Course:
    """What runs of this name read; a level is the course that reads it alone."""
    if name in study.levels:
        return alone(name)
    return tuple(_phase(phase) for phase in study.courses[name].read(study.schedule.cooldown))


def _phase(declared: PhaseSection) -> Phase:
    order = declared.order
    return Phase(
        declared.level, declared.share, declared.replay, declared.epochs, declared.unique_tokens,
        order.by if order else None, order.smooth if order else 0.0,
    )  # fmt: skip


def order_by(study: Study, known: Mapping[str, pl.DataType]) -> dict[str, Expression]:
    """What each order sorts by, by its text. Raises StudyError for an unknown signal, naming the course."""
    found = {}
    for name, course in study.courses.items():
        for phase in course.read(study.schedule.cooldown):
            if phase.order is None:
                continue
            try:
                read = parse_value(phase.order.by, known)
                read.check(known, truth=False)
                if read.percentiles or not read.columns:
                    raise ValueError(f"{read.text!r} is one number for all documents; order by a column")
                if not pl.DataFrame(schema=dict(known)).select(x=read.polars()).schema["x"].is_numeric():
                    raise ValueError(f"{read.text!r} is no number; order by a column of numbers")
            except ValueError as error:
                raise StudyError(f"courses.{name}.order.by: {error}") from None
            found[phase.order.by] = read
    return found


def orders(context: Context, study: Study, pool: AnnotatedPool) -> dict[str, Manifest]:
    """The signal of every order, for all documents of the pool, by the text of what it sorts by."""
    known, made = known_columns(context.workdir, pool.documents, pool.signals), {}
    for text, by in order_by(study, known).items():
        signals = {column.partition(".")[0] for column in by.columns if "." in column}
        here = shards(context.workdir, pool.documents, pool.signals)
        step = Step(
            f"orders/{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}", {"by": by.text},
            {"pool": pool.documents} | {name: pool.signals[name] for name in sorted(signals)}, compute=values,
            units=lambda here=here, by=by: [(here, by)], unit="orders",
        )  # fmt: skip
        made[text] = run_step(context, step)
    return made


def values(out: Output, here: list[Shard], by: Expression) -> JsonObject:
    """One table of all documents. Runs on a worker."""
    frames = [
        shard.frame(["doc_id", *by.columns]).select("doc_id", value=by.polars().cast(pl.Float64).fill_nan(None))
        for shard in here
    ]
    table = pl.concat(frames)
    out.write_table(VALUES, table.to_arrow())
    return {"documents": len(table), "missing": int(table["value"].null_count())}


def ledger(study: Study, unique: Mapping[str, int]) -> list[JsonObject]:
    """What the longest run of every course reads, a row per phase: its level, share and replay, the tokens that it reads of the
    level and how often it goes through it, and what it is sorted by. `unique`: tokens of each level."""
    longest = max(study.ladder.tokens)
    rows = []
    for name in study.courses:
        course = course_of(study, name)
        amounts = zip(course, read_tokens(course, longest), times_read(course, longest, unique), strict=True)
        rows += [
            {
                "course": name, "phase": number + 1, "level": phase.level, "share": phase.share, "replay": phase.replay,
                "tokens": tokens, "times": times, "by": phase.by or "", "smooth": phase.smooth,
            }
            for number, (phase, tokens, times) in enumerate(amounts)
        ]  # fmt: skip
    return rows


def check_reading(study: Study, unique: Mapping[str, int]) -> None:
    """Refuse, before any training, a course with a phase longer than its level's tokens. `unique`: those of each level."""
    longest = max(study.ladder.tokens)
    for name in study.courses:
        if wrong := too_long(course_of(study, name), longest, unique):
            raise StudyError(f"courses.{name}: in a run to {longest:,} {wrong}")
