"""Verdicts: each planted world gets its own word, and a design that cannot tell says so."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from scaling_fit.intervals import Interval
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, shifted, table_of
from scaling_fit.levels.gap import gap
from scaling_fit.levels.shift import Equivalence, ShiftTest, shift
from scaling_fit.levels.verdict import Kind, Verdict, detectable, judge
from scaling_fit.settings import Settings

SHARP = Grid(tuple(np.geomspace(1e7, 6.4e8, 5)), tuple(np.geomspace(1e8, 5e10, 8)), seeds=2, row=0.0005, trunk=0.0005)


def verdict(grid: Grid, level: dict, seed: int = 0, replicates: int = 199) -> Verdict:
    table = table_of(grid, {"raw": TRUTH, "level": level}, np.random.default_rng(seed))
    whole = compare(table, "raw", replicates=200)
    return judge(whole, "level", shift(whole, "level", Settings(), replicates), gap(whole, "level", 0.95), Settings())


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("none", TRUTH),
        ("multiplier", TRUTH | {"B": TRUTH["B"] * 1.3 ** -TRUTH["beta"]}),
        ("exponent", shifted(TRUTH, 0.06, SHARP)),
        ("floor", TRUTH | {"E": TRUTH["E"] - 0.15}),
        ("exponent and floor", shifted(TRUTH, 0.06, SHARP) | {"E": TRUTH["E"] - 0.2}),
    ],
)
def test_planted_worlds(kind: str, level: dict) -> None:
    found = verdict(SHARP, level)
    assert found.kind == kind
    if kind in ("multiplier", "floor"):
        assert found.direction == "better"
        assert found.gap.mean.high < 0


@pytest.mark.parametrize("delta", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(6))
def test_one_decade_one_size_one_percent_is_not_identifiable(delta: float, seed: int) -> None:
    grid = Grid((1e8,), tuple(np.geomspace(1e9, 1e10, 6)), seeds=1, row=0.01)
    found = verdict(grid, shifted(TRUTH, delta, grid), seed, replicates=0)
    assert found.kind == "not identifiable"
    assert found.detectable_beta is None or found.detectable_beta > 0.1


def test_a_shift_whose_part_cannot_be_told_is_still_a_shift() -> None:
    grid = Grid((2e5, 8e5), tuple(np.geomspace(1e6, 3.2e7, 5)), seeds=2, row=0.002, trunk=0.002)
    small = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}
    table = table_of(grid, {"raw": small, "level": small | {"B": 300 * 1.5**-0.36}}, np.random.default_rng(4))
    whole, settings = compare(table, "raw", replicates=200), Settings(margin=0.005)
    found = judge(whole, "level", shift(whole, "level", settings, 199), gap(whole, "level", 0.95), settings)
    assert found.shifted
    assert (found.kind, found.direction) == ("not identifiable", "better")


def test_detectable_shift_is_the_power_formula() -> None:
    assert detectable(0.01, 1e9) == pytest.approx((1.95996 + 0.84162) * 0.01, rel=1e-4)


def test_every_kind_is_reached_by_its_rule(levels) -> None:
    whole = compare(levels, "raw", replicates=50)
    test, of_level = shift(whole, "worth", Settings(), 0), gap(whole, "worth", 0.95)

    def shown(*names: str, **changes) -> ShiftTest:
        contrasts = test.contrasts
        for name in ("any_shift", "exponent", "floor"):
            contrasts = replace(
                contrasts, **{name: replace(getattr(contrasts, name), p_holm=0.0 if name in names else 1.0)}
            )  # fmt: skip
        return replace(test, contrasts=contrasts, **changes)

    def same(beta: bool, multiplier: bool) -> Equivalence:
        return replace(test.equivalence, beta_equivalent=beta, multiplier_equivalent=multiplier)

    floor_fits = tuple(replace(row, chi2=0.0) if row.name == "floor" else row for row in test.hypotheses)
    cases = {
        "none": shown(equivalence=same(True, True)),
        "undetected": shown(equivalence=same(True, False)),
        "not identifiable": shown(equivalence=same(False, False)),
        "multiplier": shown("any_shift", equivalence=same(True, False)),
        "floor": shown("any_shift", equivalence=same(True, False), hypotheses=floor_fits),
        "exponent": shown("any_shift", "exponent", delta_beta=Interval(0.1, 0.05, 0.15)),
        "exponent and floor": shown("any_shift", "exponent", "floor"),
    }
    assert set(cases) == set(get_args(Kind))
    for kind, one in cases.items():
        assert judge(whole, "worth", one, of_level, Settings()).kind == kind
    unbounded = replace(cases["exponent"], delta_beta=Interval(0.1, 0.05, np.inf), equivalence=same(False, False))
    assert judge(whole, "worth", unbounded, of_level, Settings()).kind == "not identifiable"
