"""How many runs of a shape train together, and on how many devices: from memory, and on GPUs from measured speed.

On CPUs a stack is the levels of one shape and seed: the unit depends on nothing that differs between clusters, so neither
do the bytes of a run. Only where the machine's memory is too small for it is it cut.

On GPUs each shape is measured once on a worker: one run at a time, half as many as fit, as many as fit. Of those the study
takes what ends soonest on the GPUs there are: the fastest stack, unless smaller ones keep more GPUs busy.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from pipelines.engine.capacity import Resources
from pipelines.engine.executor import Executor
from pipelines.runs.ladder import Rung, rungs
from pipelines.study.study import Study, StudyError
from training.calibrate import Rate, Workload, best_stack
from training.memory import USABLE, device_bytes, evenly, ranks_or_micro_batch, stack_size
from training.step import resolve_precision


@dataclass(frozen=True)
class Sizing:
    """How the runs of one shape train: `runs` to a stack, each stack over `ranks` devices, `micro_batch` sequences of a run
    at a time (0: all of its batch)."""

    runs: int
    ranks: int = 1
    micro_batch: int = 0


@dataclass(frozen=True)
class Option:
    """One way to cut a shape's runs: `runs` to a stack, and the seconds that each of its stacks takes."""

    runs: int
    seconds: tuple[float, ...]


def sizings(executor: Executor, study: Study, wanted: Mapping[str, int], token_bytes: int) -> dict[str, Sizing]:
    """A sizing per shape of which `wanted` runs are to train, whose token streams take `token_bytes` in all. Raises
    StudyError where a shape fits on no device."""
    made = [rung for rung in rungs(study) if wanted.get(rung.name)]
    if not study.ladder.gpus:
        budget = USABLE * device_bytes(torch.device("cpu")) * study.ladder.threads / (os.cpu_count() or 1)
        return {rung.name: _on_cpu(study, rung, budget) for rung in made}
    if study.ladder.gpus > 1:
        return {rung.name: Sizing(1, int(study.ladder.gpus)) for rung in made}
    share, needed = study.ladder.gpus, Resources(cpus=study.ladder.threads, gpus=study.ladder.gpus)
    units = [(study, rung, wanted[rung.name], share, token_bytes) for rung in made]
    found = dict(executor.map(measure, units, needed))
    measured = {rung.name: found[i] for i, rung in enumerate(made)}
    gpus = executor.gpus()
    large = {
        rung.name: _too_large(study, rung, measured[rung.name][0], int(gpus)) for rung in made if not measured[rung.name][1]
    }
    options = {
        rung.name: [_option(study, rung, wanted[rung.name], rate) for rate in measured[rung.name][1]]
        for rung in made
        if rung.name not in large
    }
    return {name: Sizing(option.runs) for name, option in soonest(options, max(1, int(gpus / share))).items()} | large


def measure(study: Study, rung: Rung, runs: int, share: float, token_bytes: int) -> tuple[float, list[Rate]]:
    """(bytes that a stack may take, rates of stacks of this shape, the fastest first) on this worker's GPU."""
    device = gpu()
    budget = USABLE * share * device_bytes(device) - token_bytes
    work = Workload(
        rung.shape, study.tokenizer.vocab_size, study.ladder.context, rung.batch_tokens, study.ladder.precision,
        study.ladder.threads,
    )  # fmt: skip
    return budget, best_stack(work, runs, budget)


def gpu() -> torch.device:
    """This worker's GPU. Raises StudyError where it sees none."""
    if not torch.cuda.is_available():
        raise StudyError(
            f"ladder.gpus asks for a GPU, but torch {torch.__version__} on {os.uname().nodename} sees none; install a CUDA "
            "build of torch there, or set ladder.gpus: 0"
        )
    return torch.device("cuda")


def _on_cpu(study: Study, rung: Rung, budget: float) -> Sizing:
    dtype = resolve_precision(study.ladder.precision, torch.device("cpu"))
    cell = rung.shape, study.tokenizer.vocab_size, study.ladder.context, rung.batch_tokens
    if most := stack_size(*cell, len(study.compared) + len(study.courses), budget, dtype):
        return Sizing(most)
    try:
        return Sizing(1, 1, ranks_or_micro_batch(*cell, budget, 1, dtype)[1])
    except ValueError as error:
        raise StudyError(f"ladder.shapes: {rung.name}: {error}") from None


def _too_large(study: Study, rung: Rung, budget: float, gpus: int) -> Sizing:
    """A shape of which not one run fits on a GPU: over several, or in micro-batches where there are too few."""
    cell = rung.shape, study.tokenizer.vocab_size, study.ladder.context, rung.batch_tokens
    try:
        ranks, micro_batch = ranks_or_micro_batch(*cell, budget, gpus, torch.bfloat16, "cuda")
    except ValueError as error:
        raise StudyError(f"ladder.shapes: {rung.name}: {error}") from None
    if (ranks, micro_batch) == (1, 0):  # it should have fitted, by the estimate; the device said otherwise
        micro_batch = max(1, rung.batch_tokens // study.ladder.context // 2)
    return Sizing(1, ranks, micro_batch)


def _option(study: Study, rung: Rung, runs: int, rate: Rate) -> Option:
    size = evenly(runs, rate.runs)
    parts = [min(size, runs - i) for i in range(0, runs, size)]
    return Option(size, tuple(part * rung.trained_tokens(study) / rate.tokens_per_second for part in parts))


def soonest(options: Mapping[str, Sequence[Option]], slots: int) -> dict[str, Option]:
    """For every shape the option with which all stacks, longest first on `slots` devices, end soonest; the fastest stack
    (the first option) where it makes no difference."""
    chosen = {name: ways[0] for name, ways in options.items()}
    improved = True
    while improved:
        improved = False
        for name, ways in options.items():
            for way in ways:
                if makespan(_all_seconds(chosen | {name: way}), slots) < makespan(_all_seconds(chosen), slots):
                    chosen[name], improved = way, True
    return chosen


def _all_seconds(chosen: Mapping[str, Option]) -> list[float]:
    return list(chain.from_iterable(option.seconds for option in chosen.values()))


def makespan(seconds: Sequence[float], slots: int) -> float:
    """When the last stack ends if each slot takes the longest that is left."""
    ends = [0.0] * slots
    for each in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += each
    return max(ends)
