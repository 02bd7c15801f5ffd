"""The duplicates step broken off, and its nodes, workers and drivers killed: the same bytes as of a quiet run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from ray import cloudpickle

from pipelines.duplicates import components as components_step
from pipelines.duplicates import duplicates as duplicates_step
from pipelines.duplicates.duplicates import Duplicates, find_duplicates
from pipelines.engine.capacity import Resources
from pipelines.engine.executor import InProcess, OnRay
from pipelines.engine.run import run_job
from tests.pipelines.duplicates.test_duplicates import context_at, corpus, prepare


class BreaksAfter(InProcess):
    """Runs so many units and then is gone, as a driver that was killed."""

    def __init__(self, units: int):
        self.left = units

    def map(self, function, arguments, *args):
        for done in super().map(function, arguments, *args):
            yield done
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("units", [0, 3, 4, 7, 11])
def test_a_broken_run_goes_on_where_it_stopped(tmp_path, units):
    declared, documents = Duplicates(), corpus(120)
    quiet = context_at(tmp_path / "quiet")
    want = find_duplicates(quiet, *prepare(quiet, documents, 3, declared), declared)
    context = context_at(tmp_path / "broken")
    inputs = prepare(context, documents, 3, declared)
    with pytest.raises(KeyboardInterrupt):
        find_duplicates(context_at(tmp_path / "broken", BreaksAfter(units)), *inputs, declared)
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "broken").rglob("*.parquet")}
    manifest = find_duplicates(context_at(tmp_path / "broken"), *inputs, declared)
    assert manifest.to_bytes() == want.to_bytes()
    again = [p for p, stamp in written.items() if p.stat().st_mtime_ns != stamp]
    assert len(again) <= 1  # the unit in flight


def snapshot(root) -> dict[str, bytes]:
    """Every manifest below the step, and that of the signal."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.glob("*/*/*/manifest.json"))}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A pool of 12 shards with its signals, and all manifests of a quiet in-process run, many partitions in each phase."""
    root, declared = tmp_path_factory.mktemp("prepared"), Duplicates()
    inputs = prepare(context_at(root / "pool"), corpus(), 12, declared)
    shutil.copytree(root / "pool", root / "quiet")
    with small_partitions():
        find_duplicates(context_at(root / "quiet"), *inputs, declared)
    want = snapshot(root / "quiet")
    assert len(want) > 10
    return root / "pool", inputs, want


@contextmanager
def small_partitions():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates_step, "KEYS_PER_PARTITION", 1_000)
        patch.setattr(duplicates_step, "SET_PARTITION", 8_000)
        patch.setattr(components_step, "IN_MEMORY", 10)
        patch.setattr(components_step, "EDGES_PER_PARTITION", 200)
        yield


@pytest.fixture(scope="module")
def cluster():
    """Three nodes in processes of their own; the driver is on the head, which keeps the address."""
    import ray
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file
    config = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 2}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": config})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def phase_of(call) -> str:
    """The step of a call of `run_job`: (compute, work directory, [(path of the step, part)], ...)."""
    return call[2][0][0].rpartition("/")[0]


def die_once(function, marker, out, *args):
    """The worker dies under its first unit, once the files are written and before their records are back."""
    facts = function(out, *args)
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return facts
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@dataclass
class Disturbed(OnRay):
    """Does something once, after the first unit of a phase has come back."""

    phase: str = ""
    disturb: Callable[[], None] | None = None
    kill_worker: Path | None = None
    disturbed: bool = False

    def map(self, function, arguments, resources=Resources(), names=(), done=None):
        mine = function is run_job and bool(arguments) and phase_of(arguments[0]) == self.phase
        if mine and self.kill_worker:
            arguments = [(die_once_here(a[0], str(self.kill_worker)), *a[1:]) for a in arguments]
        for count, made in enumerate(super().map(function, arguments, resources, names, done)):
            yield made
            if mine and count == 0 and self.disturb:
                self.disturbed = True
                self.disturb()


def die_once_here(function, marker):
    return partial(die_once, function, marker)


PHASES = ("keys", "edges", "stars-01-large", "sets", "clusters")


@pytest.mark.slow
@pytest.mark.parametrize("phase", [*(f"duplicates/{p}" for p in PHASES), "signals/duplicates"])
def test_a_node_lost_in_a_phase_changes_nothing(tmp_path, prepared, cluster, phase):
    pool, inputs, want = prepared
    shutil.copytree(pool, tmp_path / "work")
    lost = next(iter(cluster.worker_nodes))

    executor = Disturbed(cluster.address, phase=phase, disturb=lambda: cluster.remove_node(lost, allow_graceful=False))
    with small_partitions():
        find_duplicates(context_at(tmp_path / "work", executor), *inputs, Duplicates())
    cluster.add_node(num_cpus=1)
    assert executor.disturbed
    assert lost not in cluster.worker_nodes
    assert snapshot(tmp_path / "work") == want


@pytest.mark.slow
@pytest.mark.parametrize("phase", [*(f"duplicates/{p}" for p in PHASES), "signals/duplicates"])
def test_a_worker_killed_in_a_phase_changes_nothing(tmp_path, prepared, cluster, phase):
    pool, inputs, want = prepared
    shutil.copytree(pool, tmp_path / "work")
    executor = Disturbed(cluster.address, phase=phase, kill_worker=tmp_path / "died")
    with small_partitions():
        find_duplicates(context_at(tmp_path / "work", executor), *inputs, Duplicates())
    assert (tmp_path / "died").exists()
    assert snapshot(tmp_path / "work") == want


@pytest.mark.slow
def test_one_two_and_three_nodes_and_no_ray_give_the_same_manifests(tmp_path, prepared, cluster):
    pool, inputs, want = prepared
    for nodes in (3, 2, 1):
        shutil.copytree(pool, tmp_path / f"work{nodes}")
        with small_partitions():
            find_duplicates(context_at(tmp_path / f"work{nodes}", OnRay(cluster.address)), *inputs, Duplicates())
        assert snapshot(tmp_path / f"work{nodes}") == want
        if nodes > 1:
            cluster.remove_node(next(iter(cluster.worker_nodes)))
    for _ in range(2):
        cluster.add_node(num_cpus=1)


DRIVER = """
import os, signal, sys
from pathlib import Path
from ray import cloudpickle
from rich.console import Console
from pipelines.engine import records
from pipelines.engine.executor import OnRay
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_job
from pipelines.duplicates import components, duplicates
from pipelines.engine.workdir import Workdir
duplicates.KEYS_PER_PARTITION, duplicates.SET_PARTITION = 1_000, 8_000
components.IN_MEMORY, components.EDGES_PER_PARTITION = 10, 200

class Dies(OnRay):
    def map(self, function, arguments, *args):
        for done in super().map(function, arguments, *args):
            yield done
            if function is run_job and arguments[0][2][0][0].rpartition("/")[0] == sys.argv[3]:
                os.killpg(0, signal.SIGKILL)

records.SECONDS = 0  # every record is written as it comes
workdir = Workdir(sys.argv[1])
inputs = cloudpickle.loads(Path(sys.argv[2]).read_bytes())
executor = Dies(workers=2)
context = Context(workdir, executor, Progress(workdir, Console(quiet=True)))
duplicates.find_duplicates(context, *inputs, duplicates.Duplicates())
executor.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("phase", [*(f"duplicates/{p}" for p in PHASES), "signals/duplicates"])
def test_a_driver_killed_in_a_phase_and_run_again_changes_nothing(tmp_path, prepared, phase):
    """Killed with its whole session once the phase's first unit is back, so that the phase has begun and is not complete."""
    pool, inputs, want = prepared
    shutil.copytree(pool, tmp_path / "work")
    (tmp_path / "inputs").write_bytes(cloudpickle.dumps(inputs))
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "work"), str(tmp_path / "inputs")]
    assert subprocess.run([*command, phase], start_new_session=True).returncode == -signal.SIGKILL
    left = snapshot(tmp_path / "work")
    assert list((tmp_path / "work" / phase).glob("*/parts/*"))
    assert not any(name.startswith(f"{phase}/") for name in left)
    subprocess.run([*command, ""], check=True)
    assert snapshot(tmp_path / "work") == want
