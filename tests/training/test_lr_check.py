import numpy as np
import pyarrow.parquet as pq
import pytest

from training.lr_check import lr_check_stack, lr_optima
from training.plan import parse_plan
from training.run import run_stack


def rows(optima, lrs):
    for level, optimum in optima.items():
        for lr in lrs:
            loss = 3 + 0.1 * np.log(lr / optimum) ** 2
            yield {"level": level, "trunk": f"{level}/s/0/lr={lr:g}", "eval_set": "heldout", "loss": loss}


def test_planted_optima_are_found():
    a, b = lr_optima(rows({"a": 0.012, "b": 0.007}, [0.005, 0.01, 0.02]), used=0.01)
    assert (a.lr, b.lr) == (pytest.approx(0.012), pytest.approx(0.007))
    assert a.inside
    assert a.cost_of_used == pytest.approx(0.1 * np.log(1.2) ** 2)


def test_an_optimum_outside_is_only_a_bound():
    (found,) = lr_optima(rows({"a": 0.1}, [0.005, 0.01, 0.02, 0.04]), used=0.01)
    assert not found.inside
    assert found.lr == 0.04


def test_the_check_trains_as_one_stack(make_plan, tmp_path):
    plan = lr_check_stack(parse_plan(make_plan(), tmp_path), "s0", ["clean", "noisy"], 1280, factors=(0.3, 1, 3))
    folder = run_stack(plan, "lr-s0", tmp_path)
    found = lr_optima(pq.read_table(folder / "observations.parquet").to_pylist(), used=0.01)
    assert [optimum.level for optimum in found] == ["clean", "noisy"]
    assert found[0].lrs == pytest.approx((0.003, 0.01, 0.03))
    assert len(set(found[0].losses)) == 3


def test_two_rates_are_refused(make_plan, tmp_path):
    with pytest.raises(ValueError, match="at least 3"):
        lr_check_stack(parse_plan(make_plan(), tmp_path), "s0", ["clean"], 1280, factors=(1, 2))
