"""Stacks on Ray: a worker that is lost goes on from its checkpoint, and ranks of one group train as one process does."""

import os
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.engine.executor import OnRay, Resources
from pipelines.runs.stacking import Sizing
from pipelines.runs.train import cells, evaluation_at, levels_at, plan_of, stacks_of, train_stack


def dying(workdir, plan, stack, marker):
    """`train_stack` in a worker that is killed, once, in the middle of its second branch."""
    from training.metrics import Metrics

    if not Path(marker).exists():
        log = Metrics.log

        def until(metrics, line):
            log(metrics, line)
            if line["event"] == "train" and line["phase"] == "2048":
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)

        Metrics.log = until
    return train_stack(workdir, plan, stack)


def jobs(made, place, shape):
    """The stack of one shape, with a checkpoint at every interval."""
    c = made.curated
    chosen = [cell for cell in cells(made.study, c.levels, c.evaluation, made.digest) if cell.rung.name == shape]
    (stack,) = stacks_of(chosen, {shape: Sizing(2)}, merged=False)
    plan = plan_of(made.study, [stack], c.levels, levels_at(c.levels), evaluation_at(c.evaluation, made.digest))
    return stack, [(made.opened(place).workdir, plan | {"checkpoint_seconds": 0.0}, stack, str(place / "marker"))]


@pytest.fixture
def on_ray():
    executor = OnRay(workers=2)
    yield executor
    executor.close()


def test_a_lost_worker_goes_on_from_its_checkpoint(made, on_ray, tmp_path):
    """To the last bit what was trained without a kill, and from the checkpoint: nothing of the trunk is trained twice."""
    place = made.place(tmp_path)
    stack, units = jobs(made, place, "a")
    assert [names for _, names in on_ray.map(dying, units)] == [[cell.step.name for cell in stack]]
    assert (place / "marker").exists()
    taken = made.place(tmp_path / "taken")
    made.take(taken, made.runs)
    for cell in stack:
        ours, theirs = (folder / cell.step.path for folder in (place, taken))
        assert (ours / "manifest.json").read_bytes() == (theirs / "manifest.json").read_bytes()
        assert (ours / "metrics.jsonl").read_text().count('"event": "resume"') == 1
        assert (ours / "metrics.jsonl").read_text().count('"event": "branch"') == 3
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
