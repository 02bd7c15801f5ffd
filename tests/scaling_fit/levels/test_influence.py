"""Leaving rungs out: refits by hand, size by simulation, and a rung that is off is the one that is named."""

from dataclasses import replace

import numpy as np
import pytest

from scaling_fit import Settings, analyse
from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.influence import carried, influence

GRID = Grid((2e7,), tuple(np.geomspace(2e8, 2e10, 7)), seeds=3, row=0.002)
LAW = TRUTH | {"A": 1e-9}


def laid(seed: int, off: float = 0.0, at: int = 0):
    """raw and a level; every run of the level at the `at`th D is `off` (in logs) too high."""
    table = table_of(GRID, {"raw": LAW, "level": LAW}, np.random.default_rng(seed))
    rung = (table.level == "level") & np.isclose(table.D, GRID.tokens[at])
    return replace(table, loss=table.loss * np.exp(off * rung))


def whole(table):
    return compare(table, "raw", replicates=2, objective="least-squares")


def test_each_row_is_a_refit_without_the_rung() -> None:
    table = laid(0)
    found = influence(whole(table))
    assert len(found) == 7
    kept = table.where(~np.isclose(table.D, GRID.tokens[3]))
    again = whole(kept)
    column = next(k for k, (name, part) in enumerate(again.grouped.columns) if name == "beta" and part.kind == "difference")
    assert found[3].delta_beta == pytest.approx(again.theta_P[column], abs=2e-3)
    assert found[3].rung == "D 2B"


def test_moves_without_a_fault_are_standard_normal() -> None:
    found = [one for seed in range(40) for one in influence(whole(laid(seed)))]
    z = np.array([one.z for one in found])
    assert np.std(z) == pytest.approx(1.0, abs=0.15)
    assert np.mean(np.abs(z) > 1.96) < 0.09
    assert np.mean([one.p < 0.05 for one in found]) == pytest.approx(0.05, abs=0.04)


@pytest.mark.parametrize("at", [0, 3])
def test_a_rung_that_is_off_is_named(at: int) -> None:
    found = influence(whole(laid(1, 0.015, at)))
    check = carried(found)
    clean = influence(whole(laid(1)))
    assert check.answer.startswith(f"{clean[at].rung} lies off the law (p ")
    assert f"without {clean[at].rung} level's shift of beta goes from" in check.answer
    assert carried(clean).answer.startswith("no: ")


def test_a_stray_run_does_not_blame_its_rung() -> None:
    table = laid(1)
    (stray, *_) = np.flatnonzero((table.level == "level") & np.isclose(table.D, GRID.tokens[3]))
    table = replace(table, loss=np.where(np.arange(len(table)) == stray, table.loss * 1.3, table.loss))
    robust = compare(table, "raw", replicates=2)
    assert robust.wild.tolist() == [table.row[stray]]
    assert carried(influence(robust)).answer.startswith("no: ")


def test_shapes_are_left_out_too_and_too_few_token_counts_are_not() -> None:
    both = table_of(replace(GRID, sizes=(2e7, 8e7)), {"raw": TRUTH, "level": TRUTH}, np.random.default_rng(0))
    assert {one.rung for one in influence(whole(both))} >= {"shape 2e+07", "shape 8e+07"}
    few = table_of(replace(GRID, tokens=GRID.tokens[:4]), {"raw": LAW, "level": LAW}, np.random.default_rng(0))
    assert influence(whole(few)) == ()
    assert carried(()) is None


def test_the_fit_says_it() -> None:
    result = analyse(laid(1, 0.015, 0), Settings(replicates=50, test_replicates=0, objective="least-squares"))
    assert carried(result.fits[result.primary].influence) in result.answer.checks
