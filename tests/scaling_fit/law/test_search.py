"""The global search: planted minima found, several told apart, narrow objectives reached."""

import numpy as np
import pytest
from scipy.optimize import nnls

from scaling_fit.law.laws import LAWS, Inputs
from scaling_fit.law.objectives import FREE_SCALE, LAD, huber, huber_log_normaliser
from scaling_fit.law.search import _non_negative, search
from scaling_fit.levels.design import TRUTH, Grid, table_of


def noiseless(name: str, values: dict[str, float]) -> tuple:
    rng = np.random.default_rng(0)
    N, D = np.exp(rng.uniform(np.log(1e7), np.log(1e10), 80)), np.exp(rng.uniform(np.log(1e8), np.log(1e11), 80))
    inputs = Inputs(N, D, np.where(rng.random(80) < 0.6, D / rng.uniform(1, 40, 80), np.inf))
    law = LAWS[name]
    design = law.design(inputs, inputs.pivot())
    return law, design, inputs, np.exp(design.predict(law.solver(values, inputs.pivot())[None])[0])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("additive", TRUTH),
        ("data", {"E": 2.5, "B": 300.0, "beta": 0.31}),
        ("size", {"E": 2.0, "A": 80.0, "alpha": 0.22}),
        ("tied", {"E": 1.8, "A": 166.0, "B": 287.0, "gamma": 0.2729}),
        ("cross", {"E": 1.7, "A": 400.0, "B": 1500.0, "alpha": 0.33, "beta": 0.4, "kappa": 0.06}),
        ("kaplan", {"A": 17.0, "B": 35.0, "alpha": 0.096, "beta": 0.114}),
        ("repetition", TRUTH | {"R_star": 8.0}),
    ],
)
def test_planted_parameters_are_found_without_a_start(name: str, values: dict[str, float]) -> None:
    law, design, inputs, loss = noiseless(name, values)
    found = search(design, loss)
    np.testing.assert_allclose(law.natural(found.phi_MP[:1], inputs.pivot())[0], [values[k] for k in law.names], rtol=2e-4)
    assert found.certificate().distinct_minima >= 1


def test_a_planted_break_is_found() -> None:
    values = {"E": 1.5, "B": 40.0, "beta": 0.12, "delta": 0.25, "D1": 3e9}
    law, design, inputs, loss = noiseless("broken", values)
    found = dict(zip(law.names, law.natural(search(design, loss).phi_MP[:1], inputs.pivot())[0], strict=True))
    assert found["D1"] == pytest.approx(3e9, rel=0.05)
    assert found["delta"] == pytest.approx(0.25, abs=0.02)


def test_non_negative_least_squares_is_scipys() -> None:
    rng = np.random.default_rng(1)
    columns, target = rng.random((30, 3, 25)) - 0.2, rng.random(25)
    share, cost = _non_negative(columns, target)
    for k in range(30):
        peer, norm = nnls(columns[k].T, target)
        assert cost[k] == pytest.approx(norm**2, rel=1e-6)
        np.testing.assert_allclose(share[k], peer, atol=1e-5)


def test_narrow_corners_do_not_trap_the_search() -> None:
    """LAD and the free-scale likelihood share their minimum, and no start does better than it."""
    _, design, _, loss = noiseless("additive", TRUTH)
    loss = loss * np.exp(0.01 * np.random.default_rng(2).laplace(size=len(loss)))
    lad, free = search(design, loss, LAD), search(design, loss, FREE_SCALE)
    np.testing.assert_allclose(design.predict(lad.phi_MP[:1]), design.predict(free.phi_MP[:1]), atol=1e-6)
    loose = search(design, loss, huber(1e-2))
    size = lambda s: np.abs(design.predict(s.phi_MP[:1])[0] - np.log(loss)).sum()  # noqa: E731
    assert size(lad) < size(loose)
    # At its own scale the likelihood's slope in log(scale) is zero: n = sum psi(r/s) r/s.
    r, n, delta = np.abs(design.predict(free.phi_MP[:1])[0] - np.log(loss)), len(loss), 1e-3
    nll = lambda s: n * (np.log(s) + huber_log_normaliser(delta)) + huber(delta).rho(r / s).sum()  # noqa: E731
    scale = delta * r.mean()
    assert free.objective_M[0] == pytest.approx(min(nll(scale * x) for x in np.linspace(0.98, 1.02, 401)), rel=1e-7)


def test_flat_data_has_several_minima_or_says_one() -> None:
    """A table without a D effect must not crash the search, and its certificate must count what it found."""
    rng = np.random.default_rng(3)
    N, D = np.exp(rng.uniform(16, 22, 40)), np.exp(rng.uniform(20, 25, 40))
    inputs = Inputs(N, D, np.full(40, np.inf))
    design = LAWS["additive"].design(inputs, inputs.pivot())
    found = search(design, 3.0 * np.exp(0.01 * rng.standard_normal(40)))
    assert np.isfinite(found.objective_M).all()
    assert found.certificate().distinct_minima == len(found.phi_MP)


def test_the_map_of_a_large_table_is_made_on_a_part_and_polished_on_all(monkeypatch, grid: Grid) -> None:
    data = table_of(grid, {"all": TRUTH}, np.random.default_rng(0))
    design, loss = LAWS["additive"].design(data.inputs(), data.inputs().pivot()), data.loss
    whole = search(design, loss)
    monkeypatch.setattr("scaling_fit.law.search.MAP_ROWS", 24)
    part = search(design, loss)
    assert part.map_points == whole.map_points
    np.testing.assert_allclose(part.objective_M[0], whole.objective_M[0], rtol=1e-9)
