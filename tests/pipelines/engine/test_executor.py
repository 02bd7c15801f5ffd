"""Both executors run the same units; an application's error arrives as itself."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.engine import executor as module
from pipelines.engine.capacity import Resources
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
    with pytest.raises(ValueError, match="bad luck") as caught:
        list(executor.map(square, [(1,), (13,)], names=["squares 1", "squares 13"]))
    if kind == "ray":
        (where,) = caught.value.__notes__
        assert re.search(r"in the task 'squares 13' on node [\d.]+; its log there: .*/worker-\*-\d+\.err", where)
        assert "in square" in str(caught.value.__cause__), "the worker's traceback"


def test_what_no_node_can_run_is_refused_at_once(on_ray):
    for needed, said in ((Resources(3), "asks for 3 CPUs, and the largest node"), (Resources(1, 1), "no node has a GPU")):
        with pytest.raises(ValueError, match=said):
            list(on_ray.map(square, [(1,)], needed))


@pytest.mark.parametrize("late", [1, 2])
def test_a_ray_that_starts_late_is_tried_once_more(late, monkeypatch):
    import ray

    said: list[str] = []
    starts: list[int] = []

    def init(**options):
        starts.append(1)
        if len(starts) <= late:
            raise Exception("The current node timed out during startup. This could happen because some of the raylet failed.")

    for name, fake in (("init", init), ("is_initialized", lambda: False), ("shutdown", lambda: None)):
        monkeypatch.setattr(ray, name, fake)
    executor = OnRay(workers=1, say=said.append)
    if late == 1:
        executor._start()
    else:
        with pytest.raises(ValueError, match=r"timed out during startup; load \d+ on \d+ cores\).*--executor in-process"):
            executor._start()
    assert (len(starts), said[1].startswith("Ray did not start in time")) == (2, True)


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_silence_is_broken_by_what_is_waited_for(on_ray, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(on_ray, "say", said.append)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.2)
    assert list(on_ray.map(slow, [(1.5,)], names=["pool 00007"])) == [(0, 1.5)]
    assert re.fullmatch(r" +nothing finished for \d+ s: pool 00007; 1 of 2 CPUs are in use", said[0])
    assert len(said) <= 3, "each time it waits twice as long"
    told = len(said)
    list(on_ray.map(slow, [(1.5,)], names=["runs"], done=time.monotonic))
    assert len(said) == told, "a unit whose progress is seen is not waited for"


def test_a_storage_error_is_retried_on_ray(on_ray, tmp_path):
    assert list(on_ray.map(flaky, [(str(tmp_path / "marker"),)])) == [(0, "survived")]


def test_nothing_to_do_starts_nothing():
    executor = OnRay()
    assert list(executor.map(square, [])) == []
    assert executor._ray is None


def test_a_head_that_is_gone_is_said_and_nothing_is_asked_of_it(monkeypatch):
    class Headless(OnRay):
        asked = 0

        def nodes(self):
            Headless.asked += 1
            return []

        def head_answers(self):
            return False

    executor = Headless("10.0.0.1:6379")
    silence = module._Silence(executor, {Resources()}, lambda: 0.0)
    monkeypatch.setattr(silence, "patience", 0.0)
    for _ in range(module.DEAF - 1):
        silence.look(["pool 00001"])
    with pytest.raises(ValueError, match="the head of the Ray cluster does not answer any more; finished parts are kept"):
        silence.look(["pool 00001"])
    assert (Headless.asked, executor._lost) == (1, True), "the nodes were listed when the step began, and never after"
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(executor, "_start", lambda: None)
    with pytest.raises(ValueError, match="the head of the Ray cluster does not answer any more"):
        next(executor.map(square, [(1,)]))
    assert Headless.asked == 1, "before a step nothing is asked of it either"


@pytest.mark.slow
def test_a_cluster_with_a_token_serves_who_has_it_and_its_workers_take_one_thread(tmp_path_factory):
    folder = tmp_path_factory.mktemp("r")
    ray = str(Path(sys.executable).with_name("ray"))
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2}
    head = [ray, "start", "--head", "--port=6391", "--num-cpus=1", "--include-dashboard=false", f"--temp-dir={folder}"]
    code = "import os; from pipelines.engine.executor import OnRay; "
    code += "print(dict(OnRay('127.0.0.1:6391').map(os.getenv, [('POLARS_MAX_THREADS',)])))"

    def ask(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90)

    try:
        subprocess.run(head, env={**os.environ, **token}, check=True, capture_output=True, timeout=90)
        assert "{0: '1'}" in ask(token).stdout
        assert ask({"RAY_AUTH_MODE": "disabled"}).returncode != 0
    finally:
        subprocess.run(["pkill", "-KILL", "-f", str(folder)])
