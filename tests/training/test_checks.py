"""The checks' plans train as one stack each, under the ladder's certificate, and the statistics read their tables."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch

from scaling_fit.instrument.learning_rate import optima
from scaling_fit.instrument.schedule import gaps
from scaling_fit.instrument.spread import spreads
from scaling_fit.observations import Observations, observations
from training.certificate import certify
from training.checks import cosine_stack, lr_check_stack, noise_stack
from training.plan import parse_plan
from training.run import run_stack


def table(folder) -> Observations:
    return observations(pq.read_table(folder / "observations.parquet"))


def test_the_noise_stack_repeats_the_cell_under_the_same_certificate(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    repeated = noise_stack(plan, "s0", [1280], seeds=[0, 1, 2])
    stack = repeated.stack("noise-s0")
    assert [(run.level, run.seed) for run in stack.runs] == [(lv, s) for s in range(3) for lv in ("clean", "noisy")]
    device = torch.device("cpu")
    certificates = [certify(p, p.stacks[0], device, torch.float32)["certificate"] for p in (plan, repeated)]
    assert certificates[0] == certificates[1]
    found = spreads(table(run_stack(repeated, "noise-s0", tmp_path)))
    assert {s.eval_set for s in found} == {"heldout", "domain:web", "domain:books"}
    assert all(0 < s.unpaired < 0.5 and s.paired is not None and s.sampling > 0 for s in found)


def test_several_rates_train_as_one_stack(make_plan, tmp_path):
    plan = lr_check_stack(parse_plan(make_plan(), tmp_path), "s0", ["clean", "noisy"], 1280, factors=(0.3, 1, 3))
    found = optima(table(run_stack(plan, "lr-s0", tmp_path)), used=0.01)
    assert [optimum.level for optimum in found] == ["clean", "noisy"]
    assert found[0].lrs == pytest.approx((0.003, 0.01, 0.03))
    assert len(set(found[0].losses)) == 3


def test_two_rates_are_refused(make_plan, tmp_path):
    with pytest.raises(ValueError, match="at least 3"):
        lr_check_stack(parse_plan(make_plan(), tmp_path), "s0", ["clean"], 1280, factors=(1, 2))


def test_both_schedules_train(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    branch = replace(plan, stacks=(replace(plan.stacks[0], tokens=(2560,)),))
    cosine = cosine_stack(plan, "s0", 2560)
    found = gaps(table(run_stack(branch, "s0", tmp_path)), table(run_stack(cosine, "cosine-s0", tmp_path)), 0.01)
    assert {(gap.eval_set, gap.factor) for gap in found} >= {("heldout", 1.0), ("heldout", 2.0)}
    assert all(gap.pairs == 2 and 0 < abs(gap.difference) < 0.5 for gap in found)
