"""Where work runs: on a Ray cluster (the default) or inside this process. The only module that imports Ray.

A unit of work is a module-level function and a few small arguments (paths, declarations). It reads its input, computes and
commits its own output, so it may be run twice, anywhere, in any order: scheduling, retries and node loss change no result.
"""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pipelines.engine.capacity import Node, Resources, unmet, waited_for
from pipelines.engine.store import StoreError

Unit = tuple[Any, ...]
"""The arguments of one unit of work: paths and small declarations that travel to a worker."""

Compute = Callable[..., Any]
"""A module-level function that computes one unit of work."""


ONE_THREAD = {"POLARS_MAX_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""A worker owns one core, so the libraries inside it take one thread."""


LOGS = f"{os.environ.get('RAY_TMPDIR', '/tmp')}/ray/session_latest/logs"
"""Where Ray keeps the logs of workers, on every node."""

LOOK_SECONDS = 5.0  # without a finished unit, before the cluster is looked at
SILENT_SECONDS = 60.0  # before it is said what is waited for; each further time twice as long
WINDOW_SECONDS = 10.0  # between two looks at how many CPUs there are
DEAF = 3  # looks in a row at which the head does not answer: it is gone


class Executor(Protocol):
    """Runs units of work and yields (index, result) as they finish. `resources` are those of every unit, or one each; `names`
    are what the units go by in Ray's dashboard and in errors.

    `joined`: the nodes are those of a cluster that was running, and may not share this machine's disk.
    """

    @property
    def joined(self) -> bool: ...

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
        names: Sequence[str] = (),
        done: Callable[[], float] = lambda: 0.0,
    ) -> Iterator[tuple[int, Any]]: ...

    def require(self, needed: Resources) -> None:
        """Errors: ValueError where no node has what a unit needs, and the cluster does not grow."""
        ...

    def gpus(self) -> float:
        """GPUs that units of work may ask for."""
        ...

    def on_every_node(self, function: Compute, arguments: Unit) -> dict[str, object]:
        """Run `function` once on each living node: node (its address and the first digits of its id) -> result."""
        ...

    def close(self) -> None: ...


class InProcess:
    """One unit after another in this process: without Ray's start and memory, and the reference that Ray is compared with."""

    joined = False

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
        names: Sequence[str] = (),
        done: Callable[[], float] = lambda: 0.0,
    ) -> Iterator[tuple[int, Any]]:
        for index, args in enumerate(arguments):
            yield index, function(*args)

    def require(self, needed: Resources) -> None:
        """This process is all there is."""

    def gpus(self) -> float:
        return 1

    def on_every_node(self, function: Compute, arguments: Unit) -> dict[str, object]:
        return {"this process": function(*arguments)}

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class OnRay:
    """Plain Ray tasks with a bounded window in flight.

    `address` joins a running cluster ("auto", "ray://..."; also taken from RAY_ADDRESS); without one a local Ray is started
    for the run, at the first unit of work, with `workers` CPU slots. A lost worker or node is retried by Ray; an error of
    the application is raised here as itself, unless it is an OSError (storage hiccup), which is retried too.
    """

    address: str | None = None
    workers: int | None = None
    say: Callable[[str], None] = lambda text: None
    _ray: Any = field(default=None, repr=False)
    _started: bool = field(default=False, repr=False)
    _lost: bool = field(default=False, repr=False)
    _cpus: tuple[float, float] | None = field(default=None, repr=False)  # when they were counted, how many

    @property
    def joined(self) -> bool:
        return bool(self.address or os.environ.get("RAY_ADDRESS"))

    def _start(self) -> Any:
        if self._ray is None:
            for name, value in ONE_THREAD.items():  # inherited by the workers of a local Ray
                os.environ.setdefault(name, value)
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # `gpus: 0` hides the GPUs
            import ray

            self._ray = ray
            if not ray.is_initialized():
                stopping = signal.getsignal(signal.SIGTERM)
                address = self.address or os.environ.get("RAY_ADDRESS")
                self.say(f"joining the Ray cluster at {address}" if address else "starting Ray on this machine")
                quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
                if address:
                    ray.init(address=address, runtime_env={"env_vars": ONE_THREAD}, **quiet)
                else:
                    # "local", or Ray would join whatever cluster happens to run on this machine. Documents do not travel
                    # through the object store, so it can be small.
                    quiet |= {"include_dashboard": False, "object_store_memory": 256 * 2**20}
                    self._start_here(lambda: ray.init(address="local", num_cpus=self.workers, **quiet))
                signal.signal(signal.SIGTERM, stopping)  # Ray's own handler prints a stack and aborts
                self._started = True
        return self._ray

    def _start_here(self, start: Callable[[], object]) -> None:
        """Start Ray on this machine; a node that is late (Ray raises a bare Exception after 30 s) is tried once more.

        Errors: ValueError where that is late too."""
        for again in (True, False):
            try:
                start()
                return
            except (ValueError, OSError):
                raise
            except Exception as error:
                self._ray.shutdown()
                load, cores, said = os.getloadavg()[0], os.cpu_count(), str(error).strip().partition(".")[0]
                if not again:
                    raise ValueError(
                        f"Ray did not start on this machine ({said}; load {load:.0f} on {cores} cores); run the same command "
                        "again when less is running here, or with --executor in-process, which needs no Ray"
                    ) from error
                self.say(f"Ray did not start in time (load {load:.0f} on {cores} cores): once more")

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
        names: Sequence[str] = (),
        done: Callable[[], float] = lambda: 0.0,
    ) -> Iterator[tuple[int, Any]]:
        if not arguments:
            return
        ray = self._start()
        self._require_head()
        remote = ray.remote(function)  # told to the head once, which may be gone when a later task is submitted
        each = [resources] * len(arguments) if isinstance(resources, Resources) else resources
        called = names or [f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] * len(arguments)
        for needed in set(each):
            self.require(needed)
        waiting = iter(enumerate(arguments))
        running: dict[Any, int] = {}
        silence = _Silence(self, set(each), done)
        try:
            while True:
                window = self._window(min(needed.cpus for needed in each))
                while len(running) < window and (job := next(waiting, None)) is not None:
                    needed, name = each[job[0]], called[job[0]]
                    if needed.ranks > 1:
                        task = ray.remote(_in_ranks).options(num_cpus=0, name=name).remote(function, job[1], needed)
                    else:
                        task = self._submit(remote, job[1], needed, name)
                    running[task] = job[0]
                if not running:
                    return
                finished, _ = ray.wait(list(running), num_returns=1, timeout=LOOK_SECONDS)
                if not finished:
                    silence.look([called[index] for index in running.values()])
                for reference in finished:
                    silence.end()
                    index = running.pop(reference)
                    try:
                        yield index, ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        if not isinstance(error.cause, Exception):
                            raise
                        if not isinstance(error.cause, StoreError):  # that names object and node itself
                            error.cause.add_note(_place(called[index], str(error)))
                        raise error.cause from error  # which has the worker's traceback
                    except ray.exceptions.RayError as error:  # the worker is gone, and Ray's retries with it
                        what = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                        raise ValueError(
                            f"a worker was lost in the task {called[index]!r} ({what}); finished parts are kept. Its log lies "
                            f"in {LOGS} of its node; where memory ran out, use fewer --workers or smaller pool.shard_megabytes"
                        ) from None
        finally:
            if not self._lost:
                for reference in running:
                    ray.cancel(reference, force=False)

    def _window(self, cpus: float) -> int:
        """Units in flight: twice the cluster's slots, as it is now. Enough to keep every core fed, few enough that a million
        shards queue here and not in Ray."""
        now = time.monotonic()
        old = self._cpus is not None and now - self._cpus[0] > WINDOW_SECONDS
        if self._cpus is None or (old and self.head_answers()):  # Ray waits a minute for a dead one, and ends the process
            self._cpus = now, self._ray.cluster_resources().get("CPU", 1)
        return max(4, 2 * int(self._cpus[1] / max(0.1, cpus)))

    def _submit(self, remote: Any, arguments: Unit, needed: Resources, name: str) -> Any:
        task = remote.options(
            name=name, num_cpus=needed.cpus, num_gpus=needed.gpus, memory=needed.memory or None,
            max_retries=3, retry_exceptions=[OSError], scheduling_strategy="SPREAD",
        )  # fmt: skip
        return task.remote(*arguments)

    def nodes(self) -> list[Node]:
        """The cluster's nodes, those that were lost too."""
        return [
            Node(n["NodeManagerAddress"], n["Alive"], *(n["Resources"].get(kind, 0) for kind in ("CPU", "GPU", "memory")))
            for n in self._start().nodes()
        ]

    def require(self, needed: Resources) -> None:
        if self.grows:
            return
        if reason := unmet(self.nodes(), replace(needed, ranks=1)):
            raise ValueError(
                f"{reason}; lower what the study asks for (ladder.threads, ladder.gpus), or add such a node to the cluster"
            )

    @property
    def grows(self) -> bool:
        """Whether the cluster may get nodes by itself: one of `ray up` or of Kubernetes, or one seen from afar."""
        address = self.address or os.environ.get("RAY_ADDRESS") or ""
        managed = Path("~/ray_bootstrap_config.yaml").expanduser().exists() or "KUBERNETES_SERVICE_HOST" in os.environ
        return self.joined and (managed or address.startswith("ray://"))

    def head_answers(self) -> bool:
        """Whether the head of a joined cluster takes connections."""
        if not self.joined or (self.address or "").startswith("ray://"):
            return True
        host, _, port = self._ray.get_runtime_context().gcs_address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), LOOK_SECONDS).close()
        except OSError:
            return False
        return True

    def _require_head(self) -> None:
        """Before anything is asked of the head: Ray waits a minute for a dead one, and then ends the process.

        Errors: ValueError where it does not answer."""
        for _ in range(DEAF):
            if self.head_answers():
                return
            time.sleep(LOOK_SECONDS)
        self.lose()

    def lose(self) -> None:
        """The head is gone, and with it whatever might be cancelled or closed. Raises the ValueError that says so."""
        self._lost = True
        raise ValueError(
            "the head of the Ray cluster does not answer any more; finished parts are kept: start the cluster again, and run "
            "the same command"
        )

    def gpus(self) -> float:
        return self._start().cluster_resources().get("GPU", 0)

    def on_every_node(self, function: Compute, arguments: Unit) -> dict[str, object]:
        ray = self._start()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        def there(node: str) -> Any:
            strategy = NodeAffinitySchedulingStrategy(node, soft=False)
            return ray.remote(function).options(num_cpus=0, scheduling_strategy=strategy).remote(*arguments)

        names = {n["NodeID"]: f"{n['NodeManagerAddress']} ({n['NodeID'][:6]})" for n in ray.nodes() if n["Alive"]}
        return dict(zip(names.values(), ray.get([there(node) for node in names]), strict=True))

    def close(self) -> None:
        if self._started and not self._lost:
            self._ray.shutdown()
            self._ray, self._started = None, False


def _place(task: str, trace: str) -> str:
    """In which task, on which node an error arose, and where its log is, from the worker's traceback."""
    found = re.search(r"pid=(\d+), ip=([^),\s]+)", trace)
    return f"in the task {task!r}" + (f" on node {found[2]}; its log there: {LOGS}/worker-*-{found[1]}.err" if found else "")


@dataclass
class _Silence:
    """The time since anything moved, a unit finished or `done` grew: looked at, and said."""

    executor: OnRay
    asked: set[Resources]
    done: Callable[[], float]
    seen: float = 0.0
    answered: set[str] = field(default_factory=set)
    since: float = field(default_factory=lambda: time.monotonic())
    patience: float = field(default_factory=lambda: SILENT_SECONDS)
    deaf: int = 0

    def __post_init__(self) -> None:
        self.answered = {node.address for node in self.executor.nodes() if node.alive}

    def end(self) -> None:
        self.since, self.patience, self.deaf = time.monotonic(), SILENT_SECONDS, 0

    def look(self, running: Sequence[str]) -> None:
        """Say what is waited for, when it is time. Errors: ValueError where the head is gone."""
        if (now := self.done()) != self.seen:
            self.seen = now
            self.end()
        self.deaf = 0 if self.executor.head_answers() else self.deaf + 1
        if self.deaf >= DEAF:
            self.executor.lose()
        silent = time.monotonic() - self.since
        if silent >= self.patience and not self.deaf:
            self.patience *= 2
            free = self.executor._ray.available_resources().get("CPU", 0)
            reason = waited_for(self.executor.nodes(), self.answered, self.asked, free, running)
            self.executor.say(f"     nothing finished for {silent:.0f} s: {reason}")


def _in_ranks(function: Compute, arguments: Unit, needed: Resources) -> None:
    """Run `function` in every rank of a torch process group that Ray Train makes. A lost rank starts all of them again, as
    often as Ray would a task; their function must go on from what it left."""
    from tempfile import TemporaryDirectory

    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    each = {"CPU": needed.cpus} | ({"GPU": needed.gpus} if needed.gpus else {})
    with TemporaryDirectory() as folder:  # Ray Train's own records, which nobody reads
        try:
            TorchTrainer(
                lambda: function(*arguments),
                torch_config=TorchConfig(backend="nccl" if needed.gpus else "gloo"),
                scaling_config=ScalingConfig(
                    num_workers=needed.ranks, use_gpu=needed.gpus > 0, resources_per_worker=each, placement_strategy="PACK"
                ),
                run_config=RunConfig(name="ranks", storage_path=folder, failure_config=FailureConfig(max_failures=3)),
            ).fit()
        except Exception as error:
            failures = getattr(error, "worker_failures", {})
            cause = next((e for e in failures.values() if isinstance(e, ValueError)), None)
            raise cause or error from None


def open_executor(
    kind: str, address: str | None = None, workers: int | None = None, say: Callable[[str], None] = lambda text: None
) -> AbstractContextManager[Executor]:
    """An executor by name: `ray` or `in-process`, closed at the end of the block. `say` is told what takes seconds to start."""
    from contextlib import closing

    return closing(InProcess() if kind == "in-process" else OnRay(address, workers, say))
