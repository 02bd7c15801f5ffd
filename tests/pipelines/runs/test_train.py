"""Stacks on Ray: a worker that is lost goes on from its checkpoint, and ranks of one group train as one process does."""

import os
import signal
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.engine.capacity import Resources
from pipelines.engine.executor import OnRay
from pipelines.engine.output import Output
from pipelines.engine.step import commit_step
from pipelines.engine.workdir import Workdir
from pipelines.runs.stacking import Sizing
from pipelines.runs.train import cells, stacks_of, train, train_stack
from pipelines.runs.training_plan import TrainingData
from pipelines.study.study import load


def dying(workdir, plan, paths, runs, marker):
    """`train_stack` in a worker that is killed, once, in the middle of its second branch."""
    from training.metrics import Metrics

    if not Path(marker).exists():
        log = Metrics.log

        def until(metrics, line):
            log(metrics, line)
            if line["event"] == "train" and line["phase"] == "2048-from-1664":
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)

        Metrics.log = until
    return train_stack([Output(workdir, path, 0) for path in paths], plan, runs, False)


def jobs(made, place, shape):
    """The stack of one shape, with a checkpoint at every interval."""
    stack, plan, runs = made.stack(shape)
    paths = [cell.step.path for cell in stack]
    return stack, [(made.opened(place).workdir, plan | {"checkpoint_seconds": 0.0}, paths, runs, str(place / "marker"))]


@pytest.fixture
def on_ray():
    executor = OnRay(workers=2)
    yield executor
    executor.close()


def test_a_lost_worker_goes_on_from_its_checkpoint(made, on_ray, tmp_path):
    """To the last bit what was trained without a kill, and from the checkpoint: nothing of the trunk is trained twice."""
    place = made.place(tmp_path)
    stack, units = jobs(made, place, "a")
    ((_, records),) = on_ray.map(dying, units)
    for cell, record in zip(stack, records, strict=True):
        commit_step(Workdir(str(place)), cell.step, [record])
    assert (place / "marker").exists()
    taken = made.place(tmp_path / "taken")
    made.take(taken, made.runs)
    for cell in stack:
        ours, theirs = (folder / cell.step.path for folder in (place, taken))
        assert (ours / "manifest.json").read_bytes() == (theirs / "manifest.json").read_bytes()
        assert (ours / "metrics.jsonl").read_text().count('"event": "resume"') == 1
        assert (ours / "metrics.jsonl").read_text().count('"event": "branch"') == 9  # by three starts to each D
    assert not list((place / "scratch").iterdir())


@pytest.mark.slow
def test_two_ranks_by_ray_train_equal_one_process_and_survive_a_loss(made, on_ray, tmp_path):
    place = made.place(tmp_path)
    stack, units = jobs(made, place, "b")
    assert [index for index, _ in on_ray.map(dying, units, Resources(cpus=1, ranks=2))] == [0]
    assert (place / "marker").exists()
    taken = made.place(tmp_path / "taken")
    made.take(taken, made.runs)
    for cell in stack:
        ours, theirs = (pq.read_table(folder / cell.step.path / "losses.parquet") for folder in (place, taken))
        assert ours.drop_columns("nats").equals(theirs.drop_columns("nats"))
        np.testing.assert_allclose(ours["nats"], theirs["nats"], rtol=2e-2)
        assert abs(sum(ours["nats"].to_pylist()) / sum(theirs["nats"].to_pylist()) - 1) < 2e-3
        certificates = [(folder / cell.step.path / "certificate.json").read_bytes() for folder in (place, taken)]
        assert certificates[0] == certificates[1]


@pytest.mark.slow
def test_a_mistake_in_ranks_arrives_as_itself(made, on_ray, tmp_path):
    place = made.place(tmp_path)
    _, ((workdir, plan, stack, _),) = jobs(made, place, "b")
    with pytest.raises(ValueError, match="a batch of 4 sequences does not divide over 3 data-parallel ranks"):
        list(on_ray.map(train_stack, [(workdir, plan, stack)], Resources(cpus=0.5, ranks=3)))


def test_a_short_run_is_the_beginning_of_a_long_one(made, tmp_path):
    """To the last bit, at the D that both have; a stack holds runs of one length."""
    first = min(made.study.ladder.tokens)
    asked = {
        "long": ["ladder.seeds=2"],
        "short": ["ladder.seeds=1", f"ladder.short={{tokens: {first}, seeds: 1}}"],
    }
    found = {}
    for name, overrides in asked.items():
        study = load(made.folder / "study.yaml", [*made.small, "courses={}", *overrides])
        data = TrainingData.of(made.curated)
        context = made.opened(made.place(tmp_path / name))
        train(context, study, data)
        shape = next(iter(study.ladder.shapes))
        (cell,) = (one for one in cells(study, data) if one.step.name == f"runs/raw-{shape}-s1")
        table = pq.read_table(tmp_path / name / "work" / cell.step.path / "observations.parquet")
        found[name] = table.filter(pc.field("tokens") == cell.rung.reached(first)).select(["eval_set", "loss", "trunk"])
        stacks = stacks_of(cells(study, data), dict.fromkeys(study.ladder.shapes, Sizing(9)), merged=True)
        assert all(len({one.rung.tokens for one in stack}) == 1 for stack in stacks)
    assert found["short"].num_rows
    assert found["short"].equals(found["long"])
