import pytest
import torch

from training.checkpoint import CheckpointError, load, save, save_tensors
from training.step import Snapshot

SNAPSHOT = Snapshot(7, torch.randn(2, 5), torch.randn(2, 5), torch.rand(2, 5))


def test_round_trip(tmp_path):
    path = tmp_path / "trunk.safetensors"
    save(path, SNAPSHOT, "runs a")
    back = load(path, "runs a", (2, 5))
    assert back.step == 7
    for name in ("weights_KP", "mean_KP", "square_KP"):
        assert torch.equal(getattr(back, name), getattr(SNAPSHOT, name))
    assert list(tmp_path.iterdir()) == [path]


def test_other_runs_and_shapes_are_refused(tmp_path):
    path = tmp_path / "trunk.safetensors"
    save(path, SNAPSHOT, "runs a")
    with pytest.raises(CheckpointError, match="the plan, the code or the device changed"):
        load(path, "runs b", (2, 5))
    with pytest.raises(CheckpointError, match=r"holds \(2, 5\) \(runs, parameters\), the plan wants \(3, 5\)"):
        load(path, "runs a", (3, 5))


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "trunk.safetensors"
    save(path, SNAPSHOT, "runs a")
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
        load(path, "runs a", (2, 5))


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "trunk.safetensors"
    save(path, SNAPSHOT, "runs a")
    before = path.read_bytes()

    def full(tensors, where, metadata):
        where.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.checkpoint.save_file", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*bytes needed.*free"):
        save_tensors(path, {"weights": torch.zeros(3)}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
