"""Checkpoints of a stack: one safetensors file, written aside and renamed, loaded without pickle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.step import Snapshot


class CheckpointError(ValueError):
    """A checkpoint that cannot be written, or that belongs to other runs."""


def save(path: Path, snapshot: Snapshot, identity: str) -> None:
    """Write `snapshot` for the runs that `identity` names (certificate and stack). Raises CheckpointError."""
    tensors = {"weights": snapshot.weights_KP, "mean": snapshot.mean_KP, "square": snapshot.square_KP}
    save_tensors(path, tensors, {"step": str(snapshot.step), "identity": identity})


def load(path: Path, identity: str, shape: tuple[int, ...]) -> Snapshot:
    """Read a checkpoint of `shape` [K, P]. Raises CheckpointError where it belongs to another stack or is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            weights, mean, square = (file.get_tensor(name) for name in ("weights", "mean", "square"))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read the checkpoint {path}: {error}; remove it to start again") from error
    if tuple(weights.shape) != shape:
        raise CheckpointError(
            f"the checkpoint {path} holds {tuple(weights.shape)} (runs, parameters), the plan wants {shape}; "
            "train into another folder, or remove it"
        )
    if metadata["identity"] != identity:
        raise CheckpointError(
            f"the checkpoint {path} is of {metadata['identity']}, this run is {identity}: the plan, the code or the "
            "device changed; train into another folder, or remove it to start again"
        )
    return Snapshot(int(metadata["step"]), weights, mean, square)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file whole or not at all. Raises CheckpointError where the disk refuses."""
    with writing(path, sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())) as aside:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside, metadata)
        with aside.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def writing(path: Path, size: int) -> Iterator[Path]:
    """Where to write the `size` bytes of `path`: aside, renamed at the end. Raises CheckpointError where the disk refuses."""
    aside = path.with_name(path.name + ".partial")
    try:
        yield aside
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        aside.unlink(missing_ok=True)
        raise CheckpointError(refused(path, size, error)) from error


def refused(path: Path, size: int, error: Exception) -> str:
    """What a disk that will not take `size` bytes at `path` means for the runs."""
    free = shutil.disk_usage(path.parent).free
    return (
        f"cannot write {path}: {error} ({size} bytes needed, {free} free); finished runs are intact, "
        "free some space and run the same command"
    )
