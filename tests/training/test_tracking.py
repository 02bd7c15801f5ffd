import sys
from types import SimpleNamespace

import pytest

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


def test_what_is_not_there_is_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="use one of tensorboard, trackio, wandb"):
        tracker("mlflow", "study", tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"pip install 'assay\[tracking\]'"):
        tracker("wandb", "study", tmp_path)
