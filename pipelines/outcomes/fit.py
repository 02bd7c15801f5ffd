"""Fit: the law on every level, the tests of a shift, the plan; from the observation table alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.quality import axes
from pipelines.engine.output import Output
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Manifest, Step
from pipelines.engine.workdir import Workdir
from pipelines.levels.quality import TABLE
from pipelines.runs.observations import FILE
from pipelines.study.curation import LevelSection
from pipelines.study.study import Study, StudyError
from scaling_fit import Axes, Result, Settings, analyse, read_axes, read_scores, summary, with_tasks
from scaling_fit import observations as observations_of
from scaling_fit.courses.effect import Course
from scaling_fit.courses.reading import Reading
from scaling_fit.courses.reading import read as read_courses
from scaling_fit.encoding import encode
from scaling_fit.levels.budget import R_STAR


def settings(study: Study) -> Settings:
    """The study's `fit` section, and what each level is for."""
    declared, baseline = study.fit, study.baseline
    others = {name: study.levels[name] for name in study.compared if name != baseline}
    return Settings(
        baseline,
        declared.eval_set,
        confidence=declared.confidence,
        margin=declared.margin,
        multiplier_margin=declared.multiplier_margin,
        replicates=declared.replicates,
        test_replicates=declared.test_replicates,
        seed=declared.seed,
        roles={name: level.kind for name, level in others.items() if level.kind != "level"},
        same_floor=tuple(name for name, level in others.items() if same_text(study, level)),
        random_parts=tuple(name for name, level in others.items() if level.random and level.extends in (None, baseline)),
    )


def same_text(study: Study, level: LevelSection) -> bool:
    """Whether a control is the baseline's own documents but for chance or copies: at infinite data, one text."""
    chosen = level.drop or level.keep or level.top or level.edit or level.mixture
    return level.kind == "control" and level.extends in (None, study.baseline) and not chosen


@dataclass(frozen=True)
class Tables:
    """Where the tables lie that a fit is made of. `noise`: of runs repeated apart, `scores`: of tasks ("": none)."""

    observations: str
    quality: str
    noise: list[str]
    scores: str


def courses(study: Study) -> tuple[Course, ...]:
    """The study's courses as the fitter knows them."""
    found = []
    for name, course in study.courses.items():
        last = course.read(study.schedule.cooldown)[-1]
        found.append(Course(name, course.kind, course.compared_with() or "", last.level, last.replay))
    return tuple(found)


def fit(
    context: Context, study: Study, observations: Manifest, noise: Manifest | None, quality: Manifest,
    tasks: Manifest | None = None,
) -> Manifest:  # fmt: skip
    """`fit.json` (see docs/fitting.md), `summary.txt` and, where there are courses, `courses.json`; the manifest's summary has
    the verdict. `noise`: the repeated runs of `checks.noise`, which say how far trunks scatter where the ladder itself repeats
    none. `quality`: the table of levels; `tasks`: what runs scored."""
    asked = settings(study)
    chosen = axes.for_law(quality.summary["axes"], study.report.quality.axis)
    inputs = {"observations": observations, "quality": quality} | ({"noise": noise} if noise else {})
    inputs |= {"tasks": tasks} if tasks else {}
    declared = courses(study)
    config = {"settings": encode(asked), "axes": chosen} | ({"courses": encode(declared)} if declared else {})

    def tables() -> Tables:
        scores = tasks.files(".parquet")[0] if tasks else ""
        return Tables(observations.files(FILE)[0], quality.files(TABLE)[0], noise.files(".parquet") if noise else [], scores)

    step = Step(
        "fit", config, inputs, version=11, compute=analyse_table,
        units=lambda: [(context.workdir, tables(), asked, chosen, declared)],
        summarize=lambda parts: {"verdict": parts[0]["verdict"]},
        unit="fits",
    )  # fmt: skip
    return run_step(context, step)


def axes_of_study(workdir: Workdir, path: str, chosen: list[str]) -> Axes:
    """The table of quality as the fitter knows it: the axes `chosen`, in their order, and the overlap with evaluation sets."""
    # names of levels stay text: "01" is a name and no number
    table = pl.read_csv(workdir.read_bytes(path), infer_schema_length=None, schema_overrides={"level": pl.String})
    measured = read_axes(table)
    return replace(measured, values={name: measured.values[name] for name in chosen})


def analysed(
    everything: pa.Table, asked: Settings, declared: Sequence[Course], measured: Axes, repeated: pa.Table | None = None
) -> tuple[Result, Reading | None]:
    """The fit of the runs on levels, and what is said of courses where there are some: then plans take the R* that they
    measured. `measured`: the levels' quality; `repeated`: runs of the checks that say how far trunks scatter."""
    table = of_levels(everything, declared)
    # a level always wins on its own distribution, so no law is fitted there; its losses stay in the table
    shared = tuple(name for name in dict.fromkeys(table["eval_set"].to_pylist()) if not name.startswith("own:"))
    asked = replace(asked, eval_sets=shared)
    reading = read_courses(everything, declared, asked) if declared else None
    r_star = reading and reading.r_star(asked.baseline)
    measured = replace(measured, titles={name: axes.worded(name) for name in measured.values})
    return analyse(table, asked, noise=repeated, quality=measured, r_star=r_star or R_STAR), reading


def of_levels(everything: pa.Table, declared: Sequence[Course]) -> pa.Table:
    """The rows that are of no course."""
    return everything.filter(~pc.field("level").isin([one.name for one in declared])) if declared else everything


def analyse_table(
    out: Output, workdir: Workdir, tables: Tables, asked: Settings, chosen: list[str], declared: tuple[Course, ...]
) -> dict[str, str]:
    """Run the analysis. Runs on a worker."""
    try:
        everything = workdir.read_table(tables.observations)
        repeated = pa.concat_tables([workdir.read_table(one) for one in tables.noise]) if tables.noise else None
        measured = axes_of_study(workdir, tables.quality, chosen)
        result, reading = analysed(everything, asked, declared, measured, repeated)
        if tables.scores:
            losses = observations_of(of_levels(everything, declared).filter(pc.field("eval_set") == result.primary))
            result = with_tasks(result, read_scores(workdir.read_table(tables.scores), losses))
    except ValueError as error:
        raise StudyError(f"fit: {error}") from None
    with out.writing("fit.json") as file:  # levels in the order of the study, not of the alphabet
        file.write((result.to_json(indent=1) + "\n").encode())
    with out.writing("summary.txt") as file:
        file.write(summary(result).encode())
    if reading is not None:
        with out.writing("courses.json") as file:
            file.write((reading.to_json() + "\n").encode())
    return {"verdict": result.answer.choice}
