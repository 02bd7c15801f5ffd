"""Whoever waits is told what for."""

import pytest

from pipelines.engine.capacity import Node, Resources, unmet, waited_for

HEAD, SMALL, GPU = Node("10.0.0.1", True), Node("10.0.0.2", True, 1, 0, 4e9), Node("10.0.0.3", True, 8, 2, 64e9)


@pytest.mark.parametrize(
    ("nodes", "needed", "said"),
    [
        ([SMALL], Resources(4), "a task asks for 4 CPUs, and the largest node (10.0.0.2) has 1 CPU"),
        ([HEAD], Resources(), "no worker: no living node of the cluster has a CPU for tasks"),
        ([], Resources(), "no worker: no living node of the cluster has a CPU for tasks"),
        ([HEAD, SMALL], Resources(1, 1), "a task asks for 1 CPU and 1 GPU, and no node has a GPU"),
        ([SMALL, GPU], Resources(1, 4), "a task asks for 1 CPU and 4 GPUs, and the largest node (10.0.0.3) has 8 CPUs and 2 GPUs"),  # noqa: E501
        ([SMALL], Resources(1, 0, 8_000_000_000), "a task asks for 1 CPU and 8.0 GB, and the largest node (10.0.0.2) has 1 CPU and 4.0 GB"),  # noqa: E501
        ([SMALL, GPU], Resources(4, 0.5), ""),
    ],
)  # fmt: skip
def test_what_no_node_can_run_is_said(nodes, needed, said):
    assert unmet(nodes, needed) == said


def test_a_node_that_is_gone_runs_nothing():
    gone = Node("10.0.0.3", False, 8, 2, 64e9)
    assert "the largest node (10.0.0.2) has 1 CPU" in unmet([SMALL, gone], Resources(4))
    said = waited_for([SMALL, gone], {"10.0.0.2", "10.0.0.3"}, [Resources()], 0, ["signals 00003", "signals 00004"])
    assert said == (
        "node 10.0.0.3 does not answer any more, and its tasks begin again elsewhere: signals 00003, signals 00004; 1 of 1 "
        "CPUs are in use"
    )


def test_tasks_that_simply_run_are_named():
    said = waited_for([SMALL, GPU], {"10.0.0.2"}, [Resources()], 2.0, [f"signals {i:05d}" for i in range(5)])
    assert said == "signals 00000, signals 00001, signals 00002 and 2 more; 7 of 9 CPUs are in use"
