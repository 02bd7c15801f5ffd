"""Where work runs: on a Ray cluster (the default) or inside this process. The only module that imports Ray.

A unit of work is a module-level function and a few small arguments (paths, declarations). It reads its input, computes and
commits its own output, so it may be run twice, anywhere, in any order: scheduling, retries and node loss change no result.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

Unit = tuple[Any, ...]
"""The arguments of one unit of work: paths and small declarations that travel to a worker."""

Compute = Callable[..., Any]
"""A module-level function that computes one unit of work."""


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


ONE_THREAD = {"POLARS_MAX_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""A worker owns one core, so the libraries inside it take one thread."""


LOGS = f"{os.environ.get('RAY_TMPDIR', '/tmp')}/ray/session_latest/logs"
"""Where Ray keeps the logs of workers, on every node."""


class Executor(Protocol):
    """Runs units of work and yields (index, result) as they finish. `resources` are those of every unit, or one each.

    `joined`: the nodes are those of a cluster that was running, and may not share this machine's disk.
    """

    @property
    def joined(self) -> bool: ...

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
    ) -> Iterator[tuple[int, Any]]: ...

    def gpus(self) -> float:
        """GPUs that units of work may ask for."""
        ...

    def on_every_node(self, function: Compute, arguments: Unit) -> dict[str, object]:
        """Run `function` once on each living node: node (its address and the first digits of its id) -> result."""
        ...

    def close(self) -> None: ...


class InProcess:
    """One unit after another in this process: for debugging and as the reference that Ray is compared with."""

    joined = False

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
    ) -> Iterator[tuple[int, Any]]:
        for index, args in enumerate(arguments):
            yield index, function(*args)

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
                    ray.init(address="local", num_cpus=self.workers, **quiet)
                signal.signal(signal.SIGTERM, stopping)  # Ray's own handler prints a stack and aborts
                self._started = True
        return self._ray

    def map(
        self,
        function: Compute,
        arguments: Sequence[Unit],
        resources: Resources | Sequence[Resources] = Resources(),
    ) -> Iterator[tuple[int, Any]]:
        if not arguments:
            return
        ray = self._start()
        each = [resources] * len(arguments) if isinstance(resources, Resources) else resources
        # Twice the cluster's slots: enough to keep every core fed, few enough that a million shards queue here, not in Ray.
        slots = ray.cluster_resources().get("CPU", 1) / max(0.1, min(needed.cpus for needed in each))
        window = max(4, 2 * int(slots))
        waiting = iter(enumerate(arguments))
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < window and (job := next(waiting, None)) is not None:
                    running[self._submit(function, job[1], each[job[0]])] = job[0]
                if not running:
                    return
                finished, _ = ray.wait(list(running), num_returns=1)
                for reference in finished:
                    index = running.pop(reference)
                    try:
                        yield index, ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        if isinstance(error.cause, Exception):
                            raise error.cause from error  # what the worker did is in `error`
                        raise
                    except ray.exceptions.RayError as error:  # the worker is gone, and Ray's retries with it
                        what = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                        raise ValueError(
                            f"a worker was lost ({what}); finished parts are kept. Its log lies in {LOGS} of its node; where "
                            "memory ran out, use fewer --workers or smaller pool.shard_megabytes"
                        ) from None
        finally:
            for reference in running:
                ray.cancel(reference, force=False)

    def _submit(self, function: Compute, arguments: Unit, needed: Resources) -> Any:
        if needed.ranks > 1:
            return self._ray.remote(_in_ranks).options(num_cpus=0).remote(function, arguments, needed)
        task = self._ray.remote(function).options(
            num_cpus=needed.cpus, num_gpus=needed.gpus, memory=needed.memory or None,
            max_retries=3, retry_exceptions=[OSError], scheduling_strategy="SPREAD",
        )  # fmt: skip
        return task.remote(*arguments)

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
        if self._started:
            self._ray.shutdown()
            self._ray, self._started = None, False


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
