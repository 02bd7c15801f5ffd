from dataclasses import replace

import pytest
import torch

from training.certificate import certify
from training.order import RULE, run_key
from training.plan import Optimizer, parse_plan

CPU = torch.device("cpu")


@pytest.fixture
def plan(make_plan, tmp_path):
    raw = make_plan()
    raw["shapes"]["small"] = {"width": 8, "depth": 1, "heads": 2, "ff": 16}
    raw["stacks"].append(raw["stacks"][0] | {"id": "s1", "runs": [{"level": "noisy", "seed": 1}]})
    raw["stacks"].append(raw["stacks"][0] | {"id": "s2", "shape": "small", "lr": 0.02})
    return parse_plan(raw, tmp_path)


def hexes(plan, dtype=torch.float32):
    return [certify(plan, stack, CPU, dtype)["certificate"] for stack in plan.stacks]


def test_all_runs_of_a_plan_carry_one_certificate(plan):
    """Levels, seeds and shapes differ on purpose; the fitter pools them."""
    assert len(set(hexes(plan))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"tokenizer": "t1"},
        {"context": 64},
        {"optimizer": Optimizer(weight_decay=0.2)},
        {"document_mask": True},
        {"eot": 5},
        {"order_key": 12},
    ],
)
def test_what_must_be_equal_changes_it(plan, change):
    assert set(hexes(plan)).isdisjoint(hexes(replace(plan, **change)))


def test_dtype_and_evaluation_change_it(plan):
    assert set(hexes(plan)).isdisjoint(hexes(plan, torch.bfloat16))
    other = replace(plan, evaluation=replace(plan.evaluation, digest="e1"))
    assert set(hexes(plan)).isdisjoint(hexes(other))


def test_what_only_rounds_does_not(plan):
    assert hexes(plan) == hexes(replace(plan, threads=4, micro_batch=1, checkpoint_seconds=1.0))


def test_another_learning_rate_of_one_shape_is_told_apart(plan):
    """An LR check beside the main runs never passes for one of them."""
    first, second, third = plan.stacks
    changed = certify(
        replace(plan, stacks=(first, replace(second, lr=0.05), third)), replace(second, lr=0.05), CPU, torch.float32
    )
    assert changed["certificate"] != hexes(plan)[1]


def test_it_says_the_order(plan):
    first, second, third = (certify(plan, stack, CPU, torch.float32) for stack in plan.stacks)
    assert first["held_equal"]["order"] == {"rule": RULE, "key": plan.order_key}
    assert first["recorded"]["orders"] == {"0": f"{run_key(plan.order_key, 'tiny', 0):016x}"}
    told = [order for made in (first, second, third) for order in made["recorded"]["orders"].values()]
    assert len(set(told)) == 3  # of seed 0, of seed 1, and of another shape at seed 0


def test_initial_weights_are_recorded_per_seed(plan):
    recorded = certify(plan, plan.stacks[0], CPU, torch.float32)["recorded"]["initial_weights"]
    assert set(recorded) == {"0"}
    assert recorded != certify(plan, plan.stacks[1], CPU, torch.float32)["recorded"]["initial_weights"]
