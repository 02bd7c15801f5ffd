"""Both executors run the same units; an application's error arrives as itself."""

from itertools import pairwise

import pytest

from pipelines.executor import InProcess, OnRay, Resources


def square(x: int) -> int:
    if x == 13:
        raise ValueError("13 brings bad luck; use another number")
    return x * x


def flaky(path: str) -> str:
    """Fails once with a storage error, as a network disk may."""
    from pathlib import Path

    marker = Path(path)
    if not marker.exists():
        marker.write_text("seen")
        raise OSError("the network went away")
    return "survived"


@pytest.fixture(scope="module")
def on_ray():
    executor = OnRay(workers=2)
    yield executor
    executor.close()


@pytest.mark.parametrize("kind", ["in-process", "ray"])
def test_every_unit_is_run_once_and_keeps_its_index(kind, request):
    executor = InProcess() if kind == "in-process" else request.getfixturevalue("on_ray")
    assert dict(executor.map(square, [(x,) for x in range(12)])) == {i: i * i for i in range(12)}


@pytest.mark.parametrize("kind", ["in-process", "ray"])
def test_an_application_error_is_raised_as_itself(kind, request):
    executor = InProcess() if kind == "in-process" else request.getfixturevalue("on_ray")
    with pytest.raises(ValueError, match="bad luck"):
        list(executor.map(square, [(1,), (13,)]))


def test_a_storage_error_is_retried_on_ray(on_ray, tmp_path):
    assert list(on_ray.map(flaky, [(str(tmp_path / "marker"),)])) == [(0, "survived")]


def where(name: str) -> tuple[str, float, float, str]:
    """Which unit ran, from when to when, and which GPUs it was shown."""
    import os
    import time

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


def test_units_share_a_gpu_by_fractions_in_the_order_given(one_gpu):
    """Four at once by quarters and one at a time by wholes, first come first served: the caller puts the longest first."""
    assert one_gpu.gpus() == 1
    quarters = [row for _, row in one_gpu.map(where, [(str(i),) for i in range(8)], Resources(cpus=1, gpus=0.25))]
    together = max(sum(a <= begun < b for _, a, b, _ in quarters) for _, begun, _, _ in quarters)
    assert 2 <= together <= 4
    assert {shown for *_, shown in quarters} == {"0"}
    wholes = [row for _, row in one_gpu.map(where, [(str(i),) for i in range(3)], [Resources(cpus=1, gpus=1)] * 3)]
    assert [name for name, *_ in sorted(wholes, key=lambda row: row[1])] == ["0", "1", "2"]
    assert all(before[2] <= after[1] for before, after in pairwise(wholes))


def test_nothing_to_do_starts_nothing():
    executor = OnRay()
    assert list(executor.map(square, [])) == []
    assert executor._ray is None
