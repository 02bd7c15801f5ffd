"""Verdicts: each planted world gets its own word, and a design that cannot tell says so."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit.intervals import Interval
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, shifted, table_of
from scaling_fit.levels.shift import shift
from scaling_fit.levels.verdict import KINDS, Verdict, detectable, judge

SHARP = Grid(tuple(np.geomspace(1e7, 6.4e8, 5)), tuple(np.geomspace(1e8, 5e10, 8)), seeds=2, row=0.0005, trunk=0.0005)


def verdict(grid: Grid, level: dict, seed: int = 0, replicates: int = 199) -> Verdict:
    table = table_of(grid, {"raw": TRUTH, "level": level}, np.random.default_rng(seed))
    whole = compare(table, "raw", replicates=200)
    one = shift(whole, "level", replicates=replicates)
    p = {name: c["p_simulated"] if c["p_simulated"] is not None else c["p_F"] for name, c in one.contrasts.items()}
    return judge(whole, one, p)


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
    assert found.kind == kind, found.sentence
    assert "level" in found.sentence
    if kind in ("multiplier", "floor"):
        assert found.direction == "better"
        assert found.difference_percent.high < 0


@pytest.mark.parametrize("delta", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(6))
def test_one_decade_one_size_one_percent_is_not_identifiable(delta: float, seed: int) -> None:
    grid = Grid((1e8,), tuple(np.geomspace(1e9, 1e10, 6)), seeds=1, row=0.01)
    found = verdict(grid, shifted(TRUTH, delta, grid), seed, replicates=0)
    assert found.kind == "not identifiable"
    assert found.detectable_beta > 0.1


def test_a_shift_whose_part_cannot_be_told_is_still_a_shift() -> None:
    grid = Grid((2e5, 8e5), tuple(np.geomspace(1e6, 3.2e7, 5)), seeds=2, row=0.002, trunk=0.002)
    small = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}
    table = table_of(grid, {"raw": small, "level": small | {"B": 300 * 1.5**-0.36}}, np.random.default_rng(4))
    whole = compare(table, "raw", replicates=200)
    one = shift(whole, "level", replicates=199)
    p = {name: c["p_simulated"] if c["p_simulated"] is not None else c["p_F"] for name, c in one.contrasts.items()}
    found = judge(whole, one, p, margin=0.005)
    assert found.shifted
    assert found.kind == "not identifiable"
    assert found.direction == "better"
    assert "cannot tell whether exponent, prefactor or floor moved" in found.sentence
    assert "one token of level worth" in found.sentence
    assert found.reading.startswith("Use level at budgets like those tested")


def test_a_caveat_follows_the_reading(levels) -> None:
    whole = compare(levels, "raw", replicates=50)
    one = shift(whole, "worth", replicates=0)
    p = {name: c["p_F"] for name, c in one.contrasts.items()}
    assert judge(whole, one, p, caveat="the law fails").reading.endswith("Caution: the law fails")


def test_detectable_shift_is_the_power_formula() -> None:
    assert detectable(0.01, 1e9) == pytest.approx((1.95996 + 0.84162) * 0.01, rel=1e-4)


def test_every_kind_has_its_words_and_plain_json(levels) -> None:
    whole = compare(levels, "raw", replicates=50)
    one = shift(whole, "worth", replicates=0)
    quiet = {"any shift": 1.0, "exponent, floor free": 1.0, "floor, exponent free": 1.0}
    tight, wide = Interval(0.0, -0.001, 0.001), Interval(0.0, -0.5, 0.5)
    floor_fits = tuple(row | {"chi2": 0.0} if row["hypothesis"] == "floor" else row for row in one.table)
    cases = {
        "none": (replace(one, beta=tight, beta_90=tight, beta_se=1e-4, multiplier_90=Interval(1, 0.99, 1.01)), quiet),
        "undetected": (replace(one, beta=tight, beta_90=tight, beta_se=1e-4, multiplier_90=Interval(1, 0.7, 1.4)), quiet),
        "not identifiable": (replace(one, beta=wide, beta_90=wide, beta_se=0.3), quiet),
        "multiplier": (replace(one, beta=tight, beta_90=tight, beta_se=1e-4), quiet | {"any shift": 0.0}),
        "exponent": (one, quiet | {"any shift": 0.0, "exponent, floor free": 0.0}),
        "exponent and floor": (one, dict.fromkeys(quiet, 0.0)),
        "floor": (
            replace(one, beta=tight, beta_90=tight, beta_se=1e-4, table=floor_fits),
            quiet | {"any shift": 0.0},
        ),
    }
    assert set(cases) == set(KINDS)
    said = set()
    for kind, (shift_like, p) in cases.items():
        found = judge(whole, shift_like, p)
        assert found.kind == kind
        said.add(found.sentence)
        assert found.to_dict()["kind"] == kind
    assert len(said) == len(KINDS)
