"""Prices of ladders: which shapes are offered, what their speeds say, and that a run costs its branches and their scoring."""

from pathlib import Path

import pytest

from pipelines.runs import prices
from pipelines.runs.ladder import rungs
from pipelines.runs.prices import Speed
from pipelines.study.study import load
from training.calibrate import Rate
from training.recipe import MIN_STEPS

QUICKSTART = Path("configs/quickstart.yaml")


def of(*overrides: str):
    return load(QUICKSTART, overrides)


def test_two_shapes_of_the_table_stand_beside_the_studys_own():
    own = ["nano", "micro"]
    assert list(prices.shapes(of())) == ["w48d3", "w64d4", *own], "its nano is the table's smallest"
    larger = "ladder.shapes={a: {width: 96, depth: 6, heads: 3}}"
    assert list(prices.shapes(of(larger))) == ["w64d4", "w80d4", "a"]
    assert list(prices.shapes(of("ladder.shapes=[0.2m]"))) == ["w32d2", "w48d3", "0.2m"]


def test_first_token_counts_are_whole_batches_past_the_shoulder():
    study = of()
    first, second, *_ = prices.firsts(study, 1e7)
    assert (first, second) == (MIN_STEPS * 2 * 128, 2 * MIN_STEPS * 2 * 128)
    assert all(d >= 300_000 for d in prices.firsts(study, 1e8, least=300_000))
    assert all(5 * d <= 1e6 for d in prices.firsts(study, 1e6))
    for d in prices.firsts(study, 1e7):
        batches = {rung.batch_tokens for rung in rungs(prices.with_ladder(study, prices.shapes(study), [d, 10 * d]))}
        assert min(d / batch for batch in batches) >= MIN_STEPS


def test_speeds_split_a_step_into_what_it_costs_and_what_its_tokens_cost(monkeypatch):
    """A machine with 1 ms a step and 10 us a token, four levels at once."""
    monkeypatch.setattr(
        prices, "calibrate", lambda work, runs, seconds: Rate(runs, work.batch_tokens / (1e-3 + 1e-5 * work.batch_tokens), 0)
    )
    found = prices.speeds(of(), prices.shapes(of()), 0.0)["nano"]
    assert (found.step, found.token) == pytest.approx((1e-3, 1e-5))
    assert found.tokens_per_second(100) == pytest.approx(100 / 2e-3)


def test_a_run_costs_its_trunk_its_branches_and_their_scoring():
    study = of("ladder.tokens=[40960, 81920]", "ladder.threads=1024")
    nano = rungs(study)[0]
    bare, scored = (prices.cost(study, nano, Speed(0.0, 1e-6), evaluated) for evaluated in (0.0, 1e6))
    assert bare.tokens == scored.tokens == round(0.8 * 81_920 + 0.2 * (40_960 + 81_920))
    assert bare.seconds == pytest.approx(1e-6 * bare.tokens)
    assert scored.seconds - bare.seconds == pytest.approx(1e-6 * 0.5 * 2 * 1e6)
    assert scored.flops == pytest.approx(nano.flops_per_token(study) * (bare.tokens + 2e6 / 3))
