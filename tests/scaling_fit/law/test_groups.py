"""Sharing patterns: what is shared is equal, what is free recovers its own truth, what is linear follows its covariate."""

import numpy as np
import pytest

from scaling_fit.law.groups import SHARED, Part, grouped, hold
from scaling_fit.law.laws import LAWS
from scaling_fit.law.objectives import LEAST_SQUARES
from scaling_fit.law.solve import solve
from scaling_fit.levels.design import TRUTH, table_of

LAW = LAWS["additive"]


@pytest.fixture(scope="module")
def quiet(grid):
    """Three levels without noise whose beta and ln B are linear in q = 0, 1, 2."""
    from dataclasses import replace

    truths = {f"q{q}": TRUTH | {"beta": TRUTH["beta"] + 0.02 * q, "B": TRUTH["B"] * np.exp(0.4 * q)} for q in range(3)}
    return table_of(replace(grid, row=1e-9, trunk=0.0), truths, np.random.default_rng(0)), truths


def test_everything_free_is_every_group_alone(quiet) -> None:
    table, truths = quiet
    laid = grouped(LAW, table, table.level, dict.fromkeys(LAW.names, "free"), baseline="q1")
    assert laid.groups[0] == "q1"
    theta = solve(laid.problem, laid.start()[None], tolerance=1e-14).theta_RP
    for level, truth in truths.items():
        np.testing.assert_allclose(laid.natural(theta, level)[0], [truth[k] for k in LAW.names], rtol=2e-3)


def test_linear_in_a_covariate_recovers_the_slopes(quiet) -> None:
    table, _ = quiet
    q = {"q0": 0.0, "q1": 1.0, "q2": 2.0}
    laid = grouped(LAW, table, table.level, {"beta": q, "B": q}, baseline="q0")
    assert laid.problem.n_parameters == 7
    theta = solve(laid.problem, laid.start()[None], tolerance=1e-14).theta_RP[0]
    assert theta[laid.column("beta", Part("slope"))] == pytest.approx(0.02, abs=1e-4)
    # ln B is linear in the plain logs; at the pivot its slope loses what beta's slope takes there.
    slope = theta[laid.column("B", Part("slope"))] + 0.02 * np.log(laid.pivot[1])
    assert slope == pytest.approx(0.4, abs=5e-3)


def test_shared_parameters_are_one_column(quiet) -> None:
    table, _ = quiet
    laid = grouped(LAW, table, table.level, {"B": "free"}, baseline="q0")
    assert [c for c in laid.columns if c[0] == "B"] == [("B", SHARED), *(("B", Part("difference", q)) for q in ("q1", "q2"))]
    assert sum(c[0] == "beta" for c in laid.columns) == 1
    assert hold(laid, ("beta",)).tolist() == [part == SHARED for _, part in laid.columns]
    assert hold(laid, ("B",)).all()


def test_search_over_groups_counts_minima(quiet) -> None:
    table, _ = quiet
    laid = grouped(LAW, table, table.level, dict.fromkeys(("B", "beta"), "free"), baseline="q0")
    found = laid.search(LEAST_SQUARES)
    assert found.objective_M[0] < 1e-9
    assert found.certificate().starts_polished >= 12


def test_a_wrong_parameter_is_named(quiet) -> None:
    with pytest.raises(ValueError, match=r"\['gamma'\], which law 'additive' does not have"):
        grouped(LAW, quiet[0], quiet[0].level, {"gamma": "free"}, baseline="q0")
