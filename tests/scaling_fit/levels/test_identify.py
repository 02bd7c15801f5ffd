"""Identifiability: quiet on a wide grid, flags where the data cannot tell."""

import numpy as np
import pytest

from scaling_fit.levels.compare import compare
from scaling_fit.levels.design import TRUTH, Grid, table_of
from scaling_fit.levels.identify import certificates, identifiability, sensitivity
from scaling_fit.levels.parameters import level_intervals


def test_a_wide_grid_has_no_flags(levels) -> None:
    whole = compare(levels, "raw", replicates=200)
    found = identifiability(whole, "worth", level_intervals(whole, "worth", 0.95))
    assert found.flags == ()
    assert found.prefactor_exponent_correlation > 0.99  # even here: quote them together
    assert 1 < found.condition < 1e5


def test_a_pure_power_law_shows_no_floor() -> None:
    grid, flagged = Grid((1e7, 1e8), tuple(np.geomspace(1e8, 1e9, 6)), seeds=2, row=0.003), 0
    for seed in range(8):
        table = table_of(grid, {"a": TRUTH | {"E": 1e-6, "A": 1e-6, "B": 50.0, "beta": 0.15}}, np.random.default_rng(seed))
        whole = compare(table, "a", replicates=100)
        flags = " ".join(identifiability(whole, "a", level_intervals(whole, "a", 0.95)).flags)
        flagged += "at its bound" in flags or "open below" in flags
    assert flagged >= 6


def test_certificates_name_every_group(levels) -> None:
    found = certificates(compare(levels, "raw", replicates=2))
    assert set(found) == {"raw", "worth", "steeper"}
    assert all(entry[0].distinct_minima == 1 and entry[0].map_points == 1024 for entry in found.values())


def test_sensitivity_has_a_row_per_objective(levels) -> None:
    whole = compare(levels, "raw", replicates=2)
    full, short = sensitivity(whole), sensitivity(whole, absolute=False)
    assert [len(full["raw"]), len(short["raw"])] == [4, 3]
    for row in full["steeper"]:
        assert row.parameters["beta"] == pytest.approx(0.416, abs=0.03), row.objective
