"""A table of our own, simulated from the law that Besiroglu et al. 2024 published, fitted as they fitted theirs.

It stands for the digitised table, which is not ours to distribute: tests of that table's own digits skip where it is missing.
"""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import huber, logsumexp

from scaling_fit.law.fit import fit
from scaling_fit.levels.design import TRUTH
from scaling_fit.settings import FitSettings

HOFFMANN = np.array([6.0073404, 6.0179186, 0.5267228, 0.33917084, 0.2849083])  # log A, log B, log E, alpha, beta


@pytest.fixture(scope="module")
def chinchilla() -> list[dict[str, float]]:
    """240 runs: 20 sizes by 12 budgets of FLOPs, the range of Chinchilla's, noise of log loss 0.004."""
    rng = np.random.default_rng(240)
    rows = []
    for N in np.geomspace(4.4e7, 1.6e10, 20):
        for C in np.geomspace(6e18, 3e21, 12):
            loss = TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * (C / (6 * N)) ** -TRUTH["beta"]
            rows.append({"N": N, "flops": C, "loss": loss * np.exp(0.004 * rng.standard_normal())})
    return rows


def test_the_huber_minimum_is_scipys_on_the_published_objective(chinchilla):
    N, C, L = (np.array([row[key] for row in chinchilla]) for key in ("N", "flops", "loss"))
    log_n, log_d, log_l = np.log(N), np.log(C / (6 * N)), np.log(L)

    def objective(p: np.ndarray) -> float:
        terms = np.stack([p[0] - p[3] * log_n, p[1] - p[4] * log_d, np.full(len(N), p[2])])
        return float(huber(1e-3, logsumexp(terms, axis=0) - log_l).sum())

    theirs = minimize(objective, HOFFMANN, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-16, "maxiter": 20_000})
    ours = fit(chinchilla, FitSettings(intervals="none"))
    assert ours.objective_value <= theirs.fun * (1 + 1e-9)
    values = ours.values()
    mine = [np.log(values["A"]), np.log(values["B"]), np.log(values["E"]), values["alpha"], values["beta"]]
    assert objective(np.array(mine)) == pytest.approx(ours.objective_value, rel=1e-9)
    np.testing.assert_allclose(mine, theirs.x, rtol=2e-3)


def test_the_published_law_is_within_its_intervals(chinchilla):
    rows = {row["parameter"]: row for row in fit(chinchilla, FitSettings(replicates=300, confidence=0.99)).table()}
    within = {name: rows[name]["low"] <= value <= rows[name]["high"] for name, value in TRUTH.items()}
    assert within == dict.fromkeys(TRUTH, True)
