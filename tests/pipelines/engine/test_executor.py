"""Both executors run the same units; an application's error arrives as itself."""

import pytest

from pipelines.engine.executor import InProcess, OnRay


def square(x: int) -> int:
    if x == 13:
        raise ValueError("13 brings bad luck; use another number")
    return x * x


def flaky(path: str) -> str:
    """Fails once with a storage error, as a network disk may."""
    from pathlib import Path

    marker = Path(path)
    if not marker.exists():
        marker.write_text("seen", encoding="utf-8")
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


def test_nothing_to_do_starts_nothing():
    executor = OnRay()
    assert list(executor.map(square, [])) == []
    assert executor._ray is None
