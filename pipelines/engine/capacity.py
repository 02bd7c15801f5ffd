"""What units of work ask for, what a cluster's nodes have, and the sentence for whoever waits because the two do not meet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """What one unit of work needs: CPU cores, GPUs (fractions allowed) and bytes of memory (0: not stated).

    A unit of several `ranks` runs in that many processes at once, each with these resources, as the ranks of one torch
    process group; what it returns is not passed on.
    """

    cpus: float = 1
    gpus: float = 0
    memory: int = 0
    ranks: int = 1

    def __str__(self) -> str:
        parts = [f"{self.cpus:g} CPU{'s' * (self.cpus != 1)}"]
        parts += [f"{self.gpus:g} GPU{'s' * (self.gpus > 1)}"] if self.gpus else []
        return " and ".join([*parts, *([f"{self.memory / 1e9:.1f} GB"] if self.memory else [])])


@dataclass(frozen=True)
class Node:
    """A node as the cluster lists it: its address, whether it answers, and all that it has (CPUs, GPUs, bytes)."""

    address: str
    alive: bool
    cpus: float = 0
    gpus: float = 0
    memory: float = 0

    def has(self, needed: Resources) -> bool:
        return self.alive and needed.cpus <= self.cpus and needed.gpus <= self.gpus and needed.memory <= self.memory


def unmet(nodes: Sequence[Node], needed: Resources) -> str:
    """Why no living node can ever run such a unit; empty where one can."""
    living = [node for node in nodes if node.alive]
    if any(node.has(needed) for node in living):
        return ""
    if not any(node.cpus for node in living):
        return "no worker: no living node of the cluster has a CPU for tasks"
    if needed.gpus and not any(node.gpus for node in living):
        return f"a task asks for {needed}, and no node has a GPU"
    most = max(living, key=lambda node: (node.gpus if needed.gpus else 0, node.cpus, node.memory))
    has = Resources(most.cpus, most.gpus if needed.gpus else 0, int(most.memory) if needed.memory else 0)
    return f"a task asks for {needed}, and the largest node ({most.address}) has {has}"


def waited_for(
    nodes: Sequence[Node], answered: Collection[str], asked: Collection[Resources], free_cpus: float, running: Sequence[str]
) -> str:
    """What a run waits for. answered: addresses of nodes that were alive when the step began; asked: what its tasks ask for;
    running: names of the tasks that are under way or queued."""
    for needed in asked:
        if reason := unmet(nodes, needed):
            return reason
    lost = sorted({node.address for node in nodes if not node.alive} & set(answered) - {n.address for n in nodes if n.alive})
    total = sum(node.cpus for node in nodes if node.alive)
    tasks = ", ".join(running[:3]) + (f" and {len(running) - 3} more" if len(running) > 3 else "")
    busy = f"{tasks}; {total - free_cpus:g} of {total:g} CPUs are in use"
    if lost:
        return f"node {', '.join(lost)} does not answer any more, and its tasks begin again elsewhere: {busy}"
    return busy
