"""Units of work on the GPUs of a Ray cluster: packed by fractions, never more than fit."""

import os
import time
from itertools import pairwise

import pytest

from pipelines.engine.capacity import Resources
from pipelines.engine.executor import OnRay


def where(name: str) -> tuple[str, float, float, str]:
    """Which unit ran, from when to when, and which GPUs it was shown."""
    began = time.time()
    time.sleep(0.5)
    return name, began, time.time(), os.environ.get("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def one_gpu():
    """A local Ray that believes in one GPU; a unit is only shown its number."""
    import ray

    ray.init(address="local", num_cpus=6, num_gpus=1, include_dashboard=False, object_store_memory=100 * 2**20)
    executor = OnRay()
    yield executor
    executor.close()
    ray.shutdown()


def test_units_share_a_gpu_by_fractions(one_gpu):
    """Four at once by quarters, one at a time by wholes. They are submitted in order, longest first; Ray promises no more: of
    two that wait for one GPU either may be next."""
    assert one_gpu.gpus() == 1
    quarters = [row for _, row in one_gpu.map(where, [(str(i),) for i in range(8)], Resources(cpus=1, gpus=0.25))]
    together = max(sum(a <= begun < b for _, a, b, _ in quarters) for _, begun, _, _ in quarters)
    assert 2 <= together <= 4
    assert {shown for *_, shown in quarters} == {"0"}
    wholes = [row for _, row in one_gpu.map(where, [(str(i),) for i in range(3)], [Resources(cpus=1, gpus=1)] * 3)]
    in_time = sorted(wholes, key=lambda row: row[1])
    assert sorted(name for name, *_ in in_time) == ["0", "1", "2"]
    assert all(before[2] <= after[1] for before, after in pairwise(in_time))
