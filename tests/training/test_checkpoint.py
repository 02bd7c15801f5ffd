from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from training.checkpoint import CheckpointError, load, save, save_tensors
from training.plan import parse_plan
from training.run import run_stack
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


@pytest.fixture
def refuse():
    """`refuse(path)`: from now on the system refuses to write `path`: a checkpoint over 100 kB, or any write to /dev/full."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(path):
        if path.suffix == ".safetensors":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        else:
            path.with_name(path.name + ".partial").symlink_to("/dev/full")

    full.undo = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    yield full
    full.undo()


def test_a_full_disk_leaves_what_was_there(tmp_path, refuse):
    path = tmp_path / "trunk.safetensors"
    save(path, SNAPSHOT, "runs a")
    before = path.read_bytes()
    refuse(path)
    with pytest.raises(CheckpointError, match=r"\(400000 bytes needed, \d+ free\); finished runs are intact, free some space"):
        save_tensors(path, {"weights": torch.zeros(100_000)}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["trunk.safetensors", "branches/2560.parquet", "observations.parquet"])
def test_a_stack_without_space_stops_and_goes_on_when_there_is_some(make_plan, tmp_path, refuse, name):
    """Whichever file it is that does not fit: one clear error, and the same losses in the end."""
    plan = parse_plan(make_plan(), tmp_path)
    path = tmp_path / "full" / "s0" / name
    path.parent.mkdir(parents=True)
    refuse(path)
    with pytest.raises(CheckpointError, match=rf"cannot write \S+{Path(name).name}: .*run the same command") as caught:
        run_stack(plan, "s0", tmp_path / "full")
    assert ("No space left on device" in str(caught.value)) or name == "trunk.safetensors"
    refuse.undo()
    path.unlink(missing_ok=True)
    tables = [run_stack(plan, "s0", tmp_path / where) / "losses.parquet" for where in ("full", "whole")]
    assert pq.read_table(tables[0]).equals(pq.read_table(tables[1]))
