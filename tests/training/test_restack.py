import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from training.calibrate import Rate
from training.plan import Run, Stack, parse_plan
from training.restack import restacked
from training.run import run_stack


@pytest.fixture
def plan(make_plan, tmp_path):
    """Two levels by three seeds, a stack per seed; a stack at two rates; and a recipe that trains nothing."""
    raw = make_plan()
    first = raw["stacks"][0]
    raw["stacks"] += [
        first | {"id": f"s{seed}", "runs": [{"level": level, "seed": seed} for level in ("clean", "noisy")]} for seed in (1, 2)
    ]
    raw["stacks"].append(first | {"id": "rates", "lr": [0.01, 0.02]})
    raw["stacks"].append(first | {"id": "recipe", "runs": []})
    return parse_plan(raw, tmp_path)


def test_runs_that_differ_in_level_and_seed_are_merged_and_cut(plan, tmp_path):
    asked = []

    def measure(plan, stack):
        asked.append((stack.id, len(stack.runs)))
        return [Rate(4, 100.0, 1), Rate(6, 90.0, 1)]

    made = restacked(plan, tmp_path / "out", measure)
    assert asked == [("s0", 6), ("rates", 2)]
    assert [(stack.id, len(stack.runs)) for stack in made.stacks] == [("s0-0", 3), ("s0-1", 3), ("rates", 2), ("recipe", 0)]
    assert {run for stack in made.stacks for run in stack.runs} == {Run(c, s) for c in ("clean", "noisy") for s in (0, 1, 2)}
    again = restacked(plan, tmp_path / "out", lambda *given: pytest.fail("measured again"))
    assert again == made  # a resumed plan keeps its stacks


def test_a_cut_keeps_each_runs_rate(plan, tmp_path):
    only = replace(plan, stacks=tuple(stack for stack in plan.stacks if stack.id == "rates"))
    made = restacked(only, tmp_path / "out", lambda plan, stack: [])
    assert [(stack.id, stack.lr) for stack in made.stacks] == [("rates-0", (0.01,)), ("rates-1", (0.02,))]


def test_restacked_runs_train_as_before(plan, tmp_path):
    """The same runs, certificates and, but for rounding, losses; the plan read back trains as the one just made."""
    restacked(plan, tmp_path / "out", lambda plan, stack: [Rate(6, 1.0, 1)])
    made = restacked(plan, tmp_path / "out", lambda *given: pytest.fail("measured again"))
    assert isinstance(made.stacks[0], Stack)
    whole = pq.read_table(run_stack(made, "s0", tmp_path / "out") / "observations.parquet").to_pylist()
    before = pq.read_table(run_stack(plan, "s1", tmp_path / "before") / "observations.parquet").to_pylist()
    after = [row for row in whole if row["seed"] == 1]
    assert {row["certificate"] for row in whole} == {row["certificate"] for row in before}
    assert [row["trunk"] for row in after] == [row["trunk"] for row in before]
    np.testing.assert_allclose([row["loss"] for row in after], [row["loss"] for row in before], rtol=2e-3)
    assert json.loads((tmp_path / "out" / "stacks.json").read_text())[0]["id"] == "s0"
