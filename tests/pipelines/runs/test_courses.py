"""Courses of a study: what is refused and how, what they cost, and what of them belongs to a run's identity."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.runs import courses
from pipelines.runs.ladder import rungs
from pipelines.runs.train import cells
from pipelines.runs.training_plan import TrainingData
from pipelines.study.study import StudyError, load, parse
from training.course import Phase, alone

STUDY = """
name: small
sources: [{kind: python_environment}]
levels: {raw: {}, dedup: {extends: raw}, top: {extends: dedup}}
ladder: {shapes: {a: {width: 32, depth: 2, heads: 2}}, tokens: [10_000, 20_000], context: 32, batch_tokens: 128}
"""


def declared(*sets: str):
    return parse(STUDY, Path("study.yaml"), sets)


def test_every_form_is_a_list_of_phases():
    study = declared(
        "courses.anneal={trunk: dedup, branch: top}",
        "courses.easy={level: dedup, order: {by: quality.score, smooth: 0.2}}",
        "courses.again={level: top, epochs: 4, unique_tokens: 5000}",
        "courses.add={phases: [{level: raw, share: 0.7}, {level: top, share: 0.3, replay: 0.1}]}",
        "courses.same={level: raw}",
    )
    read = {name: courses.course_of(study, name) for name in study.courses}
    assert read == {
        "anneal": (Phase("dedup", 0.8), Phase("top", 0.2)),
        "easy": (Phase("dedup", by="quality.score", smooth=0.2),),
        "again": (Phase("top", epochs=4, unique_tokens=5000),),
        "add": (Phase("raw", 0.7), Phase("top", 0.3, replay=0.1)),
        "same": alone("raw"),
    }
    assert courses.course_of(study, "raw") == alone("raw")
    assert [course.kind for course in study.courses.values()] == ["annealing", "order", "repetition", "continual", "level"]


@pytest.mark.parametrize(
    ("course", "told"),
    [
        ("{phases: [{level: raw, share: 0.7}, {level: top, share: 0.2}]}", r"courses\.x: the shares of its phases sum to 0\.9"),
        ("{phases: [{level: raw, replay: 0.2}]}", "nothing was read before it"),
        ("{trunk: raw}", r"annealing needs `trunk` and `branch`; there is only `trunk`"),
        ("{trunk: raw, branch: top, level: raw}", r"give one of `trunk` with `branch`, `level`, or `phases`"),
        ("{level: best}", r"courses\.x: 'best' is not a level \(levels: raw, dedup, top\)"),
        ("{level: raw, order: {by: a.b, smooth: 2}}", r"courses\.x\.order\.smooth: .* less than or equal to 1"),
        ("{trunk: raw, branch: top, order: {by: a.b}}", "`order` is of a `level`"),
    ],
)
def test_a_mistake_in_a_course_is_named(course, told):
    with pytest.raises(StudyError, match=told):
        declared(f"courses.x={course}")


def test_a_course_needs_its_baseline_among_the_trained_levels():
    with pytest.raises(StudyError, match=r"courses\.x: no matching baseline: it is compared with 'dedup' alone, which ladder"):
        declared("ladder.levels=[raw, top]", "courses.x={trunk: dedup, branch: top}")
    with pytest.raises(StudyError, match=r"ladder\.levels: the baseline 'raw' is not among them"):
        declared("ladder.levels=[top]")
    with pytest.raises(StudyError, match=r"courses\.raw: a level has this name too"):
        declared("courses.raw={level: dedup}")
    with pytest.raises(StudyError, match=r"courses\.x: it needs a trunk to leave; set schedule\.kind to trunk"):
        declared("schedule.kind=cosine", "courses.x={trunk: dedup, branch: top}")
    assert declared("ladder.levels=[raw]", "courses.x={trunk: raw, branch: top}").trained == ["raw"]


def test_a_phase_longer_than_its_level_is_refused_before_training():
    study = declared("courses.x={phases: [{level: raw, share: 0.5}, {level: top, share: 0.5}]}")
    courses.check_reading(study, {"raw": 20_000, "dedup": 20_000, "top": 10_000})
    with pytest.raises(StudyError, match=r"courses\.x: in a run to 20,000 phase 2 reads 10,000 tokens of 'top', which has 6,0"):
        courses.check_reading(study, {"raw": 20_000, "dedup": 20_000, "top": 6_000})
    repeated = declared("courses.x={level: top, epochs: 3}", "ladder.levels=[raw]")
    courses.check_reading(repeated, {"raw": 20_000, "dedup": 20_000, "top": 7_000})
    assert [repeated.wanted_tokens(level) for level in ("raw", "dedup", "top")] == [20_000, 0, 6_667]


def test_an_order_by_an_unknown_signal_names_it_and_what_there_is():
    known = {"quality.score": pl.Float64(), "domain": pl.String()}
    study = declared("courses.x={level: raw, order: {by: quality.skore}}")
    with pytest.raises(StudyError, match=r"courses\.x\.order\.by: .*quality\.skore.*quality\.score"):
        courses.order_by(study, known)
    for by, told in (("domain", "is no number"), ("'percentile(quality.score, 50)'", "is one number for all")):
        with pytest.raises(StudyError, match=told):
            courses.order_by(declared(f"courses.x={{level: raw, order: {{by: {by}}}}}"), known)
    found = courses.order_by(declared("courses.x={level: raw, order: {by: -quality.score}}"), known)
    assert list(found) == ["-quality.score"]


def test_the_plan_counts_a_shared_trunk_once():
    study = declared("courses.x={trunk: dedup, branch: top}", "courses.y={level: dedup, order: {by: quality.score}}")
    (rung,) = rungs(study)
    alone_each = rung.trained_tokens(study)
    assert alone_each == (125 + (156 - 125) + (78 - 62)) * 128
    read = [courses.course_of(study, name) for name in (*study.levels, *study.courses)]
    branches, apart = (156 + 78 - 125 - 62) * 128, (156 + 78) * 128
    assert rung.trained_tokens(study, read) == 3 * alone_each + branches + apart


@pytest.fixture(scope="module")
def read_only(made):
    workdir = Workdir(str(made.folder / "curated"))
    return Context(workdir, InProcess(), Progress(workdir))


def test_adding_courses_changes_no_run_of_a_level(made, read_only):
    data, without = TrainingData.of(made.curated), load(made.folder / "study.yaml", [*made.small, "courses={}"])
    ids = {cell.step.name: cell.step.id for cell in cells(without, data)}
    both = {cell.step.name: cell.step.id for cell in cells(made.study, data)}
    assert ids.items() <= both.items()
    assert len(both) == len(ids) + 2 * 3
    other = [*made.small, "courses.add.phases=[{level: raw, share: 0.4}, {level: dedup, share: 0.6, replay: 0.25}]"]
    moved = {cell.step.name: cell.step.id for cell in cells(load(made.folder / "study.yaml", other), data)}
    assert {name for name in both if moved[name] != both[name]} == {"runs/add-a-s0", "runs/add-b-s0"}


def test_the_signal_of_an_order_is_that_of_every_document(made, read_only):
    (by,) = made.curated.orders
    table = pl.DataFrame(read_only.workdir.read_table(made.curated.orders[by].files(".parquet")[0]))
    assert by == "tokens.n_tokens"
    assert table.columns == ["doc_id", "value"]
    lengths = [
        pl.DataFrame(read_only.workdir.read_table(path, ["doc_id", "n_tokens"]))
        for path in made.curated.pool.signals["tokens"].files(".parquet")
    ]
    assert table["value"].to_list() == pl.concat(lengths)["n_tokens"].cast(pl.Float64).to_list()
