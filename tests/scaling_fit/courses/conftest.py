"""A table of runs on levels and courses whose truth is known."""

import numpy as np
import pytest

from scaling_fit.law.laws import LAWS, Inputs
from scaling_fit.observations import Observations, observations

SIZES, TOKENS, SEEDS = (2e5, 8e5), tuple(np.geomspace(1e6, 1.6e7, 5)), 3
TRUTH = {"E": 2.2, "A": 60.0, "B": 300.0, "alpha": 0.30, "beta": 0.36}


def table(factors: dict, *, sets=("heldout", "domain:code"), unique=None, r_star=4.0, noise=0.001, seed=0) -> Observations:
    """Runs whose loss is the law's times the factor of each name, a number or a function of (set, D); `unique`: tokens of the
    names whose data repeat, worth less by `r_star`."""
    rng, rows = np.random.default_rng(seed), []
    law, unique = LAWS["repetition"], unique or {}
    for name, factor in factors.items():
        for N in SIZES:
            for s in range(SEEDS):
                for D in TOKENS:
                    U = unique.get(name, np.inf)
                    inputs = Inputs(np.array([N]), np.array([D]), np.array([U]))
                    phi = law.solver(TRUTH | {"R_star": r_star}, inputs.pivot())
                    loss = float(np.exp(law.design(inputs, inputs.pivot()).predict(phi[None])[0, 0]))
                    luck = noise * rng.standard_normal()
                    for on in sets:
                        times = factor(on, D) if callable(factor) else factor
                        rows.append(
                            {
                                "level": name, "params": N, "shape": f"{N:g}", "seed": str(s), "trunk": f"{name}/{N:g}/{s}",
                                "tokens": D, "unique_tokens": U if np.isfinite(U) else 1e12, "eval_set": on,
                                "loss": loss * times * np.exp(luck),
                            }
                        )  # fmt: skip
    return observations({key: [row[key] for row in rows] for key in rows[0]}, columns={"N": "params"})


@pytest.fixture(scope="session")
def planted():
    return table
