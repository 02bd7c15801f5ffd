"""Shift tests: planted shifts named, sizes held when nothing shifts, power as promised, equivalence only when earned."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import f as f_distribution

from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, assess, shifted, table_of
from scaling_fit.levels.parameters import level_intervals
from scaling_fit.levels.shift import FLOOR_SPREAD, _pair, shift
from scaling_fit.settings import Settings


@pytest.fixture(scope="module")
def whole(levels):
    return compare(levels, "raw", replicates=200)


def test_a_multiplier_is_a_multiplier(whole) -> None:
    one = shift(whole, "worth", Settings(), 199)
    assert one.contrasts.any_shift.p_simulated < 0.01
    assert one.contrasts.any_shift.p_wild < 0.02
    assert one.contrasts.beyond_multiplier.p_simulated > 0.05
    assert one.contrasts.beyond_multiplier.p_wild > 0.02
    assert one.multiplier.low < 1.4 < one.multiplier.high
    assert one.multiplier.high / one.multiplier.low < 1.2
    assert one.delta_beta.low < 0 < one.delta_beta.high


def test_an_exponent_is_an_exponent(whole) -> None:
    one = shift(whole, "steeper", Settings(), 199)
    assert one.contrasts.exponent.p_simulated < 0.01
    assert one.contrasts.beyond_multiplier.p_simulated < 0.01
    assert one.delta_beta.low < 0.05 < one.delta_beta.high


def test_hypotheses_nest(whole) -> None:
    rows = {row.name: row for row in shift(whole, "worth", Settings(), 0).hypotheses}
    chain = ("same law", "multiplier", "exponent", "all")
    assert all(rows[a].rss >= rows[b].rss * (1 - 1e-9) for a, b in pairwise(chain))
    assert rows["floor and multiplier"].rss <= min(rows["floor"].rss, rows["multiplier"].rss) * (1 + 1e-9)
    assert sum(row.weight for row in rows.values() if row.weight is not None) == pytest.approx(1)
    assert min(row.delta_aicc for row in rows.values()) == 0


def test_f_is_the_textbook_f(whole) -> None:
    one = shift(whole, "worth", Settings(), 0)
    rows, c = {row.name: row for row in one.hypotheses}, one.contrasts.beyond_multiplier
    F = (rows["multiplier"].rss - rows["all"].rss) / 4 / (whole.rss / whole.df)
    assert pytest.approx(F) == c.F
    assert c.p_F == pytest.approx(f_distribution.sf(F, 4, whole.df))


def test_profile_agrees_with_the_wald_error_on_quiet_data(grid) -> None:
    table = table_of(replace(grid, row=2e-4, trunk=0.0), {"a": TRUTH, "b": TRUTH}, np.random.default_rng(0))
    one = shift(compare(table, "a", replicates=2), "b", Settings(), 0)
    half = 0.5 * (one.delta_beta.high - one.delta_beta.low)
    assert half / one.delta_beta_se == pytest.approx(2.0, rel=0.05)  # t at 60 degrees of freedom


def test_equivalence_needs_precision(grid) -> None:
    quiet = table_of(replace(grid, row=3e-4, trunk=3e-4), {"a": TRUTH, "b": TRUTH}, np.random.default_rng(1))
    loud = table_of(replace(grid, row=0.01, trunk=0.01), {"a": TRUTH, "b": TRUTH}, np.random.default_rng(1))
    shown = [shift(compare(t, "a", replicates=2), "b", Settings(), 0).equivalence for t in (quiet, loud)]
    assert shown[0].beta_equivalent
    assert shown[0].multiplier_equivalent
    assert not shown[1].beta_equivalent
    assert not shown[1].multiplier_equivalent


def test_a_design_that_cannot_tell_is_not_identified() -> None:
    grid = Grid((1e8,), tuple(np.geomspace(1e9, 1e10, 6)), seeds=1, row=0.01)
    one = shift(
        compare(table_of(grid, {"a": TRUTH, "b": TRUTH}, np.random.default_rng(0)), "a", replicates=2), "b", Settings(), 0
    )
    assert not one.equivalence.beta_equivalent
    assert one.delta_beta.high - one.delta_beta.low > 0.2


def rejections(grid: Grid, delta: float, n: int, seed: int) -> dict[str, float]:
    """Shares over n fresh pairs of levels: rejections at 5 %, coverage of 90 % intervals."""
    rng = np.random.default_rng(seed)
    truths = {"a": TRUTH, "b": shifted(TRUTH, delta, grid)}
    out: dict[str, list[bool]] = {
        "any": [],
        "exponent": [],
        "exponent, wild": [],
        "beta": [],
        "delta": [],
        "multiplier": [],
        "E": [],
    }
    for k in range(n):
        whole = compare(table_of(grid, truths, rng), "a", replicates=400, seed=k)
        one = shift(whole, "b", Settings(confidence=0.9, seed=k), 199)
        out["any"].append(one.contrasts.any_shift.p_simulated < 0.05)
        out["exponent"].append(one.contrasts.exponent.p_simulated < 0.05)
        out["exponent, wild"].append(one.contrasts.exponent.p_wild < 0.05)
        out["delta"].append(one.delta_beta.low <= delta <= one.delta_beta.high)
        out["multiplier"].append(one.multiplier.low <= 1 <= one.multiplier.high)
        spans = level_intervals(whole, "a", 0.9)
        for name in ("beta", "E"):
            out[name].append(spans[name].low <= TRUTH[name] <= spans[name].high)
    return {name: float(np.mean(values)) for name, values in out.items()}


def test_sizes_and_coverage_are_about_right(grid) -> None:
    """The fast sibling of the calibration below: 20 tables catch a factor of two, not three points."""
    found = rejections(grid, 0.0, 20, 7)
    assert found["any"] <= 0.25
    assert found["exponent"] <= 0.25
    assert min(found[name] for name in ("beta", "delta", "multiplier", "E")) >= 0.65


@pytest.mark.slow
def test_calibration(grid) -> None:
    """Clustered noise, 600 tables: a test at 5 % rejects 5 +- 2 %, 90 % intervals cover 90 +- 3 % (4 allows for luck)."""
    found = rejections(grid, 0.0, 600, 11)
    assert 0.03 <= found["any"] <= 0.07
    assert 0.03 <= found["exponent"] <= 0.07
    assert 0.02 <= found["exponent, wild"] <= 0.09
    for name in ("beta", "delta", "multiplier", "E"):
        assert 0.86 <= found[name] <= 0.94, (name, found)


@pytest.mark.slow
def test_power_is_what_assess_promised() -> None:
    grid = Grid((2e7, 8e7, 3.2e8), tuple(np.geomspace(2e8, 2e10, 6)), seeds=2, row=0.003, trunk=0.003)
    promised = assess(grid)
    delta = promised.detectable(power=0.7)
    found = rejections(grid, delta, 400, 13)
    assert found["exponent"] == pytest.approx(promised.power(delta), abs=0.05)


def planted_floors(spread: float, row: float, seed: int, seeds: int = 3):
    """raw and a level of the same exponent whose floor differs by `spread` (in logs), one size."""
    grid = Grid((2e7,), tuple(np.geomspace(2e8, 2e10, 6)), seeds=seeds, row=row)
    floor = TRUTH["E"] + TRUTH["A"] * 2e7 ** -TRUTH["alpha"]
    law = TRUTH | {"A": 1e-9, "E": floor}
    truths = {"raw": law, "level": law | {"E": floor * float(np.exp(spread))}}
    return compare(table_of(grid, truths, np.random.default_rng(seed)), "raw", replicates=2, objective="least-squares")


def test_a_prior_of_floors_is_one_more_measurement_of_their_difference() -> None:
    """Between free and equal floors; by brute force, a row of weight 1 / FLOOR_SPREAD on the difference in least squares."""
    whole = planted_floors(0.02, 0.002, 0)
    one = shift(whole, "level", Settings(), 0)
    half = {
        name: 0.5 * (span.high - span.low)
        for name, span in vars(one).items()
        if name in ("delta_beta_floor_pooled", "delta_beta_floor_shared")
    }
    assert half["delta_beta_floor_shared"] < half["delta_beta_floor_pooled"] < stdtrit(one.df, 0.975) * one.delta_beta_se
    laid = _pair(whole, "level", "auto", floor_held=False).estimate("all")
    columns = _pair(whole, "level", "auto", floor_held=False).grouped.columns
    floor = next(k for k, (name, part) in enumerate(columns) if name == "E" and part.kind == "difference")
    beta = next(k for k, (name, part) in enumerate(columns) if name == "beta" and part.kind == "difference")
    row = np.zeros(len(columns))
    row[floor] = np.sqrt(laid.sigma2) / FLOOR_SPREAD
    J = np.vstack([laid.jacobian(), row])
    target = np.concatenate([np.zeros(len(J) - 1), [-row[floor] * laid.theta_P[floor]]])
    update = np.linalg.lstsq(J, target, rcond=None)[0]
    assert one.delta_beta_floor_pooled.value == pytest.approx(laid.theta_P[beta] + update[beta], rel=1e-4)
    error = np.sqrt(laid.sigma2 * np.linalg.inv(J.T @ J)[beta, beta])
    assert half["delta_beta_floor_pooled"] == pytest.approx(stdtrit(one.df, 0.975) * error, rel=1e-3)


def test_the_pooled_interval_covers_where_floors_are_drawn_from_the_prior() -> None:
    rng, covers = np.random.default_rng(3), []
    for seed in range(60):
        one = shift(planted_floors(FLOOR_SPREAD * rng.standard_normal(), 0.002, seed), "level", Settings(), 0)
        covers.append(one.delta_beta_floor_pooled.low < 0 < one.delta_beta_floor_pooled.high)
    assert np.mean(covers) >= 0.87


def test_a_level_of_the_same_floor_is_judged_with_it() -> None:
    """A random part of the baseline: with the floor held the shift is known far better, and the floor is never what moved."""
    whole = planted_floors(0.0, 0.005, 1)
    free, held = (shift(whole, "level", Settings(same_floor=same), 0) for same in ((), ("level",)))
    assert (free.floors, held.floors) == ("free", "equal")
    assert held.delta_beta_se < free.delta_beta_se / 2
    assert held.delta_beta == held.delta_beta_floor_pooled
    assert held.delta_beta.value == pytest.approx(held.delta_beta_floor_shared.value)
    assert held.contrasts.floor.p == 1.0
    assert pytest.approx(free.contrasts.exponent_floor_shared.F, rel=1e-6) == held.contrasts.exponent.F
    assert held.equivalence.beta_equivalent
    assert not free.equivalence.beta_equivalent
    weights = [row.weight for row in held.hypotheses if row.weight is not None]
    assert sum(weights) == pytest.approx(1)
