"""Ray on three hosts: a head without CPUs, on which the command runs, and two workers of one CPU."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.hosts import Host

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PORT = 6379
MEGABYTES = 100  # of Ray's object store on a host: documents do not pass through it
FAST = {"RAY_health_check_period_ms": "1000", "RAY_health_check_timeout_ms": "4000", "RAY_health_check_failure_threshold": "3"}
"""A host is given up after some 15 seconds of silence, not after 30."""


class Cluster:
    """Three hosts with Ray. `assay` runs on the head."""

    def __init__(self, folder: Path, store: dict[str, str]):
        environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": "/tmp", "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", **FAST, **store,
        }  # fmt: skip
        self.head, *self.workers = (
            Host(name, number, folder / name, environment) for number, name in enumerate(("head", "worker-1", "worker-2"), 10)
        )

    def start(self) -> None:
        """Start Ray on all hosts, one after another."""
        _start_ray(self.head, ["--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false"])
        for worker in self.workers:
            _start_ray(worker, [f"--address={self.head.address}:{PORT}", "--num-cpus=1"])

    def assay(self, *command: str) -> "subprocess.Popen[bytes]":
        """`assay` with these arguments, on the head; what it says is added to `told`."""
        return self.head.start([str(BIN / "assay"), *command, "--address", f"{self.head.address}:{PORT}"], "assay.log")

    @property
    def told(self) -> str:
        return (self.head.folder / "assay.log").read_text("utf-8")

    def reboot(self) -> None:
        """All hosts anew, with nothing on their disks but what the command is given."""
        given = (self.head.folder / "study.yaml").read_bytes()
        for host in (self.head, *self.workers):
            host.power_off()
            host.boot()
        (self.head.folder / "study.yaml").write_bytes(given)
        self.start()


def _start_ray(host: Host, options: list[str]) -> None:
    """Ray gives itself 30 seconds, which are too few on a machine that others use too: three tries."""
    ray, memory = str(BIN / "ray"), f"--object-store-memory={MEGABYTES * 10**6}"
    for _ in range(3):
        if host.start([ray, "start", f"--node-ip-address={host.address}", memory, *options], "ray.log").wait(180) == 0:
            return
        host.start([ray, "stop", "--force"], "ray.log").wait(60)
    raise RuntimeError(f"Ray does not start on {host.name}: {(host.folder / 'ray.log').read_text('utf-8')}")


@contextmanager
def cluster(folder: Path, store: dict[str, str]) -> Iterator[Cluster]:
    """A cluster that is up, for the block."""
    made = Cluster(folder, store)
    try:
        made.start()
        yield made
    finally:
        for host in (made.head, *made.workers):
            host.remove()
