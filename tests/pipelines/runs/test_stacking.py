"""Sizes of stacks from memory and measured speed; a plan of many shapes on few GPUs."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.runs import stacking
from pipelines.runs.ladder import rungs
from pipelines.runs.stacking import Option, Sizing, makespan, measure, sizings, soonest
from pipelines.study.study import Study, StudyError
from training.calibrate import Rate
from training.memory import step_bytes
from training.step import resolve_precision


def study(**ladder) -> Study:
    body = {"shapes": ["0.3m", "39m"], "tokens": [2**20, 2**22], "seeds": 3, "context": 256} | ladder
    source = {"kind": "python_environment"}
    return Study.model_validate({"name": "s", "sources": [source], "levels": {"raw": {}, "strict": {}}, "ladder": body})


class Fake:
    """GPUs on which `measure` finds what a test says."""

    def __init__(self, gpus, found):
        self.count, self.found, self.asked = gpus, found, []

    def gpus(self):
        return self.count

    def map(self, function, arguments, resources=None, names=(), done=None):
        assert function is measure
        for i, (_, rung, runs, share, tokens) in enumerate(arguments):
            self.asked.append((rung.name, runs, share, tokens, resources.gpus))
            yield i, self.found(rung)

    def close(self):
        pass


def test_on_cpus_a_stack_is_the_levels_of_a_shape_and_seed(monkeypatch):
    monkeypatch.setattr(stacking, "device_bytes", lambda device: 1 << 40)
    assert sizings(Fake(0, None), study(), {"0.3m": 6, "39m": 6}, 0) == {"0.3m": Sizing(2), "39m": Sizing(2)}
    assert sizings(Fake(0, None), study(), {"39m": 1}, 0) == {"39m": Sizing(2)}


def test_a_small_machine_cuts_stacks_then_batches_then_says_so(monkeypatch):
    rung = rungs(study())[1]
    monkeypatch.setattr(stacking.os, "cpu_count", lambda: 1)

    def sized(sequences):
        needed = step_bytes(rung.shape, 4096, 256, 256 * sequences, 1, resolve_precision("auto", torch.device("cpu")))
        monkeypatch.setattr(stacking, "device_bytes", lambda device: needed / stacking.USABLE + 1)
        return sizings(Fake(0, None), study(), {"39m": 6}, 0)["39m"]

    whole = rung.batch_tokens // 256
    assert sized(whole) == Sizing(1)
    assert sized(whole // 2) == Sizing(1, 1, whole // 2)
    monkeypatch.setattr(stacking, "device_bytes", lambda device: 1 << 20)
    with pytest.raises(StudyError, match=r"ladder\.shapes: 39m: .* for a single sequence"):
        sizings(Fake(0, None), study(), {"39m": 6}, 0)


def test_on_gpus_a_stack_is_the_fastest_measured():
    fake = Fake(1, lambda rung: (1e10, [Rate(3, 900.0, 1), Rate(6, 800.0, 1), Rate(1, 300.0, 1)]))
    assert sizings(fake, study(gpus=0.5), {"0.3m": 6}, 77) == {"0.3m": Sizing(3)}
    assert fake.asked == [("0.3m", 6, 0.5, 77, 0.5)]


def test_on_many_gpus_smaller_stacks_keep_them_busy():
    fake = Fake(6, lambda rung: (1e10, [Rate(6, 900.0, 1), Rate(3, 800.0, 1), Rate(1, 300.0, 1)]))
    assert sizings(fake, study(gpus=1), {"0.3m": 6}, 0) == {"0.3m": Sizing(1)}  # six at 300 a second beat one of six at 900
    fake.count = 2
    assert sizings(fake, study(gpus=1), {"0.3m": 6}, 0) == {"0.3m": Sizing(3)}


def test_a_shape_too_large_for_one_gpu_takes_several_or_micro_batches():
    rung = rungs(study())[1]
    half = step_bytes(rung.shape, 4096, 256, rung.batch_tokens // 2, 1, torch.bfloat16, "cuda")
    sequences = rung.batch_tokens // 256
    assert sequences % 2 == 0
    fake = Fake(4, lambda rung: (half, []))
    assert sizings(fake, study(gpus=1), {"39m": 6}, 0) == {"39m": Sizing(1, 2)}
    fake.count = 1
    assert sizings(fake, study(gpus=1), {"39m": 6}, 0) == {"39m": Sizing(1, 1, sequences // 2)}


def test_whole_gpus_split_every_batch():
    assert sizings(Fake(8, None), study(gpus=4), {"39m": 6}, 0) == {"39m": Sizing(1, 4)}
    with pytest.raises(ValueError, match="above 1 GPUs are whole"):
        study(gpus=1.5)


def test_a_worker_without_a_gpu_says_so():
    with pytest.raises(StudyError, match=r"ladder\.gpus asks for a GPU, but torch .* sees none"):
        measure(study(gpus=1), rungs(study())[0], 6, 1.0, 0)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.integers(1, 3))
def test_longest_first_is_within_a_third_of_the_best(seconds, slots):
    """Graham (1969): at most 4/3 - 1/(3 m) of the optimum, here found by trying all."""
    best = min(
        max(sum(s for s, at in zip(seconds, places, strict=True) if at == slot) for slot in range(slots))
        for places in itertools.product(range(slots), repeat=len(seconds))
    )
    assert best - 1e-9 <= makespan(seconds, slots) <= (4 / 3 - 1 / (3 * slots)) * best + 1e-9


def test_shapes_are_chosen_together():
    """Two shapes on two GPUs: each alone would be split, together each takes one."""
    ways = [Option(4, (10.0,)), Option(2, (7.0, 7.0))]
    assert soonest({"a": ways}, 2)["a"].runs == 2
    assert {name: option.runs for name, option in soonest({"a": ways, "b": ways}, 2).items()} == {"a": 4, "b": 4}
