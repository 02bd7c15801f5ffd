"""A stack on an object store goes on elsewhere from the checkpoints that were put there."""

import pytest

from pipelines.engine.output import Output
from pipelines.engine.step import commit_step
from pipelines.engine.workdir import Workdir
from pipelines.runs.train import train_stack
from training.metrics import Metrics


class LostError(Exception):
    pass


def test_a_lost_worker_on_an_object_store_goes_on_from_its_checkpoint(made, tmp_path, monkeypatch):
    store = Workdir("memory://study")
    store.fs.put(f"{made.folder / 'curated'}/", f"{store.full('')}", recursive=True)
    stack, plan, runs = made.stack("a")
    outputs = [Output(store, cell.step.path, 0) for cell in stack]
    log = Metrics.log

    def lost(metrics, line):
        log(metrics, line)
        to, _, start = line.get("phase", "").partition("-from-")
        if line["event"] == "train" and to == "4096" and int(start or 0):  # a branch of the trunk
            raise LostError

    with monkeypatch.context() as patch:
        patch.setattr(Metrics, "log", lost)
        with pytest.raises(LostError):
            train_stack(outputs, plan, runs, False)
    kept = store.fs.find(store.full("scratch"))
    names = {path.rsplit("/", 1)[1] for path in kept}
    assert names >= {"1024-from-0.parquet", "2048-from-0.parquet", "trunk.safetensors", "metrics.jsonl"}
    outputs = [Output(store, cell.step.path, 0) for cell in stack]
    for cell, record in zip(stack, train_stack(outputs, plan, runs, False), strict=True):
        commit_step(store, cell.step, [record])
    there = made.place(tmp_path)
    made.take(there, made.runs)
    for cell in stack:
        assert store.read_bytes(f"{cell.step.path}/manifest.json") == (there / cell.step.path / "manifest.json").read_bytes()
        metrics = store.read_bytes(f"{cell.step.path}/metrics.jsonl").decode()
        assert metrics.count('"event": "resume"') == 1
        assert metrics.count('"event": "branch"') == 9  # by three starts to each D
    assert not store.exists("scratch") or not store.fs.find(store.full("scratch"))
