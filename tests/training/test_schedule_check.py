from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from training.plan import parse_plan
from training.run import run_stack
from training.schedule_check import cosine_stack, gaps


def row(level, seed, loss, lr=None):
    trunk = f"{level}/s/{seed}" + (f"/lr={lr:g}" if lr else "")
    return {"eval_set": "heldout", "level": level, "seed": seed, "tokens": 10, "loss": loss, "trunk": trunk}


def test_planted_gaps_are_found():
    rng = np.random.default_rng(0)
    luck = {(level, seed): rng.normal(0, 0.5) for level in "ab" for seed in range(300)}
    branches = [row(level, seed, 3 + luck[level, seed]) for level, seed in luck]
    cosines = [
        row(level, seed, 3 + luck[level, seed] + gap + rng.normal(0, 0.01), lr)
        for level, seed in luck
        for lr, gap in ((0.004, 0.02), (0.008, -0.03))
    ]
    same, twice = gaps(branches, cosines, 0.004)
    assert (same.factor, twice.factor, same.pairs) == (1.0, 2.0, 600)
    assert same.difference == pytest.approx(0.02, abs=3 * same.se)
    assert twice.difference == pytest.approx(-0.03, abs=3 * twice.se)
    assert same.se == pytest.approx(0.01 / np.sqrt(600), rel=0.15), "the luck that a pair shares must cancel"


def test_a_cosine_without_its_branch_is_named():
    with pytest.raises(ValueError, match="no branch of level 'a', seed 1"):
        gaps([row("a", 0, 3.0)], [row("a", 1, 3.0, 0.004)], 0.004)


def test_both_schedules_train(make_plan, tmp_path):
    plan = parse_plan(make_plan(), tmp_path)
    branch = replace(plan, stacks=(replace(plan.stacks[0], tokens=(2560,)),))
    cosine = cosine_stack(plan, "s0", 2560)
    folders = [run_stack(branch, "s0", tmp_path), run_stack(cosine, "cosine-s0", tmp_path)]
    tables = [pq.read_table(folder / "observations.parquet").to_pylist() for folder in folders]
    found = gaps(*tables, 0.01)
    assert {(gap.eval_set, gap.factor) for gap in found} >= {("heldout", 1.0), ("heldout", 2.0)}
    assert all(gap.pairs == 2 and 0 < abs(gap.difference) < 0.5 for gap in found)
