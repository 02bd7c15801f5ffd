"""Hosts on one machine: each with a network, a mount table, a name and processes of its own, on one bridge.

A host is a network namespace with an end of a veth pair, whose other end is in the bridge, and a process 1 in namespaces of
mounts, names and processes. Its /tmp and /dev/shm are its own; the rest of the disk, with Python and the checkout, stands for
the image that hosts start from. Needs root, `ip` and `unshare`.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

BRIDGE, DOOR = "assay-bridge", "10.213.0.1"
"""The bridge, and this machine's address on it."""


def missing() -> str:
    """Why there can be no hosts here; empty where there can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces"
    if absent := [tool for tool in ("ip", "unshare", "nsenter", "setpriv") if shutil.which(tool) is None]:
        return f"needs {', '.join(absent)} (packages iproute2 and util-linux)"
    tried = subprocess.run(["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"this kernel allows no namespaces: {tried.stderr.strip()}" if tried.returncode else ""


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


@contextmanager
def bridge() -> Iterator[None]:
    """The bridge that hosts hang on, for the block."""
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)  # of a test that was killed
    ip(f"link add {BRIDGE} type bridge")
    ip(f"address add {DOOR}/24 dev {BRIDGE}")
    ip(f"link set {BRIDGE} up")
    try:
        yield
    finally:
        ip(f"link delete {BRIDGE}")


class Host:
    """A host at `10.213.0.<number>`; `folder` is its /tmp as this machine sees it."""

    def __init__(self, name: str, number: int, folder: Path, environment: dict[str, str]):
        self.name, self.address, self.folder, self.environment = name, f"10.213.0.{number}", folder, environment
        self.space, self.link = f"assay-{name}", f"assay-{number}"
        for left in (f"netns delete {self.space}", f"link delete {self.link}"):  # of a test that was killed
            subprocess.run(["ip", *left.split()], capture_output=True, check=False)
        ip(f"netns add {self.space}")
        ip(f"link add {self.link} type veth peer name eth0 netns {self.space}")
        ip(f"link set {self.link} master {BRIDGE} up")
        for command in (f"address add {self.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            ip(f"-n {self.space} {command}")
        self.boot()

    def boot(self) -> None:
        """Start process 1, with an empty /tmp."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        own = f"hostname {self.name}; mount --bind {self.folder} /tmp; mount -t tmpfs tmpfs /dev/shm"
        spaces = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with_us = ["setpriv", "--pdeathsig", "KILL"]  # a test that is killed leaves no host behind
        command = [*with_us, "ip", "netns", "exec", self.space, *spaces, "sh", "-ec", f"{own}; echo up; sleep inf & wait"]
        self._outside = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/")
        assert self._outside.stdout is not None
        assert self._outside.stdout.readline() == "up\n", f"host {self.name} does not start"
        outside = self._outside.pid
        self._first = int(Path(f"/proc/{outside}/task/{outside}/children").read_text("ascii"))

    def start(self, command: Sequence[str], told: str) -> "subprocess.Popen[bytes]":
        """A process on this host; what it says goes to the file `told` in its /tmp."""
        inside = ["nsenter", "--target", str(self._first), "--net", "--mount", "--uts", "--pid", "--", *command]
        with (self.folder / told).open("ab") as out:
            return subprocess.Popen(inside, stdout=out, stderr=out, env=self.environment, cwd="/")

    def processes(self, chosen: Callable[[str], bool]) -> list[int]:
        """Processes of this host whose command line is `chosen`, by their ids on this machine."""
        mine, out = Path(f"/proc/{self._first}/ns/pid").readlink(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # ended meanwhile
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if (folder / "ns" / "pid").readlink() == mine and chosen(command):
                    out.append(int(folder.name))
        return out

    def kill(self, chosen: Callable[[str], bool]) -> int:
        """Kill these processes at once, and say how many there were."""
        found = self.processes(chosen)
        for process in found:
            os.kill(process, signal.SIGKILL)
        return len(found)

    def cut(self) -> None:
        """Take the host's cable out."""
        ip(f"link set {self.link} down")

    def join(self) -> None:
        """Put the cable back."""
        ip(f"link set {self.link} up")

    def lose(self, other: "Host") -> None:
        """Nothing goes to the other host from now on."""
        ip(f"-n {self.space} route add blackhole {other.address}")

    def find(self, other: "Host") -> None:
        ip(f"-n {self.space} route delete blackhole {other.address}")

    def power_off(self) -> None:
        """Every process dies at once."""
        self._outside.kill()
        self._outside.wait()

    def remove(self) -> None:
        self.power_off()
        ip(f"netns delete {self.space}")


def wait_for(what: str, seen: Callable[[], object], seconds: float) -> None:
    """Errors: TimeoutError when `what` is not seen in time."""
    end = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
