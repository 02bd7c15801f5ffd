"""A stack on an object store goes on elsewhere from the checkpoints that were put there."""

import pytest

from pipelines.engine.workdir import Workdir
from pipelines.runs.stacking import Sizing
from pipelines.runs.train import cells, evaluation_at, levels_at, plan_of, stacks_of, train_stack
from training.metrics import Metrics


class LostError(Exception):
    pass


def test_a_lost_worker_on_an_object_store_goes_on_from_its_checkpoint(made, tmp_path, monkeypatch):
    store = Workdir("memory://study")
    store.fs.put(f"{made.folder / 'curated'}/", f"{store.full('')}", recursive=True)
    c = made.curated
    chosen = [cell for cell in cells(made.study, c.levels, c.evaluation, made.digest) if cell.rung.name == "a"]
    (stack,) = stacks_of(chosen, {"a": Sizing(2)}, merged=False)
    plan = plan_of(made.study, [stack], c.levels, levels_at(c.levels), evaluation_at(c.evaluation, made.digest))
    log = Metrics.log

    def lost(metrics, line):
        log(metrics, line)
        if line["event"] == "train" and line["phase"] == "4096":
            raise LostError

    with monkeypatch.context() as patch:
        patch.setattr(Metrics, "log", lost)
        with pytest.raises(LostError):
            train_stack(store, plan, stack)
    kept = store.fs.find(store.full("scratch"))
    assert {path.rsplit("/", 1)[1] for path in kept} >= {"1024.parquet", "2048.parquet", "trunk.safetensors", "metrics.jsonl"}
    train_stack(store, plan, stack)
    there = made.place(tmp_path)
    made.take(there, made.runs)
    for cell in stack:
        assert store.read_bytes(f"{cell.step.path}/manifest.json") == (there / cell.step.path / "manifest.json").read_bytes()
        metrics = store.read_bytes(f"{cell.step.path}/metrics.jsonl").decode()
        assert metrics.count('"event": "resume"') == 1
        assert metrics.count('"event": "branch"') == 3
    assert not store.exists("scratch") or not store.fs.find(store.full("scratch"))
