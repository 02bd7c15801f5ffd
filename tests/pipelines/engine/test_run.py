"""Steps are computed once, go on where they were cut, and are only read where nothing may be written."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipelines.engine import records
from pipelines.engine.executor import InProcess
from pipelines.engine.output import Output
from pipelines.engine.progress import Progress
from pipelines.engine.records import read_records
from pipelines.engine.row_groups import RowGroups
from pipelines.engine.run import Context, Job, Pass, StepMissingError, run_side_by_side, run_step, run_together
from pipelines.engine.step import Step, commit_step, read_manifest
from pipelines.engine.workdir import Workdir


class CutAfter(InProcess):
    """An executor that is interrupted after so many jobs."""

    def __init__(self, jobs: int):
        self.jobs, self.n_run = jobs, 0

    def map(self, function, arguments, resources=None, names=(), done=None):
        for result in super().map(function, arguments):
            yield result
            self.n_run += 1
            if self.n_run == self.jobs:
                raise KeyboardInterrupt


def context(place: Path, executor=None) -> Context:
    workdir = Workdir(str(place))
    return Context(workdir, executor or InProcess(), Progress(workdir, Console(quiet=True)))


def square(out: Output, number: int) -> dict:
    out.write_json(f"{number}.json", number**2)
    return {"square": number**2}


def squares(asked: list[int], **how) -> Step:
    def units() -> list[tuple[int]]:
        asked.append(1)
        return [(number,) for number in range(4)]

    return Step("squares", {}, compute=square, units=units, summarize=lambda p: {"sum": sum(x["square"] for x in p)}, **how)


def files(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


def test_a_step_is_computed_once_and_its_units_are_asked_for_once(tmp_path):
    asked: list[int] = []
    made = run_step(context(tmp_path), squares(asked))
    assert made.summary == {"sum": 14}
    again = context(tmp_path)
    assert run_step(again, squares(asked)) == made
    assert (len(asked), again.progress.cached_steps) == (1, ["squares"])


def test_an_interrupted_step_computes_only_the_rest(tmp_path):
    run_step(context(tmp_path / "quiet"), squares([]))
    with pytest.raises(KeyboardInterrupt):
        run_step(context(tmp_path / "cut", CutAfter(3)), squares([]))
    rest = CutAfter(-1)
    step = squares([])
    run_step(context(tmp_path / "cut", rest), step)
    assert rest.n_run == 1
    manifests = [(tmp_path / name / step.path / "manifest.json").read_bytes() for name in ("quiet", "cut")]
    assert manifests[0] == manifests[1]


def test_a_step_whose_summary_is_refused_keeps_its_parts(tmp_path):
    def refuse(parts):
        raise ValueError("too many")

    step = Step("squares", {}, compute=square, units=lambda: [(2,)], summarize=refuse)
    with pytest.raises(ValueError, match="too many"):
        run_step(context(tmp_path), step)
    assert read_manifest(Workdir(str(tmp_path)), step) is None
    again = CutAfter(-1)
    run_step(context(tmp_path, again), squares_of_two())
    assert again.n_run == 0


def test_a_step_that_was_committed_by_other_means_is_found(tmp_path):
    """Runs that were trained elsewhere are committed while a command is at work that has looked at the folders already."""
    here = context(tmp_path, CutAfter(-1))
    for name in ("runs/one", "runs/two", "other"):
        step = Step(name, {}, compute=square, units=lambda: [(2,)])
        assert not here.begun(step.path)
        commit_step(here.workdir, step, [square_of_two(here.workdir, step)])
        here.begin(step.path)
        assert run_step(here, step).total("square") == 4
    assert here.executor.n_run == 0


def square_of_two(workdir: Workdir, step: Step) -> dict:
    out = Output(workdir, step.path, 0)
    return out.commit(square(out, 2))


def squares_of_two() -> Step:
    return Step("squares", {}, compute=square, units=lambda: [(2,)])


def test_reading_neither_computes_nor_writes(tmp_path):
    published = []
    step = squares([], publish=lambda workdir, made: published.append(made.step.name))
    with pytest.raises(StepMissingError, match="squares is not in the work directory; run `assay curate` first") as caught:
        run_step(context(tmp_path).only_reading("assay curate"), step)
    assert caught.value.step is step
    assert files(tmp_path) == {}
    run_step(context(tmp_path), step)
    assert published == ["squares"]
    before = files(tmp_path)
    reading = context(tmp_path).only_reading("assay curate")
    assert run_step(reading, step).summary == {"sum": 14}
    assert (files(tmp_path), published) == (before, ["squares"])
    run_step(context(tmp_path), step)
    assert published == ["squares", "squares"]  # what people look at is the current study's, also where nothing was computed


def both(outputs: list[Output], number: int) -> list[dict]:
    return [out.commit(square(out, number)) for out in outputs]


def together(here: Context, seen: list, names: str = "ab", **how):
    def plan(missing):
        seen.append([(step.name, i) for step, i in missing])
        by_part: dict[int, list[Step]] = {}
        for step, i in missing:
            by_part.setdefault(i, []).append(step)
        jobs = [Job([(step, i) for step in steps], (i,)) for i, steps in by_part.items()]
        return Pass("both", both, jobs, "shards", **how)

    return run_together(here, [Step(name, {}) for name in names], 3, plan)


def test_steps_of_one_pass_share_what_is_missing(tmp_path):
    seen: list = []
    alone = together(context(tmp_path), seen, "a")
    assert seen == [[("a", 0), ("a", 1), ("a", 2)]]
    made = together(context(tmp_path), seen)
    assert (list(made), made["a"]) == (["a", "b"], alone["a"])
    assert seen[1:] == [[("b", 0), ("b", 1), ("b", 2)]]
    together(context(tmp_path), seen)
    assert len(seen) == 2


def test_a_pass_that_was_cut_goes_on_with_the_parts_that_are_left(tmp_path):
    seen: list = []
    with pytest.raises(KeyboardInterrupt):
        together(context(tmp_path, CutAfter(2)), seen)
    made = together(context(tmp_path), seen)
    assert seen[1] == [("a", 2), ("b", 2)]
    assert made["b"].total("square") == 5


def test_ranks_that_return_nothing_have_their_records_read(tmp_path):
    class Silent(InProcess):
        def map(self, function, arguments, resources=None, names=(), done=None):
            for index, _ in super().map(function, arguments):
                yield index, None

    made = together(context(tmp_path, Silent()), [], leaves=True)
    assert made["a"].total("square") == 5


def test_a_driver_that_is_killed_loses_the_records_of_seconds(tmp_path, monkeypatch):
    """A job takes a second, and records are written when there are two seconds of them."""
    now, left = [0.0], []
    monkeypatch.setattr(records, "SECONDS", 2.0)
    monkeypatch.setattr(records.time, "monotonic", lambda: now[0])

    class Ticking(InProcess):
        def map(self, function, arguments, resources=None, names=(), done=None):
            for result in super().map(function, arguments):
                yield result
                now[0] += 1.0
                left.append(read_records(Workdir(str(tmp_path)), Step("squares", {}).path))

    made = run_step(context(tmp_path, Ticking()), squares([]))
    assert [sorted(kept) for kept in left] == [[], [], [0, 1, 2], []]
    assert made.summary == {"sum": 14}
    assert not (tmp_path / made.step.path / "parts").exists()


def test_the_time_of_a_pass_is_shared_by_cost(tmp_path):
    def plan(missing):
        jobs = [Job([(step, i)], (i,)) for step, i in missing]
        return Pass("both", both, jobs, "shards", cost=lambda step: {"a": 3.0, "b": 1.0}[step.name])

    run_together(context(tmp_path), [Step(name, {}) for name in "ab"], 40, plan)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    seconds = {event["step"]: event["seconds"] for event in events if event["event"] == "finished"}
    assert seconds["a"] == pytest.approx(3 * seconds["b"], abs=0.003)


def test_what_each_node_did_is_counted(tmp_path):
    class TwoHosts(InProcess):
        def map(self, function, arguments, resources=None, names=(), done=None):
            for index, (_, made) in super().map(function, arguments):
                yield index, ("worker-2" if index == 1 else "worker-1", made)

    run_step(context(tmp_path, TwoHosts()), squares([]))
    *_, finished = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert finished["nodes"] == {"worker-1": 3, "worker-2": 1}


def summed(out: Output, path: str, columns: list[str]) -> dict:
    table = out.workdir.read_table(path, columns)
    return {"sum": sum(sum(table[name].to_pylist()) for name in columns)}


def side_by_side(here: Context, columns: dict[str, list[str]], asked: list) -> dict:
    steps = [
        Step(name, {}, compute=summed, units=lambda read=read: [(f"in-{i}.parquet", read) for i in range(3)])
        for name, read in columns.items()
    ]
    return run_side_by_side(here, "sums", steps, lambda missing: asked.append([step.name for step in missing]))


def test_steps_side_by_side_are_a_task_a_shard_and_read_each_column_once(tmp_path, monkeypatch):
    here, asked, opened = context(tmp_path, CutAfter(-1)), [], []
    for i in range(3):
        table = pa.table({"a": [i, 1], "b": [10 * i, 1], "c": [100 * i, 1]})
        with here.workdir.writing(f"in-{i}.parquet") as out:
            pq.write_table(table, out)
    read = RowGroups.read
    monkeypatch.setattr(RowGroups, "read", lambda file, groups, columns: opened.append(columns) or read(file, groups, columns))
    made = side_by_side(here, {"x": ["a", "b"], "y": ["b", "a"], "z": ["c", "b"]}, asked)
    assert {name: manifest.total("sum") for name, manifest in made.items()} == {"x": 39, "y": 39, "z": 336}
    assert (here.executor.n_run, asked, opened) == (3, [["x", "y", "z"]], [["a", "b"], ["c"]] * 3)
    side_by_side(here, {"x": ["a", "b"], "more": ["a"], "z": ["c", "b"]}, asked)
    assert (here.executor.n_run, asked[1:]) == (6, [["more"]])
    assert here.workdir.read_table("in-1.parquet", ["a"])["a"].to_pylist() == [1, 1]
    assert opened[-1] == ["a"], "outside, nothing is held"
