"""A study on three hosts with a store as the only thing that they share ends in the same bytes, whatever breaks on the way.

`make test-cluster` runs it, as root. A fault strikes while a task of its phase runs on a worker; what it ends for good (the
command, or the head and the command with it) is run again, as a person would.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from benchmarks.scale.store import BUCKET
from tests.cluster.conftest import World
from tests.cluster.hosts import wait_for
from tests.cluster.ray_cluster import BIN, Cluster

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(2400)]
PATIENCE = 1200  # seconds for a run, on a machine that others use too


def at_work(phase: str) -> Callable[[str], bool]:
    """What Ray calls a process that runs a task of this phase."""
    return lambda command: command.startswith(f"ray::{phase}")


def kill_worker_process(world: World, hosts: Cluster, phase: str) -> None:
    assert hosts.workers[0].kill(at_work(phase))


def kill_worker_node(world: World, hosts: Cluster, phase: str) -> None:
    hosts.workers[0].power_off()


def kill_driver(world: World, hosts: Cluster, phase: str) -> None:
    assert hosts.head.kill(lambda command: "bin/assay run" in command)


def kill_head(world: World, hosts: Cluster, phase: str) -> None:
    assert hosts.head.kill(lambda command: "/gcs_server" in command)


def cut_link(world: World, hosts: Cluster, phase: str) -> None:
    """Long enough that the head gives the worker up."""
    hosts.workers[0].cut()
    time.sleep(40)
    hosts.workers[0].join()


def cut_from_head(world: World, hosts: Cluster, phase: str) -> None:
    """The worker is given up, and goes on writing to the store beside the one that does its task again."""
    hosts.workers[0].lose(hosts.head)
    time.sleep(40)
    hosts.workers[0].find(hosts.head)


def refuse(world: World, hosts: Cluster, phase: str) -> None:
    """The store answers 503 to a third of all requests, for 20 seconds."""
    refused: list[str] = []

    def refuses(method: str, path: str) -> int:
        if random.random() < 1 / 3:
            refused.append(path)
            return 503
        return 0

    world.store.refuses = refuses
    time.sleep(20)
    world.store.refuses = lambda method, path: 0
    assert refused


def store_away(world: World, hosts: Cluster, phase: str) -> None:
    """The store dies, and is there again after 15 seconds."""
    world.server.kill()
    time.sleep(15)
    world.server.start()


@dataclass(frozen=True)
class Fault:
    """`strike` does it. `ends`: the command does not survive; `told` is what it says then."""

    strike: Callable[[World, Cluster, str], None]
    ends: bool = False
    told: str = ""


FAULTS = {
    "worker process": Fault(kill_worker_process),
    "worker node": Fault(kill_worker_node),
    "driver": Fault(kill_driver, ends=True),
    "head": Fault(kill_head, ends=True, told="the head of the Ray cluster does not answer any more"),
    "link": Fault(cut_link),
    "link to the head": Fault(cut_from_head),
    "store refuses": Fault(refuse),
    "store away": Fault(store_away),
}


def test_a_quiet_run(world, hosts):
    """A folder that the hosts do not share is refused at once; a log line names nodes; the store alone says how it stands."""
    command = ("run", "/tmp/study.yaml", "--workdir")
    assert hosts.assay(*command, "/tmp/mine").wait(PATIENCE) == 2
    assert re.search(
        r"nodes 10\.213\.0\.11 \(\w+\), 10\.213\.0\.12 \(\w+\) do not see the work directory /tmp/mine", hosts.told
    )
    assert hosts.assay(*command, f"s3://{BUCKET}/quiet").wait(PATIENCE) == 0, hosts.told
    assert world.digests("quiet/") == world.quiet
    assert re.search(r"done signals .* on worker-[12] \(\d+\), worker-[12] \(\d+\)", hosts.told)
    status = hosts.head.start(
        [str(BIN / "assay"), "status", "/tmp/study.yaml", "--workdir", f"s3://{BUCKET}/quiet"], "status.log"
    )
    assert status.wait(PATIENCE) == 0
    assert "all of it is there" in (hosts.head.folder / "status.log").read_text("utf-8")


@pytest.mark.parametrize("phase", ["signals", "runs"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_same_bytes_after(world, hosts, name, phase):
    fault, place = FAULTS[name], f"{name} {phase}".replace(" ", "-")
    command = ("run", "/tmp/study.yaml", "--workdir", f"s3://{BUCKET}/{place}")
    driver = hosts.assay(*command)
    wait_for(f"a task of {phase}", lambda: driver.poll() or hosts.workers[0].processes(at_work(phase)), PATIENCE)
    fault.strike(world, hosts, phase)
    code = driver.wait(PATIENCE)
    assert (code != 0) == fault.ends, hosts.told
    assert fault.told in hosts.told
    if fault.ends:
        hosts.reboot()
        code = hosts.assay(*command).wait(PATIENCE)
        assert code == 0, hosts.told
    assert world.digests(f"{place}/") == world.quiet
