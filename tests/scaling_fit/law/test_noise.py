"""Two variances from one table: recovered on average, and carried into what is simulated."""

import numpy as np
import pytest

from scaling_fit.law.noise import Noise
from scaling_fit.levels.compare import compare, lay_out
from scaling_fit.levels.design import TRUTH, table_of


def test_planted_variances_are_recovered(grid) -> None:
    rng = np.random.default_rng(0)
    found = [compare(table_of(grid, {"a": TRUTH, "b": TRUTH}, rng), "a", replicates=2).noise for _ in range(25)]
    assert np.mean([n.row for n in found]) == pytest.approx(grid.row, rel=0.06)
    assert np.sqrt(np.mean([n.trunk**2 for n in found])) == pytest.approx(grid.trunk, rel=0.2)
    assert {n.n_trunks for n in found} == {12}


def test_rows_without_trunks_have_no_trunk_noise(grid) -> None:
    from dataclasses import replace

    table = table_of(replace(grid, trunk=0.0), {"a": TRUTH}, np.random.default_rng(1))
    alone = replace(table, trunk=np.array([f"row {k}" for k in range(len(table))], dtype=object))
    noise = compare(alone, "a", replicates=2).noise
    assert noise.trunk == 0.0
    assert noise.row == pytest.approx(grid.row, rel=0.35)


def test_simulated_noise_has_the_covariance_it_claims(grid) -> None:
    table = table_of(grid, {"a": TRUTH}, np.random.default_rng(2))
    laid, _, _ = lay_out(table, "a")
    trunks = laid.problem.trunks
    assert trunks is not None
    noise = Noise(0.002, 0.003, 50.0, 5.0, 6, 6.0, True)
    draws = noise.simulate(np.random.default_rng(3), 20000, trunks, certain=True)
    covariance = np.cov(draws.T)
    same = trunks.index_N[:, None] == trunks.index_N
    expected = 0.003**2 * same + 0.002**2 * np.eye(len(table))
    np.testing.assert_allclose(covariance, expected, atol=4e-7)


def test_uncertain_variances_widen_the_tails(grid) -> None:
    table = table_of(grid, {"a": TRUTH}, np.random.default_rng(2))
    trunks = lay_out(table, "a")[0].problem.trunks
    assert trunks is not None
    noise = Noise(0.002, 0.003, 50.0, 4.0, 6, 6.0, True)
    means = [
        np.add.reduceat(noise.simulate(np.random.default_rng(4), 20000, trunks, certain=c), trunks.starts_C, axis=1)[:, 0]
        for c in (True, False)
    ]
    certain, uncertain = (np.quantile(np.abs(m), 0.99) for m in means)
    assert uncertain > 1.3 * certain  # t with 4 degrees of freedom: 4.6 against 2.6 standard deviations
