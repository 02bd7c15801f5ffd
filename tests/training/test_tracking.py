import json
import sys
from types import SimpleNamespace

import pytest

from training.plan import parse_plan
from training.run import run_stack
from training.tracking import tracker

LINE = {
    "event": "train",
    "stack": "s0",
    "phase": "trunk",
    "tokens": 128,
    "loss": [3.0, 2.5],
    "tokens_per_second": 10,
    "mfu": None,
}


def test_wandb_and_trackio_get_a_run_per_stack(monkeypatch, tmp_path):
    calls = []
    fake = SimpleNamespace(
        init=lambda **given: calls.append(("init", given)),
        log=lambda values: calls.append(("log", values)),
        finish=lambda: calls.append(("finish",)),
    )
    for name in ("wandb", "trackio"):
        calls.clear()
        monkeypatch.setitem(sys.modules, name, fake)
        report = tracker(name, "study", tmp_path)
        report({"event": "branch", "stack": "s0"})
        report(LINE)
        report(LINE | {"stack": "s1"})
        logged = {"trunk/loss/0": 3.0, "trunk/loss/1": 2.5, "trunk/tokens_per_second": 10.0, "tokens": 128}
        assert calls == [
            ("init", {"project": "study", "name": "s0"}),
            ("log", logged),
            ("finish",),
            ("init", {"project": "study", "name": "s1"}),
            ("log", logged),
        ]


def test_tensorboard_gets_scalars_by_tokens(monkeypatch, tmp_path):
    scalars = []
    writer = SimpleNamespace(add_scalar=lambda *given: scalars.append(given))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=lambda path: writer))
    tracker("tensorboard", "study", tmp_path)(LINE)
    assert ("trunk/loss/1", 2.5, 128) in scalars


@pytest.mark.slow
def test_tensorboard_reads_what_a_stack_logs(make_plan, tmp_path):
    """The real thing: TensorBoard's own reader finds metrics.jsonl in the files."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    folder = run_stack(parse_plan(make_plan(), tmp_path), "s0", tmp_path, tracker("tensorboard", "study", tmp_path))
    events = accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    for phase in ("trunk", "2560"):
        logged = [line for line in lines if line.get("phase") == phase]
        for run in (0, 1):
            shown = [(event.step, event.value) for event in events.Scalars(f"{phase}/loss/{run}")]
            assert shown == [(line["tokens"], pytest.approx(line["loss"][run], rel=1e-6)) for line in logged]
    assert {f"trunk/{key}" for key in ("lr/0", "grad_norm/1", "clipped/0", "tokens_per_second")} <= set(
        events.Tags()["scalars"]
    )


def test_what_is_not_there_is_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="use one of tensorboard, trackio, wandb"):
        tracker("mlflow", "study", tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"pip install 'assay\[tracking\]'"):
        tracker("wandb", "study", tmp_path)
